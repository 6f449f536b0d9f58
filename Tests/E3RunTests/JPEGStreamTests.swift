import CE3Pictures
import E3TestSupport
import Testing

/// What a stream was split into.
private struct Part: Equatable, CustomStringConvertible {
  var kind: e3p_part, range: Range<Int>
  var description: String { "\(kind.rawValue):\(range)" }

  static func picture(_ range: Range<Int>) -> Part { Part(kind: E3P_PART_PICTURE, range: range) }
}

/// Splits a stream of which each call sees `chunk` bytes more. Padding that comes in pieces is put together.
private func parts(_ stream: [UInt8], chunk: Int = .max) -> [Part] {
  var (splitter, found, at): (e3p_splitter, [Part], Int) = (e3p_splitter(), [], 0)
  var seen = min(chunk, stream.count)
  while true {
    var length = 0
    let kind = stream[at..<seen].withUnsafeBufferPointer {
      e3p_split(&splitter, $0.baseAddress, $0.count, seen == stream.count ? 1 : 0, &length)
    }
    if kind == E3P_PART_MORE {
      if seen == stream.count { return found }
      seen = min(stream.count, seen + chunk)
      continue
    }
    let start = at
    at += length
    if kind == E3P_PART_PADDING, found.last?.kind == kind {
      found[found.count - 1].range = found.last!.range.lowerBound..<at
    } else {
      found.append(Part(kind: kind, range: start..<at))
    }
  }
}

@Suite("Streams of JPEG pictures")
struct JPEGStreamTests {
  private func split(_ stream: [UInt8], _ comment: Comment? = nil) -> [Part] {
    let whole = parts(stream)
    for chunk in [1, 3, 100] { #expect(parts(stream, chunk: chunk) == whole, comment) }
    return whole
  }

  /// EXIF with a small picture in it, as cameras write it.
  private func withThumbnail(_ picture: [UInt8], _ thumbnail: [UInt8]) -> [UInt8] {
    let body = Array("Exif\0\0II*\0".utf8) + [8, 0, 0, 0, 0, 0, 0, 0, 0, 0] + thumbnail
    let segment: [UInt8] = [0xFF, 0xE1, UInt8((body.count + 2) >> 8), UInt8((body.count + 2) & 255)] + body
    return picture.inserting(segment, at: jpegSegment(0xE0, in: picture).upperBound)
  }

  @Test("a picture ends with its last marker", arguments: pictureNames.filter { $0.hasSuffix(".jpg") })
  func ends(name: String) throws {
    let bytes = try pictureBytes(name)
    let n = bytes.count
    #expect(split(bytes + bytes) == [.picture(0..<n), .picture(n..<2 * n)])
    let padding = Part(kind: E3P_PART_PADDING, range: n..<n + 6)
    let padded: [UInt8] = bytes + [0, 0xFF, 0, 0xFF, 0xD8, 0] + bytes
    #expect(split(padded) == [.picture(0..<n), padding, .picture(n + 6..<2 * n + 6)])
    for length in stride(from: 4, to: n, by: 7) {
      let last = split(Array(bytes.prefix(length))).last
      #expect(last?.range == 0..<length && last?.kind != E3P_PART_PICTURE, "\(length)")
    }
  }

  @Test("a picture that is cut anywhere takes nothing of the next one with it")
  func cuts() throws {
    for name in ["colour-444.jpg", "orientation-6.jpg", "restart.jpg", "progressive.jpg"] {
      let bytes = try pictureBytes(name)
      let n = bytes.count
      for length in 3..<n - 1 {
        let found = parts(bytes + bytes[..<length] + bytes + bytes)
        #expect(found.first == .picture(0..<n))
        let (second, third) = (n + length, 2 * n + length)
        #expect(found.suffix(2) == [.picture(second..<third), .picture(third..<third + n)], "\(name), \(length)")
        #expect(found.dropFirst().dropLast(2).allSatisfy { $0.kind != E3P_PART_PICTURE }, "\(name), \(length)")
      }
    }
  }

  @Test("bytes between segments, odd scan parameters and filler do not end a picture")
  func odd() throws {
    var bytes = try pictureBytes("colour-444.jpg")
    bytes = bytes.inserting([0, 0, 0], at: bytes.count - 2)
    for segment in jpegSegments(bytes).reversed().dropLast() {
      bytes = bytes.inserting([1, 2, 3, 0xFF, 0, 0xFF], at: segment.range.lowerBound)
    }
    #expect(split(bytes + bytes) == [.picture(0..<bytes.count), .picture(bytes.count..<2 * bytes.count)])
  }

  /// Between SOI and the first segment: what decoders pass over, and what no picture has.
  private static let codes: [[UInt8]] = [
    [0xFF, 0], [0xFF, 0xD3], [0xFF, 1], [0xFF, 2], [0xFF, 0, 0xFF, 0xD0, 0xFF, 1], [0xFF, 0xFF],
  ]

  @Test("codes without a segment behind its first marker leave a picture a picture", arguments: codes)
  func codesBehindTheBeginning(code: [UInt8]) throws {
    for name in ["grey.jpg", "restart.jpg"] {
      let good = try pictureBytes(name)
      let odd = good.inserting(code, at: 2)
      let (n, o) = (good.count, odd.count)
      #expect(split(odd + good) == [.picture(0..<o), .picture(o..<o + n)])
      let padding = Part(kind: E3P_PART_PADDING, range: n..<n + 3)
      #expect(
        split(good + [0, 0xFF, 0] + odd + good)
          == [.picture(0..<n), padding, .picture(n + 3..<n + 3 + o), .picture(n + 3 + o..<2 * n + 3 + o)])
      let cut = Array(good.dropLast(20))
      #expect(split(cut + odd) == [Part(kind: E3P_PART_CUT, range: 0..<n - 20), .picture(n - 20..<n - 20 + o)])
      for length in 2..<o - 1 {
        let parts = split(good + odd[..<length] + good)
        #expect(parts.last == .picture(n + length..<2 * n + length), "\(length)")
        #expect(!parts.dropFirst().dropLast().contains { $0.kind == E3P_PART_PICTURE }, "\(length)")
      }
    }
  }

  @Test("a picture without its beginning is reported, but for one that began before the stream")
  func lostBeginnings() throws {
    let good = try pictureBytes("progressive.jpg")
    let n = good.count
    let header = jpegSegment(0xC2, in: good)
    let lost: [[UInt8]] = [
      [0xFF, 0xD8] + [0, 0, 0] + good[2...], [0xFF, 0xD9] + good[2...], [0xFF, 0xD8, 0xFF, 0xD9] + good[2...],
      [0xFF, 0xD8] + [UInt8](repeatElement([0xFF, 0], count: 100).joined()) + good[2...], Array(good[2...]),
    ]
    for picture in lost {
      let start = n + picture.count - (n - header.lowerBound)
      let report = Part(kind: E3P_PART_RUBBISH, range: start..<start + 2)
      let found = split(good + picture + good)
      #expect(found.filter { $0.kind == E3P_PART_RUBBISH } == [report])
      #expect(found.first == .picture(0..<n) && found.last == .picture(n + picture.count..<2 * n + picture.count))
      // It may be the first one of the stream, unless it has no sign of a beginning.
      let first = split(picture + good).map(\.kind)
      #expect(first.last == E3P_PART_PICTURE)
      #expect(first.contains(E3P_PART_RUBBISH) == (picture[1] == 0xD8))
    }
    for length in header.lowerBound..<n - 4 {
      let joined = split(Array(good[length...]) + good)
      #expect(joined.map(\.kind) == [E3P_PART_PADDING, E3P_PART_PICTURE], "\(length)")
    }
  }

  @Test("a thumbnail is never a picture of its own, whichever byte around it is damaged")
  func thumbnails() throws {
    let (picture, thumbnail) = (try pictureBytes("colour-444.jpg"), try pictureBytes("grey.jpg"))
    let bytes = withThumbnail(picture, thumbnail)
    let n = bytes.count
    #expect(split(bytes + bytes) == [.picture(0..<n), .picture(n..<2 * n)])
    let segment = jpegSegment(0xE1, in: bytes)
    let around = Array(0..<segment.lowerBound + 14) + Array(segment.upperBound..<n - 2)
    for index in around {
      for flip: UInt8 in [0xFF, 1, 0x10, 0x80] {
        var damaged = bytes
        damaged[index] ^= flip
        let found = parts(bytes + damaged + bytes)
        #expect(found.first == .picture(0..<n))
        // A length that grew by so much takes what it says.
        let isLength = index == segment.lowerBound + 2 || index == 4
        #expect(found.last == .picture(2 * n..<3 * n) || isLength, "\(index) \(flip)")
        for part in found where part.kind == E3P_PART_PICTURE {
          let stream = bytes + damaged + bytes
          let answer = try? decodePicture(Array(stream[part.range]))
          #expect(answer?.channels != 1, "\(index) \(flip): the thumbnail is grey")
        }
      }
    }
  }

  @Test("the previews that a picture lists behind itself are no pictures of the stream")
  func previews() throws {
    let (picture, preview) = (try pictureBytes("colour-444.jpg"), try pictureBytes("grey.jpg"))
    // Two entries of 16 bytes: size and offset of each, of which the first is the picture itself.
    func index(_ offset: Int) -> [UInt8] {
      func big(_ value: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(value).bigEndian) { Array($0) } }
      let directory: [UInt8] = [0, 1, 0xB0, 2, 0, 7, 0, 0, 0, 32] + big(26) + big(0)
      let entries: [UInt8] = [UInt8](repeating: 0, count: 20) + big(preview.count) + big(offset) + big(0)
      let body: [UInt8] = Array("MPF\0MM\0*".utf8) + big(8) + directory + entries
      return [0xFF, 0xE2, 0, UInt8(body.count + 2)] + body
    }
    let place = jpegSegment(0xE0, in: picture).upperBound
    let n = picture.count + index(0).count
    let bytes = picture.inserting(index(n - place - 8), at: place)
    let both = n + preview.count
    let listed = Part(kind: E3P_PART_PREVIEW, range: n..<both)
    let last = Part.picture(both..<both + picture.count)
    #expect(split(bytes + preview + picture) == [.picture(0..<n), listed, last])
    // What begins elsewhere than the list says is a picture.
    #expect(split(bytes + [0] + preview).last == .picture(n + 1..<both + 1))
    #expect(split(bytes + picture).last == Part(kind: E3P_PART_PREVIEW, range: n..<n + picture.count))
  }

  @Test("a picture without an end is given up after 32 MiB, and the next one is found")
  func long() throws {
    let picture = try pictureBytes("grey.jpg")
    let limit = Int(E3P_MAX_STREAM_PICTURE)
    let start = picture[..<jpegSegment(0xDA, in: picture).upperBound]
    let data = [UInt8](repeating: 0x12, count: limit + 1000)
    let found = parts(start + data + picture, chunk: 1 << 20)
    let end = start.count + data.count
    let parts = [
      Part(kind: E3P_PART_LONG, range: 0..<limit), Part(kind: E3P_PART_PADDING, range: limit..<end),
      .picture(end..<end + picture.count),
    ]
    #expect(found == parts)
  }

  @Test("what only begins like a picture is told apart from padding and from pictures")
  func rubbish() throws {
    let rubbish: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2]
    let picture = try pictureBytes("grey.jpg")
    let found = split(rubbish + rubbish + picture)
    #expect(found.map(\.kind) == [E3P_PART_RUBBISH, E3P_PART_RUBBISH, E3P_PART_PICTURE])
    // The last of them may be a picture that the stream ends in.
    let ends = [E3P_PART_PADDING, E3P_PART_RUBBISH]
    for (unit, kinds) in [
      ([0xFF, 0xD8, 0x41], [E3P_PART_PADDING]), ([0xFF, 0xD8, 0xFF, 0xD0], ends), ([0xFF, 0xD8], ends),
      ([0xFF], [E3P_PART_PADDING]),
    ] as [([UInt8], [e3p_part])] {
      let stream = [UInt8](repeatElement(unit, count: 100).joined())
      #expect(split(stream).map(\.kind) == kinds)
    }
    #expect(split([]).isEmpty)
    for length in 1...3 {
      #expect(split(Array(rubbish[..<length])).map(\.kind) == [length == 1 ? E3P_PART_PADDING : E3P_PART_RUBBISH])
    }
  }

  @Test("damaged streams are split into parts that follow each other, however they come")
  func damaged() throws {
    let picture = withThumbnail(try pictureBytes("restart.jpg"), try pictureBytes("grey.jpg"))
    var generator = SplitMix(state: 5)
    for _ in 0..<300 {
      var stream = picture + picture + picture
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let marker: [UInt8] = [0xFF, 0xD8, 0xD9, 0xDA, 0xDB, 0xE1, 0, UInt8.random(in: 0...255, using: &generator)]
        stream[Int.random(in: 0..<stream.count, using: &generator)] = marker.randomElement(using: &generator)!
      }
      let found = split(stream)
      #expect(found.reduce(0) { $1.range.lowerBound == $0 ? $1.range.upperBound : -1 } == stream.count)
    }
  }
}
