import E3Host

/// Tensors that a library's models have or do not have, as an option says: all of them or none.
enum OptionalPart: String {
  case queryBias = "qkv_bias"
  /// Of attention's output.
  case outputBias = "proj_bias"
  case mlpBias = "ffn_bias"
  case layerScale = "LayerScale"
  /// The norm behind the pooling, in place of the one before it.
  case pooledNorm = "fc_norm"
}

/// Turns the tensors of another library's model into those of V-MoE's parameter tree. What it does not ask for is left
/// over.
///
/// A tensor that is missed, or has a shape that cannot be translated, leaves a gap in `tensors`. `origins` says what
/// the file calls it.
struct Translation {
  private let stored: [String: any TensorSource]
  /// Under V-MoE's names.
  private(set) var tensors: [String: any TensorSource] = [:]
  /// By V-MoE's names: what was asked for.
  private(set) var origins: [String: Origin] = [:]
  private var used: Set<String> = []
  private var parts: [OptionalPart: Part] = [:]
  /// Tensors that are missed although no other name of a model stands for them, or that are not what their names say.
  private(set) var faults: [(name: String, problem: String)] = []
  /// H, as the patch embedding has it.
  private var hidden = 0

  private struct Part {
    /// What the file calls one of its tensors: one that is there, if any is.
    var example: String
    /// Whether any tensor of it is there, or must be.
    var isThere = false
    /// V-MoE's names of biases that are not there.
    var biases: [String] = []
    /// Layers without factors, with the names that these may have.
    var unscaled: [(names: LinearNames, factors: [String])] = []
    /// Which of these names other layers have.
    var place = 0
  }

  init(_ stored: [String: any TensorSource]) { self.stored = stored }

  /// Tensors that nothing asked for.
  var rest: [String: any TensorSource] { stored.filter { !used.contains($0.key) } }

  func has(_ name: String) -> Bool { stored[name] != nil }

  /// The tensor `name`, which counts as used from now on.
  private mutating func take(_ name: String) -> (any TensorSource)? {
    guard let tensor = stored[name] else { return nil }
    used.insert(name)
    return tensor
  }

  /// The first of `names` that is there; the first of all where none is.
  func first(of names: String...) -> String { names.first(where: has) ?? names[0] }

  /// Misses the tensor `name` where it is not there.
  mutating func require(_ name: String, because reason: String) {
    if !has(name) { faults.append((name, "missing, but \(reason)")) }
  }

  /// Misses every tensor of `part` that is not there.
  mutating func require(_ part: OptionalPart) { parts[part]?.isThere = true }

  private mutating func expect(_ name: String, from source: String, _ layout: Origin.Layout) {
    origins[name] = Origin(name: source, shape: stored[source]?.shape, layout: layout)
  }

  private mutating func expect(_ names: LinearNames, from source: String, _ layout: Origin.Layout) {
    expect(names.kernel, from: "\(source).weight", layout)
    expect(names.bias, from: "\(source).bias", layout)
  }

  /// A vector or table that is taken as it is.
  mutating func copy(_ name: String, from source: String) {
    expect(name, from: source, .same)
    tensors[name] = take(source)
  }

  mutating func norm(_ names: NormNames, from source: String) {
    copy(names.scale, from: "\(source).weight")
    copy(names.bias, from: "\(source).bias")
  }

  /// A linear layer `y = x · Wᵀ + b`, whose matrix PyTorch stores as `[outputs, inputs]`.
  ///
  /// - Parameters:
  ///   - part: what its bias belongs to; nil where there is no such layer without one.
  ///   - factors: names that one factor for each output may have (LayerScale), which becomes part of matrix and bias.
  mutating func linear(
    _ names: LinearNames, from source: String, bias part: OptionalPart? = nil, factors: [String] = []
  ) {
    expect(names, from: source, .linear)
    guard let weight = take("\(source).weight"), weight.shape.count == 2 else { return }
    tensors[names.kernel] = PermutedTensor(weight, order: [1, 0])
    addBias(names.bias, take("\(source).bias"), outputs: weight.shape[0], part)
    scale(names, by: factors)
  }

  /// Names an MLP with a gate, whose first layer has the outputs of two behind each other.
  mutating func refuseGate(_ first: String, _ second: String) {
    guard let weight = stored["\(first).weight"]?.shape, let next = stored["\(second).weight"]?.shape,
      weight.count == 2, next.count == 2, weight[1] == hidden, next[0] == hidden, weight[0] == 2 * next[1]
    else { return }
    faults.append(
      (
        "\(first).weight",
        "shape \(weight), twice as many outputs as \(second).weight, shape \(next), reads: an MLP with SwiGLU, gate and "
          + "values in one matrix, which is not computed here"
      ))
  }

  /// Several linear layers whose matrices lie one below the other: `[sum of outputs, inputs]`, as a fused `qkv`.
  mutating func stacked(_ names: [LinearNames], weight: String, bias: String, part: OptionalPart? = nil) {
    for name in names {
      expect(name.kernel, from: weight, .stacked(names.count))
      expect(name.bias, from: bias, .stacked(names.count))
    }
    guard let matrix = take(weight), matrix.shape.count == 2, matrix.shape[0].isMultiple(of: names.count) else {
      return
    }
    let biases = take(bias)
    let (outputs, inputs) = (matrix.shape[0] / names.count, matrix.shape[1])
    for (index, name) in names.enumerated() {
      let slice = SlicedTensor(base: matrix, offset: index * outputs * inputs, shape: [outputs, inputs])
      tensors[name.kernel] = PermutedTensor(slice, order: [1, 0])
      guard biases == nil || biases?.shape == [matrix.shape[0]] else { continue }
      let bias = biases.map { SlicedTensor(base: $0, offset: index * outputs, shape: [outputs]) }
      addBias(name.bias, bias, outputs: outputs, part)
    }
  }

  /// The patch embedding, a convolution `[H, channels, patch height, patch width]`.
  mutating func patchEmbedding(from source: String) {
    expect(ParameterNames.embedding, from: source, .convolution)
    let weight = take("\(source).weight")
    tensors[ParameterNames.embedding.bias] = take("\(source).bias")
    guard let weight, weight.shape.count == 4 else { return }
    hidden = weight.shape[0]
    tensors[ParameterNames.embedding.kernel] = PermutedTensor(weight, order: [2, 3, 1, 0])
  }

  /// An absent bias is zeros, until another layer shows that the model has such biases.
  private mutating func addBias(
    _ name: String, _ bias: (any TensorSource)?, outputs: Int, _ part: OptionalPart?
  ) {
    tensors[name] = bias
    guard let part else { return }
    var known = parts[part] ?? Part(example: origins[name]?.name ?? name)
    if bias == nil {
      tensors[name] = ComputedTensor.zeros([outputs])
      known.biases.append(name)
    } else {
      (known.isThere, known.example) = (true, origins[name]?.name ?? name)
    }
    parts[part] = known
  }

  private mutating func scale(_ names: LinearNames, by factors: [String]) {
    guard let first = factors.first else { return }
    var part = parts[.layerScale] ?? Part(example: first)
    if let place = factors.firstIndex(where: has), let vector = take(factors[place]) {
      (part.isThere, part.place, part.example) = (true, place, factors[place])
      if vector.shape == [hidden] {
        for name in [names.kernel, names.bias] {
          tensors[name] = tensors[name].map { ScaledTensor(base: $0, factors: vector) }
        }
      } else {
        miss(names.kernel, for: factors[place])
      }
    } else {
      part.unscaled.append((names, factors))
    }
    parts[.layerScale] = part
  }

  /// There is no matrix without its factors: these are what is missed.
  private mutating func miss(_ kernel: String, for factors: String) {
    tensors[kernel] = nil
    expect(kernel, from: factors, .factors)
  }

  /// Takes what is absent of a part that is there for lost, and so for missed.
  ///
  /// - Returns: The optional parts, and the layers that have no bias, `encoderblock_*` for all blocks.
  mutating func settle() -> (parts: [OptionalPart: NamingFacts.Part], layersWithoutBias: [String]) {
    for part in parts.values where part.isThere {
      for bias in part.biases { tensors[bias] = nil }
      for (names, factors) in part.unscaled { miss(names.kernel, for: factors[part.place]) }
    }
    let absent = parts.values.filter { !$0.isThere }.flatMap(\.biases)
    return (
      parts.mapValues { NamingFacts.Part(isThere: $0.isThere, example: $0.example) },
      Set(absent.map(Self.layer)).sorted()
    )
  }

  /// The layer that a bias is of, `encoderblock_*` for all blocks.
  private static func layer(_ bias: String) -> String {
    bias.split(separator: "/").dropLast().map { $0.hasPrefix("encoderblock_") ? "encoderblock_*" : String($0) }
      .joined(separator: "/")
  }

  /// The head of a distilled model: the mean of two heads, one on each of two tokens, is one head on both.
  ///
  /// - Parameter token: what the second one reads.
  mutating func headPair(_ first: String, _ second: String, token: String) {
    let heads = [first, second].map { source in
      (source: source, weight: take("\(source).weight"), bias: take("\(source).bias"))
    }
    guard heads.contains(where: { $0.weight != nil || $0.bias != nil }) else {
      return expect(ParameterNames.head, from: first, .half)
    }
    let reason = hasAny("\(second).") ? "the rest of the two heads is there" : "\(token) is there, for a second head"
    for head in heads {
      require("\(head.source).weight", because: reason)
      require("\(head.source).bias", because: reason)
    }
    require(token, because: "\(second) reads it")
    // Of two that differ, the one that is unlike its bias or the model is the wrong one.
    let odd =
      heads.first { head in
        guard let weight = head.weight?.shape, let bias = head.bias?.shape else { return true }
        return bias.count != 1 || weight != [bias[0], hidden]
      } ?? heads[0]
    expect(ParameterNames.head, from: odd.source, .half)
    guard let a = heads[0].weight, let b = heads[1].weight, a.shape == b.shape, a.shape.count == 2 else { return }
    let (classes, inputs) = (a.shape[0], a.shape[1])
    tensors[ParameterNames.head.kernel] = ComputedTensor(
      shape: [2 * inputs, classes], parts: [PermutedTensor(a, order: [1, 0]), PermutedTensor(b, order: [1, 0])]
    ) { parts in parts.joined().map { (value: Float) in value / 2 } }
    guard let a = heads[0].bias, let b = heads[1].bias, a.shape == b.shape, a.shape == [classes] else { return }
    tensors[ParameterNames.head.bias] = ComputedTensor(shape: [classes], parts: [a, b]) { parts in
      zip(parts[0], parts[1]).map { (first: Float, second: Float) in first / 2 + second / 2 }
    }
  }

  /// Whether more tensors below `prefix` have `part` in their names than `other`, which stands for the same. One that
  /// is lost or there twice does not turn it round.
  func areCalled(_ part: String, not other: String, below prefix: String) -> Bool {
    let names = stored.keys.filter { $0.hasPrefix(prefix) }
    return names.count { $0.holds(part) } > names.count { $0.holds(other) }
  }

  /// Whether any tensor's name begins with `prefix` and has `part` behind it.
  func hasAny(_ prefix: String, with part: String = "") -> Bool {
    stored.keys.contains { $0.hasPrefix(prefix) && (part.isEmpty || $0.dropFirst(prefix.count).contains(part)) }
  }

  /// Number of blocks: one more than the highest number behind `prefix`. Of a block in between that lacks a tensor, it
  /// is missed by its name.
  func blockCount(_ prefix: String) -> Int {
    let numbers = stored.keys.compactMap { name in
      name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count).prefix { $0 != "." }) : nil
    }
    return (numbers.filter { (0..<ConfigDocument.layerLimit).contains($0) }.max() ?? -1) + 1
  }
}
