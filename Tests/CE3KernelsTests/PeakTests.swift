import CE3
import CE3Kernels
import Testing

@Suite("Yardsticks")
struct PeakTests {
  @Test("a tier that runs has a peak loop whose work grows with the rounds, avx2 two", arguments: tiers)
  func peak(tier: Tier) {
    for loop: UInt32 in tier.isa == E3_ISA_AVX2 ? [0, 1] : [0] {
      let once = e3k_peak_macs(tier.isa, loop, 1)
      #expect(once > 0 && e3k_peak_macs(tier.isa, loop, 1000) == 1000 * once)
    }
    #expect(e3k_peak_macs(tier.isa, tier.isa == E3_ISA_AVX2 ? 2 : 1, 10) == 0)
  }

  @Test("the scalar tier and tiers that cannot run have none")
  func none() {
    #expect(e3k_peak_macs(scalar.isa, 0, 10) == 0 && e3k_peak_macs(99, 0, 10) == 0)
  }
}
