// swift-tools-version: 6.2
import PackageDescription

// Elsewhere: .package(url: "https://…/e3", from: "1.0.0")
let package = Package(
  name: "examples",
  dependencies: [.package(name: "e3", path: "../../..")],
  targets: [
    // A program for a computer with an operating system.
    .executableTarget(name: "classify", dependencies: [.product(name: "E3", package: "e3")]),
    // The same for a board, in Embedded Swift without allocation: called from C, which owns the memory.
    .target(name: "BoardClassifier", dependencies: [.product(name: "E3", package: "e3")]),
    .executableTarget(name: "board", dependencies: ["BoardClassifier"]),
  ]
)
