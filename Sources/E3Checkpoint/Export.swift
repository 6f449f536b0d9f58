import E3Host

/// Writes a checkpoint of any form as safetensors with V-MoE's names and shapes, `NAME.safetensors`, and its whole
/// configuration, `NAME.json` beside it: what training starts from.
///
/// What other libraries write in another way is resolved as `pack` resolves it: LayerScale is part of the matrices,
/// missing biases are zeros, position embeddings have the size of the images and are learned, routers are regrouped by
/// member. A backbone without a head has `num_classes` 0.
///
/// - Parameters:
///   - output: The safetensors file.
///   - progress: Is told the share of the tensors that is written, 0 to 1.
/// - Throws: a checkpoint or a configuration that cannot be used; an output that cannot be written.
public func export(
  _ model: SourceModel, output: String, progress: (Double) -> Void = { _ in }
) throws(FileError) {
  let configuration = output.hasSuffix(".safetensors") ? "\(output.dropLast(12)).json" : "\(output).json"
  let inputs = [model.checkpoint.path] + [model.configPath].compactMap { $0 }
  try requireOutput(output, besides: inputs)
  try requireOutput(configuration, besides: inputs)
  var config = model.config
  let table = try model.positionTable()
  config.positionEmbedding = .learned

  let parameters = config.parameters
  let text = try AtomicFile(path: configuration)
  try text.write(Array((config.json.description + "\n").utf8))
  let writer = try SafetensorsWriter(path: output, tensors: parameters.map { ($0.name, $0.shape) })
  for (index, parameter) in parameters.enumerated() {
    if parameter.name == ParameterNames.positionEmbedding {
      try writer.append(table)
    } else if parameter.shape.count > 2, parameter.name.contains("/Moe/Mlp/") {
      for expert in 0..<parameter.shape[0] { try writer.append(model.values(of: parameter.name, at: expert)) }
    } else {
      try writer.append(model.values(of: parameter.name))
    }
    progress(Double(index + 1) / Double(parameters.count))
  }
  try text.commit()
  try writer.finish()
}

extension SourceModel {
  /// What is added to the tokens, `[T][H]`, whatever the kind of position embedding.
  fileprivate func positionTable() throws(FileError) -> [Float] {
    let hidden = config.hiddenSize
    switch config.positionEmbedding {
    case .learned: return try values(of: ParameterNames.positionEmbedding)
    case .none: return [Float](repeating: 0, count: config.tokenCount * hidden)
    case .sincos2d(let temperature):
      let grid = Grid(height: config.gridHeight, width: config.gridWidth)
      return [Float](repeating: 0, count: config.prefixCount * hidden)
        + sincos2dPositions(grid, hiddenSize: hidden, temperature: temperature)
    }
  }
}

extension ModelConfig {
  /// The configuration with V-MoE's field names and ours, every field written; capacities are left out.
  var json: JSONText {
    var encoder: [(String, JSONText)] = [
      ("num_layers", .integer(layerCount)), ("num_heads", .integer(headCount)), ("mlp_dim", .integer(mlpSize)),
    ]
    if hasQueryKeyNorm { encoder.append(("attention_qk_norm", .flag(true))) }
    if let experts {
      var moe: [(String, JSONText)] = [
        ("layers", .array(experts.layers.map(JSONText.integer))), ("num_experts", .integer(experts.count)),
      ]
      if memberCount > 1 { moe.append(("ensemble_size", .integer(memberCount))) }
      moe.append(("router", .object([("num_selected_experts", .integer(experts.selected))])))
      encoder.append(("moe", .object(moe)))
    }
    let name =
      memberCount > 1
      ? "VisionTransformerMoeEnsemble" : experts == nil ? "VisionTransformer" : "VisionTransformerMoe"
    let fields: [(String, JSONText)] = [
      ("name", .text(name)), ("image_size", .array([.integer(imageHeight), .integer(imageWidth)])),
      ("channels", .integer(channels)), ("num_classes", .integer(classCount)),
      ("patch_size", .array([.integer(patchHeight), .integer(patchWidth)])), ("hidden_size", .integer(hiddenSize)),
      ("classifier", .text(classifier.rawValue)), ("class_token", .flag(hasClassToken)),
      ("register_tokens", .integer(registerCount)), ("final_norm", .text(finalNorm.rawValue)),
      ("activation", .text(activation.rawValue)), ("layer_norm_epsilon", .float(normEpsilon)),
      ("representation_size", representationSize.map(JSONText.integer) ?? .null), ("encoder", .object(encoder)),
    ]
    return .object(fields)
  }
}

extension SourcePreprocessing {
  /// The recipe in the words of `pack`: its options and their values.
  public var options: (resize: String, valueNorm: String) {
    let size =
      switch resize {
      case .shorterSide(let side): "\(side)"
      case .exact(let sides), .cover(let sides): "\(sides.height)x\(sides.width)"
      }
    return ("\(filter.rawValue):\(size)", (mean + deviation).map { "\($0)" }.joined(separator: ","))
  }
}
