// swift-tools-version: 6.1
import PackageDescription

// Modules stand in floors: a target may depend only on targets above it in this list. Each names all
// that it imports: SwiftPM builds a module again only when one that it names has changed.
let package = Package(
  name: "Martlet",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "Martlet", targets: ["Martlet"]),
    .library(name: "MartletData", targets: ["MartletData"]),
    .library(name: "MartletONNX", targets: ["MartletONNX"]),
    // What libmartlet.so is linked from (`make lib`): stock libtcc.a cannot go into a dynamic product.
    .library(name: "MartletC", type: .static, targets: ["MartletC"]),
    .library(name: "MartletCONNX", type: .static, targets: ["MartletCONNX"]),
    .executable(name: "martlet", targets: ["MartletCLI"]),
    .plugin(name: "MartletModels", targets: ["MartletModels"]),
    .plugin(name: "CompileModel", targets: ["CompileModel"]),
    // Readers of foreign files with an entry for libFuzzer; scripts/fuzz links it.
    .library(name: "MartletFuzz", type: .static, targets: ["MartletFuzz"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
  ],
  targets: [
    // C: the kernel runtime, and the one place that sees libtcc.
    .target(name: "CMartletRuntime", path: "Runtime", exclude: ["tests", "export", "Makefile"]),
    // The same sources as bytes: exported programs carry what they use of them.
    .target(name: "CMartletSources"),
    .target(name: "CTinyCC", linkerSettings: [.linkedLibrary("tcc"), .linkedLibrary("dl")]),

    // The compiler, ground floor first.
    .target(name: "MartletIR"),
    .target(name: "MartletLoops", dependencies: ["MartletIR"]),
    .target(name: "MartletOps", dependencies: ["MartletIR", "MartletLoops"]),
    .target(name: "MartletPasses", dependencies: ["MartletIR", "MartletLoops", "MartletOps"]),
    .target(name: "MartletCodegen", dependencies: ["MartletIR", "MartletLoops"]),
    .target(
      name: "MartletJIT",
      dependencies: ["MartletLoops", "CTinyCC", "CMartletRuntime", "MartletCodegen"]),
    .target(name: "CMartletFiles"),
    .target(
      name: "MartletExecution",
      dependencies: [
        "MartletIR", "MartletLoops", "MartletOps", "MartletCodegen", "CMartletRuntime",
        "CMartletFiles", "MartletJIT", "MartletPasses",
      ]),
    .target(
      name: "MartletNN",
      dependencies: ["MartletIR", "MartletOps", "MartletPasses", "MartletExecution"]),
    .target(
      name: "MartletTraining",
      dependencies: ["MartletIR", "MartletOps", "MartletExecution", "MartletNN"]),
    .target(
      name: "Martlet",
      dependencies: [
        "MartletIR", "MartletOps", "MartletPasses", "MartletExecution", "MartletNN",
        "MartletTraining",
      ]),

    // Recipes as trees that are checked, and the models that they describe; no file of data is read.
    .target(
      name: "MartletRecipeModels",
      dependencies: ["MartletIR", "MartletOps", "MartletExecution", "MartletNN", "MartletTraining"]),

    // The C library: handles and the header in C, the functions in Swift.
    .target(name: "CMartlet"),
    .target(
      name: "MartletC",
      dependencies: [
        "CMartlet", "MartletIR", "MartletOps", "MartletExecution", "MartletNN",
        "MartletRecipeModels",
      ]),

    .target(
      name: "MartletExport",
      dependencies: [
        "MartletIR", "MartletLoops", "MartletCodegen", "MartletJIT", "MartletExecution",
        "CMartletRuntime", "CMartletSources",
      ]),

    // Data sets and images: the only part that links zlib, libpng and libjpeg.
    .systemLibrary(
      name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"]), .brew(["libpng"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    // The C frame that libjpeg's longjmps end in.
    .target(name: "CJPEG", linkerSettings: [.linkedLibrary("jpeg")]),
    .target(name: "CMartletDigits", exclude: ["data"]),
    .target(name: "CMartletClassics", exclude: ["data"]),
    .target(
      name: "MartletData",
      dependencies: [
        "MartletIR", "MartletExecution",
        "MartletTraining", "CMartletDigits", "CMartletClassics", "CJPEG", "CPNG", "CZlib",
      ]),
    .target(
      name: "MartletRecipes",
      dependencies: [
        "MartletIR", "MartletOps", "MartletExecution", "MartletNN", "MartletTraining",
        "MartletRecipeModels", "MartletData", .product(name: "Yams", package: "Yams"),
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      exclude: ["Events/tensorboard.proto"],
      resources: [.embedInCode("BuiltIn")]),

    // What `martlet train` makes of texts and series: character models, classifiers, forecasts.
    .target(
      name: "MartletPrograms",
      dependencies: [
        "MartletIR", "MartletOps", "MartletExecution", "MartletNN", "MartletTraining",
        "MartletData", "MartletRecipes",
      ]),

    // ONNX files; the messages are a module of their own, because they take long to compile.
    .target(
      name: "MartletONNXFormat",
      dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
      exclude: ["onnx.proto"]),
    .target(
      name: "MartletONNX",
      dependencies: [
        "MartletIR", "MartletOps", "MartletPasses", "MartletExecution", "MartletNN",
        "MartletONNXFormat",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),

    // .onnx for the C library.
    .target(
      name: "MartletCONNX",
      dependencies: ["MartletIR", "MartletExecution", "MartletONNX", "MartletC"]),

    // Writes a Swift type for a model file; for the plugins, which packages with models use. They
    // depend on nothing else: what a plugin depends on is compiled once more, for the host.
    .executableTarget(name: "MartletInterfaces"),
    .plugin(
      name: "MartletModels", capability: .buildTool(), dependencies: ["MartletInterfaces"]),
    .plugin(
      name: "CompileModel",
      capability: .command(
        intent: .custom(
          verb: "compile-model",
          description: "Write a model as a C target with a Swift class over it."),
        permissions: [
          .writeToPackageDirectory(reason: "The model becomes two targets of your package.")
        ]),
      dependencies: ["MartletInterfaces"]),

    // What `martlet bench` runs; exported programs are tested with the same.
    .target(name: "MartletWorkloads", dependencies: ["Martlet"]),

    .executableTarget(
      name: "MartletCLI",
      dependencies: [
        "MartletWorkloads", "MartletONNX", "MartletPasses",
        "MartletExecution", "MartletTraining",
        "CMartletRuntime", "MartletIR", "MartletLoops", "MartletJIT", "Martlet", "MartletData",
        "MartletRecipes", "MartletPrograms", "MartletExport", "MartletNN",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // The README's example, so that it compiles as it stands.
    .executableTarget(
      name: "Digits", dependencies: ["Martlet", "MartletData"], path: "Examples/Digits"),

    // A contact sheet of augmentations, to look at.
    .executableTarget(
      name: "Augment", dependencies: ["Martlet", "MartletData"], path: "Examples/Augment"),

    // Ten training steps for Benchmarks/compare/compare.py to repeat; no product.
    .executableTarget(
      name: "MartletCompare",
      dependencies: ["MartletOps", "MartletPasses", "Martlet", "MartletData"],
      path: "Benchmarks/compare",
      exclude: [
        "compare.py", "fashion.py", "functions.py", "recipes.py", "rules.py", "text.py",
        "text_steps.py",
      ]),

    .target(
      name: "MartletTestSupport",
      dependencies: ["MartletIR", "MartletOps", "MartletPasses", "MartletExecution", "MartletNN"],
      path: "Tests/MartletTestSupport"),
    .testTarget(name: "IRTests", dependencies: ["MartletIR"]),
    .testTarget(name: "JITTests", dependencies: ["MartletJIT"]),
    .testTarget(
      name: "CodegenTests",
      dependencies: [
        "MartletIR", "MartletLoops", "CMartletRuntime", "MartletCodegen", "MartletJIT",
      ],
      exclude: ["Goldens"]),
    .testTarget(
      name: "OpConformanceTests",
      dependencies: [
        "MartletIR", "MartletOps", "MartletPasses", "MartletJIT", "MartletExecution",
        "MartletTestSupport",
      ], exclude: ["Fixtures"]),
    .testTarget(
      name: "CompositeTests",
      dependencies: [
        "MartletIR", "MartletOps", "MartletPasses", "MartletExecution", "MartletTestSupport",
      ], exclude: ["Fixtures"]),
    .testTarget(name: "FeatureTests", dependencies: ["MartletOps"]),
    .testTarget(
      name: "PassTests",
      dependencies: [
        "MartletIR", "MartletLoops", "MartletOps", "MartletPasses", "MartletTestSupport",
      ]),
    .testTarget(
      name: "ExecutionTests",
      dependencies: [
        "MartletIR", "MartletLoops", "MartletOps", "MartletPasses", "MartletJIT",
        "MartletExecution", "MartletNN", "MartletTestSupport",
      ]),
    .testTarget(
      name: "ExportTests",
      dependencies: [
        "MartletIR", "MartletCodegen", "MartletExecution", "MartletExport", "MartletJIT",
        "MartletNN", "MartletOps", "MartletWorkloads", "MartletONNX", "MartletONNXFormat",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ], exclude: ["C"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "MartletIR", "MartletOps", "MartletPasses", "MartletJIT", "MartletExecution", "MartletNN",
        "MartletTestSupport",
      ], exclude: ["Fixtures"]),
    .testTarget(
      name: "TrainerTests",
      dependencies: [
        "MartletIR", "MartletOps", "MartletExecution", "MartletNN", "MartletTraining",
      ], exclude: ["Fixtures"]),
    .testTarget(
      name: "DocumentTests", dependencies: ["Martlet", "MartletData", "MartletONNX"]),
    .testTarget(
      name: "DataTests",
      dependencies: ["MartletData", "MartletTraining", "MartletExecution", "MartletIR"],
      exclude: ["Fixtures"]),
    .target(
      name: "MartletFuzz",
      dependencies: ["MartletIR", "MartletOps", "MartletExecution", "MartletONNX"],
      path: "Tests/MartletFuzz", exclude: ["corpus"]),
    .testTarget(
      name: "ONNXTests",
      dependencies: [
        "MartletIR", "MartletOps", "MartletPasses", "MartletExecution", "MartletNN", "MartletONNX",
        "MartletONNXFormat", "MartletFuzz", "MartletTestSupport",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ], exclude: ["Fixtures"]),
    .testTarget(
      name: "RecipeTests",
      dependencies: [
        "MartletIR", "MartletExecution", "MartletNN", "MartletTraining", "MartletData",
        "MartletRecipes",
      ], exclude: ["Fixtures"]),
    .testTarget(
      name: "ProgramTests",
      dependencies: [
        "MartletIR", "MartletOps", "MartletExecution", "MartletNN", "MartletTraining",
        "MartletData",
        "MartletPrograms", "MartletTestSupport",
      ]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)
