import E3Checkpoint
import E3Format
import E3Host
import E3Models
import E3Reference
import Glibc

/// Where the int8 model leaves the float one: what each kind of rounding, alone, does to what each block gives for the
/// float path's rows.
public struct ErrorSources: Sendable {
  /// Noise of one block, or of the embedding of the patches.
  public struct Block: Sendable {
    /// From 0; nil: the embedding.
    public let index: Int?
    /// For each source the decibels of the block's output above the noise; infinite without noise.
    public let decibels: [(source: String, value: Double)]
    /// With all of them.
    public let all: Double
    /// What its router does; nil without one.
    public let router: Router?
  }

  /// The choices of one block's router on the float path's rows.
  public struct Router: Sendable {
    /// Smallest difference between the gates of the last expert that was chosen and the first that was not, and what one
    /// choice in a hundred does not exceed; 0 to 1.
    public let smallestMargin, percentileMargin: Float
    /// Share of the choices that rounding, in this block alone, changes.
    public let flipped: Double
  }

  /// What messages call the network; empty for a file of one.
  let name: String
  /// Images that were measured.
  public let images: Int
  public let blocks: [Block]

  /// Decibels below which a single source is warned of: docs/CHECKPOINTS.md, "Where int8 loses".
  static let quietest = 20.0

  /// A line for each source below the bound, the worst first.
  public var warnings: [String] {
    let found = blocks.flatMap { block in
      block.decibels.filter { $0.value < Self.quietest }.map { (name + block.name, $0.source, $0.value) }
    }
    return found.sorted { $0.2 < $1.2 }.map { name, source, value in
      "\(name): \(source) rounded to int8 is only \(decimals(value, 1)) dB above its noise, expected "
        + "\(decimals(Self.quietest, 0)) or more"
    }
  }

  /// - Parameter progress: Is told the share of the work that is done, 0 to 1.
  init(
    _ source: SourceModel, _ packed: MappedModel, network: Int, _ tensor: ImageTensor, progress: (Double) -> Void
  ) throws(FileError) {
    let parameters = PackedParameters(source: source, packed: packed, network: network)
    let shape = parameters.shape
    name = packed.networks.count > 1 ? "network \(network), " : ""
    // Routing in groups of several images needs all of a group; a model file never routes so.
    let count = min(Self.most, tensor.count)
    let size = tensor.values.count / tensor.count
    var values: [Float] = []
    for image in 0..<count { values += tensor[image * tensor.count / count] }
    precondition(values.count == count * size)

    let float = EncoderSteps(source)
    let rounded = EncoderSteps(parameters)
    func rounding(_ sources: Set<RowRounding.Source>) -> RowRounding {
      RowRounding(sources, headSize: shape.headSize, tokenCount: shape.tokenCount)
    }
    let everything = Set(RowRounding.Source.allCases)

    var x = try float.embedded(values[...], count: count)
    let stored = try rounded.embedded(values[...], count: count)
    let patches = try rounded.embedded(values[...], count: count, visitor: rounding([.patches]))
    var blocks = [
      Block(
        index: nil,
        decibels: [
          ("weights", decibels(of: x, against: stored)),
          (RowRounding.Source.patches.rawValue, decibels(of: stored, against: patches)),
        ], all: decibels(of: x, against: patches), router: nil)
    ]
    for index in 0..<shape.layerCount {
      let firstOnly = shape.readsOnlyFirstToken(ofBlock: index)
      func seen(_ y: Matrix) -> Matrix { firstOnly ? y.everyRow(shape.tokenCount) : y }
      let choices = RouterChoices(shape, block: index)
      let exact = try float.block(index, x, images: count, observer: choices)
      let stored = try rounded.block(index, x, images: count)
      var found = [(source: "weights", value: decibels(of: seen(exact), against: seen(stored)))]
      for source in RowRounding.Source.allCases where source != .patches {
        let noisy = try rounded.block(index, x, images: count, visitor: rounding([source]))
        found.append((source.rawValue, decibels(of: seen(stored), against: seen(noisy))))
      }
      let others = RouterChoices(shape, block: index)
      let all = try rounded.block(index, x, images: count, observer: others, visitor: rounding(everything))
      blocks.append(
        Block(
          index: index, decibels: found, all: decibels(of: seen(exact), against: seen(all)),
          router: choices.router(against: others)))
      x = exact
      progress(Double(index + 1) / Double(shape.layerCount))
    }
    images = count
    self.blocks = blocks
  }

  /// Images that are enough: each has many rows.
  private static let most = 8
}

extension ErrorSources.Block {
  /// What messages call it.
  var name: String { index.map { "block \($0)" } ?? "embedding" }
}

/// How far `exact` is above what `noisy` adds to it, in decibels: the mean over the rows, each by its own size without
/// its mean, as the next norm sees it.
private func decibels(of exact: Matrix, against noisy: Matrix) -> Double {
  var sum = 0.0
  for row in 0..<exact.rows {
    let (a, b) = (exact[row], noisy[row])
    let mean = a.reduce(0) { $0 + Double($1) } / Double(a.count)
    let signal = a.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    let noise = zip(a, b).reduce(0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
    if noise > 0 { sum += noise / max(signal, Double.leastNormalMagnitude) }
  }
  return sum > 0 ? -10 * log10(sum / Double(exact.rows)) : .infinity
}

/// Keeps what a router chose.
private final class RouterChoices: ForwardObserver {
  private let shape: ModelShape
  private let block: Int
  private var margins: [Float] = []
  private var chosen: [Set<Int>] = []

  init(_ shape: ModelShape, block: Int) { (self.shape, self.block) = (shape, block) }

  func observe(_ name: Intermediate, _ values: Matrix) {}

  func observe(_ routing: Routing, block: Int) {
    let firstOnly = shape.readsOnlyFirstToken(ofBlock: block)
    for row in 0..<routing.gates.rows where !firstOnly || row % shape.tokenCount == 0 {
      chosen.append(Set(routing.experts[row]))
      let gates = routing.gates[row].sorted(by: >)
      if gates.count > shape.selectedExperts {
        margins.append(gates[shape.selectedExperts - 1] - gates[shape.selectedExperts])
      }
    }
  }

  func router(against other: RouterChoices) -> ErrorSources.Router? {
    guard !margins.isEmpty else { return nil }
    let sorted = margins.sorted()
    let flipped = zip(chosen, other.chosen).reduce(0) { $0 + $1.0.subtracting($1.1).count }
    return ErrorSources.Router(
      smallestMargin: sorted[0], percentileMargin: sorted[sorted.count / 100],
      flipped: Double(flipped) / Double(chosen.count * shape.selectedExperts))
  }
}

extension Matrix {
  /// Every `step`-th row, from the first.
  fileprivate func everyRow(_ step: Int) -> Matrix {
    let kept = Array(Swift.stride(from: 0, to: rows, by: step))
    return Matrix(rows: kept.count, columns: columns, values: kept.flatMap { self[$0] })
  }
}
