import E3Checkpoint
import E3Format
import E3Host
import E3Models

/// The provenance section: with which reading the weights became the model. The same weights give the same bytes,
/// whatever the form and the names of their files: no times, no host, no paths.
///
/// - Parameters:
///   - models: one for each network; of several there is an array, `networks`.
///   - rounding: how the weights were rounded; not told of the nearest step.
func provenance(of models: [SourceModel], weights: WeightBits, rounding: Rounding) -> String {
  let tool: [(String, JSONText)] = [("tool", .text("e3-convert")), ("version", .text(libraryVersion))]
  let networks = models.map { networkProvenance(of: $0, weights: weights) }
  let rounding: [(String, JSONText)] =
    switch rounding {
    case .automatic, .nearest: []
    case .drawn: [("weights_rounded_against", .text("drawn pictures"))]
    case .images: [("weights_rounded_against", .text("images"))]
    }
  let rest = networks.count == 1 ? networks[0] : [("networks", .array(networks.map(JSONText.object)))]
  return JSONText.object(tool + rounding + rest).description
}

private func networkProvenance(of model: SourceModel, weights: WeightBits) -> [(String, JSONText)] {
  let config = model.config
  var fields: [(String, JSONText)] = [
    ("naming", .text(model.checkpoint.naming?.rawValue ?? "none")),
    ("tensors", .integer(config.parameters.count)),
    ("position_embedding", .text(positionEmbeddingName(config.positionEmbedding))),
  ]
  if let experts = config.experts {
    fields.append(("bfloat16_dispatcher_ignored", .flag(experts.roundsToBFloat16)))
  }
  if weights.experts == .four { fields.append(("expert_weights", .text("int4"))) }
  if weights.mlp == .four { fields.append(("mlp_weights", .text("int4"))) }
  return fields
}

private func positionEmbeddingName(_ embedding: ModelConfig.PositionEmbedding) -> String {
  switch embedding {
  case .learned: "learned"
  case .none: "none"
  case .sincos2d: "sincos2d"
  }
}
