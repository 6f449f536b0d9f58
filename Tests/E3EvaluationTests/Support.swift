import E3TestSupport
import Foundation
@testable import E3Checkpoint
@testable import E3Converter

extension TemporaryFolder {
  /// Packs a model with random weights for the configuration `text`: `NAME.e3` beside `NAME.safetensors` and
  /// `NAME.json`.
  func packModel(
    _ text: String, as name: String, seed: UInt64 = 1, options: PackOptions = PackOptions()
  ) throws -> String {
    let config = try write(text, to: "\(name).json")
    try writeRandomWeights(config: config, output: self["\(name).safetensors"], seed: seed)
    try pack(checkpoint: self["\(name).safetensors"], config: config, output: self["\(name).e3"], options: options)
    return self["\(name).e3"]
  }
}

/// Configurations of small models.
enum SampleConfig {
  /// Three members of four experts each in two of three blocks, two of them chosen; grey pictures of 12 x 12; 5
  /// classes.
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

/// A file in `Data`.
func dataPath(_ name: String) -> String {
  packageRoot.appendingPathComponent("Tests/E3EvaluationTests/Data/\(name)").path
}
