import E3Format

/// Who goes to which expert in one MoE block. An assignment is one chosen expert of one token of one member.
struct RoutingTables {
  /// Marks an assignment that the capacity dropped.
  static let dropped = UInt32.max

  /// [M*T][E/M]: router logits, then gates.
  let gates: FloatRows
  /// [M*T][K]: expert of each assignment, over all members; or `dropped`.
  let experts: UnsafeMutablePointer<UInt32>
  /// [M*T][K]: its gate.
  let weights: UnsafeMutablePointer<Float>

  /// [E + 1]: the assignments of expert e are starts[e] ..< starts[e + 1] of the next two arrays.
  let starts: UnsafeMutablePointer<UInt32>
  /// [M*T*K]: row of the token, ascending for each expert.
  let rows: UnsafeMutablePointer<UInt32>
  /// [M*T*K]
  let rowGates: UnsafeMutablePointer<Float>

  /// [E]: next free place, or used slots.
  let counters: UnsafeMutablePointer<UInt32>
  /// [T] and its scratch: tokens in the order in which they take slots.
  let order: UnsafeMutablePointer<UInt32>
  let orderScratch: UnsafeMutablePointer<UInt32>

  init(_ shape: ModelShape, in arena: inout Arena) {
    let hasExperts = shape.firstMoEBlock != nil
    let members = hasExperts ? shape.memberCount : 0
    let tokens = shape.tokenCount
    let (assignments, wide) = tokens.multipliedReportingOverflow(by: max(shape.selectedExperts, 1))
    let perMember = wide ? Int.max : assignments
    gates = arena.takeRows(members, times: tokens, width: hasExperts ? shape.expertsPerMember : 1)
    experts = arena.take(UInt32.self, members, times: perMember)
    weights = arena.take(Float.self, members, times: perMember)
    starts = arena.take(UInt32.self, shape.expertCount + 1)
    rows = arena.take(UInt32.self, members, times: perMember)
    rowGates = arena.take(Float.self, members, times: perMember)
    counters = arena.take(UInt32.self, shape.expertCount)
    let ordered = shape.capacityMode == .priority && hasExperts ? tokens : 0
    order = arena.take(UInt32.self, ordered)
    orderScratch = arena.take(UInt32.self, ordered)
  }
}

extension RoutingTables {
  /// Chooses the K largest gates of row `row`, which belongs to `member`; ties go to the lower expert. The gates are
  /// not renormalised. Uses up the row's gates.
  func chooseExperts(row: Int, member: Int, shape: ModelShape) {
    let candidates = gates.row(row)
    let chosen = -Float(1)  // below every gate
    for choice in 0..<shape.selectedExperts {
      var best = -1
      for expert in 0..<shape.expertsPerMember where candidates[expert] != chosen {
        if best < 0 || candidates[expert] > candidates[best] { best = expert }
      }
      let assignment = row * shape.selectedExperts + choice
      experts[assignment] = UInt32(member * shape.expertsPerMember + best)
      weights[assignment] = candidates[best]
      candidates[best] = chosen
    }
  }

  /// Drops what exceeds the capacity, as the reference does for one image per group: first choices take slots before
  /// second choices; within a choice, tokens in order, or by descending first gate under batch priority.
  func applyCapacity(tokens: Int, shape: ModelShape) {
    guard shape.capacityMode != .none else { return }
    counters.update(repeating: 0, count: shape.expertCount)
    let selected = shape.selectedExperts
    for member in 0..<shape.memberCount {
      let firstRow = member * tokens
      if shape.capacityMode == .priority { sortByFirstGate(firstRow: firstRow, tokens: tokens, selected: selected) }
      for choice in 0..<selected {
        for place in 0..<tokens {
          let token = shape.capacityMode == .priority ? Int(order[place]) : place
          let assignment = (firstRow + token) * selected + choice
          let expert = Int(experts[assignment])
          counters[expert] += 1
          if counters[expert] > UInt32(shape.capacity) { experts[assignment] = Self.dropped }
        }
      }
    }
  }

  /// Fills `order` with the tokens of a member by descending first gate; equal gates keep token order. Merge sort,
  /// bottom up: stable, and no worse than T log T for any input.
  private func sortByFirstGate(firstRow: Int, tokens: Int, selected: Int) {
    for token in 0..<tokens { order[token] = UInt32(token) }
    var (source, target) = (order, orderScratch)
    var width = 1
    while width < tokens {
      var start = 0
      while start < tokens {
        let middle = min(start + width, tokens)
        let end = min(start + 2 * width, tokens)
        var (left, right) = (start, middle)
        for place in start..<end {
          let takeRight =
            left >= middle
            || right < end
              && weights[(firstRow + Int(source[right])) * selected]
                > weights[(firstRow + Int(source[left])) * selected]
          target[place] = source[takeRight ? right : left]
          if takeRight { right += 1 } else { left += 1 }
        }
        start = end
      }
      swap(&source, &target)
      width *= 2
    }
    if source != order { order.copy(from: source, count: tokens) }
  }

  /// Lists the assignments of each expert, in ascending row order, in `starts`, `rows` and `rowGates`.
  func groupByExpert(rowCount: Int, shape: ModelShape) {
    let assignments = rowCount * shape.selectedExperts
    counters.update(repeating: 0, count: shape.expertCount)
    for assignment in 0..<assignments where experts[assignment] != Self.dropped {
      counters[Int(experts[assignment])] += 1
    }
    var start: UInt32 = 0
    for expert in 0..<shape.expertCount {
      starts[expert] = start
      start += counters[expert]
      counters[expert] = starts[expert]
    }
    starts[shape.expertCount] = start
    for assignment in 0..<assignments where experts[assignment] != Self.dropped {
      let expert = Int(experts[assignment])
      let place = Int(counters[expert])
      rows[place] = UInt32(assignment / shape.selectedExperts)
      rowGates[place] = weights[assignment]
      counters[expert] += 1
    }
  }

  /// The places from `first` on that go through the experts together, at most `limit`: as many whole experts as fit, or
  /// a piece of one that does not.
  func batch(from first: Int, atMost limit: Int, of shape: ModelShape) -> Range<Int> {
    var expert = expert(at: first)
    let rest = first..<places(of: expert).upperBound
    guard rest.count <= limit else { return rest.firstPiece(atMost: limit) }
    while expert + 1 < shape.expertCount && places(of: expert + 1).upperBound - first <= limit { expert += 1 }
    return first..<places(of: expert).upperBound
  }

  /// The expert that the assignment at `place` is for.
  func expert(at place: Int) -> Int {
    var expert = 0
    while places(of: expert).upperBound <= place { expert += 1 }
    return expert
  }

  /// The first expert that has assignments.
  func firstUsed(in experts: Range<Int>) -> Int? {
    for expert in experts where !places(of: expert).isEmpty { return expert }
    return nil
  }

  /// Places of an expert's assignments.
  func places(of expert: Int) -> Range<Int> { Int(starts[expert])..<Int(starts[expert + 1]) }
}
