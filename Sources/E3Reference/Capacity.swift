import E3Checkpoint

extension Routing {
  /// Deals out the experts' slots and marks the assignments that find none.
  ///
  /// Tokens are taken in the reference's stream order, image, then token, then member, and cut into groups. In each
  /// group all first choices come before all second ones. Within one choice tokens come in stream order or, with batch
  /// priority, in descending order of their top gate.
  ///
  /// - Precondition: the group size divides the number of tokens.
  ///
  /// Source: vmoe/moe.py; Riquelme et al., "Scaling Vision with Sparse Mixture of Experts", sections 2 and 4.
  mutating func limit(_ capacity: ModelConfig.Capacity, tokenCount: Int, memberCount: Int, expertCount: Int) {
    let imageCount = experts.count / (tokenCount * memberCount)
    var stream: [Int] = []
    for image in 0..<imageCount {
      for token in 0..<tokenCount {
        for member in 0..<memberCount { stream.append((image * memberCount + member) * tokenCount + token) }
      }
    }
    precondition(stream.count.isMultiple(of: capacity.groupSize))

    var slots = experts.map { $0.map { _ in -1 } }
    for start in stride(from: 0, to: stream.count, by: capacity.groupSize) {
      var group = Array(stream[start..<start + capacity.groupSize])
      if capacity.batchPriority {
        // Swift's sort is stable, as the reference's is.
        group.sort { (weights[$0].first ?? 0) > (weights[$1].first ?? 0) }
      }
      var used = [Int](repeating: 0, count: expertCount)
      for choice in 0..<(experts.first?.count ?? 0) {
        for row in group {
          let expert = experts[row][choice]
          if used[expert] < capacity.slots { slots[row][choice] = used[expert] }
          used[expert] += 1
        }
      }
    }
    self.slots = slots
  }
}
