import E3Host

/// A model's weights on disk: named float tensors, read one at a time.
///
/// The form is recognised by what the files hold:
/// - a V-MoE checkpoint, `PREFIX` or `PREFIX.index`, with its `PREFIX.data-nnnnn-of-NNNNN` files;
/// - safetensors, in one file or in parts with their `….index.json`;
/// - a PyTorch zip file (`.pt`, `.pth`, `.bin`), in one file or in parts, of which nothing is run;
/// - a `.npz` of vit_jax or big_vision;
/// - a folder that holds one of them.
///
/// Tensor names are those of V-MoE's parameter tree, joined with `/`, without what stands before the model and whatever
/// the form (`Encoder/encoderblock_0/SelfAttention/query/kernel`). Files are mapped; opening reads their tables alone.
/// Reading holds the values of the request and a few megabytes of the file.
public struct Checkpoint: Sendable {
  public enum Form: String, Sendable {
    case vmoe = "V-MoE"
    case safetensors
    case pytorch = "PyTorch"
    case npz
  }

  /// Path of the file that holds the weights, or the index of its parts.
  public let path: String
  /// Form of the files.
  public let form: Form
  /// Whose names the tensors have in the file; nil where no name is known.
  public let naming: Naming?
  /// The model's tensors' names, in ascending order.
  public let tensorNames: [String]
  /// Configuration beside the weights; nil where there is none.
  let configuration: String?
  /// What the names say about the model.
  let facts: NamingFacts
  /// Names of tensors that are none of the model's and that nobody asked to leave out.
  let otherNames: [String]
  /// Tensors that were left out, each with the reason.
  let passedOver: [(name: String, reason: String)]
  /// What the user should know, in lines.
  let notes: [String]
  /// What a PyTorch file has beside its tensors.
  let beside: BesideTensors
  /// Shapes of the tensors that were not left out, by the names that the file gives them.
  private let storedShapes: [String: [Int]]
  /// What stands before the parameters' names in the file.
  private let root: String
  /// The same, with the way to the model below it.
  private let prefix: String
  /// What the file has for the model's tensors, where its names are other than here.
  private let origins: [String: Origin]
  private let otherProblems: [String: String]
  /// Those of ``otherNames``.
  let others: [String: any TensorSource]
  private let sources: [String: any TensorSource]

  /// Most bytes of a file that say which tensors it has, where nothing else is asked for: 200 bytes for each of as many
  /// tensors as a checkpoint may have, and more.
  public static let headerLimit = 32 << 20

  /// Opens the checkpoint at `path`.
  ///
  /// - Parameters:
  ///   - ignored: Patterns of names to leave out, with `*` for any text.
  ///   - headerLimit: Most bytes of a safetensors file's table, or of a PyTorch file's pickle.
  /// - Throws: a missing, truncated or malformed file; one of a form that is not read, with what to do about it;
  ///   several models in one file; a pattern that matches nothing.
  public init(path: String, ignoring ignored: [String] = [], headerLimit: Int = Checkpoint.headerLimit)
    throws(FileError)
  {
    let files = try CheckpointFiles(path: path)
    let stored = try StoredTensors(files, headerLimit: headerLimit)
    self.path = files.weights
    (form, beside) = (stored.form, stored.beside)
    configuration = files.configuration
    for name in stored.tensors.keys.sorted() {
      guard let part = ForeignTensors.part(name), UnusedTensors.reason(name) == nil else { continue }
      throw FileError(file: self.path, tensor: name, problem: "belongs to \(part), which is not computed here")
    }
    let patterns = ignored.map(NamePattern.init)
    for (pattern, text) in zip(patterns, ignored) where !stored.tensors.keys.contains(where: pattern.matches) {
      throw FileError(
        file: self.path,
        problem: "--ignore '\(text)' matches none of its \(stored.tensors.count) tensors, whose names are like "
          + stored.tensors.keys.sorted().prefix(3).joined(separator: ", "))
    }
    let kept = stored.tensors.filter { tensor in !patterns.contains { $0.matches(tensor.key) } }
    var (root, tensors, rest) = Self.parameters(of: kept)
    var found = try Naming.find(in: tensors.keys, below: root, path: self.path)
    var notes: [String] = []
    if !files.unread.isEmpty {
      notes.append(
        "\(path): \(E3Host.fileName(self.path)) is read, and not \(files.unread.prefix(4).joined(separator: ", "))"
          + (files.unread.count > 4 ? " and \(files.unread.count - 4) more" : "") + ": give the file that is meant")
    }
    if found == nil, let other = try Self.otherRoot(of: kept, path: self.path) {
      root = other.root
      (tensors, rest) = Self.split(kept, root)
      found = try Naming.find(in: tensors.keys, below: root, path: self.path)
      for name in tensors.keys.sorted() {
        guard let part = ForeignTensors.part(name) else { continue }
        throw FileError(file: self.path, tensor: root + name, problem: "belongs to \(part), which is not computed here")
      }
      if other.reason == UnusedTensors.movingAverage {
        notes.append("\(self.path): its only weights are a moving average, \(root)…: these are taken")
      } else if let reason = other.reason {
        notes.append(
          "\(self.path): its only weights are below \(root)…, a name of \(reason): these are taken for the model")
      }
    }
    if let (naming, prefix) = found {
      notes += try Self.notes(of: naming, root: root, prefix: prefix, beside: kept, path: self.path)
    }
    (self.notes, storedShapes) = (notes, kept.mapValues(\.shape))
    let ignored = stored.tensors.keys.filter { kept[$0] == nil }.sorted()
    if let name = kept.keys.filter({ $0.holds("lora_A") }).min() {
      throw FileError(
        file: self.path, tensor: name,
        problem: "belongs to \(LoRA.next)")
    }
    // What the model, and nothing else below its root, has no use for.
    var inner: [String: any TensorSource] = [:]
    if let (naming, prefix) = found {
      if let name = ignored.first(where: { name in
        naming.isInBlock(name, prefix: root + prefix)
          && UnusedTensors.reasonInBlock(name, shape: stored.tensors[name]?.shape ?? []) == nil
      }) {
        throw FileError(
          file: self.path, tensor: name,
          problem: "is in an encoder block: without it the model would be another one, so --ignore does not take it")
      }
      let translated = try naming.translate(tensors, root: root, prefix: prefix, path: self.path)
      (tensors, self.naming, facts) = (translated.tensors, naming, translated.facts)
      (origins, self.prefix) = (translated.origins, root + prefix)
      inner = translated.rest
    } else {
      (naming, facts, prefix, origins) = (nil, NamingFacts(), "", [:])
    }
    self.root = root
    let (top, way) = (root, found.map { root + $0.prefix } ?? root)
    func reasonUnused(_ name: String, _ shape: [Int]) -> String? {
      guard let naming = found?.naming else { return UnusedTensors.reason(name, shape: shape) }
      if UnusedTensors.isMovingAverage(top), name.hasPrefix(top), UnusedTensors.isOfAveraging(name, shape: shape),
        !naming.isInBlock(name, prefix: way)
      {
        return "of the average"
      }
      return naming.reasonUnused(name, shape: shape, root: top, prefix: way)
    }
    var passedOver = ignored.map { (name: $0, reason: "--ignore") }
    var others: [String: any TensorSource] = [:]
    for (tensors, root) in [(rest, ""), (inner, root)] {
      for (name, tensor) in tensors {
        if let reason = reasonUnused(root + name, tensor.shape) {
          passedOver.append((root + name, reason))
        } else {
          others[root + name] = tensor
        }
      }
    }
    // V-MoE's names stay as they are: what the model has no use for shows only there.
    for (name, tensor) in tensors where naming != nil {
      let stored = origins[name]?.name ?? name
      guard let reason = reasonUnused(stored, tensor.shape) else { continue }
      passedOver.append((stored, reason))
      tensors[name] = nil
    }
    self.passedOver = passedOver.sorted { $0.name < $1.name }
    otherNames = others.keys.sorted()
    self.others = others
    otherProblems = others.merging(tensors) { $1 }.compactMapValues { ($0 as? UnreadableTensor)?.problem }
    sources = tensors
    tensorNames = sources.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Where any name starts with `params/`, the parameters are below it, and the rest of a training state beside it.
  private static func parameters(
    of tensors: [String: any TensorSource]
  ) -> (root: String, own: [String: any TensorSource], rest: [String: any TensorSource]) {
    let prefix = "params/"
    guard tensors.keys.contains(where: { $0.hasPrefix(prefix) }) else { return ("", tensors, [:]) }
    let (own, rest) = split(tensors, prefix)
    return (prefix, own, rest)
  }

  /// Where the parameters are, when what has the names of a model is part of a training state only: the target of
  /// flax's optimizer, as timm reads it too (`timm/models/vision_transformer.py`, `_load_weights`), or a moving average,
  /// or what else a training keeps.
  ///
  /// - Returns: The way there, and for what else it would be passed over.
  /// - Throws: several of them; those of an optimizer alone.
  private static func otherRoot(
    of tensors: [String: any TensorSource], path: String
  ) throws(FileError) -> (root: String, reason: String?)? {
    for root in ["opt/target/", "optimizer/target/"] where tensors.keys.contains(where: { $0.hasPrefix(root) }) {
      return (root, nil)
    }
    let all = try states(of: tensors, path: path)
    let sets = all.filter { $0.reason != UnusedTensors.optimizerState }
    if let state = all.first, sets.isEmpty {
      throw FileError(
        file: path,
        problem: "its only weights are below \(state.root)…, where an optimizer keeps its state: save the model's own, "
          + "torch.save(model.state_dict(), FILE)")
    }
    guard sets.count > 1 else { return sets.first }
    let what =
      sets.allSatisfy { $0.reason == UnusedTensors.movingAverage }
      ? "several moving averages" : "those of several states"
    throw FileError(
      file: path,
      problem: "its only weights are \(what) (\(sets.map(\.root).joined(separator: ", "))): leave all but one of them "
        + "out with --ignore")
  }

  /// What stands before the names of each model in a training state, and for what that is passed over.
  private static func states(
    of tensors: [String: any TensorSource], path: String
  ) throws(FileError) -> [(root: String, reason: String)] {
    var states: [String: String] = [:]
    for name in tensors.keys {
      guard let reason = UnusedTensors.reasonOfRoot(name),
        let root = SortedNames.folders(of: name).first.map(String.init),
        states[root] == nil, reason != UnusedTensors.optimizerState || !UnusedTensors.isMoment(name),
        try Naming.find(in: [String(name.dropFirst(root.count))], below: root, path: path) != nil
      else { continue }
      states[root] = reason
    }
    return states.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// What else has the names of a model, and how it is taken instead.
  private static func notes(
    of naming: Naming, root: String, prefix: String, beside tensors: [String: any TensorSource], path: String
  ) throws(FileError) -> [String] {
    let states = try states(of: tensors, path: path).filter { !(root + prefix).hasPrefix($0.root) }
    guard !states.isEmpty else { return [] }
    let way = root + naming.innerPrefix(prefix)
    let own = tensors.keys.filter {
      $0.hasPrefix(way) && (!way.isEmpty || UnusedTensors.reasonOfRoot($0) == nil)
    }
    let patterns = NamePattern.leavingOut(own.sorted(), of: tensors.keys, limit: 12)
    let options = patterns.count > 12 ? nil : patterns.map { "--ignore '\($0)'" }.joined(separator: " ")
    let averages = states.filter { $0.reason == UnusedTensors.movingAverage }.map(\.root)
    let sets = states.filter { $0.reason != UnusedTensors.optimizerState }
    var notes: [String] = []
    if averages.count == 1 {
      let next = options.map {
        ": \($0)\(sets.count > 1 ? ", and one for every other set," : "") takes that one instead"
      }
      notes.append("\(path): beside these weights it has a moving average, \(averages[0])…\(next ?? "")")
    } else if averages.count > 1 {
      let next = options.map { ": \($0), and one for all but one of them, takes that one instead" }
      notes.append(
        "\(path): beside these weights it has the moving averages \(averages.joined(separator: "…, "))…\(next ?? "")")
    }
    for (state, reason) in states where reason != UnusedTensors.movingAverage {
      var next = ""
      if let options, reason != UnusedTensors.optimizerState {
        next = ": \(options)\(sets.count > 1 ? ", and one for every other set," : "") takes that one instead"
      }
      notes.append("\(path): beside these weights it has a model below \(state)…, passed over as \(reason)\(next)")
    }
    return notes
  }

  /// The tensors below `prefix`, without it in their names, and the others.
  private static func split(
    _ tensors: [String: any TensorSource], _ prefix: String
  ) -> (own: [String: any TensorSource], rest: [String: any TensorSource]) {
    var (own, rest): ([String: any TensorSource], [String: any TensorSource]) = ([:], [:])
    for (name, tensor) in tensors {
      if name.hasPrefix(prefix) { own[String(name.dropFirst(prefix.count))] = tensor } else { rest[name] = tensor }
    }
    return (own, rest)
  }

  /// Shape of the tensor `name`; nil when there is none of that name.
  public func shape(of name: String) -> [Int]? { sources[name]?.shape }

  /// Why the tensor `name` cannot be read as weights; nil where it can, or where there is none of that name.
  func problem(with name: String) -> String? { sources[name]?.problem }

  /// Whether the tensor `name`, of `tensorNames` or `otherNames`, is in an encoder block.
  func isInBlock(_ name: String) -> Bool { naming?.isInBlock(name, prefix: prefix) ?? false }

  /// What `--ignore` takes to leave `names`, of `tensorNames` or `otherNames`, out and no other tensor.
  func ignoring(_ names: [String]) -> String {
    // Four are said.
    let patterns = NamePattern.leavingOut(names.map(storedName), of: storedShapes.keys, limit: 4)
    return patterns.prefix(4).map { "--ignore '\($0)'" }.joined(separator: " ") + (patterns.count > 4 ? " …" : "")
  }

  /// What the file calls a tensor whose name may lack the way to the parameters.
  private func storedName(_ name: String) -> String {
    storedShapes[name] == nil && storedShapes[root + name] != nil ? root + name : name
  }

  /// What was passed over, each with its reason, those of one folder together: `opt/… (26, optimizer state)`. A folder
  /// stands for its tensors only where all of them were passed over; where nothing was, the text is empty.
  func passedOverText() -> String {
    let used = SortedNames(Set(storedShapes.keys).subtracting(passedOver.map(\.name)))
    var groups: [(names: [String], title: String, reason: String)] = []
    var places: [String: Int] = [:]
    for (name, reason) in passedOver {
      let folders = SortedNames.folders(of: name)
      let last = folders.last.map { name.dropFirst($0.count - 1) } ?? ""
      let title =
        folders.first { used.count(in: $0) == 0 }.map { "\($0)…" } ?? folders.first.map { "\($0)*\(last)" } ?? name
      let place = places[title + "\n" + reason] ?? groups.count
      if place == groups.count { groups.append(([], title, reason)) }
      places[title + "\n" + reason] = place
      groups[place].names.append(name)
    }
    let texts = groups.prefix(12).map { group in
      group.names.count > 1
        ? "\(group.title) (\(group.names.count), \(group.reason))" : "\(group.names[0]) (\(group.reason))"
    }
    return texts.joined(separator: ", ") + (groups.count > 12 ? " and \(groups.count - 12) more" : "")
  }

  /// - Parameter configuration: what a configuration beside it calls the model; nil where nothing does.
  /// - Throws: a checkpoint of something else than a vision transformer.
  func requireTransformer(configuration: (file: String, model: String)? = nil) throws(FileError) {
    let parts = ["Encoder/", "Transformer/", "embedding/", "head/"]
    guard naming == nil, !sources.isEmpty,
      !sources.keys.contains(where: { name in parts.contains { name.holds($0) } })
    else { return }
    var problem = ""
    if let configuration { problem = "\(configuration.model), as \(configuration.file) calls it, is " }
    problem += """
      no vision transformer whose names are known (V-MoE's, timm's, Hugging Face's, torchvision's, vit_jax's and \
      big_vision's are), or its patch embedding is lost; its tensors are \
      \(sources.keys.sorted().prefix(3).joined(separator: ", "))
      """
    if sources.count > 3 { problem += " and \(sources.count - 3) more" }
    throw FileError(file: path, problem: problem)
  }

  /// - Throws: a checkpoint of which the patch embedding has the names of a library, and nothing that could be a block
  ///   has.
  func requireKnownBlocks() throws(FileError) {
    guard let naming, otherNames.count > 1 else { return }
    throw FileError(
      file: path,
      problem: "has a patch embedding with \(naming.rawValue)'s names and no encoder block with the names of a library "
        + "that is known (V-MoE's, timm's, Hugging Face's, torchvision's, vit_jax's and big_vision's are); its other "
        + "tensors are \(otherNames.prefix(3).joined(separator: ", "))"
        + (otherNames.count > 3 ? " and \(otherNames.count - 3) more" : ""))
  }

  /// - Parameters:
  ///   - method: how a configuration says that the weights were quantised.
  ///   - file: of the configuration.
  /// - Throws: a tensor that is none of floats.
  func requireFloats(_ method: String, _ file: String) throws(FileError) {
    let floats: Set<ElementType> = [.float16, .bfloat16, .float32, .float64]
    for name in tensorNames {
      guard let source = sources[name], source.problem != nil || !floats.contains(source.elementType) else { continue }
      throw quantised(name, method, file)
    }
    // What belongs to quantised weights: their scales, zeros and maps.
    let parts = ["SCB", "absmax", "quant_map", "qweight", "qzeros", "scales", "weight_scale", "weight_scale_inv"]
    if let name = otherNames.first(where: { name in parts.contains { name.hasSuffix(".\($0)") } }) {
      throw FileError(file: path, tensor: name, problem: Self.quantisedProblem(method, file))
    }
  }

  private func quantised(_ name: String, _ method: String, _ file: String) -> FileError {
    FileError(file: path, tensor: fileName(of: name), problem: Self.quantisedProblem(method, file))
  }

  private static func quantisedProblem(_ method: String, _ file: String) -> String {
    "is quantised (\(method)), as quantization_config in \(file) says: give the model's float weights, or those that "
      + "model.dequantize() and save_pretrained make"
  }

  /// What the file calls the tensor `name`, or would call it.
  func fileName(of name: String) -> String {
    origins[name]?.name ?? naming?.fileName(ofLost: name, prefix: prefix, beside: origins) ?? name
  }

  /// An error about the tensor `name`, which it calls what the file calls it.
  func fault(_ name: String, _ problem: String) -> FileError {
    let fileName = fileName(of: name)
    let translation = fileName.hasSuffix(name) ? "" : "as \(name): "
    return FileError(file: path, tensor: fileName, problem: translation + problem)
  }

  /// The tensor `name` is not there, or has a shape that is not right for the reason of `problem`.
  func misfit(_ name: String, _ problem: String) -> FileError {
    fault(name, "\(fileShape(of: name).map { "shape \($0)" } ?? "missing"): \(problem)")
  }

  /// The tensor `name` is not there, or has another shape than expected.
  ///
  /// - Parameter shape: of V-MoE's tensor, with heads side by side where the file has them so.
  func misfit(_ name: String, expected shape: [Int], for source: String) -> FileError {
    emptied(name) ?? fault(name, "\(found(name)) \(origins[name]?.expected(for: shape) ?? shape) for \(source)")
  }

  /// The tensor `name` is not there, or has another number of axes than expected.
  func misfit(_ name: String, axes: [String]) -> FileError {
    emptied(name) ?? fault(name, "\(found(name)) [\((origins[name]?.order(axes) ?? axes).joined(separator: ", "))]")
  }

  /// The tensor `name` has another extent along an axis of V-MoE's than expected.
  func misfit(_ name: String, expected extent: Int, along axis: Int, _ reason: String) -> FileError {
    let axes = Array(0..<(shape(of: name)?.count ?? 0))
    let place = (origins[name]?.order(axes) ?? axes).firstIndex(of: axis) ?? axis
    return emptied(name) ?? fault(name, "\(found(name)) \(extent) along axis \(place) (\(reason))")
  }

  /// The tensor `name` is there without its values; nil where that is not so.
  private func emptied(_ name: String) -> FileError? {
    guard let shape = fileShape(of: name), shape.contains(0) else { return nil }
    return fault(
      name,
      "shape \(shape), without values, as ZeRO stage 3 of DeepSpeed leaves it: zero_to_fp32.py, which DeepSpeed puts "
        + "into the folder of its checkpoint, makes the weights whole")
  }

  private func found(_ name: String) -> String {
    fileShape(of: name).map { "shape \($0), expected" } ?? "missing, expected shape"
  }

  /// Shape in the file of a tensor whose name may lack the way to the parameters; nil where there is none.
  func storedShape(of name: String) -> [Int]? { storedShapes[storedName(name)] }

  /// Shape in the file of the tensor that stands for `name`, also where it cannot be translated; nil without one.
  func fileShape(of name: String) -> [Int]? { origins[name].map(\.shape) ?? shape(of: name) }

  /// Why a tensor that is none of the model's could not be read at all, with a colon behind; empty where it could.
  func otherProblem(with name: String) -> String { otherProblems[name].map { "\($0): " } ?? "" }

  /// Whether heads lie side by side in the matrices of attention, with one axis for all.
  var hasFlatHeads: Bool { naming != nil && naming != .vmoe && naming != .bigVision }

  /// Encoding of the tensor `name` in the file; nil when there is none of that name.
  public func elementType(of name: String) -> ElementType? { sources[name]?.elementType }

  /// All values of the tensor `name` in C order.
  ///
  /// - Throws: a missing tensor; a value that is not finite; a damaged file.
  public func read(_ name: String) throws(FileError) -> [Float] {
    let source = try source(name)
    guard let count = elementCount(of: source.shape) else { throw missing(name) }
    return try read(name, source, 0..<count)
  }

  /// The values `index` along the leading axis of the tensor `name`, in C order: one expert of `[E, H, F]`.
  public func read(_ name: String, at index: Int) throws(FileError) -> [Float] {
    let source = try source(name)
    guard let extent = source.shape.first, let count = elementCount(of: source.shape.dropFirst()), index >= 0,
      index < extent
    else {
      throw FileError(
        file: path, tensor: name, problem: "shape \(source.shape) has no slice \(index) along its first axis")
    }
    return try read(name, source, index * count..<(index + 1) * count)
  }

  private func read(_ name: String, _ source: any TensorSource, _ range: Range<Int>) throws(FileError) -> [Float] {
    if let problem = source.problem { throw fault(name, problem) }
    let values: [Float]
    do throws(FileError) {
      values = try source.values(range)
    } catch {
      throw FileError(
        file: error.file.isEmpty ? path : error.file, tensor: fileName(of: name), problem: error.problem)
    }
    if let index = firstNonFinite(values) {
      throw fault(
        name, "value \(values[index]) at flat index \(range.lowerBound + index), expected finite weights")
    }
    return values
  }

  private func source(_ name: String) throws(FileError) -> any TensorSource {
    guard let source = sources[name] else { throw missing(name) }
    return source
  }

  private func missing(_ name: String) -> FileError {
    FileError(file: path, tensor: name, problem: "not in the checkpoint")
  }
}

/// What is said of an adapter, which is no model.
enum LoRA {
  static let next = "a LoRA adapter: merge it into its model first, with merge_and_unload() of the package peft"
}

/// Index of the first NaN or infinity in `values`.
func firstNonFinite(_ values: [Float]) -> Int? {
  let exponent: UInt32 = 0x7F80_0000
  return values.withUnsafeBufferPointer { buffer in
    // One branch per block keeps the scan of the usual, clean tensor a plain reduction.
    var start = 0
    while start < buffer.count {
      let end = min(start + 4096, buffer.count)
      var found: UInt32 = 0
      for i in start..<end where buffer[i].bitPattern & exponent == exponent { found |= 1 }
      if found != 0 { return (start..<end).first { !buffer[$0].isFinite } }
      start = end
    }
    return nil
  }
}
