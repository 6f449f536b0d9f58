import E3
import E3Checkpoint
import E3Converter
import E3DataSets
import E3Models
import E3TestSupport
import Foundation

extension TemporaryFolder {
  /// Packs the sample model with random weights; returns its path.
  func packModel(weights: WeightBits = WeightBits()) throws -> String {
    let config = try write(sampleConfig, to: "config.json")
    try writeRandomWeights(config: config, output: self["random.safetensors"], seed: 3)
    try pack(
      checkpoint: self["random.safetensors"], config: config, output: self["model.e3"],
      options: PackOptions(weights: weights))
    return self["model.e3"]
  }

  /// `count` random pictures of the sample model's size, and labels drawn from what the model says of them when its
  /// mean is tempered: a world in which `temperature` is the true one. Returns the paths of images and labels.
  func world(_ name: String, model: String, count: Int, temperature: Double, seed: UInt64) throws -> DataSet {
    var random = SplitMix(state: seed)
    let pixels = (0..<count * 8 * 8).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let images = try write(idx([UInt32(count), 8, 8], pixels), to: "\(name)-images")
    let data = try DataSet(path: images)
    var session = try ModelSession(MappedModel(path: model))
    var labels: [UInt8] = []
    for index in 0..<count {
      let answer = try session.run(data.image(at: index), name: "image")
      let probabilities = StoredAnswer(answer).probabilities
      let powers = (0..<sampleClasses).map { pow(Double(probabilities[$0]), 1 / temperature) }
      var rest = Double(random.next() >> 11) / Double(1 << 53) * powers.reduce(0, +)
      var label = 0
      while label < sampleClasses - 1, rest >= powers[label] {
        rest -= powers[label]
        label += 1
      }
      labels.append(UInt8(label))
    }
    return try DataSet(path: images, labels: write(idx([UInt32(count)], labels), to: "\(name)-labels"))
  }
}

let sampleClasses = 5

/// Two members of two experts; grey pictures of 8 x 8; 5 classes; the head reads 16 values.
let sampleConfig = """
  {"name":"VisionTransformerMoeEnsemble","image_size":[8,8],"channels":1,"num_classes":5,"patch_size":[4,4],
   "hidden_size":16,"classifier":"token","encoder":{"num_layers":2,"num_heads":2,"mlp_dim":16,
   "moe":{"num_experts":4,"layers":[1],"ensemble_size":2,"group_size":10,
    "router":{"num_selected_experts":1,"dispatcher":{"name":"einsum","capacity_factor":2.0}}}}}
  """
