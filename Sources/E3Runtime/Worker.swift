import CE3Threads
import E3Format

/// One worker of the team that runs an inference. All workers run the same code; each takes its share of every stage.
///
/// Which worker computes an element never changes how it is computed, so the answer does not depend on the team's size.
struct Worker {
  let index: Int
  let count: Int
  let team: UnsafeMutablePointer<ce3_team>

  /// Waits for the other workers; what they wrote before is visible after.
  func barrier() { ce3_team_barrier(team) }

  /// This worker's part of `0 ..< total`, in whole `unit`s, as even as they allow.
  func share(of total: Int, unit: Int = 1) -> Range<Int> {
    let units = (total + unit - 1) / unit
    let lower = min(units / count * index + min(index, units % count), units) * unit
    let upper = lower + (units / count + (index < units % count ? 1 : 0)) * unit
    return min(lower, total)..<min(upper, total)
  }

  /// First of this worker's panels of `layer`: what to fetch before the layer's turn comes.
  func firstPanel(of layer: LinearView) -> UnsafePointer<UInt8> {
    layer.panels + panels(layer.panelCount).lowerBound * layer.panelBytes
  }

  /// This worker's panels of a linear layer: blocks of 4, the width of the kernels' tile, unless there are too few.
  func panels(_ total: Int) -> Range<Int> {
    share(of: total, unit: total >= 8 * count ? 4 : 1)
  }
}
