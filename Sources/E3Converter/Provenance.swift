import E3Checkpoint
import E3Format
import E3Host
import E3Models

/// The provenance section: which files with which reading became the model. The same input gives the same bytes: no
/// times, no host, no absolute paths.
func provenance(of model: SourceModel, configPath: String) -> String {
  let config = model.config
  var fields: [(String, JSONText)] = [
    ("tool", .text("e3-convert")),
    ("version", .text(libraryVersion)),
    ("checkpoint", .text(fileName(model.checkpoint.path))),
    ("form", .text(model.checkpoint.form.rawValue)),
    ("config", .text(fileName(configPath))),
    ("tensors", .integer(model.checkpoint.tensorNames.count)),
    ("position_embedding", .text(positionEmbeddingName(config.positionEmbedding))),
  ]
  if let experts = config.experts {
    fields.append(("bfloat16_dispatcher_ignored", .flag(experts.roundsToBFloat16)))
  }
  return JSONText.object(fields).description
}

private func positionEmbeddingName(_ embedding: ModelConfig.PositionEmbedding) -> String {
  switch embedding {
  case .learned: "learned"
  case .none: "none"
  case .sincos2d: "sincos2d"
  }
}
