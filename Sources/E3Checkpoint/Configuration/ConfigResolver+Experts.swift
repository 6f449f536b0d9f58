import E3Host

extension ConfigResolver {
  /// Fills in members, experts and routing.
  func addExperts(_ layers: [Int], to config: inout ModelConfig) throws(FileError) {
    guard let first = layers.first, let moe = document.moe else {
      // Without experts the reference never repeats the tokens: there is one member.
      guard options.ensembleSize ?? 1 == 1 else {
        throw FileError(
          file: document.file, problem: "no experts to divide into \(options.ensembleSize ?? 1) members")
      }
      return
    }
    func fault(_ problem: String) -> FileError { FileError(file: document.file, problem: problem) }

    let count = try expertCount(moe.expertCount, block: first)
    let members = try memberCount(moe.memberCount, block: first)
    let selected = moe.selectedExperts ?? 1
    guard count % members == 0 else {
      throw fault("encoder.moe.num_experts is \(count), expected a multiple of \(members) members")
    }
    guard selected <= count / members else {
      throw fault("num_selected_experts is \(selected), expected at most the \(count / members) experts of a member")
    }
    config.memberCount = members
    config.experts = ModelConfig.Experts(
      layers: layers, count: count, selected: selected,
      roundsToBFloat16: moe.dispatcher?.roundsToBFloat16 ?? false,
      capacity: try capacity(config, moe, count: count, selected: selected))
  }

  private func expertCount(_ given: Int?, block: Int) throws(FileError) -> Int {
    guard let evidence else {
      guard let given else { throw FileError(file: document.file, problem: "encoder.moe.num_experts is missing") }
      return given
    }
    let name = ParameterNames.block(block).experts.dense0.kernel
    let found = try evidence.extent(of: name, axes: ["experts", "hidden", "mlp"], axis: 0)
    guard given == nil || given == found else {
      throw evidence.checkpoint.misfit(
        name, "\(counted(found, "expert")), expected \(given ?? 0) (encoder.moe.num_experts in \(document.file))")
    }
    return found
  }

  private func memberCount(_ given: Int?, block: Int) throws(FileError) -> Int {
    if let asked = options.ensembleSize {
      guard (1...ConfigDocument.sizeLimit).contains(asked) else {
        throw FileError(file: document.file, problem: "--ensemble-size is \(asked), expected at least 1")
      }
      return asked
    }
    guard document.isEnsemble else {
      guard given ?? 1 == 1 else {
        throw FileError(
          file: document.file,
          problem: "encoder.moe.ensemble_size is \(given ?? 1), expected name VisionTransformerMoeEnsemble with it")
      }
      return 1
    }
    if let given { return given }
    // [H, M, Em] tells M, [H, E] does not.
    if let shape = evidence?.checkpoint.shape(of: ParameterNames.block(block).router), shape.count == 3,
      (1...ConfigDocument.sizeLimit).contains(shape[1])
    {
      return shape[1]
    }
    throw FileError(file: document.file, problem: "encoder.moe.ensemble_size is missing")
  }

  /// Slots per expert and group. Source: vmoe/moe.py, compute_capacity, with the same order of float operations.
  private func capacity(_ config: ModelConfig, _ moe: ConfigDocument.MoE, count: Int, selected: Int)
    throws(FileError) -> ModelConfig.Capacity?
  {
    func fault(_ problem: String) -> FileError { FileError(file: document.file, problem: problem) }
    guard options.capacity != .none else { return nil }
    guard let dispatcher = moe.dispatcher else {
      throw fault("encoder.moe.router.dispatcher is missing, but capacity is asked for")
    }
    let image = config.tokenCount * config.memberCount
    let groupSize = options.capacity == .reference ? image : moe.groupSize ?? 0
    guard groupSize > 0, groupSize % config.memberCount == 0 else {
      throw fault("encoder.moe.group_size is \(groupSize), expected a multiple of \(config.memberCount) members")
    }
    guard (dispatcher.capacity == nil) != (dispatcher.capacityFactor == nil) else {
      throw fault("the dispatcher needs either capacity or capacity_factor, not both")
    }
    var slots: Int
    if let given = dispatcher.capacity {
      slots = given
    } else {
      let exact = Double(groupSize * selected) * (dispatcher.capacityFactor ?? 0) / Double(count)
      let rounded = dispatcher.rounding == .ceil ? exact.rounded(.up) : exact.rounded(.toNearestOrEven)
      guard rounded >= 1, rounded < 0x1p31 else {
        throw fault(
          "capacity_factor \(dispatcher.capacityFactor ?? 0) gives a capacity of \(rounded), expected at least 1")
      }
      slots = Int(rounded)
      if dispatcher.multipleOf > 0 {
        slots += (dispatcher.multipleOf - slots % dispatcher.multipleOf) % dispatcher.multipleOf
      }
    }
    return ModelConfig.Capacity(slots: slots, batchPriority: dispatcher.batchPriority, groupSize: groupSize)
  }
}
