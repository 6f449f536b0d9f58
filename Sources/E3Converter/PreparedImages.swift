import E3DataSets
import E3Format
import E3Host
import E3Models

/// Images as a network of `shape` sees them, spread evenly over a data set.
struct PreparedImages {
  let count: Int
  /// `[N][height][width][channels]`
  let values: [Float]
  /// Whether they are drawn: unlike what the model will see.
  let areDrawn: Bool
  /// What the caller may not have meant, in lines.
  let remarks: [String]

  /// Drawn pictures: ``DrawnPictures``.
  init(drawn count: Int, shape: ModelShape, scratch: String) throws(FileError) {
    (self.count, areDrawn, remarks) = (count, true, [])
    var pictures = DrawnPictures(height: shape.imageHeight, width: shape.imageWidth, channels: shape.channels)
    values = try withRecipe(of: shape, scratch: scratch) { (model) throws(FileError) in
      var session = try ModelSession(model)
      var values: [Float] = []
      for number in 0..<count { values += try session.prepared(.picture(pictures.next()), name: "picture \(number)") }
      return values
    }
  }

  /// - Parameters:
  ///   - count: How many to take at most.
  ///   - scratch: Path beside which a file may be made for the time being.
  /// - Throws: a data set that cannot be read; values that are no pixels of the model.
  init(_ path: String, count limit: Int, shape: ModelShape, scratch: String) throws(FileError) {
    let data = try DataSet(path: path)
    let count = min(limit, data.count)
    (self.count, areDrawn) = (count, false)
    values = try withRecipe(of: shape, scratch: scratch) { (model) throws(FileError) in
      var session = try ModelSession(model)
      var values: [Float] = []
      for number in 0..<count {
        let index = number * data.count / count
        values += try session.prepared(data.image(at: index), name: data.name(ofImage: index))
      }
      return values
    }
    let line = valueRemark(on: [data], bounds: shape.valueBounds, model: "the model")
    remarks = [line].compactMap(\.self) + pictureRemarks(on: [data], hasOption: false)
  }
}

/// Runs `body` with a model that prepares images as one of `shape`, and has the smallest network that there is.
private func withRecipe<R>(
  of shape: ModelShape, scratch: String, _ body: (MappedModel) throws(FileError) -> R
) throws(FileError) -> R {
  var config = shape.config
  (config.hidden_size, config.layer_count, config.head_count, config.mlp_size, config.class_count) = (16, 1, 1, 16, 1)
  (config.representation_size, config.query_key_norm, config.class_token, config.register_count) = (0, 0, 0, 0)
  (config.classifier, config.norm_after_pooling) = (UInt32(Classifier.gap.rawValue), 0)
  (config.member_count, config.expert_count, config.selected_experts, config.expert_mlp_size) = (1, 0, 0, 0)
  (config.capacity_mode, config.capacity, config.moe_layers) = (0, 0, (0, 0, 0, 0))
  guard let small = try? ModelShape(validating: config) else { preconditionFailure("a recipe of a valid shape") }
  let writer = try ModelFileWriter(path: scratch, shapes: [small], sections: [])
  for _ in 0..<writer.extentCount {
    let entry = try writer.beginExtent().entry
    try writer.write([UInt8](repeating: 0, count: Int(entry.length)))
  }
  try writer.seal()
  return try writer.withMappedBytes { (bytes) throws(FileError) in
    try body(MappedModel(borrowing: bytes, path: scratch))
  }
}
