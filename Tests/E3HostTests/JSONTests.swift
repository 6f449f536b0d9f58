import E3TestSupport
import Testing
@testable import E3Host

@Suite("JSON") struct JSONTests {
  private func parse(_ text: String) throws -> JSON {
    try Array(text.utf8).withUnsafeBytes { try JSON(parsing: $0, file: "x.json") }
  }

  @Test("values of every kind are read, with escapes and white space")
  func values() throws {
    #expect(
      try parse(" {\"a\" : [1, -2.5e3, true, false, null, \"\"],\n\"b\\\"\\u0041\\ud83d\\ude00\\n\":{}} \r\n")
        == .object([
          ("a", .array([.number(1), .number(-2500), .bool(true), .bool(false), .null, .string("")])),
          ("b\"A😀\n", .object([])),
        ]))
    #expect(try parse("0") == .number(0) && parse("1e400") == .number(.infinity) && parse("1e400").integer == nil)
  }

  @Test("a byte-order mark before the text is passed over, and counts in messages")
  func mark() throws {
    #expect(try parse("\u{FEFF}{\"a\": 1}") == .object([("a", .number(1))]))
    #expect(fault { _ = try parse("\u{FEFF} [x]") }?.contains("near byte 5") == true)
    for text in ["\u{FEFF}", "\u{FEFF}\u{FEFF}1", "1\u{FEFF}"] { #expect(fault { _ = try parse(text) } != nil) }
  }

  @Test(
    "what RFC 8259 does not allow is refused with its place",
    arguments: [
      "", " ", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "01", "1.", ".5", "+1", "1e", "-", "nul", "tru",
      "\"",
      "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"a\nb\"", "[1 2]", "1 2", "{} x", "NaN",
      "Infinity",
      "'a'", "[\u{FEFF}1]",
    ])
  func malformed(_ text: String) {
    let message = fault { _ = try parse(text) }
    #expect(message?.hasPrefix("x.json: ") == true, "\(text)")
  }

  @Test("bytes that are not UTF-8 in a string are refused")
  func encoding() {
    #expect(throws: FileError.self) {
      try [UInt8]([0x22, 0xFF, 0x22]).withUnsafeBytes { try JSON(parsing: $0, file: "x") }
    }
  }

  @Test("strings of more combining marks than any text has are refused: comparing them would take for ever")
  func marks() throws {
    let marks = String(repeating: "\u{301}\u{327}", count: 15)
    #expect(try parse("\"a\(marks)\"") == .string("a\(marks)"))
    #expect(try parse("\"\(String(repeating: "e\u{301}", count: 500))\"") != .null)
    #expect(fault { _ = try parse("\"a\(marks)\u{301}\"") } != nil)
    #expect(fault { _ = try parse("{\"a\(marks)\u{301}\": 0}") } != nil)
  }

  @Test("keys are the same when their bytes are")
  func keys() throws {
    #expect(try parse("{\"\u{E9}\":0,\"e\u{301}\":1}") != .null)
    #expect(fault { _ = try parse("{\"\u{E9}\":0,\"\u{E9}\":1}") } != nil)
  }

  @Test("a string is written so that it reads back, and commands no terminal")
  func written() throws {
    let text = "a\"\\\n\u{1B}\u{7F}\u{9B}\u{202E}\u{2028}é😀"
    let literal = jsonString(text)
    #expect(literal == "\"a\\\"\\\\\\u000a\\u001b\\u007f\\u009b\\u202e\\u2028é😀\"")
    #expect(try parse(literal) == .string(text))
    #expect(inOneLine(text) == "a\"\\??????é😀")
  }

  @Test("counts and shares as people read them")
  func plainText() {
    #expect([0, 1, 2].map { counted($0, "image") } == ["0 images", "1 image", "2 images"])
    #expect(counted(1, "class", "classes") == "1 class" && counted(5, "class", "classes") == "5 classes")
    let shares = [Float(0.95), 0.999, 0.9995, 0.999999, 0.5, 0.000001, 0.07].map { askedPercent(Double($0)) }
    #expect(shares == ["95 %", "99.9 %", "99.95 %", "99.9999 %", "50 %", "0.0001 %", "7 %"])
  }

  @Test("a text beyond the limit becomes no tree")
  func limit() {
    let text = String(repeating: " ", count: JSON.sizeLimit) + "1"
    #expect(fault { _ = try parse(text) } == "x.json: 8388609 bytes of JSON, expected at most 8388608")
  }
}
