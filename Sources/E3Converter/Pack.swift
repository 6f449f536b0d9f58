import E3Checkpoint
import E3Format
import E3Host
import E3Models

/// Packs a checkpoint as a model file, or several as the networks of a deep ensemble.
///
/// Tensors are read, quantised and written one at a time: memory stays under twice the largest tensor plus a constant.
/// What networks have in common is stored once. The packed model is run once on a fixed image, whose answer becomes the
/// file's golden section. The output appears under its name only when it is complete; the same input always gives the
/// same bytes.
///
/// - Parameters:
///   - sources: The networks, at least one; their members are numbered in this order.
///   - output: The `.e3` file.
///   - options: Of all networks. Labels are those of the label file, else of the first checkpoint that has some.
///   - note: Is told what was taken for granted or passed over, line by line.
///   - progress: Is told the share of the file that is written, 0 to 1.
/// - Throws: a checkpoint, configuration, label file or output that cannot be used; a checkpoint or configuration that
///   was written to meanwhile; networks of other classes, images or preprocessing than the first.
public func pack(
  _ sources: [CheckpointSource], output: String, options: PackOptions = PackOptions(),
  note: (String) -> Void = { _ in },
  progress: (Double) -> Void = { _ in }
) throws(FileError) {
  precondition(!sources.isEmpty, "no checkpoint")
  let watch = FileWatch()
  let models = try watch.during { () throws(FileError) in
    try sources.map { (source) throws(FileError) in
      try SourceModel(source, options: options.model)
    }
  }
  let inputs = zip(sources, models).flatMap { [$0.checkpoint, $1.checkpoint.path] + [$1.configPath].compactMap { $0 } }
  try requireOutput(output, besides: inputs + [options.labels, options.rounding.path].compactMap { $0 })
  for line in models.flatMap(\.notes) { note(line) }
  let shapes = try models.map { (model) throws(FileError) in
    try ModelShape(
      model.config, Preprocessing(of: model, options: options), file: model.configPath ?? model.checkpoint.path)
  }
  try requireOneEnsemble(shapes, of: models)
  for line in remarks(on: models, options) { note(line) }

  let rounding = options.rounding == .automatic ? automaticRounding(of: models, note: note) : options.rounding
  let images: PreparedImages? =
    switch rounding {
    case .automatic, .nearest: nil
    case .drawn: try PreparedImages(drawn: drawnPictures, shape: shapes[0], scratch: output)
    case .images(let path, let count): try PreparedImages(path, count: count, shape: shapes[0], scratch: output)
    }
  for line in images?.remarks ?? [] { note(line) }
  let golden = GoldenInput(shape: shapes[0], memberCount: shapes.reduce(0) { $0 + $1.memberCount })
  var sections: [(kind: ExtentKind, content: [UInt8])] = []
  if let texts = try labels(for: models, path: options.labels, classCount: shapes[0].classCount, note: note) {
    sections.append((.labels, labelSection(texts)))
  }
  sections.append((.provenance, Array(provenance(of: models, weights: options.weights, rounding: rounding).utf8)))
  let pixels = golden.pixels
  sections.append((.golden, pixels + [UInt8](repeating: 0, count: golden.sectionLength - pixels.count)))

  let writer = try ModelFileWriter(
    path: output, shapes: shapes, sections: sections.map { (kind: $0.kind, length: $0.content.count) },
    encoding: { _, entry in options.weights.encoding(of: entry) })
  var contents = try zip(models, shapes).map { (model, shape) throws(FileError) in
    try ExtentContents(
      model: model, shape: shape, weights: options.weights, images: images,
      source: options.rounding.path ?? models[0].checkpoint.path)
  }
  for _ in 0..<writer.extentCount {
    let extent = try writer.beginExtent()
    if let network = extent.network {
      try contents[network].write(extent.entry, to: writer)
    } else if let section = sections.first(where: { $0.kind == extent.entry.kind }) {
      try writer.write(section.content)
    }
    progress(writer.share)
  }
  try writer.seal()
  try addGoldenLogits(of: golden, to: writer, path: sources[0].checkpoint)
  try watch.requireUnchanged()
  try writer.commit()
}

/// Packs one checkpoint: ``pack(_:output:options:note:progress:)``.
public func pack(
  checkpoint: String, config: String? = nil, output: String, options: PackOptions = PackOptions(),
  note: (String) -> Void = { _ in }, progress: (Double) -> Void = { _ in }
) throws(FileError) {
  try pack(
    [CheckpointSource(checkpoint: checkpoint, config: config)], output: output, options: options, note: note,
    progress: progress)
}

/// What the caller may not have meant, and what was taken for granted about the images, a line each.
private func remarks(on models: [SourceModel], _ options: PackOptions) -> [String] {
  var lines = Preprocessing.assumption(of: models, options: options).map { [$0] } ?? []
  var seen: Set<String> = []
  for path in models.map(\.checkpoint.path) where !seen.insert(path).inserted {
    lines.append("\(path): given twice; the second network adds nothing to the answers but time")
  }
  if options.weights.experts == .four, models.allSatisfy({ $0.config.experts == nil }) {
    lines.append(
      "--weights experts=4 changes nothing: there are no experts"
        + (options.weights.mlp == .eight ? "; mlp=4 is for the MLPs that all tokens go through" : ""))
  }
  if models.contains(where: { $0.preprocessing?.filter == .nearest }), options.resize == nil {
    lines.append(
      "resize with the filter nearest takes the pixels that Pillow takes; torchvision takes others when it resizes "
        + "tensors, and answers then differ")
  }
  return lines
}

/// Pictures that are drawn: with twice as many int8 comes no nearer to the float answers.
private let drawnPictures = 32

private func automaticRounding(of models: [SourceModel], note: (String) -> Void) -> Rounding {
  let millions =
    models.map { $0.config.parameters.reduce(0) { $0 + (elementCount(of: $1.shape) ?? 0) } }.max()! / 1_000_000
  guard millions > 100 else { return .drawn }
  note(
    "\(millions) million parameters: their weights are rounded to the nearest step; --quantize-with drawn, or with "
      + "pictures, keeps answers nearer to the float ones and takes its time")
  return .nearest
}

extension Rounding {
  fileprivate var path: String? {
    if case .images(let path, _) = self { path } else { nil }
  }
}

/// Networks of one file see the same image and know the same classes.
private func requireOneEnsemble(_ shapes: [ModelShape], of models: [SourceModel]) throws(FileError) {
  guard shapes.count <= Int(E3_FILE_MAX_NETWORKS) else {
    throw FileError(
      file: models[0].checkpoint.path, problem: "\(shapes.count) networks, expected at most \(E3_FILE_MAX_NETWORKS)")
  }
  for (shape, model) in zip(shapes, models).dropFirst() {
    guard let difference = shapes[0].difference(from: shape.config) else { continue }
    throw FileError(
      file: model.configPath ?? model.checkpoint.path,
      problem:
        "differs from \(models[0].checkpoint.path) in \(difference): the networks of an ensemble see the same image "
        + "and know the same classes")
  }
  let logits = shapes.reduce(0) { $0 + $1.memberCount } * shapes[0].classCount
  guard logits <= Int(ModelLimits.memberClasses) else {
    throw FileError(
      file: models[0].checkpoint.path,
      problem: "the networks have \(logits) logits together, expected at most \(ModelLimits.memberClasses)")
  }
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
