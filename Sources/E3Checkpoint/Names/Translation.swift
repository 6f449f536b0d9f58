import E3Host

/// Turns the tensors of another library's model into those of V-MoE's parameter tree. What it does not ask for is left
/// over.
struct Translation {
  private let stored: [String: any TensorSource]
  /// Under V-MoE's names.
  private(set) var tensors: [String: any TensorSource] = [:]
  /// What the file calls each of V-MoE's tensors that was asked for, whether it is there or not.
  private(set) var origins: [String: String] = [:]
  private var used: Set<String> = []
  /// Under V-MoE's names: biases that the file does not hold.
  private var absentBiases: Set<String> = []
  /// Layers with factors, and which of the names that these may have it was; layers without, and those names.
  private var (scaledLayers, unscaledLayers): ([String: Int], [(names: LinearNames, factors: [String])]) = ([:], [])
  /// Tensors that are missed although no other name of a model stands for them.
  private(set) var missed: [(name: String, problem: String)] = []

  init(_ stored: [String: any TensorSource]) { self.stored = stored }

  /// Tensors that nothing asked for.
  var rest: [String: any TensorSource] { stored.filter { !used.contains($0.key) } }

  func has(_ name: String) -> Bool { stored[name] != nil }

  func shape(of name: String) -> [Int]? { stored[name]?.shape }

  /// The tensor `name`, which counts as used from now on.
  mutating func take(_ name: String?) -> (any TensorSource)? {
    guard let name, let tensor = stored[name] else { return nil }
    used.insert(name)
    return tensor
  }

  /// The first of `names` that is there.
  func first(of names: String...) -> String? { names.first(where: has) }

  mutating func add(_ name: String, _ tensor: (any TensorSource)?) {
    if let tensor { tensors[name] = tensor }
  }

  /// A vector or table that is taken as it is.
  mutating func copy(_ name: String, from source: String?) {
    origins[name] = source
    add(name, take(source))
  }

  mutating func norm(_ names: NormNames, from source: String?) {
    guard let source else { return }
    copy(names.scale, from: "\(source).weight")
    copy(names.bias, from: "\(source).bias")
  }

  /// A linear layer `y = x · Wᵀ + b`, whose matrix PyTorch stores as `[outputs, inputs]`. An absent bias is zeros.
  ///
  /// - Parameter factors: names that one factor for each output may have (LayerScale), which becomes part of matrix and
  ///   bias.
  mutating func linear(_ names: LinearNames, from source: String?, factors: [String] = []) {
    guard let source else { return }
    origins[names.kernel] = "\(source).weight"
    origins[names.bias] = "\(source).bias"
    guard let weight = take("\(source).weight"), weight.shape.count == 2 else { return }
    let bias = take("\(source).bias")
    let place = factors.firstIndex(where: has)
    if let place {
      scaledLayers[Self.layer(names.bias)] = place
    } else if !factors.isEmpty {
      unscaledLayers.append((names, factors))
    }
    linear(names, weight: weight, bias: bias, factors: take(place.map { factors[$0] }))
  }

  /// A linear layer of a matrix `[outputs, inputs]`.
  mutating func linear(
    _ names: LinearNames, weight: any TensorSource, bias: (any TensorSource)?, factors: (any TensorSource)? = nil
  ) {
    let outputs = weight.shape[0]
    let kernel = PermutedTensor(weight, order: [1, 0])
    let bias = self.bias(names, bias, outputs: outputs)
    guard let factors else {
      add(names.kernel, kernel)
      add(names.bias, bias)
      return
    }
    // With factors of another shape there is no such layer, and it is missed by its name.
    guard factors.shape == [outputs], bias.shape == [outputs] else { return }
    add(names.kernel, ScaledTensor(base: kernel, factors: factors))
    add(names.bias, ScaledTensor(base: bias, factors: factors))
  }

  private mutating func bias(_ names: LinearNames, _ bias: (any TensorSource)?, outputs: Int) -> any TensorSource {
    if let bias { return bias }
    absentBiases.insert(names.bias)
    return ComputedTensor.zeros([outputs])
  }

  /// Takes an absent bias, or absent factors, for lost, and so for missed, where the same layer of another block has them.
  ///
  /// - Returns: The layers that have no bias in any block, `encoderblock_*` for all blocks.
  mutating func settle() -> [String] {
    let present = Set(tensors.keys.filter { $0.hasSuffix("/bias") && !absentBiases.contains($0) }.map(Self.layer))
    for bias in absentBiases where present.contains(Self.layer(bias)) { tensors[bias] = nil }
    for (names, factors) in unscaledLayers {
      guard let place = scaledLayers[Self.layer(names.bias)] else { continue }
      missed.append((factors[place], "missing, but other blocks have it"))
    }
    return Set(absentBiases.map(Self.layer)).subtracting(present).sorted()
  }

  /// The layer that a bias is of, `encoderblock_*` for all blocks.
  private static func layer(_ bias: String) -> String {
    bias.split(separator: "/").dropLast().map { $0.hasPrefix("encoderblock_") ? "encoderblock_*" : String($0) }
      .joined(separator: "/")
  }

  /// Several linear layers whose matrices lie one below the other: `[sum of outputs, inputs]`, as a fused `qkv`.
  mutating func stacked(_ names: [LinearNames], weight: String, bias: String) {
    for name in names {
      origins[name.kernel] = weight
      origins[name.bias] = bias
    }
    guard let matrix = take(weight), matrix.shape.count == 2, matrix.shape[0].isMultiple(of: names.count) else {
      return
    }
    let (outputs, inputs) = (matrix.shape[0] / names.count, matrix.shape[1])
    let biases = take(bias)
    guard biases == nil || biases?.shape == [matrix.shape[0]] else { return }
    for (index, name) in names.enumerated() {
      linear(
        name, weight: SlicedTensor(base: matrix, offset: index * outputs * inputs, shape: [outputs, inputs]),
        bias: biases.map { SlicedTensor(base: $0, offset: index * outputs, shape: [outputs]) })
    }
  }

  /// The patch embedding, a convolution `[H, channels, patch height, patch width]`.
  mutating func patchEmbedding(from source: String) {
    origins[ParameterNames.embedding.kernel] = "\(source).weight"
    origins[ParameterNames.embedding.bias] = "\(source).bias"
    guard let weight = take("\(source).weight"), weight.shape.count == 4 else { return }
    add(ParameterNames.embedding.kernel, PermutedTensor(weight, order: [2, 3, 1, 0]))
    let bias = bias(ParameterNames.embedding, take("\(source).bias"), outputs: weight.shape[0])
    add(ParameterNames.embedding.bias, bias)
  }

  /// The head of a distilled model: the mean of two heads, one on each of two tokens, is one head on both.
  mutating func headPair(_ first: String, _ second: String) {
    origins[ParameterNames.head.kernel] = "\(first).weight"
    origins[ParameterNames.head.bias] = "\(first).bias"
    let names = ["\(first).weight", "\(second).weight", "\(first).bias", "\(second).bias"]
    let isThere = names.map(has)
    guard isThere.contains(true) else { return }
    for (name, isThere) in zip(names, isThere) where !isThere {
      missed.append((name, "missing, but the rest of the two heads is there"))
    }
    guard let a = take(names[0]), let b = take(names[1]), a.shape == b.shape, a.shape.count == 2,
      let biasA = take(names[2]), let biasB = take(names[3]), biasA.shape == biasB.shape
    else { return }
    let (classes, inputs) = (a.shape[0], a.shape[1])
    add(
      ParameterNames.head.kernel,
      ComputedTensor(
        shape: [2 * inputs, classes], parts: [PermutedTensor(a, order: [1, 0]), PermutedTensor(b, order: [1, 0])]
      ) { parts in parts.joined().map { $0 / 2 } })
    add(
      ParameterNames.head.bias,
      ComputedTensor(shape: [classes], parts: [biasA, biasB]) { parts in zip(parts[0], parts[1]).map { $0 / 2 + $1 / 2 }
      })
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
