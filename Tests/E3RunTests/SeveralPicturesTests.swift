import CE3Pictures
import E3TestSupport
import Testing

@Suite("e3-run: several pictures in the place of one")
struct SeveralPicturesTests {
  let folder: TemporaryFolder
  let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.model()
  }

  /// What lies behind the first picture of a file, and of a stream.
  private func company(_ bytes: [UInt8]) -> [e3p_company] {
    [0, 1].map { e3p_look_behind(bytes, bytes.count, $0) }
  }

  /// A JPEG with a segment more.
  private func with(_ marker: UInt8, _ body: [UInt8], _ picture: [UInt8]) -> [UInt8] {
    let segment: [UInt8] = [0xFF, marker, UInt8((body.count + 2) >> 8), UInt8((body.count + 2) & 255)] + body
    return picture.inserting(segment, at: jpegSegment(0xE0, in: picture).upperBound)
  }

  @Test("a picture with nothing, zeros, line ends or bytes of other things behind it is one", arguments: pictureNames)
  func one(name: String) throws {
    let bytes = try pictureBytes(name)
    let tails: [[UInt8]] = [
      [], [0, 0, 0], [10], Array("P5 of no width".utf8), Array("ftypmp42".utf8), [0xFF, 0xD8, 0xFF],
    ]
    for tail in tails { #expect(company(bytes + tail) == [E3P_ALONE, E3P_ALONE], "\(tail)") }
    for length in stride(from: 0, to: bytes.count, by: 5) {
      #expect(company(Array(bytes.prefix(length))) == [E3P_ALONE, E3P_ALONE], "\(length)")
    }
  }

  @Test("pictures of any kinds behind each other are several, with zeros or a line end between them")
  func several() throws {
    let binary = ["grey.jpg", "rgb8.png", "rgb8.ppm", "grey8.pgm"].map { try! pictureBytes($0) }
    let plain = ["P2 # grey\n2 2 9 1 2 # three follow\n3 4", "P1 2 2 0110", "P3 1 1 255 1 2 3"].map { Array($0.utf8) }
    let kinds = binary + plain + [Array("P4 9 2\n".utf8) + [1, 0, 2, 0], Array("P5 1 1 256\n".utf8) + [0, 7]]
    for (at, first) in kinds.enumerated() {
      for (behind, second) in kinds.enumerated() {
        // Two samples of plain pictures need something between them.
        for space: [UInt8] in [[10], [10, 10], [0, 10]] {
          #expect(company(first + space + second) == [E3P_WITH_OTHERS, E3P_WITH_OTHERS], "\(at) \(behind)")
        }
      }
      #expect(company(first) == [E3P_ALONE, E3P_ALONE], "\(at)")
    }
  }

  @Test("a file may hold pictures that its JPEG lists, and a smaller one; a stream only previews where they are listed")
  func listed() throws {
    let large = try pictureBytes("colour-444.jpg")
    var small = try pictureBytes("grey.jpg")
    // Its frame header says 8 lines instead of 18.
    small[jpegSegment(0xC0, in: small).lowerBound + 6] = 8
    #expect(company(large + small) == [E3P_WITH_SMALLER, E3P_WITH_OTHERS])
    #expect(company(large + [0, 0] + small) == [E3P_WITH_SMALLER, E3P_WITH_OTHERS])
    #expect(company(small + large) == [E3P_WITH_OTHERS, E3P_WITH_OTHERS])
    for lists in [
      with(0xE2, Array("MPF\0MM\0*".utf8), large),
      with(0xE1, Array("<xmp Container=\"http://ns.google.com/photos/1.0/container/\"".utf8), large),
    ] {
      #expect(company(lists + large) == [E3P_ALONE, E3P_WITH_OTHERS])
    }
    let other = with(0xE1, Array("<xmp Container=\"http://ns.google.com/photos/1.0/camera/\"".utf8), large)
    #expect(company(other + large)[0] == E3P_WITH_OTHERS)
  }

  @Test("an animated PNG is answered by its first picture, with a note; one of a single picture is no animation")
  func animation() throws {
    let still = try png("rgb8.png", "acTL", [0, 0, 0, 1, 0, 0, 0, 0])
    let moving = try png("rgb8.png", "acTL", [0, 0, 0, 2, 0, 0, 0, 0])
    #expect(company(still) == [E3P_ALONE, E3P_ALONE] && company(moving) == [E3P_ANIMATED, E3P_ANIMATED])
    #expect(try company(moving + pictureBytes("rgb8.png"))[0] == E3P_WITH_OTHERS)
    let path = try folder.write(moving, to: "moving.png")
    for operand in [path, "-"] {
      let outcome = try run([model, operand, "--json"], input: moving)
      #expect(outcome.status == 0 && outcome.lines.count == 1)
      #expect(
        outcome.errors == "e3-run: \(operand): note: an animation, of which only the first picture is answered\n")
    }
  }

  @Test("they are refused in one line, from standard input, a pipe and a file; what belongs to a picture passes")
  func command() throws {
    let jpeg = "several JPEG pictures, one after the other: --pixel-format mjpeg reads such a stream"
    let others = "several pictures, one after the other: give each as a file, or a film with --pixel-format y4m"
    for (name, text) in [("grey.jpg", jpeg), ("rgb8.png", others), ("rgb8.ppm", others)] {
      let stream = try pictureBytes(name) + pictureBytes(name)
      let path = try folder.write(stream, to: "two-\(name)")
      for operand in ["-", "/dev/stdin", path] {
        let outcome = try run([model, operand], input: stream)
        #expect(outcome.status == 1 && outcome.output.isEmpty, "\(operand)")
        #expect(outcome.errors == "e3-run: \(operand): \(text)\n")
      }
    }
    let large = try pictureBytes("colour-444.jpg")
    let stereo = try folder.write(with(0xE2, Array("MPF\0MM\0*".utf8), large) + large, to: "stereo.mpo")
    let passed = try run([model, stereo])
    #expect(passed.status == 0 && passed.errors.isEmpty)
    var small = large
    small[jpegSegment(0xC0, in: small).lowerBound + 6] = 8
    let preview = try folder.write(large + small, to: "preview.jpg")
    let noted = try run([model, preview, "--json"])
    #expect(noted.status == 0 && noted.lines.count == 1)
    #expect(
      noted.errors
        == "e3-run: \(preview): note: a smaller picture follows, as a preview does; only the first one is answered\n")
  }
}
