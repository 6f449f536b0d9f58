// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "classify",
  dependencies: [.package(name: "e3", path: "../../..")],
  targets: [
    .executableTarget(name: "classify", dependencies: [.product(name: "E3", package: "e3")])
  ]
)
