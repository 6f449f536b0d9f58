import E3Checkpoint
import E3Format
import E3Host
import E3Reference

/// Rounds the layers of a model against the rows that they read of given images, in the order of the file.
///
/// The float path goes over the images twice. At first it tells what each channel is like: norms are written before all
/// layers. Then it goes block by block, one step ahead of the layer that is written, and of each layer's rows the second
/// moments are kept until it is rounded.
final class ImageRounding {
  private let source: String
  private var forward: BlockwiseForward
  private let config: ModelConfig
  private let isDrawn: Bool
  private let statistics = RowStatistics()
  private let sums: ChannelSums

  /// - Parameters:
  ///   - images: In the model's value range.
  ///   - source: What errors call the images.
  init(_ model: SourceModel, images prepared: PreparedImages, source: String) throws(FileError) {
    let (images, count) = (prepared.values, prepared.count)
    (self.source, config, isDrawn) = (source, model.config, prepared.areDrawn)
    sums = ChannelSums(tokenCount: config.tokenCount)
    let reference = ReferenceModel(model)
    let size = images.count / count
    for image in 0..<count {
      _ = try reference.logits(images[image * size..<(image + 1) * size], count: 1, visitor: sums)
    }
    forward = try BlockwiseForward(model, images: images, count: count, visitor: statistics)
  }

  /// What the channels of the rows of `place` are like.
  ///
  /// - Parameter keepsMeans: nothing is taken from them.
  func channels(_ place: RowPlace, keepsMeans: Bool = false) -> ChannelSpread {
    guard let (first, others) = sums.rows[place.ofAllExperts] else { preconditionFailure("no such rows") }
    let all = first + others
    // The means of drawn pictures are not those of others, the pooled token's least of all.
    guard !keepsMeans, !isDrawn else {
      return ChannelSpread(around: [Double](repeating: 0, count: all.width), all)
    }
    let block: Int
    switch place {
    case .norm0(let index), .contexts(let index), .norm1(let index, _): block = index
    default: return ChannelSpread(around: all.means, all)
    }
    guard config.classifier == .token || config.classifier == .first else {
      return ChannelSpread(around: all.means, all)
    }
    // Queries, contexts and the MLP of the last block are those of this token alone, unless others take it slots of
    // experts away; keys and values are of all.
    let isLast = block == config.layerCount - 1 && (config.experts?.capacity == nil || !config.isMoE(block))
    return ChannelSpread(
      first: first, others: others, share: ChannelSpread.share(block: block, of: config.layerCount),
      firstOnly: isLast && place != .norm0(block: block))
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

  /// Says how the channels of the rows of `place` are scaled in the file, before the rows are seen.
  func scale(_ place: RowPlace, by scales: ChannelScales?) { statistics.scales[place.ofAllExperts] = scales }

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
  /// How channels are scaled first.
  var scales: [RowPlace: ChannelScales] = [:]

  func visit(_ rows: inout Matrix, at place: RowPlace) {
    switch place {
    case .queries, .keys, .values, .probabilities: return
    default: break
    }
    var scaled = rows
    if let scales = scales[place.ofAllExperts] {
      scaled = Matrix(rows: rows.rows, columns: rows.columns, values: scales.shifting(rows.values))
    }
    moments[place, default: RowMoments(width: rows.columns)].add(scaled)
  }
}

extension RowPlace {
  /// What all experts of a block read has one norm.
  var ofAllExperts: RowPlace {
    if case .norm1(let block, _) = self { return .norm1(block: block, expert: nil) }
    return self
  }
}
