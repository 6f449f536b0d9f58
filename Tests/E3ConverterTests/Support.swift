import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint
@testable import E3Format

/// Configuration texts of small models for `random`.
enum SampleConfig {
  /// An ensemble with odd sizes: two of three blocks have experts, heads of 5 values, 3 x 2 patches of 4 x 6 pixels.
  static let ensemble = """
    {"name":"VisionTransformerMoeEnsemble","image_size":[12,13],"num_classes":5,"patch_size":[4,6],"hidden_size":15,
     "classifier":"token","representation_size":9,"encoder":{"num_layers":3,"num_heads":3,"mlp_dim":21,
     "moe":{"num_experts":6,"layers":[0,2],"ensemble_size":3,"group_size":21,
      "router":{"num_selected_experts":2,"dispatcher":{"name":"einsum","capacity_factor":1.0,"batch_priority":true}}}}}
    """

  /// A grey model with map pooling, normalised queries and keys and fixed positions.
  static let map = """
    {"name":"VisionTransformerMoe","image_size":[8,8],"channels":1,"num_classes":3,"patch_size":[4,4],"hidden_size":12,
     "classifier":"map","representation_size":null,"encoder":{"num_layers":2,"num_heads":2,"mlp_dim":16,
     "attention_qk_norm":true,"position_emb":{"name":"sincos2d"}}}
    """
}

extension TemporaryFolder {
  /// Writes random weights for the configuration `text`; returns checkpoint and configuration.
  func randomModel(_ text: String, seed: UInt64 = 1) throws -> (checkpoint: String, config: String) {
    let config = try write(text, to: "config.json")
    try writeRandomWeights(config: config, output: self["random.safetensors"], seed: seed)
    return (self["random.safetensors"], config)
  }

  /// Copies the checkpoint with edits: `edit` may change values, rename (nil: drop) and reshape each tensor.
  func editedCheckpoint(
    _ path: String, as name: String = "edited.safetensors", adding: [(String, [Int])] = [],
    edit: (inout String?, inout [Int], inout [Float]) -> Void
  ) throws -> String {
    let checkpoint = try Checkpoint(path: path)
    var tensors: [(name: String, shape: [Int])] = []
    var contents: [[Float]] = []
    for tensor in checkpoint.tensorNames {
      var newName: String? = tensor
      var shape = try #require(checkpoint.shape(of: tensor))
      var values = try checkpoint.read(tensor)
      edit(&newName, &shape, &values)
      guard let newName else { continue }
      tensors.append((newName, shape))
      contents.append(values)
    }
    for (tensor, shape) in adding {
      tensors.append((tensor, shape))
      contents.append([Float](repeating: 0, count: shape.reduce(1, *)))
    }
    let writer = try SafetensorsWriter(path: self[name], tensors: tensors)
    for values in contents { try writer.append(values) }
    try writer.finish()
    return self[name]
  }
}
