/// Items of one score. Curves over thresholds have a point per group, not per item: a threshold cannot tell equals
/// apart.
struct TieGroup {
  let value: Double
  /// Items of this score, at least one.
  var count: Int
  /// How many of them are marked.
  var marked: Int

  /// The groups of `scores`, none of which is NaN, by score.
  static func groups(of scores: [Double], marked: [Bool], descending: Bool) -> [TieGroup] {
    let order = scores.indices.sorted { descending ? scores[$0] > scores[$1] : scores[$0] < scores[$1] }
    var groups: [TieGroup] = []
    for index in order {
      if groups.last?.value != scores[index] { groups.append(TieGroup(value: scores[index], count: 0, marked: 0)) }
      groups[groups.count - 1].count += 1
      groups[groups.count - 1].marked += marked[index] ? 1 : 0
    }
    return groups
  }
}
