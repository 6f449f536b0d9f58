import CE3
import CE3Kernels
import Testing

@Suite("Yardsticks")
struct PeakTests {
  @Test("a tier that runs has a peak loop whose work grows with the rounds", arguments: tiers)
  func peak(tier: Tier) {
    let once = e3k_peak_macs(tier.isa, 1)
    #expect(once > 0 && e3k_peak_macs(tier.isa, 1000) == 1000 * once)
  }

  @Test("the scalar tier and tiers that cannot run have none")
  func none() {
    #expect(e3k_peak_macs(scalar.isa, 10) == 0 && e3k_peak_macs(99, 10) == 0)
  }
}
