import CE3
import E3TestSupport
import Testing

@testable import E3Runtime

@Suite("The library")
struct LibraryTests {
  // promise: status-text
  @Test("has one line of English for every status and for every number that is none, without a period at its end")
  func texts() throws {
    var texts: [String: e3_status] = [:]
    for status in -2..<200 as Range<e3_status> {
      let text = String(cString: try #require(e3_status_text(status)))
      #expect(
        !text.isEmpty && !text.contains("\n") && text.last != "." && text.first?.isUppercase != true
          || text.hasPrefix("E3"))
      if text == "unknown status" { continue }
      #expect(texts[text] == nil, "\(status) and \(texts[text] ?? 0)")
      texts[text] = status
    }
    for status in [
      E3_OK, E3_ERROR_NULL_ARGUMENT, E3_ERROR_MODEL_TOO_LARGE, E3_ERROR_NOT_A_MODEL, E3_ERROR_SESSION_BUSY,
      E3_ERROR_DEADLINE, E3_ERROR_FILE_ALIGNMENT, E3_ERROR_FILE_CHANGED, E3_ERROR_THREAD_START, E3_ERROR_FORKED,
    ] { #expect(texts.values.contains(e3_status(status)), "\(status)") }
  }

  @Test("finds every tier by its name and no other name; every failed argument has a status")
  func tiers() {
    for isa in E3_ISA_AUTO...E3_ISA_I8MM {
      var found = e3_isa(99)
      #expect(e3_isa_from_name(e3_isa_name(e3_isa(isa)), &found) == E3_OK && found == e3_isa(isa))
    }
    var isa = e3_isa(0)
    for name in ["", "avx", "avx22", "AVX2"] { #expect(e3_isa_from_name(name, &isa) == E3_ERROR_ISA_UNKNOWN) }
    #expect(e3_isa_name(99) == nil && e3_isa_from_name(nil, &isa) == E3_ERROR_NULL_ARGUMENT)
    #expect(e3_isa_from_name("avx2", nil) == E3_ERROR_NULL_ARGUMENT && e3_isa_available(99) == E3_ERROR_ISA_UNKNOWN)
    #expect(e3_abi_version() >> 16 == UInt32(E3_ABI_VERSION_MAJOR))
    #expect(e3_version_text().map { String(cString: $0) }?.isEmpty == false)
  }

  // Where a word has 64 bits, no model of the format is so large that E3_ERROR_MODEL_TOO_LARGE is given; what gives it
  // is this.
  @Test("knows when sizes do not fit the address space", arguments: [Int.max, Int.max / 2, 1 << 62])
  func overflow(count: Int) {
    var arena = Arena()
    _ = arena.take(Float.self, count)
    #expect(arena.overflowed)
    arena = Arena()
    _ = arena.takeRows(count, times: 3, width: 16)
    #expect(arena.overflowed)
    arena = Arena()
    _ = arena.take(UInt8.self, 1000)
    #expect(!arena.overflowed && arena.bytes == 1000)
  }
}
