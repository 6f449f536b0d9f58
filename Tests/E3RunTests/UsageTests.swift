import CE3
import E3TestSupport
import Foundation
import Testing

@Suite("e3-run: command line")
struct UsageTests {
  @Test("--help and --version answer on standard output, whatever else is there")
  func help() throws {
    let help = try run(["--help"])
    #expect(help.status == 0)
    #expect(help.errors.isEmpty)
    #expect(help.output.contains("usage: e3-run MODEL.e3 FRAME... [options]"))
    #expect(help.output.split(separator: "\n").allSatisfy { $0.count <= 120 })
    #expect(try run(["nothing.e3", "--help"]).output == help.output)
    let version = try run(["--version"])
    #expect(version.status == 0)
    #expect(version.output == "e3-run \(String(cString: e3_version_text()))\n")
  }

  // promise: usage
  @Test(
    "a mistake on the command line is one line on standard error and status 2",
    arguments: [
      ([], "a MODEL.e3 is missing"),
      (["m.e3"], "a FRAME is missing"),
      (["", "f.png"], "an argument is empty"),
      (["m.e3", ""], "an argument is empty"),
      (["m.e3", "f.png", "", "g.png"], "an argument is empty"),
      (["m.e3", "f.png", "--nonsense"], "unknown option '--nonsense'"),
      (["-x", "m.e3"], "unknown option '-x'"),
      (["m.e3", "p.jpg", "-json"], "unknown option '-json' (did you mean --json?)"),
      (["m.e3", "p.jpg", "--thread", "2"], "unknown option '--thread' (did you mean --threads?)"),
      (["m.e3", "p.jpg", "--js"], "unknown option '--js' (did you mean --json?)"),
      (["m.e3", "p.jpg", "--metric=m.prom"], "unknown option '--metric=m.prom' (did you mean --metrics?)"),
      (["m.e3", "p.jpg", "--theads", "2"], "unknown option '--theads' (did you mean --threads?)"),
      (["m.e3", "p.jpg", "--thread"], "unknown option '--thread' (did you mean --threads?)"),
      (["m.e3", "-dash.png"], "unknown option '-dash.png'"),
      (["m.e3", "p.jpg", "--top", "2", "-", "-x=3", "q.jpg"], "unknown option '-x=3'"),
      (["m.e3", "f.png", "--top"], "an argument is missing, or empty, after '--top'"),
      (["m.e3", "f.png", "--top", ""], "an argument is missing, or empty, after '--top'"),
      (["m.e3", "f.png", "--classes", ""], "an argument is missing, or empty, after '--classes'"),
      (["m.e3", "f.png", "--metrics="], "an argument is missing, or empty, after '--metrics='"),
      (["m.e3", "f.png", "--save", "unsure", ""], "a folder is missing after --save 'unsure'"),
      (["--json=yes", "m.e3", "f.png"], "no argument is taken by '--json=yes'"),
      (["m.e3", "f.png", "--top", "0"], "--top takes 1 to 1000000, not '0'"),
      (["m.e3", "f.png", "--top", "5x"], "--top takes 1 to 1000000, not '5x'"),
      (["m.e3", "f.png", "--resident", "4Q"], "--resident takes bytes, as 900K, 400M or 1G, not '4Q'"),
      (["m.e3", "f.png", "--resident", "M"], "--resident takes bytes, as 900K, 400M or 1G, not 'M'"),
      (["m.e3", "f.png", "--resident", "4M", "--load", "lock"], "--resident needs --load map"),
      (["m.e3", "f.png", "--resident", "4M", "--watch-model"], "--resident needs --load map"),
      (["m.e3", "f.png", "--fps", "0"], "--fps takes frames per second from 0.001 to 1000, not '0'"),
      (["m.e3", "f.png", "--fps", "1."], "--fps takes frames per second from 0.001 to 1000, not '1.'"),
      (["m.e3", "f.png", "--fps", "1000.5"], "--fps takes frames per second from 0.001 to 1000, not '1000.5'"),
      (["m.e3", "f.png", "--threads", "65"], "--threads takes 1 to 64 or auto, not '65'"),
      (
        ["m.e3", "f.png", "--threads", "99999999999999999999"],
        "--threads takes 1 to 64 or auto, not '99999999999999999999'"
      ),
      (
        ["m.e3", "f.png", "--isa", "sse9"],
        "--isa takes scalar, avx2, avxvnni, avx512vnni, neon, dotprod or i8mm, not 'sse9'"
      ),
      (["m.e3", "x", "--alpha", "grey"], "--alpha takes white, black or ignore, not 'grey'"),
      (["m.e3", "x", "--max-pixels", "0"], "--max-pixels takes 1 to 268435456, not '0'"),
      (["m.e3", "x", "--top", "1", "--top", "2"], "an option is given twice: '--top'"),
      (
        ["m.e3", "--self-test", "--verify"],
        "one at a time of --tensor, --forget, --self-test, --verify and --list-cameras"
      ),
      (["m.e3", "x", "--max-scans", "0"], "--max-scans takes 1 to 1000000, not '0'"),
      (["m.e3", "x", "--max-text", "1K"], "--max-text takes 1 to 268435456 bytes, not '1K'"),
      (["m.e3", "-", "--pixel-format", "rgb24"], "--pixel-format needs --size WxH"),
      (["m.e3", "-", "--size", "4x4"], "--size and --stride need --pixel-format"),
      (
        ["m.e3", "-", "--pixel-format", "bgr", "--size", "4x4"],
        """
        --pixel-format takes rgb24, bgr24, bgrx32, rgbx32, xrgb32, xbgr32, gray8, gray10, gray12, gray16, yuyv, uyvy, \
        yvyu, nv12, nv21, nv16, i420, yv12, mjpeg or y4m, not 'bgr'
        """
      ),
      (["m.e3", "-", "--pixel-format", "yuyv", "--size", "5x4"], "--size must be even for yuyv: its width"),
      (
        ["m.e3", "-", "--pixel-format", "nv12", "--size", "4x5"],
        "--size must be even for nv12: its width and its height"
      ),
      (
        ["m.e3", "-", "--pixel-format", "gray8", "--size", "4x4", "--stride", "3"],
        "--stride is shorter than a line of pixels"
      ),
      (["m.e3", "-", "--pixel-format", "mjpeg", "--stride", "3"], "--stride is of no use with mjpeg and y4m"),
      (
        ["m.e3", "-", "--pixel-format", "mjpeg", "--plane-height", "3"],
        "--plane-height is of no use with mjpeg and y4m"
      ),
      (
        ["m.e3", "-", "--pixel-format", "mjpeg", "--color-range", "full"],
        "pictures say themselves what their colours are"
      ),
      (["m.e3", "-", "--pixel-format", "i420", "--stride", "97"], "--stride must be even for i420"),
      (
        ["m.e3", "-", "--pixel-format", "nv21", "--plane-height", "5"],
        "--plane-height must be even for nv21"
      ),
      (
        ["m.e3", "-", "--pixel-format", "yv12", "--size", "4x5"],
        "--size must be even for yv12: its width and its height"
      ),
      (["m.e3", "-", "--pixel-format", "nv16", "--size", "5x4"], "--size must be even for nv16: its width"),
      (
        ["m.e3", "-", "--pixel-format", "nv12", "--size", "4x8", "--plane-height", "6"],
        "--plane-height is less than the lines of the frame"
      ),
      (["m.e3", "-", "--plane-height", "6"], "--plane-height needs --pixel-format"),
      (["m.e3", "-", "--color-range", "pc"], "--color-range takes full or limited, not 'pc'"),
      (["m.e3", "-", "--color-range", "full"], "--color-range and --color-matrix need --pixel-format, or a camera"),
      (["m.e3", "-", "--color-matrix", "709"], "--color-matrix takes bt601, bt709 or bt2020, not '709'"),
      (
        ["m.e3", "-", "--pixel-format", "rgb24", "--color-matrix", "bt709"],
        "--color-matrix is for formats with U and V"
      ),
      (["m.e3", "-", "--rotate", "45"], "--rotate takes 90, 180 or 270 degrees clockwise, not '45'"),
      (["m.e3", "-", "--flip", "both"], "--flip takes horizontal or vertical, not 'both'"),
      (
        ["m.e3", "/dev/no-camera", "--size", "8x8", "--crop", "4,0,5,8"],
        "--crop leaves the frame"
      ),
      (["m.e3", "--tensor", "t.npy", "--rotate", "90"], "--crop, --rotate and --flip are for frames"),
      (["m.e3", "f.png", "--tensor", "t.npy"], "no FRAME is taken here: 'f.png'"),
      (["m.e3", "f.png", "--self-test"], "no FRAME is taken here: 'f.png'"),
    ] as [([String], String)])
  func mistakes(arguments: [String], text: String) throws {
    let outcome = try run(arguments)
    #expect(outcome.status == 2)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors == "e3-run: \(text); e3-run --help explains\n")
  }

  @Test(
    "a rectangle is four numbers with commas between them",
    arguments: ["4", "1,2,3", "1,2,3,", "1,2,3,4,5", "1,2,0,4", "1,2,3,0", "-1,2,3,4", "16385,0,1,1", "1;2;3;4"])
  func rectangles(text: String) throws {
    let outcome = try run(["m.e3", "f.png", "--crop", text])
    #expect(outcome.status == 2)
    let reason = "--crop takes X,Y,WIDTH,HEIGHT in pixels, up to 16384, not '\(text)'"
    #expect(outcome.errors == "e3-run: \(reason); e3-run --help explains\n")
  }

  @Test("metrics that would replace a file that is used are refused before anything is done, by whatever name")
  func metricsOfTheirOwn() throws {
    let folder = try TemporaryFolder()
    let model = try folder.model()
    let bytes = try contents(of: model)
    let there = try folder.write("classes", to: "there.e3c")
    try FileManager.default.createSymbolicLink(atPath: folder["link"], withDestinationPath: "there.e3c")
    try FileManager.default.createSymbolicLink(atPath: folder["ahead"], withDestinationPath: "none.e3c")
    try FileManager.default.linkItem(atPath: there, toPath: folder["hard"])
    for (metrics, arguments, same) in [
      (model, [model, "f.png"], model), (folder["f.png"], [model, "f0.png", folder["f.png"]], folder["f.png"]),
      (folder["link"], [model, "f.png", "--classes", there], there),
      (folder["hard"], [model, "f.png", "--classes", there], there),
      (there, [model, "f.png", "--trust", there], there),
      (
        "\(folder.path)/./none.e3c", [model, "f.png", "--teach", "q", "--classes", folder["none.e3c"]],
        folder["none.e3c"]
      ),
      (folder["none.e3c"], [model, "f.png", "--teach", "q", "--classes", folder["ahead"]], folder["ahead"]),
    ] {
      let outcome = try run(arguments + ["--metrics", metrics])
      let reason = "--metrics takes a file of its own, not '\(same)'"
      #expect(outcome.errors == "e3-run: \(reason); e3-run --help explains\n" && outcome.status == 2)
    }
    #expect(try contents(of: model) == bytes && folder.bytes("there.e3c") == Array("classes".utf8))
    #expect(folder.names.filter { $0.hasPrefix("none") || $0.hasPrefix("f") }.isEmpty)
    let other = try run([model, folder["f.png"], "--metrics", folder["g.png"]])
    #expect(other.errors == "e3-run: \(folder["f.png"]): No such file or directory\n" && other.status == 1)
  }

  @Test("what is not there yet may be a camera: no mistake of the command line, but one to retry")
  func notThereYet() throws {
    let folder = try TemporaryFolder()
    let path = folder["video9"]
    for options in [["--size", "640x480"], ["--pixel-format", "yuyv"], ["--color-range", "full"]] {
      let outcome = try run([folder.model(), path] + options)
      #expect(outcome.errors == "e3-run: \(path): No such file or directory\n" && outcome.status == 1)
    }
  }

  @Test(
    "a size is two sides with an x between them",
    arguments: ["4", "4x", "x4", "0x4", "4x0", "4x4x4", "16385x1", "4X4"])
  func sizes(text: String) throws {
    let outcome = try run(["m.e3", "-", "--pixel-format", "gray8", "--size", text])
    #expect(outcome.status == 2)
    let reason = "--size takes WIDTHxHEIGHT, sides from 1 to 16384, not '\(text)'"
    #expect(outcome.errors == "e3-run: \(reason); e3-run --help explains\n")
  }

  @Test("a model that cannot be used is named with its reason, status 1")
  func badModels() throws {
    let folder = try TemporaryFolder()
    let model = try folder.model()
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: model)))
    let picture = pictureFolder.appendingPathComponent("grey.jpg").path
    let cases: [(String, String)] = [
      (try folder.write([], to: "empty.e3"), "the file is empty"),
      (try folder.write(Array(bytes.dropLast()), to: "cut.e3"), statusText(E3_ERROR_FILE_TRUNCATED)),
      (try folder.write(Array("no model file".utf8) + bytes, to: "foreign.e3"), statusText(E3_ERROR_FILE_MAGIC)),
      (folder.path, "a folder, not a file"),
      ("/dev/null", "not a regular file"),
      (folder["none.e3"], "No such file or directory"),
    ]
    for (path, text) in cases {
      let outcome = try run([path, picture])
      #expect(outcome.status == 1)
      #expect(outcome.output.isEmpty)
      #expect(outcome.errors == "e3-run: \(path): \(text)\n")
    }
  }

  @Test(
    "a file of another kind is called what it is, with what makes a model of it",
    arguments: [
      ("PK\u{3}\u{4}", "a zip file, as PyTorch and NumPy write", "e3-convert pack makes one of a checkpoint"),
      ("H\0\0\0\0\0\0\0{\"a\":0}", "safetensors", "e3-convert pack makes one of it"),
      (
        "\u{8}\u{8}\u{12}\u{7}pytorch", "an ONNX model",
        "tools/checkpoints/onnx_to_safetensors and e3-convert pack make one of a ViT"
      ),
      ("\u{1C}\0\0\0TFL3", "a TFLite model", "e3-convert pack makes one of the checkpoint that it came from"),
      ("GGUF\u{3}", "a GGUF file", "e3-convert pack makes one of the checkpoint that it came from"),
      (
        "\u{89}HDF\r\n\u{1A}\n", "an HDF5 file, as Keras writes",
        "e3-convert pack makes one of its weights as safetensors"
      ),
      ("\u{80}\u{2}\u{8A}\u{A}l", "a pickle, as PyTorch wrote before 1.6", "e3-convert pack says how to save it anew"),
      (
        "\u{89}E3C\r\n\u{1A}\n", "learned classes (.e3c)",
        "give them beside the model that learned them"
      ),
      ("version https://git-lfs.github.com/spec/v1\n", "a git-lfs pointer", "run `git lfs pull` in its folder"),
      ("<!DOCTYPE html>", "a web page or XML", "download the file itself"),
    ])
  func otherFiles(start: String, kind: String, step: String) throws {
    let folder = try TemporaryFolder()
    let bytes = start.unicodeScalars.map { UInt8($0.value) } + [UInt8](repeating: 0, count: 100)
    let path = try folder.write(bytes, to: "m.e3")
    let picture = pictureFolder.appendingPathComponent("grey.jpg").path
    let text = "\(path): \(kind), not an E3 model file: \(step)\n"
    #expect(try run([path, picture]).errors == "e3-run: \(text)")
    #expect(try BuiltCommand("e3-bench").run([path]).errors == "e3-bench: \(text)")
    #expect(try BuiltCommand("e3-convert").run(["verify", path]).errors == "e3-convert: \(text)")
    // Cut off anywhere it is still no model.
    for count in 1..<bytes.count - 90 {
      let cut = try folder.write(bytes.prefix(count), to: "cut.e3")
      #expect(try run([cut, picture]).errors.hasPrefix("e3-run: \(cut): "))
    }
  }

  @Test("what is given for frames and is none says what to give")
  func otherFrames() throws {
    let folder = try TemporaryFolder()
    let picture = pictureFolder.appendingPathComponent("grey.jpg").path
    let pictures = try run([folder.model(), folder.path])
    #expect(pictures.status == 1)
    let reason = "a folder, not a file: give its pictures, as in folder/*"
    #expect(pictures.errors.hasPrefix("e3-run: \(folder.path): \(reason)\n"))
    let jpeg = try contents(of: picture)
    let png = try contents(of: pictureFolder.appendingPathComponent("grey8.png").path)
    let y4m = Array("YUV4MPEG2 W12 H10 F25:1 Ip C420jpeg\nFRAME\n".utf8) + noise(180)
    let bare = Array(jpeg.prefix(2)) + Array(jpeg[20...])  // without its JFIF marker
    let alone = "which is read without --pixel-format"
    // The second segment of the JPEG below is none: these may be pixels, and are told only where a frame is not whole.
    let refused: [([UInt8], String, String, String)] = [
      (jpeg, "9999x999", "a JPEG picture, \(alone)", "\n"), (jpeg, "12x10", "a JPEG picture, \(alone)", "\n"),
      (png, "12x10", "a picture, \(alone)", "\n"), (bare, "12x10", "a JPEG picture, \(alone)", "\n"),
      ([0xFF, 0xD8, 0xFF, 0xC0, 0, 2, 1, 2] + noise(20), "9999x999", "the stream ends inside frame 0", "\(alone)\n"),
      (y4m, "12x10", "a yuv4mpegpipe stream: e3-run reads it with --pixel-format y4m, without --size\n", "\n"),
    ]
    for (bytes, size, start, end) in refused {
      let outcome = try run([folder.model(), "-", "--pixel-format", "gray8", "--size", size], input: bytes)
      #expect(outcome.status == 1 && outcome.output.isEmpty)
      let isSaid = outcome.errors.hasPrefix("e3-run: -: \(start)") && outcome.errors.hasSuffix(end)
      #expect(isSaid, "\(outcome.errors)")
    }
  }

  /// The first bytes of files that are no raw pixels, and what is said of each.
  static let kinds: [(bytes: String, said: String)] = [
    ("P6\n12 10\n255\n", "a picture, which"), ("P7\nWIDTH 12\n", "PAM pictures"), ("GIF87a", "GIF pictures"),
    ("II*\0\u{8}\0\0\0", "TIFF pictures"), ("RIFF____WEBPVP8 ", "WebP pictures"), ("RIFF____AVI LIST", "a film"),
    ("\0\0\0\u{18}ftypavif", "AVIF pictures"), ("\0\0\0\u{18}ftypisom", "a film"),
    ("\0\0\0\u{1}\u{67}\u{42}\0\u{1E}", "a film"), ("PK\u{3}\u{4}", "not a JPEG, PNG"),
    ("BM\u{46}\0\0\0\0\0\0\0\u{36}\0\0\0\u{28}\0\0\0", "BMP pictures"),
  ]

  @Test("bytes of other files are not answered as pixels, also where the run would end after a frame", arguments: kinds)
  func otherKinds(bytes: String, said: String) throws {
    let folder = try TemporaryFolder()
    let input = Array(bytes.utf8) + noise(400)
    let outcome = try run(
      [folder.model(), "-", "--pixel-format", "gray8", "--size", "12x10", "--frames", "1"], input: input)
    #expect(outcome.status == 1 && outcome.output.isEmpty)
    #expect(outcome.errors.hasPrefix("e3-run: -: \(said)"), "\(outcome.errors)")
  }

  @Test(
    "pixels that only begin alike are answered",
    arguments: ["P9", "P6\n\u{1}\u{2}", "P3#", "P7\n", "BM____", "GIF", "II*\0II*\0", "\0\0\0\u{1}ggggggg"])
  func alikePixels(bytes: String) throws {
    let folder = try TemporaryFolder()
    let input = Array(bytes.utf8) + [UInt8](repeating: 9, count: 120 - bytes.utf8.count)
    let outcome = try run([folder.model(), "-", "--pixel-format", "gray8", "--size", "12x10"], input: input)
    #expect(outcome.status == 0, "\(outcome.errors)")
  }

  @Test("a stream of another kind than --pixel-format names says what it is", arguments: ["mjpeg", "y4m"])
  func otherStreams(format: String) throws {
    let folder = try TemporaryFolder()
    let png = try contents(of: pictureFolder.appendingPathComponent("grey8.png").path)
    let jpeg = try contents(of: pictureFolder.appendingPathComponent("grey.jpg").path)
    let y4m = Array("YUV4MPEG2 W12 H10 F25:1 Ip C420jpeg\nFRAME\n".utf8) + noise(180)
    var streams: [([UInt8], String)] = [
      (png, "a picture, which"), (png + noise(1 << 17), "a picture, which"), (Array("GIF89a".utf8), "GIF pictures"),
    ]
    streams.append(format == "y4m" ? (jpeg, "a JPEG picture, which") : (y4m, "a yuv4mpegpipe stream"))
    for (bytes, said) in streams {
      let outcome = try run([folder.model(), "-", "--pixel-format", format], input: bytes)
      #expect(outcome.status == 1 && outcome.output.isEmpty)
      #expect(outcome.errors.hasPrefix("e3-run: -: \(said)"), "\(outcome.errors)")
    }
  }

  @Test("an MJPEG stream may begin inside the first segments of a picture", arguments: [8, 30, 100, 200, 300])
  func cutFirst(length: Int) throws {
    let folder = try TemporaryFolder()
    let jpeg = try contents(of: pictureFolder.appendingPathComponent("grey.jpg").path)
    let stream = jpeg.prefix(length) + jpeg + jpeg
    let outcome = try run([folder.model(), "-", "--pixel-format", "mjpeg"], input: Array(stream))
    #expect(outcome.output.filter { $0 == "\n" }.count >= 2, "\(outcome.output)\(outcome.errors)")
    let alone = try run([folder.model(), "-", "--pixel-format", "mjpeg"], input: Array(jpeg.prefix(length)))
    #expect(alone.errors == "e3-run: -: bytes that are no picture stand in the place of picture 0\n")
    #expect(alone.status == 1)
  }

  @Test("a declared size holds for the pictures of an MJPEG stream too")
  func sizeOfPictures() throws {
    let folder = try TemporaryFolder()
    let jpeg = try contents(of: pictureFolder.appendingPathComponent("grey.jpg").path)
    let command = try [folder.model(), "-", "--pixel-format", "mjpeg"]
    #expect(try run(command, input: jpeg + jpeg).status == 0)
    let other = try run(command + ["--size", "640x480"], input: jpeg + jpeg)
    #expect(other.status == 1 && other.output.isEmpty)
    #expect(other.errors.contains("picture 0 has ") && other.errors.contains(" pixels, not 640x480\n"))
    let words = other.errors.split(separator: " ")
    let has = try #require(words.first { $0.contains("x") && $0.first?.isNumber == true })
    #expect(try run(command + ["--size", String(has)], input: jpeg + jpeg).status == 0)
  }

  @Test("an instruction set that this CPU lacks is refused: no CPU has both of these")
  func foreignISA() throws {
    let folder = try TemporaryFolder()
    let picture = pictureFolder.appendingPathComponent("grey.jpg").path
    let outcomes = try ["neon", "avx2"].map { try run([folder.model(), picture, "--isa", $0]) }
    let refused = outcomes.filter { $0.status != 0 }
    #expect(!refused.isEmpty)
    for outcome in refused {
      #expect(outcome.status == 1)
      let reason = outcome.errors.split(separator: ";")
      try #require(reason.count == 2, "\(outcome.errors)")
      #expect(["neon", "avx2"].contains { reason[0] == "e3-run: --isa \($0) is not there" })
      #expect(reason[1].hasPrefix(" this processor and this build have scalar") && outcome.errors.hasSuffix("\n"))
    }
  }
}
