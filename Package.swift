// swift-tools-version: 6.2
import PackageDescription

// Modules that also build for the board: Embedded Swift, no allocations (tools/cross/build).
let board: [Target] = [
  .target(name: "CE3"),
  .target(
    name: "CE3Kernels", dependencies: ["CE3"], exclude: ["KERNELS.md", "arm/ARM.md"], cSettings: kernelFlags),
  .target(name: "CE3Threads", linkerSettings: [.linkedLibrary("pthread")]),
  .target(name: "CE3Files"),
  .target(
    name: "CE3Signature", cSettings: hasLibraries ? [] : [.define("CE3_NO_SIGNATURES")],
    linkerSettings: hasLibraries ? [.linkedLibrary("sodium")] : []),
  .target(
    name: "CE3Board", dependencies: ["CE3Files", "CE3Signature", "CE3Threads"],
    cSettings: [.unsafeFlags(["-Oz"], .when(configuration: .release))]),
  .target(
    name: "E3Format", dependencies: ["CE3"], exclude: ["CLASSES.md", "FORMAT.md"],
    swiftSettings: implementsC + optimised),
  .target(
    name: "E3Runtime", dependencies: ["CE3", "CE3Kernels", "CE3Threads", "E3Format"],
    swiftSettings: implementsC + optimised),
  .target(name: "E3", dependencies: ["CE3", "CE3Files", "E3Format", "E3Runtime"], swiftSettings: tiesLifetimes),
  .target(
    name: "CE3Pictures", cSettings: hasLibraries ? [] : [.define("E3P_NO_JPEG_PNG")],
    linkerSettings: hasLibraries
      ? [.linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("z"), .linkedLibrary("m")] : []),
  .target(
    name: "E3Commands",
    dependencies: [
      "CE3", "CE3Board", "CE3Files", "CE3Kernels", "CE3Pictures", "CE3Threads", "E3Format", "E3Runtime",
    ],
    swiftSettings: implementsC + [.unsafeFlags(["-Osize"], .when(configuration: .release))]),
  .executableTarget(name: "e3-run", dependencies: ["CE3Board", "E3Commands"]),
  .executableTarget(name: "e3-bench", dependencies: ["CE3Board", "E3Commands"]),
]

let host: [Target] = [
  .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
  .target(name: "E3Host", dependencies: ["CE3Files", "CZlib"], swiftSettings: optimised),
  .target(name: "E3Checkpoint", dependencies: ["CZlib", "E3Host"], swiftSettings: optimised),
  .target(name: "CE3Float", cSettings: optimisedC),
  .target(name: "E3Reference", dependencies: ["CE3Float", "E3Checkpoint", "E3Host"], swiftSettings: optimised),
  .target(name: "E3DataSets", dependencies: ["CE3Pictures", "E3Host"]),
  .target(
    name: "E3Models", dependencies: ["CE3", "CE3Signature", "E3", "E3DataSets", "E3Format", "E3Host"],
    swiftSettings: tiesLifetimes),
  .target(
    name: "E3Converter",
    dependencies: [
      "CE3", "CE3Float", "CE3Kernels", "E3Checkpoint", "E3DataSets", "E3Format", "E3Host", "E3Models", "E3Reference",
    ], swiftSettings: optimised),
  .target(name: "CE3JPEG", linkerSettings: [.linkedLibrary("jpeg")]),
  .target(name: "E3Metrics"),
  .target(
    name: "E3Evaluation",
    dependencies: [
      "CE3JPEG", "E3", "E3Checkpoint", "E3DataSets", "E3Format", "E3Host", "E3Metrics", "E3Models", "E3Reference",
    ], exclude: ["EVALUATION.md"]),
  .target(
    name: "E3Calibration",
    dependencies: ["CE3", "CE3Kernels", "E3", "E3DataSets", "E3Format", "E3Host", "E3Metrics", "E3Models"],
    swiftSettings: optimised),
  .executableTarget(
    name: "e3-convert",
    dependencies: [
      "E3Calibration", "E3Checkpoint", "E3Converter", "E3DataSets", "E3Evaluation", "E3Host", "E3Models",
      "E3Reference", .product(name: "ArgumentParser", package: "swift-argument-parser"),
    ]),
  .executableTarget(
    name: "e3-eval",
    dependencies: [
      "E3Checkpoint", "E3DataSets", "E3Evaluation", "E3Host", "E3Models", "E3Reference",
      .product(name: "ArgumentParser", package: "swift-argument-parser"),
    ]),
]

let tests: [Target] = [
  .target(name: "CE3TestSupport", dependencies: ["CE3Kernels"], path: "Tests/CE3TestSupport"),
  .target(name: "E3Goldens", path: "Tests/E3Goldens", exclude: ["Data", "Libraries", "generate.py"]),
  .target(name: "E3TestSupport", dependencies: ["CE3", "CZlib", "E3Format", "E3Host"], path: "Tests/E3TestSupport"),
  .testTarget(name: "E3Tests", dependencies: ["E3", "E3TestSupport"]),
  .testTarget(name: "CE3KernelsTests", dependencies: ["CE3", "CE3Kernels", "E3TestSupport"]),
  .testTarget(name: "E3HostTests", dependencies: ["E3Host", "E3TestSupport"]),
  .testTarget(
    name: "E3CheckpointTests", dependencies: ["E3Checkpoint", "E3Goldens", "E3Host", "E3TestSupport"]),
  .testTarget(
    name: "E3CalibrationTests",
    dependencies: [
      "CE3", "E3Calibration", "E3Checkpoint", "E3Converter", "E3DataSets", "E3Evaluation", "E3Format", "E3Host",
      "E3Metrics", "E3Models", "E3TestSupport", "e3-convert",
    ]),
  .testTarget(name: "E3DataSetsTests", dependencies: ["CZlib", "E3DataSets", "E3Host", "E3TestSupport"]),
  .testTarget(
    name: "E3ReferenceTests",
    dependencies: ["CE3Float", "E3Checkpoint", "E3Goldens", "E3Host", "E3Reference", "E3TestSupport"]),
  .testTarget(name: "E3FormatTests", dependencies: ["CE3", "E3Format", "E3TestSupport"]),
  .testTarget(
    name: "E3ConverterTests",
    dependencies: [
      "E3Checkpoint", "E3Converter", "E3Evaluation", "E3Format", "E3Goldens", "E3Host", "E3Models", "E3Reference",
      "E3TestSupport", "e3-convert",
    ]),
  .testTarget(
    name: "E3EvaluationTests",
    dependencies: [
      "CE3", "E3Checkpoint", "E3Converter", "E3DataSets", "E3Evaluation", "E3Host", "E3Models", "E3TestSupport",
      "e3-eval", "e3-run",
    ],
    exclude: ["Data"]),
  .testTarget(
    name: "E3HelpTests", dependencies: ["E3TestSupport", "e3-bench", "e3-convert", "e3-eval", "e3-run"],
    exclude: ["Help"]),
  .testTarget(name: "E3MetricsTests", dependencies: ["E3Metrics"], exclude: ["Data"]),
  .testTarget(
    name: "E3RunTests",
    dependencies: [
      "CE3", "CE3Board", "CE3Pictures", "CZlib", "E3Checkpoint", "E3Converter", "E3DataSets", "E3Format", "E3Host",
      "E3Models", "E3Runtime", "E3TestSupport", "e3-run",
    ],
    exclude: ["Data"]),
  .testTarget(
    name: "E3RuntimeTests",
    dependencies: [
      "CE3", "CE3Kernels", "CE3TestSupport", "CE3Threads", "E3Format", "E3Goldens", "E3Runtime", "E3TestSupport",
    ],
    exclude: ["Preprocessing/Data"]),
]

/// What libFuzzer feeds with damaged bytes, and the files that it begins with; only `tools/fuzz/run` builds them.
let isFuzzed = Context.environment["E3_FUZZ"] != nil
let fuzzed: [Target] = [
  .target(
    name: "E3Fuzz", dependencies: ["E3", "E3Checkpoint", "E3Commands", "E3DataSets", "E3Host"],
    path: "tools/fuzz/readers"),
  .executableTarget(name: "E3FuzzSeeds", dependencies: ["E3Runtime", "E3TestSupport"], path: "tools/fuzz/seeds"),
]

let package = Package(
  name: "e3",
  products: [
    .executable(name: "e3-convert", targets: ["e3-convert"]),
    .executable(name: "e3-eval", targets: ["e3-eval"]),
    .executable(name: "e3-run", targets: ["e3-run"]),
    .executable(name: "e3-bench", targets: ["e3-bench"]),
    .library(name: "E3", type: .static, targets: ["E3"]),
  ] + (isFuzzed ? [.library(name: "E3Fuzz", type: .static, targets: ["E3Fuzz"])] : []),
  dependencies: [
    // Exactly this version, so that the same sources give the same program everywhere. There is no other dependency.
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")
  ],
  targets: board + host + tests + (isFuzzed ? fuzzed : [])
)

/// `@c @implementation` functions against `e3.h`.
var implementsC: [SwiftSetting] {
  [.enableExperimentalFeature("CImplementation"), .enableExperimentalFeature("Extern")]
}

/// Views that the compiler keeps from outliving what they look into.
var tiesLifetimes: [SwiftSetting] { [.enableExperimentalFeature("Lifetimes")] }

/// Kernels are optimised in debug builds as well, and so are the Swift modules that tests put through most: theirs take a
/// third of the time then. SwiftPM takes such flags from no dependency but one by path, and keeps the others in folders
/// called `checkouts`: there a debug build is slow, as every other debug build.
var kernelFlags: [CSetting] { [.headerSearchPath(".")] + optimisedC }
var optimisedC: [CSetting] { isDependency ? [] : [.unsafeFlags(["-O2"], .when(configuration: .debug))] }
var optimised: [SwiftSetting] { isDependency ? [] : [.unsafeFlags(["-O"], .when(configuration: .debug))] }
var isDependency: Bool { Context.packageDirectory.contains("/checkouts/") }

/// False for commands without JPEG, PNG and signatures, and without the libraries behind them
/// (`tools/cross/build --no-pictures`).
var hasLibraries: Bool { Context.environment["E3_PICTURES"] != "none" }
