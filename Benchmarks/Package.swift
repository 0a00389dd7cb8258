// swift-tools-version: 6.1
import PackageDescription

// A package of its own: it sees what users see, the public API, and proves that another package can
// depend on Martlet.
let package = Package(
  name: "MartletBenchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "Martlet", path: "..")],
  targets: [
    .executableTarget(
      name: "MartletBenchmarks", dependencies: [.product(name: "Martlet", package: "Martlet")])
  ],
  swiftLanguageModes: [.v6]
)
