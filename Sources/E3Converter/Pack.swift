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
///   - path: The checkpoint, of any form that `Checkpoint` reads, or its folder.
///   - givenConfig: The configuration; nil: the one beside the checkpoint, or what the shapes tell.
///   - output: The `.e3` file.
///   - note: Is told what was taken for granted or passed over, line by line.
///   - progress: Is told the share of the file that is written, 0 to 1.
/// - Throws: a checkpoint, configuration, label file or output that cannot be used; a checkpoint or configuration that
///   was written to meanwhile.
public func pack(
  checkpoint path: String, config givenConfig: String? = nil, output: String, options: PackOptions = PackOptions(),
  note: (String) -> Void = { _ in }, progress: (Double) -> Void = { _ in }
) throws(FileError) {
  let watch = FileWatch()
  let model = try watch.during { () throws(FileError) in
    try SourceModel(checkpoint: path, config: givenConfig, options: options.model, ignoring: options.ignored)
  }
  try requireDistinct(
    output: output, from: [path, model.checkpoint.path] + [model.configPath, options.labels].compactMap { $0 })
  for line in model.notes { note(line) }
  let preprocessing = try Preprocessing(of: model, options: options, note: note)
  let shape = try ModelShape(model.config, preprocessing, file: model.configPath ?? model.checkpoint.path)

  let golden = GoldenInput(shape: shape)
  var sections: [(kind: ExtentKind, content: [UInt8])] = []
  if let texts = try labels(for: model, path: options.labels, classCount: shape.classCount, note: note) {
    sections.append((.labels, labelSection(texts)))
  }
  sections.append((.provenance, Array(provenance(of: model, weights: options.weights).utf8)))
  let pixels = golden.pixels
  sections.append((.golden, pixels + [UInt8](repeating: 0, count: golden.sectionLength - pixels.count)))

  let writer = try ModelFileWriter(
    path: output, shape: shape, sections: sections.map { (kind: $0.kind, length: $0.content.count) },
    encoding: options.weights.encoding)
  var contents = ExtentContents(model: model, shape: shape)
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
