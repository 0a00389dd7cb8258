// swift-tools-version: 6.1
import PackageDescription

// What a user of Martlet writes. Tests/package/run.sh puts the repository's place for MARTLET_URL.
let package = Package(
  name: "App",
  platforms: [.macOS(.v15)],
  dependencies: [.package(url: "MARTLET_URL", from: "9.9.0")],
  targets: [
    .executableTarget(
      name: "App",
      dependencies: [
        .product(name: "Martlet", package: "martlet"),
        .product(name: "MartletONNX", package: "martlet"),
      ],
      resources: [.copy("Digits.martlet"), .copy("Convolution.onnx")],
      plugins: [.plugin(name: "MartletModels", package: "martlet")])
    // compile-model
  ]
)
