import E3Checkpoint
import E3Format
import E3Host
import E3Models

/// Packs a checkpoint as a model file.
///
/// Tensors are read, quantised and written one at a time: memory stays under twice the largest tensor plus a constant.
/// The packed model is run once on a fixed image, whose answer becomes the file's golden section.
/// The output appears under its name only when it is complete; the same input always gives the same bytes.
///
/// - Parameters:
///   - path: The checkpoint: a V-MoE prefix or index, a `.safetensors` or a vit_jax `.npz`.
///   - configPath: The configuration, with V-MoE field names.
///   - output: The `.e3` file.
///   - progress: Is told the share of the file that is written, 0 to 1.
/// - Throws: a checkpoint, configuration, label file or output that cannot be used; a checkpoint or configuration that was
///   written to meanwhile.
public func pack(
  checkpoint path: String, config configPath: String, output: String, options: PackOptions = PackOptions(),
  progress: (Double) -> Void = { _ in }
) throws(FileError) {
  try requireDistinct(output: output, from: [path, configPath] + (options.labels.map { [$0] } ?? []))
  let watch = FileWatch()
  let model = try watch.during { () throws(FileError) in
    try SourceModel(checkpoint: path, config: configPath, options: options.model)
  }
  var preprocessing = Preprocessing.standard(for: model.checkpoint.form)
  preprocessing.resize = options.resize ?? preprocessing.resize
  preprocessing.value = options.value ?? preprocessing.value
  let shape = try ModelShape(model.config, preprocessing, file: configPath)

  let golden = GoldenInput(shape: shape)
  var sections: [(kind: ExtentKind, content: [UInt8])] = []
  if let labels = options.labels {
    let texts = try readLabels(path: labels, classCount: shape.classCount)
    sections.append((.labels, labelSection(texts)))
  }
  sections.append((.provenance, Array(provenance(of: model, configPath: configPath).utf8)))
  let pixels = golden.pixels
  sections.append((.golden, pixels + [UInt8](repeating: 0, count: golden.sectionLength - pixels.count)))

  let writer = try ModelFileWriter(
    path: output, shape: shape, sections: sections.map { (kind: $0.kind, length: $0.content.count) })
  let contents = ExtentContents(model: model, shape: shape)
  for index in 0..<writer.extentCount {
    let entry = try writer.beginExtent()
    if let section = sections.first(where: { $0.kind == entry.kind }) {
      try writer.write(section.content)
    } else {
      try contents.write(entry, to: writer)
    }
    progress(Double(index + 1) / Double(writer.extentCount))
  }
  try writer.seal()
  try addGoldenLogits(of: golden, to: writer, path: path)
  try watch.requireUnchanged()
  try writer.commit()
}

/// Runs the sealed file on the golden image, stores the logits and lets the runtime confirm them.
private func addGoldenLogits(
  of golden: GoldenInput, to writer: ModelFileWriter, path: String
) throws(FileError) {
  let logits = try writer.withMappedBytes { (bytes) throws(FileError) in
    var session = try ModelSession(MappedModel(borrowing: bytes, path: path))
    return try session.memberLogits(golden.values)
  }
  try writer.replaceEnd(of: .golden, with: logits.flatMap { $0 })
  try writer.seal()
  try writer.withMappedBytes { (bytes) throws(FileError) in
    var session = try ModelSession(MappedModel(borrowing: bytes, path: path))
    try session.selfTest()
  }
}
