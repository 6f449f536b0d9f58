import E3Format
import E3Reference

/// Collects routing and representations of one batch of the float path.
package final class RoutingCollector: ForwardObserver {
  private let shape: ModelShape
  private let images: Int
  /// What was observed, after what it was given.
  package private(set) var statistics: RoutingStatistics?
  /// `[N*M][R]`: what the head read.
  package private(set) var representations = Matrix(rows: 0, columns: 0, values: [])

  package init(shape: ModelShape, images: Int, statistics: RoutingStatistics?) {
    (self.shape, self.images, self.statistics) = (shape, images, statistics)
  }

  package func observe(_ name: Intermediate, _ values: Matrix) {
    if name == .representation { representations = values }
  }

  package func observe(_ routing: Routing, block: Int) {
    statistics?.append(
      routing, layer: shape.moeBlocks(before: block), images: images, members: shape.memberCount,
      tokens: shape.readsOnlyFirstToken(ofBlock: block) ? 1 : shape.tokenCount)
  }
}
