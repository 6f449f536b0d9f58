import E3Host

/// A model's configuration, and how the checkpoint's tensors differ from it.
struct ResolvedConfig {
  let config: ModelConfig
  /// Grid of patches that the checkpoint's position embedding was made for.
  let sourceGrid: Grid
  /// Vectors before the patches' in the checkpoint's position embedding.
  let positionPrefix: Int
  let notes: [String]
}

/// Joins a configuration, the shapes of a checkpoint and the caller's options into a `ModelConfig`.
///
/// What the shapes tell is inferred where the configuration is silent and must agree where it is not.
struct ConfigResolver {
  let document: ConfigDocument
  /// Nil when only a configuration is there, as for random weights: then nothing may be missing from it.
  let evidence: ShapeEvidence?
  let options: ModelOptions

  /// - Throws: a missing field; a field that contradicts a tensor, another field or an option.
  func resolve() throws(FileError) -> ResolvedConfig {
    let (names, facts) = (document.names, evidence?.checkpoint.facts ?? NamingFacts())
    let kernel = ["patch height", "patch width", "channels", "hidden"]
    let embedding = ParameterNames.embedding.kernel
    let patchHeight = try agree("\(names.patchSize)[0]", document.patchSize?[0], embedding, kernel, axis: 0)
    let patchWidth = try agree("\(names.patchSize)[1]", document.patchSize?[1], embedding, kernel, axis: 1)
    // A configuration of the reference never says it: its images have three channels.
    let channels = try agree(
      names.channels, document.channels ?? (evidence == nil ? 3 : nil), embedding, kernel, axis: 2)
    let hidden = try agree(names.hiddenSize, document.hiddenSize, embedding, kernel, axis: 3)
    try requireChannels(channels)
    try requireModelType(facts)
    var notes = document.notes
    let layerCount = try layerCount()
    let expertLayers = try expertLayers(layerCount: layerCount)
    try requireParts(facts)
    let patch = Grid(height: patchHeight, width: patchWidth)
    let (heads, classifier, prefix, positions) = try headsAndPositions(hidden: hidden, patch: patch, notes: &notes)

    var config = ModelConfig(
      imageHeight: positions.image.height, imageWidth: positions.image.width, channels: channels,
      patchHeight: patchHeight, patchWidth: patchWidth, hiddenSize: hidden, layerCount: layerCount, headCount: heads,
      mlpSize: try mlpSize(expertLayers: expertLayers), classCount: try classCount(),
      representationSize: try representationSize(), classifier: classifier, hasClassToken: prefix.hasClassToken,
      registerCount: prefix.registers, finalNorm: finalNorm(facts, classifier),
      activation: document.activation ?? facts.activation,
      normEpsilon: document.normEpsilon ?? facts.epsilon, positionEmbedding: positionEmbedding,
      hasQueryKeyNorm: try hasQueryKeyNorm(), memberCount: 1, experts: nil)
    let divides = "a multiple of \(names.headCount), \(heads)"
    if hidden % heads != 0, document.hiddenSize == nil, let evidence {
      throw evidence.checkpoint.misfit(embedding, "\(hidden) outputs, expected \(divides) in \(document.file)")
    }
    try require(hidden % heads == 0, names.hiddenSize, "\(hidden)", divides)
    if case .sincos2d = config.positionEmbedding {
      try require(
        hidden % 4 == 0 && hidden >= 8, names.hiddenSize, "\(hidden)", "a multiple of 4 from 8 on for sincos2d")
    }
    try require(
      classifier != .map || config.prefixCount == 0, "classifier", "map",
      "another one: attention pooling here is over all tokens, and there are \(config.prefixCount) before the patches")
    try addExperts(expertLayers, to: &config)
    if let note = assumedNumerics(config) { notes.append(note) }
    return ResolvedConfig(
      config: config, sourceGrid: positions.source, positionPrefix: positions.prefix, notes: notes)
  }

  /// What shapes tell least often. Who must give both is told of both at once.
  private func headsAndPositions(
    hidden: Int, patch: Grid, notes: inout [String]
  ) throws(FileError) -> (
    heads: Int, classifier: ModelConfig.Classifier, prefix: (hasClassToken: Bool, registers: Int),
    positions: (source: Grid, prefix: Int, image: Grid)
  ) {
    var problem: FileError?
    var heads = 1
    do throws(FileError) { heads = try headCount(hidden: hidden, notes: &notes) } catch { problem = error }
    let classifier: ModelConfig.Classifier
    let prefix: (hasClassToken: Bool, registers: Int)
    let positions: (source: Grid, prefix: Int, image: Grid)
    do throws(FileError) {
      classifier = try self.classifier(evidence?.checkpoint.facts ?? NamingFacts(), notes: &notes)
      prefix = try prefixCount(classifier)
      positions = try self.positions(patch: patch, prefix: prefix, notes: &notes)
    } catch {
      guard let first = problem, first.file == error.file, first.tensor == nil, error.tensor == nil else {
        throw problem ?? error
      }
      throw FileError(file: first.file, problem: "\(first.problem); \(error.problem)")
    }
    if let problem { throw problem }
    return (heads, classifier, prefix, positions)
  }

  private func requireChannels(_ channels: Int) throws(FileError) {
    guard channels != 1, channels != 3 else { return }
    let expected = "expected 1 (grey) or 3 (colour), which is what frames have"
    guard document.channels == nil, let evidence else {
      throw FileError(file: document.file, problem: "\(document.names.channels) is \(channels), \(expected)")
    }
    throw evidence.checkpoint.misfit(ParameterNames.embedding.kernel, "\(channels) channels, \(expected)")
  }

  /// Hugging Face's models differ in more than their shapes tell.
  private func requireModelType(_ facts: NamingFacts) throws(FileError) {
    guard let type = document.modelType, let isDinov2 = facts.isDinov2, let evidence else { return }
    guard isDinov2 != type.hasPrefix("dinov2") else { return }
    throw FileError(
      file: document.file,
      problem: "model_type is \(type), but the blocks in \(evidence.checkpoint.path) have the names of "
        + (isDinov2 ? "dinov2" : "vit, vit_msn and deit"))
  }

  /// What was taken for granted because neither a configuration nor a tensor says it.
  private func assumedNumerics(_ config: ModelConfig) -> String? {
    guard let checkpoint = evidence?.checkpoint, let naming = checkpoint.naming, naming != .vmoe, naming != .bigVision,
      document.activation == nil || document.normEpsilon == nil
    else { return nil }
    let form = config.activation == .gelu ? "with the error function" : "in tanh form"
    return "\(checkpoint.path): no configuration says activation and epsilon: GELU \(form) and "
      + "\(config.normEpsilon) are taken, as models with \(naming.rawValue)'s names have by default"
  }

  private func require(_ condition: Bool, _ field: String, _ found: String, _ expected: String) throws(FileError) {
    guard condition else {
      throw FileError(file: document.file, problem: "\(field) is \(found), expected \(expected)")
    }
  }

  /// The value of `field`: as given, which must agree with the extent of `tensor` along `axis`, or that extent.
  private func agree(_ field: String, _ given: Int?, _ tensor: String, _ axes: [String], axis: Int)
    throws(FileError) -> Int
  {
    guard let evidence else {
      guard let given else { throw FileError(file: document.file, problem: "\(field) is missing") }
      return given
    }
    let found = try evidence.extent(of: tensor, axes: axes, axis: axis)
    guard let given, given != found else { return found }
    throw evidence.checkpoint.misfit(tensor, expected: given, along: axis, "\(field) in \(document.file)")
  }

  /// Matrices of other libraries do not show their heads.
  private func headCount(hidden: Int, notes: inout [String]) throws(FileError) -> Int {
    let query = ParameterNames.block(0).attention.query.kernel
    guard let evidence, evidence.checkpoint.hasFlatHeads || evidence.checkpoint.shape(of: query)?.count == 2 else {
      return try agree(
        document.names.headCount, document.headCount, query, ["hidden", "heads", "head size"], axis: 1)
    }
    if let given = document.headCount { return given }
    let usual: [Int: Int] = [
      192: 3, 256: 4, 320: 5, 384: 6, 512: 8, 640: 10, 768: 12, 832: 13, 896: 14, 1024: 16, 1152: 16, 1280: 16,
      1408: 16,
      1536: 24, 1664: 16,
    ]
    guard let count = usual[hidden] else {
      throw FileError(
        file: document.file,
        problem: "nothing tells the number of heads: give --config with {\"encoder\": {\"num_heads\": N}}")
    }
    notes.append(
      "\(evidence.checkpoint.path): nothing tells the number of heads: \(count) are taken, as ViTs of width \(hidden) "
        + "have")
    return count
  }

  /// What a model may lack it lacks only where the configuration does not say otherwise.
  private func requireParts(_ facts: NamingFacts) throws(FileError) {
    if document.parts[.pooledNorm] == nil { try requireOneNorm(facts) }
    for (part, given) in document.parts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      guard let found = facts.parts[part], given.isThere != found.isThere else { continue }
      guard given.isThere, let evidence else {
        throw FileError(
          file: document.file,
          problem: "\(given.reason), but the tensor \(found.example) is there\(adviceToIgnore(part, found))")
      }
      throw FileError(
        file: evidence.checkpoint.path, tensor: found.example,
        problem: "missing, but \(given.reason) in \(document.file)")
    }
  }

  /// Where the file has both norms, the option that leaves out the one that the configuration does without.
  private func adviceToIgnore(_ part: OptionalPart, _ found: NamingFacts.Part) -> String {
    guard part == .pooledNorm, let norms = bothNorms(found) else { return "" }
    return ": \(norms.pooled) leaves it out"
  }

  /// What leaves out a norm `norm` or `fc_norm` where the file has both; nil where it has not.
  private func bothNorms(_ pooled: NamingFacts.Part) -> (plain: String, pooled: String)? {
    guard pooled.isThere, let checkpoint = evidence?.checkpoint else { return nil }
    let layer = pooled.example.prefix(upTo: pooled.example.lastIndex(of: ".") ?? pooled.example.endIndex)
    func ignoring(_ layer: some StringProtocol) -> String? {
      let names = ["\(layer).weight", "\(layer).bias"].filter { checkpoint.storedShape(of: $0) != nil }
      return names.isEmpty ? nil : checkpoint.ignoring(names)
    }
    guard let other = ignoring(layer.dropLast("fc_norm".count) + "norm"), let own = ignoring(layer) else { return nil }
    return (other, own)
  }

  /// No library has both norms: which one the model uses must be told.
  private func requireOneNorm(_ facts: NamingFacts) throws(FileError) {
    guard let pooled = facts.parts[.pooledNorm], let norms = bothNorms(pooled) else { return }
    throw FileError(
      file: evidence?.checkpoint.path ?? document.file,
      problem: "norm and fc_norm are both there, and nothing tells which one the model has: \(norms.plain) leaves norm "
        + "out for a model that normalises the mean of the patches (global_pool \"avg\"), \(norms.pooled) leaves fc_norm "
        + "out for one that normalises before pooling (\"token\")")
  }

  private func classifier(_ facts: NamingFacts, notes: inout [String]) throws(FileError) -> ModelConfig.Classifier {
    // Two heads on two tokens are no matter of configuration.
    if facts.classifier == .tokenPair { return .tokenPair }
    if let given = document.classifier { return given }
    if let found = facts.classifier {
      if facts.isClassifierAssumed, let evidence {
        let lost =
          evidence.has(ParameterNames.classToken)
          ? "" : ", as there is no \(evidence.checkpoint.fileName(of: ParameterNames.classToken))"
        let reads = found == .patchMean ? "mean of the patches is taken\(lost)" : "class token is taken"
        notes.append("\(evidence.checkpoint.path): nothing tells what the head reads: the \(reads)")
      }
      return found
    }
    guard let evidence, !document.isThere else { return .token }
    if evidence.has(ParameterNames.mapProbe) { return .map }
    if evidence.has(ParameterNames.classToken) { return .token }
    throw FileError(
      file: document.file,
      problem: "nothing tells what the head reads: give --config with {\"classifier\": \"gap\"} (or \"0\")")
  }

  /// The norm of one token is the same before and after it is picked.
  private func finalNorm(_ facts: NamingFacts, _ classifier: ModelConfig.Classifier) -> ModelConfig.FinalNorm {
    classifier == .token || classifier == .first ? .beforePooling : document.finalNorm ?? facts.finalNorm
  }

  private func prefixCount(
    _ classifier: ModelConfig.Classifier
  ) throws(FileError) -> (hasClassToken: Bool, registers: Int) {
    let given = document.registerCount
    guard let evidence else { return (document.hasClassToken ?? classifier.needsClassToken, given ?? 0) }
    let name = ParameterNames.registers
    var registers = 0
    if evidence.has(name) { registers = try evidence.extent(of: name, axes: ["1", "registers", "hidden"], axis: 1) }
    if let own = document.registerName, registers == 0, given == 1 {
      let other = evidence.checkpoint.fileName(of: name)
      let folder = other.lastIndex(of: ".").map { String(other[...$0]) } ?? ""
      throw FileError(
        file: evidence.checkpoint.path, tensor: folder + own,
        problem: "missing, but the model of \(document.file) has it")
    }
    if let given, given != registers {
      throw evidence.checkpoint.misfit(
        name, "\(registers) register tokens, expected \(given) as in \(document.file)")
    }
    if evidence.checkpoint.facts.isDistilled, registers > 1 {
      throw evidence.checkpoint.misfit(name, "\(registers) tokens for distillation, expected 1")
    }
    // A class token that nothing needs stays in the sequence where the names are known to mean that.
    let found = evidence.has(ParameterNames.classToken)
    if found, document.hasClassToken == false, let reason = document.classTokenReason {
      throw FileError(
        file: document.file,
        problem: "\(reason), but the tensor \(evidence.checkpoint.fileName(of: ParameterNames.classToken)) is there")
    }
    let keeps = evidence.checkpoint.naming.map { $0 != .vmoe && $0 != .bigVision } ?? false
    return (document.hasClassToken ?? (classifier.needsClassToken || keeps && found), registers)
  }

  private func layerCount() throws(FileError) -> Int {
    guard let evidence else {
      guard let count = document.layerCount else {
        throw FileError(file: document.file, problem: "\(document.names.layerCount) is missing")
      }
      return count
    }
    if let count = document.layerCount, count != evidence.layerCount {
      throw FileError(
        file: evidence.checkpoint.path,
        problem:
          "\(evidence.layerCount) encoder blocks, expected \(count) (\(document.names.layerCount) in \(document.file))")
    }
    return evidence.layerCount
  }

  private func expertLayers(layerCount: Int) throws(FileError) -> [Int] {
    let given = document.moe?.layers.map { Set($0).sorted() }
    if let last = given?.last {
      try require(last < layerCount, "encoder.moe.layers", "\(given ?? [])", "block indices below \(layerCount)")
    }
    guard let evidence else { return given ?? [] }
    let found = evidence.expertLayers
    let expected = document.moe == nil ? [] : given ?? found
    guard found == expected else {
      let field = document.moe == nil ? "no encoder.moe" : "encoder.moe.layers"
      let odd = Set(found).symmetricDifference(expected).min() ?? 0
      let experts = "Encoder/encoderblock_\(odd)/Moe/"
      throw evidence.checkpoint.fault(
        evidence.checkpoint.tensorNames.first { $0.hasPrefix(experts) } ?? ParameterNames.block(odd).router,
        "experts in blocks \(found), expected \(expected) (\(field) in \(document.file))")
    }
    return found
  }

  private func mlpSize(expertLayers: [Int]) throws(FileError) -> Int {
    // Block 0 tells, with or without experts; all others are checked against it later.
    let block = ParameterNames.block(0)
    return expertLayers.first == 0
      ? try agree(
        document.names.mlpSize, document.mlpSize, block.experts.dense0.kernel, ["experts", "hidden", "mlp"], axis: 2)
      : try agree(document.names.mlpSize, document.mlpSize, block.mlp.dense0.kernel, ["hidden", "mlp"], axis: 1)
  }

  private func classCount() throws(FileError) -> Int {
    let kernel = ParameterNames.head.kernel
    if options.needsHead, let what = document.regression {
      throw FileError(
        file: document.file,
        problem: "\(what): its outputs are no classes, whose softmax is the answer here; e3-train fit --head new "
          + "trains a head of classes on it")
    }
    if let evidence, evidence.checkpoint.fileShape(of: kernel) == nil, document.isThere || evidence.layerCount > 0 {
      guard options.needsHead else { return 0 }
      throw evidence.checkpoint.fault(
        kernel,
        "missing: a backbone without classification head cannot be packed; \(evidence.checkpoint.lostHead)")
    }
    let count = try agree(
      document.names.classCount, document.classCount, kernel, ["representation", "classes"], axis: 1)
    guard let evidence, count == 1, options.needsHead else { return count }
    throw evidence.checkpoint.fault(
      kernel,
      "one class, whose softmax is 1 for every image: if it is the logit z of a sigmoid, make it two, [0, z], whose "
        + "softmax is that sigmoid: zeros for the first class's weights and bias, and these for the second's")
  }

  private func representationSize() throws(FileError) -> Int? {
    let name = ParameterNames.preLogits.kernel
    switch document.representationSize {
    case .some(.none): return nil
    case .some(.some(let size)):
      return try agree("representation_size", size, name, ["hidden", "representation"], axis: 1)
    case .none:
      guard let evidence, evidence.has(name) else { return nil }
      return try agree("representation_size", nil, name, ["hidden", "representation"], axis: 1)
    }
  }

  /// The ensemble's encoder ignores the field: its position embedding is always learned.
  var positionEmbedding: ModelConfig.PositionEmbedding {
    if document.isEnsemble { return .learned }
    return document.positionEmbedding ?? .learned
  }

  private func hasQueryKeyNorm() throws(FileError) -> Bool {
    if document.isEnsemble { return false }
    if let given = document.hasQueryKeyNorm { return given }
    guard let evidence else { return false }
    return (0..<evidence.layerCount).contains { index in
      let names = ParameterNames.block(index).attention
      return evidence.has(names.queryNorm) || evidence.has(names.keyNorm)
    }
  }
}
