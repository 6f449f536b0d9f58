import CE3
import CE3Board
import CE3Pictures
import E3Format
import Testing

@Suite("Limits")
struct LimitTests {
  @Test("the largest side is one number, wherever it is needed")
  func side() {
    #expect(Int(E3_MAX_FRAME_SIDE) == Int(E3P_MAX_SIDE))
    #expect(Int(E3_MAX_FRAME_SIDE) == Int(E3C_MAX_SIDE))
    #expect(ModelLimits.imageSide == UInt32(E3_MAX_FRAME_SIDE))
  }
}
