import E3Format
import E3Models
import E3Reference

/// Collects routing and representations of one batch of the float path.
final class RoutingCollector: ForwardObserver {
  private let shape: ModelShape
  private let images: Int
  private let network: Int
  /// What was observed, after what it was given.
  private(set) var statistics: RoutingStatistics?
  /// `[N*M][R]`: what the head read.
  private(set) var representations = Matrix(rows: 0, columns: 0, values: [])

  /// - Parameter network: Whose float path it is.
  init(shape: ModelShape, images: Int, network: Int, statistics: RoutingStatistics?) {
    (self.shape, self.images, self.network, self.statistics) = (shape, images, network, statistics)
  }

  func observe(_ name: Intermediate, _ values: Matrix) {
    if name == .representation { representations = values }
  }

  func observe(_ routing: Routing, block: Int) {
    guard
      let layer = statistics?.layers.firstIndex(where: { $0.network == network && $0.block == block })
    else { return }
    let perMember = routing.gates.columns
    let sequence = routing.gates.rows / (images * shape.memberCount)
    // Only the first token counts where the runtime routes no other.
    let tokens = shape.readsOnlyFirstToken(ofBlock: block) ? 1 : shape.tokenCount
    for row in 0..<routing.gates.rows where row % sequence < tokens {
      statistics?.append(
        layer: layer, gates: routing.gates[row], chosen: routing.experts[row],
        firstExpert: row / sequence % shape.memberCount * perMember)
    }
  }
}
