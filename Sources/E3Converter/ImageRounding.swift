import E3Checkpoint
import E3Format
import E3Host
import E3Reference

/// Rounds the layers of a model against the rows that they read of given images, in the order of the file.
///
/// The float path goes over the images twice. At first it tells how large each channel is: norms are written before all
/// layers. Then it goes block by block, one step ahead of the layer that is written, and of each layer's rows the second
/// moments are kept until it is rounded.
final class ImageRounding {
  private let source: String
  private var forward: BlockwiseForward
  private let statistics = RowStatistics()
  private let sizes = ChannelSizes()

  /// - Parameters:
  ///   - images: `[N][height][width][channels]` in the model's value range.
  ///   - source: What errors call the images.
  init(_ model: SourceModel, images: [Float], count: Int, source: String) throws(FileError) {
    self.source = source
    let reference = ReferenceModel(model)
    let size = images.count / count
    for image in 0..<count {
      _ = try reference.logits(images[image * size..<(image + 1) * size], count: 1, visitor: sizes)
    }
    forward = try BlockwiseForward(model, images: images, count: count, visitor: statistics)
  }

  /// For each channel of the rows of `place` the mean of its squares.
  func squares(_ place: RowPlace) -> [Double] {
    guard let squares = sizes.squares[place.ofAllExperts] else { preconditionFailure("no such rows") }
    return squares.sums.map { $0 / Double(max(squares.rows, 1)) }
  }

  func attend(block: Int) throws(FileError) { try forward.attend(block: block, visitor: statistics) }

  func mlp(block: Int) throws(FileError) { try forward.mlp(block: block, visitor: statistics) }

  /// An expert; those of a block are taken in order. One that few rows reach is rounded against rows that were sent to
  /// other experts, too.
  func expert(_ expert: Int, block: Int) throws(FileError) {
    if expert == 0 { try forward.route(block: block) }
    try forward.run(expert: expert, least: Self.leastRows, visitor: statistics)
  }

  /// What comes after the blocks.
  func finish() throws(FileError) { _ = try forward.finish(visitor: statistics) }

  /// Says what the channels of the rows of `place` are divided by in the file, before the rows are seen.
  func divide(_ place: RowPlace, by scales: ChannelScales?) { statistics.factors[place.ofAllExperts] = scales?.factors }

  /// The rounding of the layers that read the rows of `place`, which have been seen and are dropped.
  func rounding(_ place: RowPlace) throws(FileError) -> WeightRounding {
    guard let moments = statistics.moments.removeValue(forKey: place) else { preconditionFailure("no such rows") }
    guard moments.means.allSatisfy(\.isFinite) else {
      throw FileError(file: source, problem: "the float path gives values that are not finite")
    }
    return WeightRounding(moments)
  }

  /// Rows that every expert is rounded against, if the images have as many.
  private static let leastRows = 1024
}

/// Collects the moments of the rows that linear layers of the file read.
private final class RowStatistics: RowVisitor {
  var moments: [RowPlace: RowMoments] = [:]
  /// What channels are divided by first.
  var factors: [RowPlace: [Float]] = [:]
  func visit(_ rows: inout Matrix, at place: RowPlace) {
    switch place {
    case .queries, .keys, .values, .probabilities: return
    default: break
    }
    var divided = rows
    if let factors = factors[place.ofAllExperts] {
      for index in divided.values.indices { divided.values[index] /= factors[index % factors.count] }
    }
    moments[place, default: RowMoments(width: rows.columns)].add(divided)
  }
}

/// Collects the squares of the channels whose factors can be chosen.
private final class ChannelSizes: RowVisitor {
  var squares: [RowPlace: (sums: [Double], rows: Int)] = [:]

  func visit(_ rows: inout Matrix, at place: RowPlace) {
    switch place {
    case .norm0, .norm1, .contexts, .mapTokens, .mapNorm, .mapContexts: break
    case .patches, .queries, .keys, .values, .probabilities, .hidden, .mapHidden, .pooled: return
    }
    let place = place.ofAllExperts
    var (sums, count) = squares[place] ?? ([Double](repeating: 0, count: rows.columns), 0)
    for row in 0..<rows.rows {
      for (channel, value) in rows[row].enumerated() { sums[channel] += Double(value) * Double(value) }
    }
    count += rows.rows
    squares[place] = (sums, count)
  }
}

extension RowPlace {
  /// What all experts of a block read has one norm.
  fileprivate var ofAllExperts: RowPlace {
    if case .norm1(let block, _) = self { return .norm1(block: block, expert: nil) }
    return self
  }
}
