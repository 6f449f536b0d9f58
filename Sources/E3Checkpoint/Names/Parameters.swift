import E3Host

/// A tensor that a model needs.
public struct Parameter: Equatable, Sendable {
  /// V-MoE name.
  public let name: String
  public let shape: [Int]
}

extension ModelConfig {
  /// All tensors of the model with the shapes that a checkpoint of exactly this model has, in order of use.
  /// Routers are `[H, M, Em]` for an ensemble and `[H, E]` when M is 1.
  public var parameters: [Parameter] {
    let (hidden, mlp) = (hiddenSize, mlpSize)
    var list: [Parameter] = []
    func add(_ name: String, _ shape: [Int]) { list.append(Parameter(name: name, shape: shape)) }
    func add(_ names: LinearNames, _ kernel: [Int], bias: [Int]) {
      add(names.kernel, kernel)
      add(names.bias, bias)
    }
    func add(_ names: NormNames, width: Int? = nil) {
      add(names.scale, [width ?? hidden])
      add(names.bias, [width ?? hidden])
    }
    func add(_ names: AttentionNames) {
      for projection in [names.query, names.key, names.value] {
        add(projection, [hidden, headCount, headSize], bias: [headCount, headSize])
      }
      if hasQueryKeyNorm {
        add(names.queryNorm, [headSize])
        add(names.keyNorm, [headSize])
      }
      add(names.out, [headCount, headSize, hidden], bias: [hidden])
    }
    func add(_ names: MLPNames, leading: [Int] = []) {
      add(names.dense0, leading + [hidden, mlp], bias: leading + [mlp])
      add(names.dense1, leading + [mlp, hidden], bias: leading + [hidden])
    }

    add(ParameterNames.embedding, [patchHeight, patchWidth, channels, hidden], bias: [hidden])
    if hasClassToken { add(ParameterNames.classToken, [1, 1, hidden]) }
    if registerCount > 0 { add(ParameterNames.registers, [1, registerCount, hidden]) }
    if positionEmbedding == .learned { add(ParameterNames.positionEmbedding, [1, tokenCount, hidden]) }
    for index in 0..<layerCount {
      let block = ParameterNames.block(index)
      add(block.norm0)
      add(block.attention)
      add(block.norm1)
      if let experts, isMoE(index) {
        add(block.router, memberCount > 1 ? [hidden, memberCount, expertsPerMember] : [hidden, experts.count])
        add(block.experts, leading: [experts.count])
      } else {
        add(block.mlp)
      }
    }
    add(ParameterNames.encoderNorm, width: finalNorm == .afterPooling ? pooledSize : hidden)
    if classifier == .map {
      add(ParameterNames.mapProbe, [1, 1, hidden])
      add(ParameterNames.mapAttention)
      add(ParameterNames.mapNorm)
      add(ParameterNames.mapMLP)
    }
    if let representationSize {
      add(ParameterNames.preLogits, [pooledSize, representationSize], bias: [representationSize])
    }
    if classCount > 0 { add(ParameterNames.head, [headInputSize, classCount], bias: [classCount]) }
    return list
  }
}
