import E3Reference

/// What the channels of a layer's rows are like on images: what is taken from them, and how far they are from it.
struct ChannelSpread {
  /// `[channels]`
  let offsets: [Float]
  /// `[channels]` mean squares of the differences to the offsets.
  let squares: [Double]

  /// All rows alike.
  init(around offsets: [Double], _ rows: ChannelMoments) {
    self.offsets = offsets.map(Float.init)
    squares = offsets.indices.map { rows.square($0, around: offsets[$0]) }
  }

  /// Rows of the token that is pooled, with `share` of the weight, and those of all others.
  ///
  /// - Parameter firstOnly: the others are not read here. They help to tell how much the channels vary, which few rows
  ///   tell badly, but not around what.
  init(first: ChannelMoments, others: ChannelMoments, share: Double, firstOnly: Bool) {
    // Without other tokens the first is all.
    let share = others.rows > 0 ? share : 1
    let (means, otherMeans) = (first.means, others.means)
    let centres =
      firstOnly ? means : means.indices.map { share * means[$0] + (1 - share) * otherMeans[$0] }
    offsets = centres.map(Float.init)
    squares = centres.indices.map { channel in
      share * first.square(channel, around: centres[channel])
        + (1 - share) * others.square(channel, around: firstOnly ? otherMeans[channel] : centres[channel])
    }
  }

  /// What the rows of the one token that is pooled weigh in a block, of 1: from 1/32 of all others together in the first
  /// to four times as much in the last.
  ///
  /// What rounding does to these rows stays in their token, while attention takes means of what it does to the others,
  /// and the later, the less of it reaches the end: docs/CHECKPOINTS.md has what was measured.
  static func share(block: Int, of count: Int) -> Double {
    let weight = Double(sign: .plus, exponent: 2 - 7 * (count - 1 - block) / max(count - 1, 1), significand: 1)
    return weight / (weight + 1)
  }
}

/// Sums over rows, channel by channel.
struct ChannelMoments {
  private(set) var rows = 0
  /// `[channels]` of the values and of their squares.
  private var sums, squares: [Double]

  init(width: Int) {
    sums = [Double](repeating: 0, count: width)
    squares = sums
  }

  var width: Int { sums.count }

  /// `[channels]`; zeros without rows.
  var means: [Double] { sums.map { $0 / Double(max(rows, 1)) } }

  /// Mean square of the difference to `centre`.
  func square(_ channel: Int, around centre: Double) -> Double {
    let count = Double(max(rows, 1))
    return max(0, squares[channel] / count - centre * (2 * sums[channel] / count - centre))
  }

  mutating func add(_ row: ArraySlice<Float>) {
    rows += 1
    for (channel, value) in row.enumerated() {
      sums[channel] += Double(value)
      squares[channel] += Double(value) * Double(value)
    }
  }

  static func + (a: ChannelMoments, b: ChannelMoments) -> ChannelMoments {
    var sum = a
    sum.rows += b.rows
    for channel in a.sums.indices {
      sum.sums[channel] += b.sums[channel]
      sum.squares[channel] += b.squares[channel]
    }
    return sum
  }
}

/// Collects the sums of the channels whose factors and offsets can be chosen: of the first token of each sequence, and of
/// all others.
final class ChannelSums: RowVisitor {
  private(set) var rows: [RowPlace: (first: ChannelMoments, others: ChannelMoments)] = [:]
  private let tokenCount: Int

  init(tokenCount: Int) { self.tokenCount = tokenCount }

  func visit(_ rows: inout Matrix, at place: RowPlace) {
    switch place {
    case .norm0, .norm1, .contexts, .mapTokens, .mapNorm, .mapContexts: break
    case .patches, .queries, .keys, .values, .probabilities, .hidden, .mapHidden, .pooled: return
    }
    let place = place.ofAllExperts
    let none = ChannelMoments(width: rows.columns)
    var (first, others) = self.rows.removeValue(forKey: place) ?? (none, none)
    for row in 0..<rows.rows {
      if row.isMultiple(of: tokenCount) { first.add(rows[row]) } else { others.add(rows[row]) }
    }
    self.rows[place] = (first, others)
  }
}
