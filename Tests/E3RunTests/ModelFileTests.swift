import CE3
import E3TestSupport
import Foundation
import Testing

/// A run of `e3-run` on a stream that the test feeds frame by frame.
private final class Stream {
  private let process: pid_t
  private let input: Int32
  private let output: Scratch
  private let errors: Scratch
  private var isEnded = false

  init(_ arguments: [String]) throws {
    var ends: [Int32] = [-1, -1]
    #expect(pipe(&ends) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0)
    (output, errors) = (try Scratch(), try Scratch())
    process = try command.start(arguments, descriptors: [ends[0], output.descriptor, errors.descriptor])
    close(ends[0])
    input = ends[1]
  }

  deinit { if !isEnded { _ = end() } }

  /// Feeds one frame of 12 x 10 bytes; false when nobody reads them any more.
  @discardableResult
  func feed() -> Bool {
    let frame = (0..<120).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    return write(input, frame, frame.count) == frame.count
  }

  /// Waits for the answers to `count` frames, or for the end of the process.
  func wait(answers count: Int) { wait { output.text.utf8.count(where: { $0 == 10 }) >= count } }

  /// Waits until the text is on standard error, or for the end of the process.
  func waitForError(_ text: String) { wait { errors.text.contains(text) } }

  private func wait(until isReached: () -> Bool) {
    while !isReached() {
      var status: Int32 = 0
      if waitpid(process, &status, WNOHANG | WNOWAIT) == process { return }
      usleep(2000)
    }
  }

  func says(_ text: String) -> Bool { errors.text.contains(text) }

  func end() -> Outcome {
    isEnded = true
    close(input)
    return Outcome(status: E3TestSupport.wait(for: process), output: output.text, errors: errors.text)
  }
}

/// SIGPIPE of a reader that has ended is a failed write here.
private let ignoresBrokenPipes: Void = { signal(SIGPIPE, SIG_IGN) }()

@Suite("e3-run: its model file")
struct ModelFileTests {
  private let folder: TemporaryFolder
  private let model: String
  private let frames = ["-", "--pixel-format", "gray8", "--size", "12x10", "--json"]

  init() throws {
    ignoresBrokenPipes
    folder = try TemporaryFolder()
    model = try folder.model()
  }

  @Test("--early leaves later networks out where the file says so, says how many answered, and is refused without")
  func early() throws {
    func ensemble(_ probability: Float?) throws -> String {
      var sample = SampleFile.ensemble
      sample.calibration = SampleFile.thresholds(hasStatistics: false)
      sample.calibration?.accept_threshold = 0
      if let probability {
        sample.earlyStops = [2, probability].map {
          e3_file_early_stop(probability: $0, unknown_score: 0, stopped: 0, differing: 0)
        }
      }
      return try folder.write(sample.bytes, to: "ensemble.e3")
    }
    let bytes = [UInt8](repeating: 90, count: 120)
    let path = try ensemble(0)
    let object = try run([path] + frames + ["--early"], input: bytes).object
    #expect(object["networks"] as? Int == 2 && (object["members"] as? [Any])?.count == 3)
    let whole = try run([path] + frames, input: bytes).object
    #expect(whole["networks"] as? Int == 3 && (whole["members"] as? [Any])?.count == 4)
    #expect(try run([model] + frames, input: bytes).object["networks"] == nil, "one network has nothing to say")
    let line = try run([path] + frames.dropLast() + ["--early"], input: bytes).output
    #expect(line.contains(" nats, 2 of 3 networks, "))
    #expect(try run([path] + frames.dropLast(), input: bytes).output.contains("networks") == false)
    let picture = try folder.write("P5 12 10 255\n" + String(repeating: "Z", count: 120), to: "picture.pgm")
    #expect(try run([path, picture, "--early"]).output.contains("\n  2 of 3 networks answered\n"))
    let idle = try run([try ensemble(2)] + frames + ["--early"], input: bytes)
    #expect(try idle.status == 0 && idle.object["networks"] as? Int == 3)
    let reason = "--early has no effect: the file stops nothing (e3-convert inspect says why)"
    #expect(idle.errors == "e3-run: \(path): note: \(reason)\n")
    let refused = try run([try ensemble(nil)] + frames + ["--early"], input: bytes)
    #expect(refused.status == 1)
    #expect(
      refused.errors == "e3-run: \(path): the model file has no early stops (e3-convert calibrate --early)\n")
  }

  // What a stop left of one member has no values that are between members.
  @Test(
    "one member that a stop left has null for what is between members, and one network is told from a deep ensemble")
  func earlyAlone() throws {
    var sample = SampleFile.ensemble
    swap(&sample.config, &sample.others[0].config)
    sample.calibration = SampleFile.thresholds(hasStatistics: false)
    sample.calibration?.accept_threshold = 0
    sample.earlyStops = [0, 0].map {
      e3_file_early_stop(probability: $0, unknown_score: 0, stopped: 0, differing: 0)
    }
    let path = try folder.write(sample.bytes, to: "alone.e3")
    let bytes = [UInt8](repeating: 90, count: 120)
    let early = try run([path] + frames + ["--early"], input: bytes).object
    let all = try run([path] + frames, input: bytes).object
    #expect(early["networks"] as? Int == 1 && (early["members"] as? [Any])?.count == 1)
    for field in ["mutual_information", "disagreement"] {
      #expect((early["uncertainty"] as? [String: Any])?[field] is NSNull)
      #expect((all["uncertainty"] as? [String: Any])?[field] is Double)
    }
    let single = try run([model] + frames + ["--early"], input: bytes)
    #expect(single.status == 2)
    let reason = "--early is for deep ensembles (e3-convert pack of several checkpoints), this is one network:"
    #expect(single.errors == "e3-run: \(reason) '\(model)'; e3-run --help explains\n")
    let bench = try BuiltCommand("e3-bench").run([path, "--seconds", "1"])
    #expect(bench.lines.first?.hasSuffix(" repeats, all 3 networks") == true, "\(bench.output)")
  }

  private func change(_ body: (Int32) -> Bool) {
    let descriptor = open(model, O_RDWR)
    #expect(descriptor >= 0 && body(descriptor))
    close(descriptor)
  }

  // promise: model-changed
  @Test(
    "that is written to under a run is one line and status 1, however it is written to", arguments: ["map", "lock"],
    0..<6)
  func changed(load: String, how: Int) throws {
    let stream = try Stream([model] + frames + ["--load", load])
    stream.feed()
    stream.wait(answers: 1)
    let bytes = try contents(of: model)
    change { file in
      switch how {
      case 0: return ftruncate(file, 0) == 0
      case 1: return ftruncate(file, off_t(bytes.count / 2)) == 0
      case 2: return pwrite(file, Array(bytes.reversed()), bytes.count, 0) == bytes.count
      case 3: return pwrite(file, [UInt8](repeating: 0, count: bytes.count), bytes.count, 0) == bytes.count
      case 4:
        // The time stamp of the bytes set back, as of files that all have one time.
        var status = stat()
        guard fstat(file, &status) == 0, pwrite(file, [1, 2, 3, 4, 5, 6, 7, 8], 8, off_t(bytes.count / 2)) == 8 else {
          return false
        }
        let times = [status.st_atim, status.st_mtim]
        return futimens(file, times) == 0
      default: return pwrite(file, [1, 2, 3, 4, 5, 6, 7, 8], 8, 336 + 4 * 40 + 16) == 8  // where an extent lies
      }
    }
    for _ in 0..<3 { stream.feed() }
    let outcome = stream.end()
    #expect(outcome.status == 1)
    #expect(outcome.errors == "e3-run: \(model): the model file was changed while it was in use\n")
    #expect(outcome.lines.count == 1)
  }

  // promise: model-copied-to-memory, rename
  @Test(
    "that was copied into memory, or that another one replaces by its name, may change: the answers stay",
    arguments: [true, false])
  func unharmed(isCopied: Bool) throws {
    let stream = try Stream([model] + frames + ["--load", isCopied ? "copy" : "map"])
    stream.feed()
    stream.wait(answers: 1)
    if isCopied {
      change { ftruncate($0, 0) == 0 }
    } else {
      try folder.write([1, 2, 3], to: "other")
      #expect(rename(folder["other"], model) == 0)
    }
    for _ in 0..<3 { stream.feed() }
    let outcome = stream.end()
    #expect(outcome.status == 0 && outcome.errors == "")
    #expect(Set(try outcome.objects.map { "\($0["probabilities"] ?? "")" }).count == 1 && outcome.lines.count == 4)
  }

  // promise: run-resident
  @Test("of which only a part stays in memory answers as one that is all there", arguments: ["1", "auto"])
  func resident(threads: String) throws {
    let picture = try folder.write(
      [0x50, 0x35] + Array("\n12 10\n255\n".utf8) + [UInt8](repeating: 90, count: 120), to: "a.pgm")
    let minimum = try #require(
      try run([model, picture, "--resident", "1"]).errors.split(separator: " ").first { Int($0) != nil })
    let plain = try run([model, picture, "--json", "--threads", threads])
    for bytes in ["\(minimum)", "64K", "1G"] {
      let outcome = try run([model, picture, "--json", "--threads", threads, "--resident", bytes])
      #expect(outcome.status == 0 && outcome.errors == "")
      #expect(
        try outcome.objects.map { "\($0["probabilities"] ?? "")" }
          == plain.objects.map { "\($0["probabilities"] ?? "")" })
    }
  }

  // promise: watch-model
  @Test(
    "takes over when it is renamed into place; one that is damaged, cut or no model leaves the old one, with one line")
  func watched() throws {
    let stream = try Stream([model] + frames + ["--watch-model"])
    stream.feed()
    stream.wait(answers: 1)
    // The samples' golden answers are made up, so these have none.
    var other = SampleFile.full
    (other.golden, other.seed) = (false, 99)
    let good = try other.bytes
    var damaged = good
    damaged[Int(good[extent: 5].offset)] ^= 1
    let wrong = try SampleFile.full.bytes  // its golden answer is not what the network gives
    let bad: [(bytes: [UInt8], problem: Int)] = [
      (damaged, E3_ERROR_FILE_CHECKSUM), (Array(good.dropLast(64)), E3_ERROR_FILE_TRUNCATED),
      (Array("no model".utf8), E3_ERROR_FILE_MAGIC), (wrong, E3_ERROR_GOLDEN_MISMATCH),
    ]
    var lines: [String] = []
    for (bytes, problem) in bad {
      try folder.write(bytes, to: "next.e3")
      #expect(rename(folder["next.e3"], model) == 0)
      lines.append("e3-run: \(model): \(statusText(problem)); the model before it stays")
      stream.waitForError(lines[lines.count - 1])
      stream.feed()
    }
    stream.wait(answers: 5)
    try folder.write(good, to: "next.e3")
    #expect(rename(folder["next.e3"], model) == 0)
    var answers = 5
    // The run says so at the first frame for which the new model is there.
    while answers < 5000, !stream.says("the new model answers") {
      stream.feed()
      answers += 1
      stream.wait(answers: answers)
    }
    stream.feed()
    answers += 1
    let outcome = stream.end()
    #expect(outcome.status == 0)
    let errors = outcome.errors.split(separator: "\n").map(String.init)
    #expect(Array(errors.prefix(4)) == lines && errors.count == 5, "\(outcome.errors)")
    #expect(errors.last?.hasPrefix("e3-run: \(model): the new model answers from frame ") == true)
    let first = Int(try #require(errors.last?.split(separator: " ").last)) ?? 0
    let probabilities = try outcome.objects.map { "\($0["probabilities"] ?? "")" }
    #expect(probabilities.count == answers && first >= 5 && first < answers)
    #expect(Set(probabilities.prefix(first)).count == 1 && Set(probabilities.dropFirst(first)).count == 1)
    #expect(probabilities.first != probabilities.last)
  }

  // promise: verify-command
  @Test("is verified by --verify and before the self-test: a flipped bit anywhere is found")
  func verify() throws {
    let bytes = try contents(of: model)
    let good = try run([model, "--verify"])
    #expect(good.status == 0 && good.output == "\(model): every checksum is right\n" && good.errors.isEmpty)
    let longer = try folder.write(bytes + [1, 2, 3], to: "longer.e3")
    for mode in ["map", "copy"] {
      let noted = try run([longer, "--verify", "--load", mode])
      #expect(noted.status == 0 && noted.output == "\(longer): every checksum is right\n")
      #expect(noted.errors == "e3-run: \(longer): note: bytes behind the model, which belong to nothing: 3\n")
    }
    var random = SplitMix(state: 1)
    for _ in 0..<20 {
      let bit = Int(random.next() % UInt64(8 * bytes.count))
      var flipped = bytes
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      let path = try folder.write(flipped, to: "flipped.e3")
      for option in ["--verify", "--self-test"] {
        let outcome = try run([path, option])
        #expect(outcome.status == 1 && outcome.errors.hasPrefix("e3-run: \(path): "), "bit \(bit)")
        #expect(!outcome.errors.contains(statusText(E3_ERROR_GOLDEN_MISMATCH)), "bit \(bit)")
      }
    }
  }

  @Test("--load and --watch-model that do not go together are mistakes on the command line")
  func options() throws {
    for arguments in [
      ["--load", "memory"], ["--load", "map", "--watch-model"], ["--watch-model", "--load", "lock"],
      ["--watch-model", "--self-test"], ["--deadline", "0"], ["--deadline", "3600001"], ["--deadline", "1.5"],
    ] {
      let outcome = try run([model] + (arguments.contains("--self-test") ? [] : frames) + arguments)
      #expect(outcome.status == 2 && outcome.errors.hasPrefix("e3-run: --"), "\(arguments): \(outcome.errors)")
    }
  }
}

@Suite("e3-run: manners")
struct MannersTests {
  private let folder: TemporaryFolder
  private let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.model()
  }

  /// Runs a command by the shell, which can close descriptors.
  private func shell(_ redirections: String, _ arguments: [String]) throws -> Outcome {
    let (input, output, errors) = (try Scratch(), try Scratch(), try Scratch())
    let status = try BuiltCommand(path: "/bin/sh").spawn(
      ["-c", "exec timeout 10 \"$0\" \"$@\" \(redirections)", command.path] + arguments,
      descriptors: [input.descriptor, output.descriptor, errors.descriptor])
    return Outcome(status: status, output: output.text, errors: errors.text)
  }

  // promise: closed-descriptors
  @Test("a standard descriptor that is closed is an error where it is used, and nothing else takes its place")
  func closed() throws {
    for format in [["gray8", "--size", "8x8"], ["mjpeg"]] {
      let outcome = try shell("<&-", [model, "-", "--pixel-format"] + format)
      #expect(outcome.status == 1 && outcome.errors == "e3-run: -: Bad file descriptor\n")
    }
    let picture = try folder.write(Array("P5 1 1 255 ".utf8) + [7], to: "picture.pgm")
    for redirections in [">&-", "<&- >&-"] {
      let outcome = try shell(redirections, [model, picture])
      #expect(outcome.status == 1 && outcome.errors == "e3-run: standard output: Bad file descriptor\n")
    }
    #expect(try shell("<&- 2>&-", [model, picture]).status == 0)
    #expect(try shell("<&- >&- 2>&-", [model, picture]).status == 1)
    #expect(try shell("2>&-", [model, folder["none"]]).status == 1)
  }

  @Test("a number that is too large says its limit")
  func limits() throws {
    for (option, limit) in [
      ("--top", "1 to 1000000"), ("--frames", "1 to 999999999"), ("--threads", "1 to 64 or auto"),
    ] {
      let outcome = try run([model, "x.png", option, option == "--top" ? "1000001" : "9999999999"])
      #expect(outcome.status == 2 && outcome.errors.contains("\(option) takes \(limit), not"))
    }
  }

  // promise: no-answer
  @Test("a run without any answer is no success")
  func noAnswer() throws {
    let empty = try folder.write(npy([0, 7, 9, 3], [], type: "<f4"), to: "none.npy")
    let outcome = try run([model, "--tensor", empty])
    #expect(outcome.status == 1 && outcome.errors == "e3-run: no frame was answered\n")
  }

  // promise: deadline-command
  @Test("--deadline gives up frames that take too long and answers the others")
  func deadline() throws {
    let picture = try folder.write(Array("P5 1 1 255 ".utf8) + [7], to: "picture.pgm")
    #expect(try run([model, picture, "--deadline", "3600000"]).status == 0)
    // More pixels than can be read and scaled in a millisecond.
    let (width, height) = (6000, 6000)
    let large = try folder.write(
      Array("P5 \(width) \(height) 255 ".utf8) + [UInt8](repeating: 9, count: width * height), to: "large.pgm")
    let late = try run([model, large, picture, "--deadline", "1", "--json"])
    #expect(late.status == 1)
    #expect(late.errors.hasPrefix("e3-run: \(large): frame 0: \(statusText(E3_ERROR_DEADLINE))\n"))
  }

  /// Grey, 8000 x 8000, whose data end early: a million blocks of six bits each, a difference of 0 and an end of block.
  private func cutPicture() throws -> [UInt8] {
    let small = try pictureBytes("grey.jpg")
    var header = Array(small[..<jpegSegment(0xDA, in: small).upperBound])
    let size = jpegSegment(0xC0, in: small).lowerBound + 5
    header.replaceSubrange(size..<size + 4, with: [0x1F, 0x40, 0x1F, 0x40])
    return header + [UInt8](repeatElement([0x28, 0xA2, 0x8A], count: 249_000).joined()) + [0xFF, 0xD9]
  }

  @Test("--deadline ends the decoding of a picture, and the frame is late, not broken")
  func deadlineOfDecoding() throws {
    let bytes = try cutPicture()
    let path = try folder.write(bytes, to: "large.jpg")
    // Decoded to its end it is damaged: who calls it late has not come to it.
    for (input, options) in [(path, []), ("-", ["--pixel-format", "mjpeg"])] as [(String, [String])] {
      let whole = try run([model, input] + options, input: bytes)
      #expect(whole.status == 1 && whole.errors.contains("corrupt or unsupported JPEG: "))
      let metrics = folder["late.prom"]
      let late = try run([model, input, "--deadline", "1", "--metrics", metrics] + options, input: bytes)
      #expect(late.status == 1)
      #expect(late.errors == "e3-run: \(input): frame 0: \(statusText(E3_ERROR_DEADLINE))\n")
      let counts = String(decoding: try folder.bytes("late.prom"), as: UTF8.self)
      #expect(counts.contains("e3_broken_frames_total{kind=\"late\"} 1\n"))
      #expect(counts.contains("e3_broken_frames_total{kind=\"undecodable\"} 0\n"))
    }
  }

  @Test("--cpus names the CPU that cannot be used")
  func cpus() throws {
    let bench = BuiltCommand("e3-bench")
    let outcome = try bench.run([model, "--cpus", "1000"])
    #expect(outcome.status == 1 && outcome.errors.contains("no thread can be bound to CPU 1000"))
  }
}
