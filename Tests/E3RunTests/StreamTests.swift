import E3TestSupport
import Foundation
import Testing

@Suite("e3-run: raw streams")
struct StreamTests {
  let folder: TemporaryFolder
  let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.model()
  }

  /// The probabilities of every frame.
  private func answers(_ outcome: Outcome) throws -> [[Double]] {
    try outcome.objects.map { ($0["probabilities"] as! [NSNumber]).map(\.doubleValue) }
  }

  @Test("an rgb24 stream gives the answers of the same pixels as pictures")
  func rgb() throws {
    let three = noise(3 * 360)
    let frames: [[UInt8]] = (0..<3).map { (index: Int) in Array(three[360 * index..<360 * index + 360]) }
    let header = Array("P6 12 10 255\n".utf8)
    let pictures: [String] = try frames.enumerated().map { index, pixels in
      try folder.write(header + pixels, to: "\(index).ppm")
    }
    let expected = try answers(run([model, "--json"] + pictures))
    let options = ["--pixel-format", "rgb24", "--size", "12x10", "--json"]
    let streamed = try run([model, "-"] + options, input: Array(frames.joined()))
    #expect(streamed.status == 0)
    #expect(try answers(streamed) == expected)
    #expect(try streamed.objects.map { $0["frame"] as? Int } == [0, 1, 2])
    let file = try folder.write(Array(frames.joined()), to: "stream.rgb")
    #expect(try answers(run([model, file] + options)) == expected)
    // Longer lines: five bytes after each that are not pixels.
    let padding: [UInt8] = [9, 9, 9, 9, 9]
    var padded: [UInt8] = []
    for frame in frames {
      for start in stride(from: 0, to: 360, by: 36) { padded += frame[start..<start + 36] + padding }
    }
    #expect(try answers(run([model, "-", "--stride", "41"] + options, input: padded)) == expected)
  }

  @Test("a frame takes the bytes of its format", arguments: [("gray8", 120), ("yuyv", 240), ("nv12", 180)])
  func formats(format: String, bytes: Int) throws {
    let options = ["--pixel-format", format, "--size", "12x10", "--json"]
    let two = try run([model, "-"] + options, input: noise(2 * bytes))
    #expect(two.status == 0)
    #expect(two.lines.count == 2)
    let short = try run([model, "-"] + options, input: noise(2 * bytes - 1))
    #expect(short.status == 1)
    #expect(short.lines.count == 1, "the whole frame before the cut is answered")
    #expect(short.errors == "e3-run: -: the stream ends inside frame 1 (\(bytes - 1) of \(bytes) bytes)\n")
  }

  @Test("--frames stops early, however much follows")
  func limit() throws {
    let options = ["--pixel-format", "gray8", "--size", "12x10", "--json", "--frames", "2"]
    let outcome = try run([model, "-"] + options, input: noise(120 * 5000))
    #expect(outcome.status == 0)
    #expect(outcome.lines.count == 2)
  }

  @Test("a stream without a frame is an error: what should have fed it has failed")
  func empty() throws {
    let raw = try run([model, "-", "--pixel-format", "gray8", "--size", "12x10"])
    let pictures = try run([model, "-", "--pixel-format", "mjpeg"], input: [1, 2, 3])
    #expect(raw.errors == "e3-run: -: the stream is empty\n")
    #expect(pictures.errors == "e3-run: -: the stream holds no JPEG picture\n")
    for outcome in [raw, pictures] {
      #expect(outcome.status == 1)
      #expect(outcome.output.isEmpty)
    }
  }

  @Test("mjpeg pictures are found one after the other, with padding between them")
  func mjpeg() throws {
    let names = ["colour-420.jpg", "grey.jpg", "progressive.jpg", "orientation-6.jpg"]
    let paths = names.map { pictureFolder.appendingPathComponent($0).path }
    let expected = try answers(run([model, "--json"] + paths))
    let stream: [UInt8] = try names.map { try pictureBytes($0) + [0, 0, 0xFF, 0] }.reduce([], +)
    let outcome = try run([model, "-", "--pixel-format", "mjpeg", "--json"], input: stream)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try answers(outcome) == expected)
  }

  @Test("a damaged mjpeg picture is reported and the next one is answered")
  func damagedPicture() throws {
    var damaged = try pictureBytes("colour-444.jpg")
    for index in damaged.count - 150..<damaged.count - 2 { damaged[index] = 0 }
    let good = try pictureBytes("grey.jpg")
    let outcome = try run([model, "-", "--pixel-format", "mjpeg", "--json"], input: good + damaged + good)
    #expect(outcome.status == 1)
    #expect(try outcome.objects.map { $0["frame"] as? Int } == [0, 2])
    #expect(outcome.errors.hasPrefix("e3-run: -: picture 1: corrupt or unsupported JPEG: "))
    #expect(outcome.errors.filter { $0 == "\n" }.count == 1)
    let cut = try run([model, "-", "--pixel-format", "mjpeg", "--json"], input: good + good.dropLast(3))
    #expect(cut.status == 1)
    #expect(cut.lines.count == 1)
    #expect(cut.errors == "e3-run: -: the stream ends inside picture 1\n")
  }

  @Test("the first bytes of a picture at the end of a stream are reported; one that may be filler is not")
  func beginningAtTheEnd() throws {
    let good = try pictureBytes("grey.jpg")
    for rest in [2, 3, 4, 12] {
      let outcome = try run([model, "-", "--pixel-format", "mjpeg", "--json"], input: good + good[..<rest])
      #expect(outcome.status == 1 && outcome.lines.count == 1)
      let text = "bytes that are no picture stand in the place of picture 1"
      #expect(outcome.errors == "e3-run: -: \(text)\n", "\(rest)")
    }
    let filled = try run([model, "-", "--pixel-format", "mjpeg", "--json"], input: good + [0xFF])
    #expect(filled.status == 0 && filled.errors.isEmpty && filled.lines.count == 1)
  }

  @Test("frames that were cut are reported one by one, and those around them are answered")
  func cutPictures() throws {
    let good = try pictureBytes("colour-444.jpg")
    let cut = good[..<(jpegSegment(0xDA, in: good).upperBound + 20)]
    let outcome = try run([model, "-", "--pixel-format", "mjpeg", "--json"], input: good + cut + good + good)
    #expect(outcome.status == 1)
    #expect(try outcome.objects.map { $0["frame"] as? Int } == [0, 2, 3])
    #expect(outcome.errors == "e3-run: -: another picture begins inside picture 1\n")
  }

  @Test("no picture of a stream is lost without a line, whatever stands behind its first marker")
  func oddBeginnings() throws {
    let good = try pictureBytes("grey.jpg")
    func outcome(_ code: [UInt8]) throws -> Outcome {
      let picture = good.inserting(code, at: 2)
      return try run([model, "-", "--pixel-format", "mjpeg", "--json"], input: good + [0, 0] + picture + good)
    }
    for code in [[0xFF, 0], [0xFF, 0xD0], [0xFF, 1]] as [[UInt8]] {
      let read = try outcome(code)
      #expect(read.status == 0 && read.errors.isEmpty, "\(read.errors)")
      let answers = try answers(read)
      #expect(answers.count == 3 && answers.allSatisfy { $0 == answers[0] })
    }
    for (code, text) in [
      ([0xFF, 2], "picture 1: corrupt or unsupported JPEG: Unsupported marker type 0x02"),
      ([0, 0], "bytes that are no picture stand in the place of picture 1"),
    ] as [([UInt8], String)] {
      let broken = try outcome(code)
      #expect(broken.status == 1 && broken.errors == "e3-run: -: \(text)\n")
      #expect(try broken.objects.map { $0["frame"] as? Int } == [0, 2])
    }
  }

  @Test("a run of bytes that are no picture has one line, however long it is")
  func rubbish() throws {
    let good = try pictureBytes("grey.jpg")
    for rubbish in [[0xFF, 0xD8, 0x41], [0xFF, 0xD8, 0xFF, 0xE0, 0, 2], [0xFF, 0xD8, 0xFF, 0xD0], [0]] as [[UInt8]] {
      let run = Array(repeatElement(rubbish, count: 100_000).joined())
      let outcome = try E3RunTests.run([model, "-", "--pixel-format", "mjpeg", "--json"], input: good + run + good)
      #expect(outcome.status == 1)
      #expect(try outcome.objects.map { $0["frame"] as? Int } == [0, 2])
      #expect(outcome.errors == "e3-run: -: bytes that are no picture stand in the place of picture 1\n")
    }
  }

  @Test("a picture of any kind is read from standard input and from a pipe")
  func pipes() throws {
    for name in ["grey.jpg", "rgb8.png", "rgb8.ppm", "grey8.pgm"] {
      let bytes = try pictureBytes(name)
      let expected = try answers(run([model, "--json", pictureFolder.appendingPathComponent(name).path]))
      #expect(try answers(run([model, "-", "--json"], input: bytes)) == expected, "\(name)")
      #expect(try answers(run([model, "/dev/stdin", "--json"], input: bytes)) == expected, "\(name)")
      let path = folder["pipe-\(name)"]
      #expect(mkfifo(path, 0o600) == 0)
      let (input, output, errors) = (try Scratch(), try Scratch(), try Scratch())
      let process = try command.start(
        [model, path, "--json"], descriptors: [input.descriptor, output.descriptor, errors.descriptor])
      let writer = open(path, O_WRONLY | O_CLOEXEC)
      #expect(bytes.withUnsafeBytes { write(writer, $0.baseAddress, $0.count) } == bytes.count)
      close(writer)
      #expect(wait(for: process) == 0, "\(errors.text)")
      #expect(output.text.contains("pipe-\(name)"))
    }
    #expect(try run([model, "-"]).errors == "e3-run: -: the file is empty\n")
    let text = try run([model, "-"], input: Array("hello".utf8))
    #expect(text.errors == "e3-run: -: not a JPEG, PNG or PNM (P1 to P6) picture\n" && text.status == 1)
  }

  @Test("--alpha, --max-pixels, --max-scans and --max-text reach the decoder")
  func pictureOptions() throws {
    let path = pictureFolder.appendingPathComponent("rgba8-interlaced.png").path
    let found = try ["white", "black", "ignore"].map { try answers(run([model, path, "--json", "--alpha", $0])) }
    #expect(Set(found).count == 3)
    #expect(try answers(run([model, path, "--json"])) == found[0])
    let limited = try run([model, path, "--max-pixels", "485"])
    let pixels = "27x18 pixels: more than 485 (e3-run --max-pixels)"
    #expect(limited.errors == "e3-run: \(path): \(pixels)\n" && limited.status == 1)
    #expect(try run([model, path, "--max-pixels", "486"]).status == 0)
    let progressive = pictureFolder.appendingPathComponent("progressive.jpg").path
    let scans = try run([model, progressive, "--max-scans", "1"])
    let most = "JPEG: more than 1 scans (e3-run --max-scans)"
    #expect(scans.errors == "e3-run: \(progressive): \(most)\n" && scans.status == 1)
    let profile = "Raw profile type exif\0\nexif\n      32\n4578696600004949"
    let orientation = "2A00080000000100120103000100000006000000" + "00000000"
    let turned = try folder.write(png("rgb8.png", "tEXt", Array((profile + orientation).utf8)), to: "turned.png")
    let plain = pictureFolder.appendingPathComponent("rgb8.png").path
    #expect(try answers(run([model, turned, "--json"])) != answers(run([model, plain, "--json"])))
    let cut = try run([model, turned, "--max-text", "40"])
    let said = "PNG: the orientation may be in a text of more than 40 bytes (e3-run --max-text)"
    #expect(cut.errors == "e3-run: \(turned): \(said)\n" && cut.status == 1)
  }

  @Test("a file with no end in sight behind a picture's beginning is refused before it is looked through")
  func endless() throws {
    for name in ["grey.jpg", "rgb8.png"] {
      let path = try folder.write(pictureBytes(name), to: name)
      #expect(truncate(path, 1 << 40) == 0)
      let outcome = try run([model, path])
      #expect(outcome.errors == "e3-run: \(path): too long for a picture (--max-pixels)\n" && outcome.status == 1)
    }
    // Zeros are chunks without a name and without bytes.
    let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    let chunks = try folder.write(signature + pictureBytes("rgb8.png")[8..<33], to: "chunks.png")
    #expect(truncate(chunks, 20 << 20) == 0)
    #expect(try run([model, chunks]).errors == "e3-run: \(chunks): PNG: more than 1048576 chunks\n")
  }

  @Test("a picture has no frame before it or behind it that --fps keeps it apart from")
  func pace() throws {
    let path = pictureFolder.appendingPathComponent("grey.jpg").path
    #expect(try run([model, path, "--fps", "0.001", "--json"]).lines.count == 1)
  }

  @Test("a bad frame among several is reported, and the others are answered")
  func badFrame() throws {
    let good = pictureFolder.appendingPathComponent("grey.jpg").path
    let cut = try folder.write(Array(pictureBytes("grey.jpg").dropLast(40)), to: "cut.jpg")
    let outcome = try run([model, good, cut, folder["missing.png"], good, "--json"])
    #expect(outcome.status == 1)
    #expect(outcome.lines.count == 2)
    let errors = outcome.errors.split(separator: "\n")
    #expect(errors.count == 2)
    #expect(errors[0].hasPrefix("e3-run: \(cut): "))
    #expect(errors[1] == "e3-run: \(folder.path)/missing.png: No such file or directory")
  }

  @Test("a reader that goes away, or a full disk, ends the run with one line")
  func outputFails() throws {
    let picture = pictureFolder.appendingPathComponent("grey.jpg").path
    let arguments = [model] + [String](repeating: picture, count: 100)
    let (input, errors) = (try Scratch(), try Scratch())
    // A named pipe whose reader is gone; other commands that start meanwhile inherit neither end.
    let path = folder["pipe"]
    #expect(mkfifo(path, 0o600) == 0)
    let reader = open(path, O_RDWR | O_CLOEXEC)
    let writer = open(path, O_WRONLY | O_CLOEXEC)
    close(reader)
    let status = try command.spawn(arguments, descriptors: [input.descriptor, writer, errors.descriptor])
    close(writer)
    #expect(status == 1)
    #expect(errors.text == "e3-run: standard output: Broken pipe\n")

    let (full, fullErrors) = (open("/dev/full", O_WRONLY | O_CLOEXEC), try Scratch())
    #expect(try command.spawn(arguments, descriptors: [input.descriptor, full, fullErrors.descriptor]) == 1)
    close(full)
    #expect(fullErrors.text == "e3-run: standard output: No space left on device\n")
  }
}
