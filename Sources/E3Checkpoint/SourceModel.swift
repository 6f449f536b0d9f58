import E3Host

/// A model as a checkpoint and its configuration give it: the resolved configuration, and the weights in its shapes,
/// read one at a time.
public struct SourceModel: ModelParameters {
  public let config: ModelConfig
  public let checkpoint: Checkpoint
  /// The configuration that was read; nil where the shapes told everything.
  public let configPath: String?
  /// How the training prepared its images; nil where nothing says it.
  public let preprocessing: SourcePreprocessing?
  /// The file that says it, of Hugging Face's models.
  package let processorPath: String?
  /// Names of the classes, as the checkpoint's metadata say, or the file of its weights; nil where they do not.
  public let labels: [String]?
  /// Where ``labels`` stand.
  package let labelPath: String
  /// Other lists of names of the classes, in the file of the weights.
  package let otherLabels: [(path: String, labels: [String])]
  /// What was taken for granted or passed over, a line each.
  public let notes: [String]
  private let sourceGrid: Grid
  private let positionPrefix: Int

  /// Opens the checkpoint, reads the configuration and checks every tensor's shape against it.
  ///
  /// - Throws: what `Checkpoint` throws; a configuration that contradicts itself or a tensor; a tensor that is missing
  ///   or is not part of the model.
  public init(_ source: CheckpointSource, options: ModelOptions = ModelOptions()) throws(FileError) {
    let givenConfig = source.config
    checkpoint = try Checkpoint(path: source.checkpoint, ignoring: source.ignored, headerLimit: source.headerLimit)
    configPath = givenConfig ?? checkpoint.configuration
    if givenConfig == nil, let configPath {
      try requireFile(configPath, "put the configuration there, take it away, or give --config FILE")
    }
    try checkpoint.requireTransformer(configuration: configPath.flatMap(ConfigDocument.modelName))
    let document =
      try configPath.map { (path) throws(FileError) in try ConfigDocument(path: path) }
      ?? ConfigDocument(none: checkpoint.path)
    if let method = document.quantization { try checkpoint.requireFloats(method, document.file) }
    let evidence = try ShapeEvidence(checkpoint)
    if evidence.layerCount == 0 { try checkpoint.requireKnownBlocks() }
    let resolved = try ConfigResolver(document: document, evidence: evidence, options: options).resolve()
    (config, sourceGrid, positionPrefix) = (resolved.config, resolved.sourceGrid, resolved.positionPrefix)
    (preprocessing, processorPath) = (document.preprocessing, document.processorPath)
    let path = checkpoint.path
    var lists = checkpoint.beside.labels.map { (path: "\(path) (\($0.field))", labels: $0.labels) }
    var notes: [String] = []
    if let own = document.labels {
      (labels, labelPath) = (own, document.file)
    } else if let first = lists.first {
      (labels, labelPath) = (first.labels, first.path)
      notes.append("\(first.path): names the classes: these labels are taken")
      lists.removeFirst()
    } else {
      (labels, labelPath) = (nil, path)
    }
    otherLabels = lists
    for field in checkpoint.beside.unclear {
      notes.append("\(path) (\(field)): names classes in a way that is not understood, and is not looked at")
    }
    if givenConfig == nil, let configPath { notes.append("configuration: \(configPath)") }
    notes += checkpoint.notes
    if !checkpoint.passedOver.isEmpty {
      notes.append("\(checkpoint.path): passed over: \(checkpoint.passedOverText())")
    }
    if let name = checkpoint.passedOver.first(where: { LogitScale.isName($0.name) })?.name {
      notes.append("\(checkpoint.path): \(name) is left out: \(LogitScale.next)")
    }
    for scale in checkpoint.beside.scales {
      notes.append("\(path): \(scale.field) (\(scale.value)) is left out: \(LogitScale.next)")
    }
    let unbiased = checkpoint.facts.layersWithoutBias
    if !unbiased.isEmpty {
      notes.append("\(checkpoint.path): has no bias of \(unbiased.joined(separator: ", ")): zeros are taken")
    }
    if let method = document.quantization {
      notes.append("\(document.file): quantization_config (\(method)) is passed over: the weights are floats")
    }
    notes += resolved.notes
    if let note = Self.unreadProcessor(beside: checkpoint, document) { notes.append(note) }
    self.notes = notes
    try requireShapes()
  }

  /// All values of the tensor `name`, one of `config.parameters`, in its shape there: routers are regrouped by member,
  /// the position embedding is resized, with zeros for tokens that have none.
  ///
  /// - Throws: a value that is not finite; a damaged file.
  public func values(of name: String) throws(FileError) -> [Float] {
    let values = try checkpoint.read(name)
    // A router's columns are dealt to members in order, so [H, E] and [H, M, Em] have the same values.
    guard name == ParameterNames.positionEmbedding else { return values }
    var rows = resizePositionEmbedding(
      values, hiddenSize: config.hiddenSize, leading: positionPrefix, from: sourceGrid,
      to: Grid(height: config.gridHeight, width: config.gridWidth), by: checkpoint.facts.positionResize)
    let missing = config.prefixCount - positionPrefix
    rows.insert(
      contentsOf: [Float](repeating: 0, count: missing * config.hiddenSize), at: positionPrefix * config.hiddenSize)
    return rows
  }

  /// The values `index` along the leading axis of the tensor `name`: one expert of a `[E, …]` tensor.
  ///
  /// - Throws: as `values(of:)`.
  public func values(of name: String, at index: Int) throws(FileError) -> [Float] {
    try checkpoint.read(name, at: index)
  }

  private func requireShapes() throws(FileError) {
    let source = configPath ?? "its shapes"
    var expected: Set<String> = []
    for parameter in config.parameters {
      expected.insert(parameter.name)
      let shape = storedShape(of: parameter)
      guard let found = checkpoint.shape(of: parameter.name), found == shape || accepts(found, for: parameter) else {
        // Packed bytes of quantised weights have other shapes, too.
        if let problem = checkpoint.problem(with: parameter.name) { throw checkpoint.fault(parameter.name, problem) }
        throw misfit(parameter, expected: shape, for: source)
      }
      if let problem = checkpoint.problem(with: parameter.name) {
        throw checkpoint.fault(parameter.name, problem)
      }
    }
    let unexpected = checkpoint.tensorNames.filter { !expected.contains($0) }
    let extra = unexpected.map(checkpoint.fileName) + checkpoint.otherNames
    // What is in a block cannot be left out: it is named before what can.
    guard let first = extra.first(where: checkpoint.isInBlock) ?? extra.first else { return }
    let shape = checkpoint.storedShape(of: first).map { "shape \($0), but " } ?? ""
    let more = extra.filter { $0 != first }
    let others = more.isEmpty ? "" : ", and \(more.count) more (\(more.prefix(3).joined(separator: ", ")))"
    let next =
      checkpoint.isInBlock(first)
      ? "blocks with it are not computed here"
      : "\(checkpoint.ignoring(extra)) leaves \(more.isEmpty ? "it" : "them") out, if inference does not need "
        + (more.isEmpty ? "it" : "them")
    let meant =
      checkpoint.normalisation(among: extra) ?? checkpoint.scale(among: extra) ?? checkpoint.secondHead(among: extra)
    let recipe = meant.map { "; \($0)" } ?? ""
    throw FileError(
      file: checkpoint.path, tensor: first,
      problem: "\(checkpoint.otherProblem(with: first))\(shape)the model of \(source) has no such tensor\(others): "
        + next + recipe)
  }

  /// What the tensor of a parameter is, and which field would make it right where one would.
  private func misfit(_ parameter: Parameter, expected shape: [Int], for source: String) -> FileError {
    let fault = checkpoint.misfit(parameter.name, expected: shape, for: source)
    guard parameter.name == ParameterNames.head.kernel, config.representationSize == nil,
      let found = checkpoint.shape(of: parameter.name), found.count == 2, found[1] == config.classCount,
      found[0] > config.hiddenSize, found[0].isMultiple(of: config.hiddenSize)
    else { return fault }
    let times = found[0] / config.hiddenSize
    let next =
      times == 2
      ? "where it reads the class token and the mean of the patches, as DINOv2's does, --config says so with "
        + "\"classifier\": \"token_and_patch_mean\""
      : "it reads \(times) vectors, as DINOv2's that reads the class tokens of several blocks: only "
        + "\"classifier\": \"token_and_patch_mean\", which reads 2, is computed here"
    return FileError(file: fault.file, tensor: fault.tensor, problem: "\(fault.problem): \(next)")
  }

  /// A `preprocessor_config.json` or `processor_config.json` beside the weights that nobody looked at: what it would say
  /// of the images is missing.
  private static func unreadProcessor(beside checkpoint: Checkpoint, _ document: ConfigDocument) -> String? {
    func folder(_ path: String) -> String { path.lastIndex(of: "/").map { String(path[...$0]) } ?? "" }
    let unread = ["preprocessor_config.json", "processor_config.json"].first { name in
      let path = "\(folder(checkpoint.path))\(name)"
      let isRead = document.modelType != nil && isSameFile("\(folder(document.file))\(name)", path)
      return isListed(path) && !isRead
        && !document.notes.contains { $0.contains("preprocessor_config.json: is not looked at") }
    }
    guard let unread else { return nil }
    let next =
      checkpoint.naming == .huggingFace
      ? "it is read beside Hugging Face's config.json: put that there and leave --config out, or say what it says with "
        + "--resize and --value-norm"
      : "it is read beside Hugging Face's config.json alone: --resize and --value-norm say what it says"
    return "\(folder(checkpoint.path))\(unread): is not looked at: \(next)"
  }

  /// The shape that the checkpoint has for `parameter`: with its own grid, and heads side by side where it has them so.
  private func storedShape(of parameter: Parameter) -> [Int] {
    let hidden = config.hiddenSize
    if parameter.name == ParameterNames.positionEmbedding { return [1, sourceGrid.count + positionPrefix, hidden] }
    guard checkpoint.hasFlatHeads, parameter.name.contains("Attention/") else { return parameter.shape }
    return [Int](repeating: hidden, count: max(1, parameter.shape.count - 1))
  }

  /// A router's columns may be those of all members, and those of each.
  private func accepts(_ shape: [Int], for parameter: Parameter) -> Bool {
    guard let experts = config.experts, parameter.name.hasSuffix("/Moe/Router/dense/kernel") else { return false }
    let (hidden, members) = (config.hiddenSize, config.memberCount)
    return [[hidden, experts.count], [hidden, 1, experts.count], [hidden, members, experts.count / members]]
      .contains(shape)
  }
}

extension SourceModel {
  /// Opens a checkpoint of which all tensors but those of the patterns `ignored` are read: ``init(_:options:)``.
  public init(
    checkpoint: String, config: String?, options: ModelOptions = ModelOptions(), ignoring ignored: [String] = []
  ) throws(FileError) {
    try self.init(CheckpointSource(checkpoint: checkpoint, config: config, ignoring: ignored), options: options)
  }
}

extension ModelConfig {
  /// Reads a configuration that stands alone, without a checkpoint: nothing that shapes would tell may be missing from
  /// it, but `channels` (3) and `image_size`, where the options have it.
  ///
  /// - Throws: an unreadable file; a missing, bad or contradictory field.
  public init(path: String, options: ModelOptions = ModelOptions()) throws(FileError) {
    let document = try ConfigDocument(path: path)
    self = try ConfigResolver(document: document, evidence: nil, options: options).resolve().config
  }
}
