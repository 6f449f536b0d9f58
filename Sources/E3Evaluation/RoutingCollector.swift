import E3Format
import E3Models
import E3Reference

/// Collects routing and representations of one batch of the float path.
final class RoutingCollector: ForwardObserver {
  private let shape: ModelShape
  private let images: Int
  /// What was observed, after what it was given.
  private(set) var statistics: RoutingStatistics?
  /// `[N*M][R]`: what the head read.
  private(set) var representations = Matrix(rows: 0, columns: 0, values: [])

  init(shape: ModelShape, images: Int, statistics: RoutingStatistics?) {
    (self.shape, self.images, self.statistics) = (shape, images, statistics)
  }

  func observe(_ name: Intermediate, _ values: Matrix) {
    if name == .representation { representations = values }
  }

  func observe(_ routing: Routing, block: Int) {
    let layer = shape.moeBlocks(before: block)
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
