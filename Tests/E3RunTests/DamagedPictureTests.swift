import CE3Pictures
import E3TestSupport
import Foundation
import Testing

/// Pictures with some bytes changed, as tools/fuzz/run makes millions of them; here always the same few thousands.
@Suite("A damaged picture")
struct DamagedPictureTests {
  private static let names =
    (try? FileManager.default.contentsOfDirectory(atPath: folder))?.filter {
      !$0.hasSuffix(".py")
    } ?? []
  private static let folder = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Data"

  /// One to four bytes changed, removed or inserted; mostly in the header.
  private func damaged(_ picture: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    var bytes = picture
    let unusual: [UInt8] = [0, 1, 0x20, 0x23, 0x2F, 0x3A, 0x7F, 0x80, 0xC0, 0xD8, 0xD9, 0xE1, 0xFE, 0xFF]
    for _ in 0...random.next() % 4 {
      let span = random.next() % 3 > 0 ? min(bytes.count, 200) : bytes.count
      let place = Int(random.next() % UInt64(max(span, 1)))
      guard place < bytes.count else { continue }
      switch random.next() % 5 {
      case 0: bytes[place] ^= 1 << UInt8(random.next() % 8)
      case 1: bytes[place] = unusual[Int(random.next() % UInt64(unusual.count))]
      case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + Int(random.next() % 4)))
      case 3: bytes.insert(unusual[Int(random.next() % UInt64(unusual.count))], at: place)
      default: bytes.removeSubrange(place...)
      }
    }
    return bytes
  }

  /// The pixels, on memory that held `filler`; nil where the picture is refused in one line.
  private func decode(_ bytes: [UInt8], _ settings: e3p_settings, filler: UInt8) throws -> [UInt8]? {
    try bytes.withUnsafeBufferPointer { data in
      var (settings, header) = (settings, e3p_header())
      var message = [CChar](repeating: 1, count: Int(E3P_MESSAGE_BYTES))
      func refused() throws -> [UInt8]? {
        let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        #expect(!text.isEmpty && !text.contains("\n") && text.utf8.allSatisfy { (0x20..<0x7F).contains($0) }, "\(text)")
        return nil
      }
      guard e3p_read_header(data.baseAddress, data.count, &settings, &header, &message) == 0 else {
        return try refused()
      }
      #expect(UInt64(header.width) * UInt64(header.height) <= UInt64(settings.max_pixels))
      var pixels = [UInt8](repeating: filler, count: e3p_pixel_bytes(&header))
      guard e3p_decode(data.baseAddress, data.count, &settings, &header, &pixels, &message) == 0 else {
        return try refused()
      }
      return pixels
    }
  }

  @Test("is refused in one line, or gives pixels that depend on nothing but its bytes", arguments: names)
  func pictures(name: String) throws {
    let picture = try pictureBytes(name)
    let sum: Int = name.utf8.reduce(0) { (sum: Int, byte: UInt8) in sum &* 31 &+ Int(byte) }
    var random = SplitMix(state: UInt64(sum.magnitude))
    for round in 0..<150 {
      let bytes = damaged(picture, &random)
      var settings = e3p_settings()
      settings.alpha = e3p_alpha(rawValue: .init(round % 3))
      settings.max_pixels = 1 << 16
      let first = try decode(bytes, settings, filler: 0)
      #expect(try decode(bytes, settings, filler: 0xFF) == first, "\(name), round \(round)")
    }
  }

  @Test("in a stream parts it at the same places, however the stream is cut into calls")
  func streams() throws {
    var random = SplitMix(state: 17)
    let pictures = try Self.names.filter { $0.hasSuffix(".jpg") }.map { try pictureBytes($0) }
    for _ in 0..<300 {
      var stream: [UInt8] = []
      for _ in 0...random.next() % 3 {
        stream += damaged(Array(pictures[Int(random.next() % UInt64(pictures.count))].prefix(900)), &random)
        stream += [UInt8](repeating: 0, count: Int(random.next() % 9))
      }
      let whole = ends(stream, chunk: stream.count)
      #expect(whole.last?.end == stream.count || stream.isEmpty)
      #expect(ends(stream, chunk: 1 + Int(random.next() % 300)) == whole)
    }
  }

  private struct End: Equatable {
    let kind: UInt32
    var end: Int
  }

  /// Kinds and ends of the parts of a stream of which each call sees `chunk` bytes more; padding in pieces is one part.
  private func ends(_ stream: [UInt8], chunk: Int) -> [End] {
    var (splitter, found, at, seen) = (e3p_splitter(), [End](), 0, min(chunk, stream.count))
    while true {
      var length = 0
      let kind = stream[at..<seen].withUnsafeBufferPointer {
        e3p_split(&splitter, $0.baseAddress, $0.count, seen == stream.count ? 1 : 0, &length)
      }
      guard kind != E3P_PART_MORE else {
        if seen == stream.count { return found }
        seen = min(stream.count, seen + chunk)
        continue
      }
      at += length
      if kind == E3P_PART_PADDING, found.last?.kind == kind.rawValue { found.removeLast() }
      found.append(End(kind: kind.rawValue, end: at))
    }
  }
}
