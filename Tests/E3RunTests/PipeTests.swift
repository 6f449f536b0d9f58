import E3TestSupport
import Foundation
import Testing

private let ffmpeg = "/usr/bin/ffmpeg"
private let hasFFmpeg = FileManager.default.isExecutableFile(atPath: ffmpeg)

@Suite("e3-run: streams of other programs")
struct PipeTests {
  let folder: TemporaryFolder
  let model: String
  private let frame = noise(180)
  private let i420 = ["--pixel-format", "i420", "--size", "12x10"]

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.model()
  }

  private func probabilities(_ outcome: Outcome) throws -> [[Double]] {
    #expect(outcome.status == 0, "\(outcome.errors)")
    return try outcome.objects.map { ($0["probabilities"] as! [NSNumber]).map(\.doubleValue) }
  }

  private func answers(_ options: [String], _ bytes: [UInt8]) throws -> [[Double]] {
    try probabilities(run([model, "-", "--json"] + options, input: bytes))
  }

  private func y4m(_ header: String, line: String = "FRAME", _ frames: [[UInt8]]) -> [UInt8] {
    Array("\(header)\n".utf8) + frames.flatMap { Array("\(line)\n".utf8) + $0 }
  }

  @Test("y4m gives the answers of its planes, in the colours that its header names")
  func headers() throws {
    let expected = try answers(i420, frame + frame)
    for header in [
      "YUV4MPEG2 W12 H10", "YUV4MPEG2 W12 H10 A0:0 XA XA",
      "YUV4MPEG2 W12 H10 F30000:1001 Ip A1:1 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=LIMITED",
    ] {
      #expect(try answers(["--pixel-format", "y4m"], y4m(header, [frame, frame])) == expected)
    }
    for line in ["FRAME Ippp XNOTE", "FRAME Ip"] {
      #expect(
        try answers(["--pixel-format", "y4m"], y4m("YUV4MPEG2 H10 W12", line: line, [frame, frame])) == expected)
    }
    let full = try answers(i420 + ["--color-range", "full"], frame)
    #expect(full != [expected[0]])
    let said = y4m("YUV4MPEG2 W12 H10 C420jpeg XCOLORRANGE=FULL", [frame])
    #expect(try answers(["--pixel-format", "y4m"], said) == full)
    #expect(try answers(["--pixel-format", "y4m", "--color-range", "limited"], said) == [expected[0]])
    let matrix = ["--color-matrix", "bt2020"]
    #expect(
      try answers(["--pixel-format", "y4m"] + matrix, said)
        == answers(i420 + ["--color-range", "full"] + matrix, frame))
    let grey = Array(frame[..<120])
    #expect(
      try answers(["--pixel-format", "y4m"], y4m("YUV4MPEG2 W12 H10 Cmono", [grey]))
        == answers(["--pixel-format", "gray8", "--size", "12x10"], grey))
  }

  @Test(
    "a y4m stream that is not understood is refused by its field",
    arguments: [
      (
        "YUV4MPEG2 W12 H10 C422",
        "the field 'C422' of the y4m header is not read; ffmpeg makes what is by -pix_fmt yuv420p"
      ),
      (
        "YUV4MPEG2 W12 H10 XYSCSS=420P10",
        "the field 'XYSCSS=420P10' of the y4m stream is not understood, or given twice"
      ),
      ("YUV4MPEG2 W12 H10 XYSCSS=411", "the field 'XYSCSS=411' of the y4m stream is not understood, or given twice"),
      (
        "YUV4MPEG2 W12 H10 C420p10",
        "the field 'C420p10' of the y4m header is not read; ffmpeg makes what is by -pix_fmt yuv420p"
      ),
      ("YUV4MPEG2 W12 H10 It", "the field 'It' of the y4m stream is interlaced video, which is not read"),
      (
        "YUV4MPEG2 W12 H10 XCOLORRANGE=FULL XCOLORRANGE=LIMITED",
        "the field 'XCOLORRANGE=LIMITED' of the y4m stream is not understood, or given twice"
      ),
      (
        "YUV4MPEG2 W12 H10 XCOLORRANGE=ODD",
        "the field 'XCOLORRANGE=ODD' of the y4m stream is not understood, or given twice"
      ),
      ("YUV4MPEG2 W12 H10 Q7", "the field 'Q7' of the y4m stream is not understood, or given twice"),
      ("YUV4MPEG2 W0 H10", "the field 'W0' of the y4m stream is not understood, or given twice"),
      ("YUV4MPEG2 W12 H16385", "the field 'H16385' of the y4m stream is not understood, or given twice"),
      ("YUV4MPEG2 W12 H1\u{1B}", "the field 'H1?' of the y4m stream is not understood, or given twice"),
      ("YUV4MPEG2 W12 H10 W12", "the field 'W12' of the y4m stream is not understood, or given twice"),
      (
        "YUV4MPEG2 W12 H10 A16:15",
        "the field 'A16:15' of the y4m header: pixels are not square; ffmpeg -vf scale=iw*sar:ih,setsar=1 makes them so"
      ),
      (
        "YUV4MPEG2 W12 H10 A:",
        "the field 'A:' of the y4m header: pixels are not square; ffmpeg -vf scale=iw*sar:ih,setsar=1 makes them so"
      ),
      ("YUV4MPEG2 W12", "the y4m header does not say its width and height"),
      (
        "YUV4MPEG2 W13 H10",
        "frames of 13x10 pixels; width and height must be even where U and V are shared: ffmpeg -vf 'crop=trunc(iw/2)*2:trunc(ih/2)*2'"
      ),
      ("YUV4MPEG W12 H10", "the stream does not begin with YUV4MPEG2"),
      ("YUV4MPEG2" + String(repeating: " XA", count: 400), "a line of the y4m stream is longer than 1024 bytes"),
    ])
  func refused(header: String, text: String) throws {
    let outcome = try run([model, "-", "--pixel-format", "y4m"], input: y4m(header, [frame]))
    #expect(outcome.status == 1 && outcome.output.isEmpty)
    #expect(outcome.errors == "e3-run: -: \(text)\n")
  }

  @Test("a y4m stream that does not fit its header is an error after the frames before it, never a wrong frame")
  func cut() throws {
    let whole = y4m("YUV4MPEG2 W12 H10", [frame, frame])
    func outcome(_ bytes: [UInt8]) throws -> Outcome {
      try run([model, "-", "--pixel-format", "y4m", "--json"], input: bytes)
    }
    for missing in [1, 100, 180, 181, 185] {
      let cut = try outcome(whole.dropLast(missing))
      #expect(cut.status == 1 && cut.lines.count == 1)
      #expect(cut.errors == "e3-run: -: the stream ends inside frame 1\n")
    }
    let longer = try outcome(y4m("YUV4MPEG2 W12 H10", [frame + [0], frame]))
    #expect(longer.status == 1 && longer.lines.count == 1)
    #expect(longer.errors == "e3-run: -: no line FRAME stands before frame 1\n")
    let interlaced = try outcome(y4m("YUV4MPEG2 W12 H10", line: "FRAME It", [frame]))
    #expect(interlaced.status == 1 && interlaced.errors.contains("field 'It'"))
    #expect(try outcome([]).errors == "e3-run: -: the stream is empty\n")
    #expect(
      try outcome(Array("YUV4MPEG2 W12".utf8)).errors == "e3-run: -: the stream ends inside a line of its header\n")
    #expect(try outcome(Array("YUV4MPEG2 W12 H10\n".utf8)).errors == "e3-run: -: the stream is empty\n")
  }

  @Test("lines of U and V may have a length of their own")
  func chromaStride() throws {
    let expected = try answers(i420, frame)
    func padded(_ plane: ArraySlice<UInt8>, _ length: Int, _ stride: Int) -> [UInt8] {
      let bytes = Array(plane)
      return Swift.stride(from: 0, to: bytes.count, by: length).flatMap { (start: Int) -> [UInt8] in
        bytes[start..<start + length] + [UInt8](repeating: 99, count: stride - length)
      }
    }
    let (y, u, v) = (frame[..<120], frame[120..<150], frame[150...])
    #expect(try answers(i420 + ["--chroma-stride", "9"], Array(y) + padded(u, 6, 9) + padded(v, 6, 9)) == expected)
    let both = padded(y, 12, 13) + padded(u, 6, 8) + padded(v, 6, 8)
    #expect(try answers(i420 + ["--stride", "13", "--chroma-stride", "8"], both) == expected)
    let pairs = zip(u, v).flatMap { [$0, $1] }
    let nv12 = ["--pixel-format", "nv12", "--size", "12x10", "--chroma-stride", "20"]
    #expect(try answers(nv12, Array(y) + padded(pairs[...], 12, 20)) == expected)
    for (options, text) in [
      (i420 + ["--chroma-stride", "5"], "--chroma-stride is shorter than a line of U and V"),
      (["--pixel-format", "yuyv", "--chroma-stride", "9"], "--chroma-stride is for formats with planes of U and V"),
      (["--chroma-stride", "9"], "--chroma-stride needs --pixel-format"),
      (["--pixel-format", "y4m", "--chroma-stride", "9"], "--chroma-stride is of no use with mjpeg and y4m"),
      (["--pixel-format", "y4m", "--size", "8x8"], "y4m says itself what its --size is"),
    ] {
      let outcome = try run([model, "-"] + options)
      #expect(outcome.status == 2 && outcome.errors == "e3-run: \(text); e3-run --help explains\n")
    }
  }

  // MARK: What BOARDS.md shows, with the same bytes made by ffmpeg

  /// Runs ffmpeg on a test picture; what it wrote.
  private func film(_ arguments: [String]) throws -> [UInt8] {
    let path = folder["film"]
    let status = try BuiltCommand(path: ffmpeg).spawn(
      ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=128x96:rate=10", "-frames:v", "3"] + arguments + [path],
      descriptors: [0, 1, 2])
    #expect(status == 0)
    return try contents(of: path)
  }

  @Test(
    "ffmpeg's yuv4mpegpipe, as from a camera in the network, gives the answers of its raw frames",
    .enabled(if: hasFFmpeg, "ffmpeg is not installed"))
  func network() throws {
    for (format, range) in [("yuv420p", "limited"), ("yuvj420p", "full")] {
      let raw = try film(["-pix_fmt", format, "-f", "rawvideo"])
      let piped = try film(["-an", "-pix_fmt", format, "-f", "yuv4mpegpipe"])
      let options = ["--pixel-format", "i420", "--size", "128x96", "--color-range", range]
      #expect(try answers(["--pixel-format", "y4m"], piped) == answers(options, raw))
    }
    let grey = ["--pixel-format", "gray8", "--size", "128x96"]
    #expect(
      try answers(["--pixel-format", "y4m"], film(["-pix_fmt", "gray", "-strict", "-1", "-f", "yuv4mpegpipe"]))
        == answers(grey, film(["-pix_fmt", "gray", "-f", "rawvideo"])))
  }

  @Test(
    "what rpicam-vid --codec yuv420 writes, the colours of JPEG with lines of a multiple of 64, is read by its options",
    .enabled(if: hasFFmpeg, "ffmpeg is not installed"))
  func raspberryPi() throws {
    let colours = ["--pixel-format", "i420", "--color-range", "full", "--color-matrix", "bt601"]
    let whole = try film([
      "-vf", "scale=out_range=full:out_color_matrix=bt601", "-pix_fmt", "yuvj420p", "-f", "rawvideo",
    ])
    let expected = try answers(colours + ["--size", "128x96"], whole)
    // The same pictures as red, green and blue: within a percent of the probabilities, as the U and V of four pixels are one.
    let exact = try answers(
      ["--pixel-format", "rgb24", "--size", "128x96"], film(["-pix_fmt", "rgb24", "-f", "rawvideo"]))
    for (seen, wanted) in zip(expected.joined(), exact.joined()) { #expect(abs(seen - wanted) < 0.01) }
    // 100 of 128 pixels of a line are the picture, the others padding.
    let cut = try film([
      "-vf", "crop=100:96:0:0:exact=1,scale=out_range=full:out_color_matrix=bt601",
      "-pix_fmt", "yuvj420p", "-f", "rawvideo",
    ])
    let planes = [(128, 96), (64, 48), (64, 48)]
    var (padded, at) = ([UInt8](), 0)
    for _ in 0..<3 {
      for (stride, lines) in planes {
        let length = stride == 128 ? 100 : 50
        for _ in 0..<lines {
          padded += cut[at..<at + length] + [UInt8](repeating: 7, count: stride - length)
          at += length
        }
      }
    }
    #expect(
      try answers(colours + ["--size", "100x96", "--stride", "128"], padded)
        == answers(colours + ["--size", "100x96"], cut))
  }
}
