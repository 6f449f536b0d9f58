import E3Format
import E3Host

/// What a model file holds, as one JSON object in one line.
public func inspectionJSON(of model: MappedModel) -> String {
  let file = model.file
  let shape = file.shape
  return JSONText.object([
    ("file", .text(fileName(model.path))),
    ("size", .integer(file.size)),
    ("bytes_behind", .integer(model.bytesBehind)),
    ("multiply_accumulates", .integer(Int(clamping: model.multiplyAccumulates))),
    ("members", .integer(file.memberCount)),
    ("config", .object(configFields(shape))),
    ("shapes", shapesJSON(shape)),
    (
      "networks",
      .array(
        model.networks.map { .object([("config", .object(configFields($0.shape))), ("shapes", shapesJSON($0.shape))]) })
    ),
    ("labels", file.labelCount == 0 ? .null : .array(model.labels.map(JSONText.text))),
    ("provenance", file.provenance.flatMap(compactJSONObject).map(JSONText.verbatim) ?? .null),
    ("golden", .flag(file.golden != nil)),
    ("calibration", file.calibration.map { calibrationJSON($0, setThresholds: setThresholds(file)) } ?? .null),
    ("early_stops", earlyStopsJSON(file)),
    ("extents", .array((0..<file.extentCount).map { extentJSON(model, $0) })),
  ]).description
}

/// What a model file holds, as a table for people.
public func inspectionText(of model: MappedModel) -> String {
  let file = model.file
  let isEnsemble = model.networks.count > 1
  var lines = ["\(inOneLine(model.path)): \(file.size) bytes, \(gmac(model.multiplyAccumulates)) GMAC per frame"]
  if model.bytesBehind > 0 { lines[0] += ", \(counted(model.bytesBehind, "byte")) behind it that belong to nothing" }
  if isEnsemble {
    lines[0] += ", deep ensemble of \(model.networks.count) networks with \(counted(file.memberCount, "member"))"
  }
  for view in model.networks {
    let name = isEnsemble ? " of network \(view.network)" : ""
    lines += ["", "configuration\(name)"]
    lines += configFields(view.shape).map { "  \(padded($0.0, 20)) \(plain($0.1))" }
    lines += ["", "shapes\(name)"]
    lines += shapeFields(view.shape).map { "  \(padded($0.0, 20)) \($0.1)" }
  }
  lines += ["", "labels"]
  lines += file.labelCount == 0 ? ["  none"] : model.labels.prefix(10).enumerated().map { "  \($0.0): \($0.1)" }
  if file.labelCount > 10 { lines.append("  … \(file.labelCount) in all") }
  lines += ["", "provenance", "  " + (file.provenance.flatMap(compactJSONObject) ?? "none")]
  lines += [
    "", "self-test",
    file.golden == nil ? "  none" : "  golden image with \(file.memberCount) x \(file.shape.classCount) logits",
  ]
  lines += [
    "", "calibration", file.calibration.map { calibrationText($0, setThresholds: setThresholds(file)) } ?? "  none",
  ]
  lines += earlyStopLines(file)
  lines += ["", "extents"]
  lines.append("  " + ["    offset", "      bytes", "encoding", "checksum        ", "name"].joined(separator: "  "))
  for index in 0..<file.extentCount {
    let extent = file.extent(at: index)
    lines.append(
      "  "
        + [
          leading("\(extent.offset)", 10), leading("\(extent.length)", 11),
          padded(ExtentEncoding(rawValue: .init(extent.encoding)).name.string, 8), hexadecimal(extent.checksum),
          model.extentName(index) + (model.isShared(index) ? ", stored with an earlier network's" : ""),
        ].joined(separator: "  "))
  }
  return lines.joined(separator: "\n")
}

private func extentJSON(_ model: MappedModel, _ index: Int) -> JSONText {
  let extent = model.file.extent(at: index)
  return .object([
    ("network", model.network(ofTable: index).map(JSONText.integer) ?? .null),
    ("kind", .text(ExtentKind(rawValue: .init(extent.kind)).name.string)),
    ("block", .integer(Int(extent.block))),
    ("index", .integer(Int(extent.index))),
    ("encoding", .text(ExtentEncoding(rawValue: .init(extent.encoding)).name.string)),
    ("offset", .integer(Int(extent.offset))),
    ("length", .integer(Int(extent.length))),
    ("checksum", .text(hexadecimal(extent.checksum))),
    ("shared", .flag(model.isShared(index))),
  ])
}

private func shapesJSON(_ shape: ModelShape) -> JSONText {
  .object(shapeFields(shape).map { ($0.0, .integer($0.1)) })
}

private func configFields(_ shape: ModelShape) -> [(String, JSONText)] {
  let config = shape.config
  var fields: [(String, JSONText)] = [
    ("image_size", .array([.integer(shape.imageHeight), .integer(shape.imageWidth)])),
    ("channels", .integer(shape.channels)),
    ("patch_size", .array([.integer(shape.patchHeight), .integer(shape.patchWidth)])),
    ("hidden_size", .integer(shape.hiddenSize)),
    ("num_layers", .integer(shape.layerCount)),
    ("num_heads", .integer(shape.headCount)),
    ("mlp_dim", .integer(shape.mlpSize)),
    ("num_classes", .integer(shape.classCount)),
    ("representation_size", shape.hasPreLogits ? .integer(shape.headInputSize) : .null),
    ("classifier", .text(name(shape.classifier))),
    ("attention_qk_norm", .flag(shape.hasQueryKeyNorm)),
    ("activation", .text(shape.activation == .geluErf ? "gelu" : "gelu_tanh")),
    ("layer_norm_epsilon", number(shape.normEpsilon)),
    ("class_token", .flag(shape.hasClassToken)),
    ("register_tokens", .integer(shape.registerCount)),
    ("norm_after_pooling", .flag(shape.normsAfterPooling)),
    ("moe_layers", .array((0..<shape.layerCount).filter(shape.isMoE).map(JSONText.integer))),
    ("ensemble_size", .integer(shape.memberCount)),
    ("num_experts", .integer(shape.expertCount)),
    ("num_selected_experts", .integer(shape.selectedExperts)),
    ("capacity_mode", .text(name(shape.capacityMode))),
    ("capacity", .integer(shape.capacity)),
    ("resize", .text(name(shape.resizeMethod))),
  ]
  if shape.resizeMethod == .smallCrop { fields.append(("resize_side", .integer(Int(config.resize_height)))) }
  if shape.resizeMethod == .pillow { fields += pillowFields(shape) }
  switch shape.valueMapping {
  case .range: fields.append(("value_range", .array([number(config.value_low), number(config.value_high)])))
  default:
    let mean = [config.value_mean.0, config.value_mean.1, config.value_mean.2].prefix(shape.channels)
    let deviation = [config.value_deviation.0, config.value_deviation.1, config.value_deviation.2]
    fields.append(("value_mean", .array(mean.map(number))))
    fields.append(("value_deviation", .array(deviation.prefix(shape.channels).map(number))))
  }
  return fields
}

private func shapeFields(_ shape: ModelShape) -> [(String, Int)] {
  [
    ("patches", shape.patchCount), ("patch_values", shape.patchValueCount), ("tokens", shape.tokenCount),
    ("head_size", shape.headSize), ("experts_per_member", shape.expertsPerMember),
    ("representation", shape.headInputSize), ("weights", weightCount(shape)),
  ]
}

/// Weights and biases of the model, without padding.
private func weightCount(_ shape: ModelShape) -> Int {
  let (hidden, mlp) = (shape.hiddenSize, shape.mlpSize)
  let perMLP = 2 * hidden * mlp + hidden + mlp
  let attention = 4 * hidden * hidden + 4 * hidden + (shape.hasQueryKeyNorm ? 2 * shape.headSize : 0)
  let moeBlocks = shape.moeBlockCount
  var count = shape.patchValueCount * hidden + hidden + shape.tokenCount * hidden
  count += shape.layerCount * (attention + 4 * hidden) + (shape.layerCount - moeBlocks) * perMLP
  let perExpert = 2 * hidden * shape.expertMLPSize + hidden + shape.expertMLPSize
  count += moeBlocks * shape.expertCount * (perExpert + hidden) + 2 * hidden
  if shape.classifier == .map { count += hidden + attention + 2 * hidden + perMLP }
  if shape.hasPreLogits { count += shape.pooledSize * shape.headInputSize + shape.headInputSize }
  return count + shape.headInputSize * shape.classCount + shape.classCount
}

private func number(_ value: Float) -> JSONText { .number(Double(value)) }

private func plain(_ value: JSONText) -> String {
  switch value {
  case .text(let text): text
  case .null: "none"
  case .array(let values): values.isEmpty ? "none" : values.map(\.description).joined(separator: " ")
  default: value.description
  }
}

private func name(_ classifier: Classifier) -> String {
  switch classifier {
  case .token: "token"
  case .first: "0"
  case .gap: "gap"
  case .tokenGap: "token_gap"
  case .tokenPair: "token_pair"
  default: "map"
  }
}

private func name(_ mode: CapacityMode) -> String {
  switch mode {
  case .vanilla: "vanilla"
  case .priority: "priority"
  default: "none"
  }
}

private func pillowFields(_ shape: ModelShape) -> [(String, JSONText)] {
  let fit: String =
    switch shape.resizeFit {
    case .shorter: "shorter"
    case .cover: "cover"
    default: "exact"
    }
  let filter: String =
    switch shape.resizeFilter {
    case .nearest: "nearest"
    case .lanczos: "lanczos"
    case .bilinear: "bilinear"
    case .bicubic: "bicubic"
    case .box: "box"
    default: "hamming"
    }
  return [
    ("resize_height", .integer(Int(shape.config.resize_height))),
    ("resize_width", .integer(Int(shape.config.resize_width))),
    ("resize_fit", .text(fit)), ("resize_filter", .text(filter)),
    ("resize_order", .text(shape.resizeOrder == .pillow13 ? "pillow-13" : "across")),
    ("resize_crop", .text(shape.cropRounding == .halfEven ? "half-even" : "down")),
  ]
}

private func name(_ method: ResizeMethod) -> String {
  switch method {
  case .smallCrop: "small-crop"
  case .stretchFloat: "stretch-float"
  case .pillow: "pillow"
  default: "stretch"
  }
}

private func gmac(_ multiplyAccumulates: UInt64) -> String {
  let thousandths = (multiplyAccumulates / 1_000_000).description
  let digits = String(repeating: "0", count: max(0, 4 - thousandths.count)) + thousandths
  return "\(digits.dropLast(3)).\(digits.suffix(3))"
}

/// The threshold of each class; empty where one holds for all.
private func setThresholds(_ file: ModelFile) -> [Float] {
  guard let thresholds = file.setThresholds else { return [] }
  return Array(UnsafeBufferPointer(start: thresholds, count: file.shape.classCount))
}
