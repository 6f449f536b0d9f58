import Foundation
import Testing

@testable import E3Converter

/// A folder that goes with the object.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/e3-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  subscript(name: String) -> String { "\(path)/\(name)" }

  /// Writes `bytes` to the file `name`, in folders that are made for it, and returns its path.
  @discardableResult
  func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
    let url = URL(fileURLWithPath: self[name])
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
    return url.path
  }

  /// Packs a model with random weights for the configuration `text`: `NAME.e3` beside `NAME.safetensors` and
  /// `NAME.json`.
  func packModel(_ text: String, as name: String, seed: UInt64 = 1) throws -> String {
    let config = try write(Array(text.utf8), to: "\(name).json")
    try writeRandomWeights(config: config, output: self["\(name).safetensors"], seed: seed)
    try pack(checkpoint: self["\(name).safetensors"], config: config, output: self["\(name).e3"])
    return self["\(name).e3"]
  }
}

/// Configurations of small models.
enum SampleConfig {
  /// Three members of four experts each in two of three blocks, two of them chosen; grey pictures of 12 x 12; 5 classes.
  static let ensemble = """
    {"name":"VisionTransformerMoeEnsemble","image_size":[12,12],"channels":1,"num_classes":5,"patch_size":[4,4],
     "hidden_size":16,"classifier":"token","encoder":{"num_layers":3,"num_heads":2,"mlp_dim":24,
     "moe":{"num_experts":12,"layers":[0,2],"ensemble_size":3,"group_size":30,
      "router":{"num_selected_experts":2,"dispatcher":{"name":"einsum","capacity_factor":2.0}}}}}
    """

  /// A dense model of the same task.
  static let dense = """
    {"name":"VisionTransformerMoe","image_size":[12,12],"channels":1,"num_classes":5,"patch_size":[4,4],
     "hidden_size":16,"classifier":"gap","encoder":{"num_layers":2,"num_heads":2,"mlp_dim":24}}
    """
}

/// Reproducible bytes.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed
  return (0..<count).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return UInt8(state >> 56)
  }
}

/// An IDX file of bytes.
func idx(_ shape: [UInt32], _ elements: [UInt8]) -> [UInt8] {
  [0, 0, 8, UInt8(shape.count)] + shape.flatMap { value in withUnsafeBytes(of: value.bigEndian) { Array($0) } }
    + elements
}

/// A `.npy` file of bytes.
func npy(_ shape: [Int], _ elements: [UInt8]) -> [UInt8] {
  let extents = shape.map { "\($0)," }.joined()
  let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(extents)), }\n"
  return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + elements
}

/// What a run of a command left behind.
struct Outcome {
  let status: Int32
  let output: String
  let errors: String

  /// Every line of standard output as a JSON object.
  var objects: [[String: Any]] {
    get throws {
      try output.split(separator: "\n").map {
        try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
      }
    }
  }

  /// The only object of standard output.
  var object: [String: Any] { get throws { try #require(objects.first, "\(errors)") } }
}

/// Runs a command that was built beside the tests.
func run(_ command: String, _ arguments: [String]) throws -> Outcome {
  let folder = try TemporaryFolder()
  let process = Process()
  process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    .appendingPathComponent(command)
  process.arguments = arguments
  // Files instead of pipes: a full pipe would block the command.
  let (output, errors) = (try folder.write([], to: "stdout"), try folder.write([], to: "stderr"))
  process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
  process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
  try process.run()
  process.waitUntilExit()
  return Outcome(
    status: process.terminationStatus,
    output: String(decoding: try Data(contentsOf: URL(fileURLWithPath: output)), as: UTF8.self),
    errors: String(decoding: try Data(contentsOf: URL(fileURLWithPath: errors)), as: UTF8.self))
}

/// The package's root.
let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// A file in `Data`.
func dataPath(_ name: String) -> String {
  packageRoot.appendingPathComponent("Tests/E3EvaluationTests/Data/\(name)").path
}
