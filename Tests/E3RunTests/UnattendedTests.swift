import CE3
import CE3Board
import E3TestSupport
import Foundation
import Testing

private let unshare = "/usr/bin/unshare"
private let hasNamespaces =
  (try? BuiltCommand(path: unshare).run(["-rm", "/bin/sh", "-c", "mount --bind /tmp /mnt"]).status) == 0

@Suite("e3-run: a board that nobody watches")
struct UnattendedTests {
  let folder: TemporaryFolder
  private let stream = ["--pixel-format", "gray8", "--size", "12x10"]

  init() throws { folder = try TemporaryFolder() }

  /// A calibrated model that calls about half of the frames unknown, and frames with their answers to it.
  private func half(_ count: Int) throws -> (model: String, frames: [UInt8], answers: [[String: Any]]) {
    // Frames of other brightness and contrast, so that they lie in other places.
    let frames = (0..<count).flatMap { frame in noise(120, seed: UInt64(frame)).map { $0 >> (UInt8(frame) % 5) } }
    func model(_ threshold: Float) throws -> String {
      try folder.model {
        $0.calibration = SampleFile.thresholds(hasStatistics: true)
        $0.calibration?.unknown_threshold = threshold
        $0.calibration?.accept_threshold = 0.45
        $0.hasStatistics = true
      }
    }
    func answers(_ model: String) throws -> [[String: Any]] {
      try run([model, "-", "--json"] + stream, input: frames).objects
    }
    let distances = try answers(model(3)).map(distance).sorted()
    let path = try model(Float(distances[count / 2]))
    return (path, frames, try answers(path))
  }

  private func distance(_ answer: [String: Any]) -> Double {
    ((answer["uncertainty"] as! [String: Any])["relative_distance"] as! NSNumber).doubleValue
  }

  private func probabilities(_ answer: [String: Any]) -> [Float] {
    (answer["probabilities"] as! [NSNumber]).map(\.floatValue)
  }

  // MARK: --smooth

  // promise: smooth
  @Test(
    "--smooth decides by its rule over the last frames, and leaves the frame's own answer alone", arguments: [2, 3, 7])
  func smoothing(length: Int) throws {
    let (model, frames, raw) = try half(24)
    let smooth = try run([model, "-", "--json", "--smooth", "\(length)"] + stream, input: frames).objects
    #expect(smooth.count == 24)
    var kinds: Set<String> = []
    for (index, object) in smooth.enumerated() {
      #expect(object["decision"] as? String == raw[index]["decision"] as? String)
      #expect(object["probabilities"] as? [NSNumber] == raw[index]["probabilities"] as? [NSNumber])
      let window = raw[max(0, index - length + 1)...index]
      let known = window.filter { $0["decision"] as? String != "unknown" }
      let said = try #require(object["smoothed"] as? [String: Any])
      #expect(said["frames"] as? Int == window.count && said["unknown"] as? Int == window.count - known.count)
      let decision = try #require(said["decision"] as? String)
      kinds.insert(decision)
      guard 2 * (window.count - known.count) < window.count else {
        #expect(decision == "unknown" && said["index"] == nil)
        continue
      }
      let means = (0..<3).map { place in
        known.map { probabilities($0)[place] }.reduce(Float(0), +) / Float(known.count)
      }
      let top = try #require(means.max())
      #expect(said["index"] as? Int == means.firstIndex(of: top))
      #expect((said["probability"] as? NSNumber)?.floatValue == top)
      #expect(decision == (top >= 0.45 ? "accept" : "unsure"))
    }
    #expect(kinds.contains("unknown") && kinds.count > 1)
    #expect(raw[0]["smoothed"] == nil)
  }

  @Test("--smooth has a window for each rectangle, and each source begins anew")
  func windows() throws {
    let (model, frames, _) = try half(6)
    let file = try folder.write(frames, to: "frames")
    let crops = ["--crop", "0,0,12,10", "--crop", "0,0,6,5"]
    let both = try run([model, file, file, "--json", "--smooth", "4"] + stream + crops).objects
    let windows = both.map { ($0["smoothed"] as? [String: Any])?["frames"] as? Int }
    let filled = [1, 2, 3, 4, 4, 4].flatMap { [$0, $0] }
    #expect(windows == filled + filled)
    let alone = try run([model, file, "--json", "--smooth", "4"] + stream).objects
    for index in 0..<6 {
      #expect(both[2 * index]["smoothed"] as? NSDictionary == alone[index]["smoothed"] as? NSDictionary)
    }
    let text = try run([model, file, "--smooth", "4"] + stream).lines
    #expect(text[0].contains(" over 1 frame; it alone: ") && text[5].contains(" over the last 4 frames; it alone: "))
  }

  // MARK: --save

  private func saved(_ name: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder[name]).sorted()
  }

  @Test("--save keeps the frames with these decisions as they came, and their answers beside them")
  func saving() throws {
    let (model, frames, raw) = try half(10)
    let options = ["--json", "--save-limit", "100,1,0"] + stream
    #expect(try run([model, "-", "--save", "unknown", folder["kept"]] + options, input: frames).status == 0)
    let wanted = (0..<10).filter { raw[$0]["decision"] as? String == "unknown" }
    func name(_ number: Int) -> String { "e3-\(String(repeating: "0", count: number < 10 ? 9 : 8))\(number)" }
    let expected: [String] = (1...wanted.count).flatMap { (number: Int) in
      ["\(name(number)).gray8", "\(name(number)).json"]
    }
    #expect(try saved("kept") == expected)
    for (number, frame) in wanted.enumerated() {
      let name = name(number + 1)
      let kept: [UInt8] = Array(frames[120 * frame..<120 * frame + 120])
      #expect(try contents(of: folder["kept/\(name).gray8"]) == kept)
      let text = try Data(contentsOf: URL(fileURLWithPath: folder["kept/\(name).json"]))
      let object = try #require(JSONSerialization.jsonObject(with: text) as? [String: Any])
      #expect(object["file"] as? String == "\(name).gray8" && object["pixel_format"] as? String == "gray8")
      #expect(object["size"] as? String == "12x10" && object["color_range"] as? String == "full")
      let time = try #require(object["time"] as? String)
      let parsed = ISO8601DateFormatter()
      parsed.formatOptions.insert(.withFractionalSeconds)
      #expect(abs(try #require(parsed.date(from: time)).timeIntervalSinceNow) < 600)
      let answer = try #require(object["answer"] as? [String: Any])
      #expect(answer["frame"] as? Int == frame)
      #expect(answer["probabilities"] as? [NSNumber] == raw[frame]["probabilities"] as? [NSNumber])
    }
    // Numbers go on where they were, and both kinds together are all of them.
    let kinds = ["--save", "unsure,accept,unknown", folder["kept"]]
    #expect(try run([model, "-"] + kinds + options, input: frames).status == 0)
    #expect(try saved("kept").count == 2 * (wanted.count + 10))
  }

  @Test("--save keeps padded planes without their padding, and pictures byte for byte")
  func forms() throws {
    let model = try folder.model()
    let keep = ["--save", "accept,unsure", folder["kept"], "--save-limit", "9,9,0"]
    let planes = noise(12 * 10 + 2 * 30)
    func rows(_ range: Range<Int>, _ length: Int, _ padding: [UInt8]) -> [UInt8] {
      stride(from: range.lowerBound, to: range.upperBound, by: length).flatMap { start -> [UInt8] in
        Array(planes[start..<start + length]) + padding
      }
    }
    let padded: [UInt8] = rows(0..<120, 12, [1, 2, 3, 4]) + rows(120..<180, 6, [5, 6])
    let i420 = ["--pixel-format", "i420", "--size", "12x10", "--stride", "16", "--color-matrix", "bt709"]
    #expect(try run([model, "-"] + keep + i420, input: padded).status == 0)
    #expect(try contents(of: folder["kept/e3-0000000001.i420"]) == planes)
    #expect(try String(decoding: contents(of: folder["kept/e3-0000000001.json"]), as: UTF8.self).contains("\"bt709\""))
    let pictures = ["grey.jpg", "rgb8.png", "grey.pgm"].map { pictureFolder.appendingPathComponent($0).path }
    #expect(try run([model] + pictures + keep).status == 0)
    for (number, path) in pictures.enumerated() {
      let end = ["jpg", "png", "pnm"][number]
      #expect(try contents(of: folder["kept/e3-000000000\(number + 2).\(end)"]) == contents(of: path))
    }
  }

  // promise: save-bounds
  @Test("--save is bounded by count and by bytes; the oldest go first, also what others left half-written")
  func bounds() throws {
    let model = try folder.model()
    let frames = noise(120 * 30)
    try folder.write([1, 2, 3], to: "kept/.e3-0000000007.gray8.part")
    // What others called so is not ours.
    try folder.write([1, 2, 3], to: "kept/0000000001.jpg")
    func run(_ limit: String, _ input: [UInt8]) throws -> Outcome {
      try E3RunTests.run(
        [model, "-", "--save", "accept,unsure", folder["kept"], "--save-limit", limit] + stream, input: input)
    }
    #expect(try run("4,1,0", frames).status == 0)
    let newest = (27...30).flatMap { ["e3-00000000\($0).gray8", "e3-00000000\($0).json"] }
    #expect(try saved("kept") == ["0000000001.jpg"] + newest)
    // A smaller limit holds from the start.
    #expect(try run("2,1,0", Array(frames[..<120])).status == 0)
    #expect(try saved("kept").filter { $0.hasSuffix("json") } == ["e3-0000000030.json", "e3-0000000031.json"])
    // 1 MiB: three frames of 300 kB each with their answers, not four.
    let large = ["--pixel-format", "gray8", "--size", "600x500", "--save-limit", "100,1,0"]
    let outcome = try E3RunTests.run(
      [model, "-", "--save", "accept,unsure", folder["large"]] + large, input: noise(300_000 * 6))
    #expect(outcome.status == 0)
    let three = (4...6).map { "e3-000000000\($0).gray8" }
    #expect(try saved("large").filter { $0.hasSuffix("gray8") } == three)
    // One frame a second by default.
    #expect(
      try E3RunTests.run([model, "-", "--save", "accept,unsure", folder["slow"]] + stream, input: frames).status == 0)
    #expect(try saved("slow").count <= 4)
  }

  @Test("a frame that cannot be kept is reported and counted, the run goes on and ends with status 1")
  func unsaved() throws {
    let model = try folder.model()
    let frame = noise(2 << 20)
    let options = [
      "--pixel-format", "gray8", "--size", "2048x1024", "--save-limit", "9,1,0", "--metrics", folder["m.prom"],
    ]
    let outcome = try run([model, "-", "--save", "accept,unsure", folder["kept"]] + options, input: frame)
    #expect(outcome.status == 1 && outcome.lines.count == 1)
    #expect(outcome.errors == "e3-run: \(folder["kept"]): a frame could not be kept: File too large\n")
    #expect(try String(decoding: folder.bytes("m.prom"), as: UTF8.self).contains("e3_unsaved_frames_total 1\n"))
    #expect(try saved("kept").isEmpty)
    let other = try folder.write([1], to: "file")
    for (path, text) in [(other, "Not a directory"), ("/proc/none", "No such file or directory")] {
      let refused = try run([model, "-", "--save", "unsure", path] + stream, input: noise(120))
      #expect(refused.status == 1 && refused.output.isEmpty && refused.errors == "e3-run: \(path): \(text)\n")
    }
  }

  @Test(
    "mistakes in these options are named",
    arguments: [
      (["--save", "unknown"], "a folder is missing after --save 'unknown'"),
      (["--save", "all", "d"], "--save takes accept, unsure, unknown with commas between, not 'all'"),
      (["--save", "unknown,", "d"], "--save takes accept, unsure, unknown with commas between, not 'unknown,'"),
      (["--save-limit", "1,1,1"], "--save-limit needs --save"),
      (
        ["--save", "unsure", "d", "--save-limit", "1,1"],
        "--save-limit takes FRAMES,MIB,SECONDS, whole numbers to 100000, 1000000 and 86400, not '1,1'"
      ),
      (["--smooth", "101"], "--smooth takes 1 to 100 frames, not '101'"),
      (["--threads", "many"], "--threads takes 1 to 64 or auto, not 'many'"),
      (["--control", "brightness"], "--control takes NAME=NUMBER, not 'brightness'"),
      (["--control", "brightness=high"], "--control takes NAME=NUMBER, not 'brightness=high'"),
      (["--control", "=1"], "--control takes NAME=NUMBER, not '=1'"),
      (["--control", "brightness=-1"], "--control and --reconnect are for cameras, not for '-'"),
      (["--reconnect"], "--control and --reconnect are for cameras, not for '-'"),
    ])
  func mistakes(options: [String], text: String) throws {
    let outcome = try run(["m.e3", "-", "--pixel-format", "gray8", "--size", "4x4"] + options)
    #expect(outcome.status == 2 && outcome.errors == "e3-run: \(text); e3-run --help explains\n")
    #expect(try run(["m.e3", "--self-test", "--smooth", "3"]).status == 2)
  }

  // MARK: --metrics

  /// The samples of a file of metrics by their name with labels.
  private func metrics(_ name: String) throws -> [String: Double] {
    var samples: [String: Double] = [:]
    var types: Set<Substring> = []
    for line in String(decoding: try folder.bytes(name), as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      if line.hasPrefix("# TYPE ") {
        #expect(types.insert(words[2]).inserted && ["counter", "gauge", "histogram"].contains(words[3]))
      }
      guard !line.hasPrefix("#") else { continue }
      let family = words[0].prefix { $0 != "{" }
      #expect(types.contains(family) || types.contains { family.hasPrefix("\($0)_") }, "\(line)")
      #expect(
        samples.updateValue(try #require(Double(words.last!)), forKey: words.dropLast().joined(separator: " ")) == nil)
    }
    return samples
  }

  // promise: metrics
  @Test("--metrics counts answers by decision, frames, latencies and distances against the calibration")
  func counted() throws {
    let (model, frames, raw) = try half(40)
    let options = ["--metrics", folder["m.prom"], "--smooth", "3"]
    #expect(try run([model, "-"] + options + stream, input: frames + [0]).status == 1)
    let seen = try metrics("m.prom")
    for kind in ["accept", "unsure", "unknown"] {
      let count = raw.filter { $0["decision"] as? String == kind }.count
      #expect(seen["e3_answers_total{decision=\"\(kind)\"}"] == Double(count))
    }
    let smoothed: [Double] = ["accept", "unsure", "unknown"].map { (kind: String) in
      seen["e3_smoothed_answers_total{decision=\"\(kind)\"}"] ?? -1
    }
    #expect(smoothed.reduce(0, +) == 40)
    #expect(seen["e3_frames_total"] == 40 && seen["e3_broken_frames_total{kind=\"cut\"}"] == 1)
    #expect(seen["e3_sources_lost_total"] == 1)
    #expect(seen["e3_latency_seconds_count"] == 40 && seen["e3_latency_seconds_bucket{le=\"+Inf\"}"] == 40)
    let bounds: [String] = ["0.002", "0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "+Inf"]
    let buckets: [Double] = bounds.map { seen["e3_latency_seconds_bucket{le=\"\($0)\"}"] ?? -1 }
    #expect(buckets == buckets.sorted())
    let mean: Double = raw.map(distance).reduce(0, +) / 40
    let tolerance: Double = 1e-3 * max(1, abs(mean))
    let drift: Double = (mean + 1.5) / 2.5
    #expect(abs(try #require(seen["e3_relative_distance_mean"]) - mean) < tolerance)
    #expect(seen["e3_relative_distance_calibration_mean"] == -1.5)
    #expect(abs(try #require(seen["e3_relative_distance_drift"]) - drift) < tolerance)
    #expect(abs(try #require(seen["e3_unknown_share_promised"]) - 0.05) < 1e-6)
    #expect(abs(try #require(seen["e3_last_answer_timestamp_seconds"]) - Date().timeIntervalSince1970) < 600)
  }

  @Test("--metrics replaces or makes what a link points to and nothing else, and must be writable at the start")
  func metricsFile() throws {
    let model = try folder.model()
    try folder.write("# HELP e3_old", to: "target.prom")
    try FileManager.default.createSymbolicLink(atPath: folder["link.prom"], withDestinationPath: "target.prom")
    #expect(try run([model, "-", "--metrics", folder["link.prom"]] + stream, input: noise(120)).status == 0)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder["link.prom"]) == "target.prom")
    #expect(try metrics("target.prom")["e3_frames_total"] == 1)
    #expect(folder.names == ["link.prom", "model.e3", "target.prom"])
    try FileManager.default.createSymbolicLink(atPath: folder["early.prom"], withDestinationPath: "later.prom")
    #expect(try run([model, "-", "--metrics", folder["early.prom"]] + stream, input: noise(120)).status == 0)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder["early.prom"]) == "later.prom")
    #expect(try metrics("later.prom")["e3_frames_total"] == 1)
    try FileManager.default.createSymbolicLink(atPath: folder["lost.prom"], withDestinationPath: "none/m.prom")
    let lost = try run([model, "-", "--metrics", folder["lost.prom"]] + stream, input: noise(120))
    #expect(lost.status == 1 && lost.errors == "e3-run: \(folder["lost.prom"]): No such file or directory\n")
    let refused = try run([model, "-", "--metrics", folder["none/m.prom"]] + stream, input: noise(120))
    #expect(refused.status == 1 && refused.output.isEmpty)
    #expect(refused.errors == "e3-run: \(folder["none/m.prom"]): No such file or directory\n")
  }

  @Test(
    "--metrics replaces no file that is write-protected, and keeps the mode and the owner of the one that it replaces")
  func metricsFileOfSomebody() throws {
    let model = try folder.model()
    let path = try folder.write("# HELP e3_old", to: "m.prom")
    let arguments = [model, "-", "--metrics", path] + stream
    #expect(chmod(path, 0o444) == 0)
    let refused = try run(arguments, input: noise(120))
    #expect(refused.status == 1 && refused.output.isEmpty)
    let reason = "is write-protected: make it writable (chmod u+w), or give another file"
    #expect(refused.errors == "e3-run: \(path): \(reason)\n")
    #expect(try folder.bytes("m.prom") == Array("# HELP e3_old".utf8) && folder.names == ["m.prom", "model.e3"])
    #expect(chmod(path, 0o640) == 0)
    if geteuid() == 0 { #expect(chown(path, 1234, 567) == 0) }
    let written = try run(arguments, input: noise(120))
    #expect(written.status == 0 && written.errors.isEmpty)
    #expect(try metrics("m.prom")["e3_frames_total"] == 1)
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o640)
    if geteuid() == 0 { #expect(status.st_uid == 1234 && status.st_gid == 567) }
  }

  @Test(
    "what a name holds of commands to the terminal is not passed on: C0, C1, marks of direction, also after metrics")
  func names() throws {
    let name = "v\u{1B}[2J\u{9B}2J\u{202E}x\u{E9}"
    let shown = "v?[2J?2J?x\u{E9}"
    let listed = try run(["--list-cameras", folder[name]])
    #expect(listed.status == 1 && listed.output == "\(folder[shown]): No such file or directory\n")
    // A folder in the place of its temporary name keeps the metrics from being written again.
    let model = try folder.model()
    let path = folder["pipe"]
    #expect(mkfifo(path, 0o600) == 0)
    let pipe = open(path, O_RDWR | O_CLOEXEC)
    defer { close(pipe) }
    let (output, errors) = (try Scratch(), try Scratch())
    let process = try command.start(
      [model, "-", "--metrics", folder[name]] + stream, descriptors: [pipe, output.descriptor, errors.descriptor])
    for _ in 0..<10_000 where access(folder[name], F_OK) != 0 { usleep(1000) }
    try folder.write([], to: ".\(name).part/file")
    for _ in 0..<10_000 where errors.text.isEmpty { usleep(1000) }
    kill(process, SIGTERM)
    _ = wait(for: process)
    #expect(errors.text.hasPrefix("e3-run: --metrics \(folder[shown]): "), "\(errors.text)")
  }

  @Test("--metrics replaces no device, no pipe and no other file, and does not wait for a pipe in its way")
  func metricsOfSomethingElse() throws {
    let model = try folder.model()
    let bytes = try folder.bytes("model.e3")
    try folder.write(bytes, to: "other.e3")
    #expect(mkfifo(folder["pipe"], 0o600) == 0 && mkfifo(folder[".m.prom.part"], 0o600) == 0)
    for name in ["pipe", "other.e3"] {
      let outcome = try run([model, "-", "--metrics", folder[name]] + stream, input: noise(120))
      #expect(outcome.status == 1 && outcome.output.isEmpty)
      #expect(outcome.errors == "e3-run: \(folder[name]): exists and holds no metrics; it is not replaced\n")
    }
    #expect(try folder.bytes("other.e3") == bytes)
    #expect(try run([model, "-", "--metrics", folder["m.prom"]] + stream, input: noise(120)).status == 0)
    #expect(folder.names == ["m.prom", "model.e3", "other.e3", "pipe"])
  }

  @Test("--save and --metrics go on in folders that were removed and made anew")
  func foldersMadeAnew() throws {
    let model = try folder.model()
    try folder.write([], to: "metrics/other")
    let path = folder["pipe"]
    #expect(mkfifo(path, 0o600) == 0)
    let pipe = open(path, O_RDWR | O_CLOEXEC)
    let (output, errors) = (try Scratch(), try Scratch())
    let keep = ["--save", "accept,unsure", folder["kept"], "--save-limit", "9,9,0"]
    let process = try command.start(
      [model, "-", "--json", "--metrics", folder["metrics/m.prom"]] + keep + stream,
      descriptors: [pipe, output.descriptor, errors.descriptor])
    func answer(_ number: Int) {
      #expect(write(pipe, noise(120), 120) == 120)
      for _ in 0..<10_000 where access(folder["kept/e3-000000000\(number).gray8"], F_OK) != 0 { usleep(1000) }
    }
    answer(1)
    for name in ["metrics", "kept"] { try FileManager.default.removeItem(atPath: folder[name]) }
    try folder.write([], to: "metrics/other")
    answer(2)
    // In a folder of that name that came from elsewhere.
    try FileManager.default.moveItem(atPath: folder["kept"], toPath: folder["taken"])
    try folder.write([1], to: "kept/e3-0000000005.jpg")
    answer(6)
    kill(process, SIGTERM)
    #expect(wait(for: process) == 0)
    close(pipe)
    #expect(errors.text.isEmpty)
    #expect(try saved("kept") == ["e3-0000000005.jpg", "e3-0000000006.gray8", "e3-0000000006.json"])
    #expect(try saved("taken") == ["e3-0000000002.gray8", "e3-0000000002.json"])
    #expect(try metrics("metrics/m.prom")["e3_saved_frames_total"] == 3)
  }

  @Test("a file that another process began meanwhile is not named, and stays that process's")
  func partOfAnother() throws {
    let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { close(descriptor) }
    #expect(e3c_begin_file(descriptor, "m.prom") == 0)
    try folder.write([1, 2], to: ".m.prom.part")
    #expect(e3c_end_file(Int32(E3C_KEEP)) == EBUSY)
    #expect(folder.names == [".m.prom.part"])
    #expect(e3c_begin_file(descriptor, "m.prom") == 0 && e3c_end_file(Int32(E3C_KEEP_SURE)) == 0)
    #expect(folder.names == ["m.prom"])
  }

  // MARK: Lines

  // promise: fault-lines
  @Test("thousands of small damaged pictures are twenty lines and a count")
  func flood() throws {
    let model = try folder.model()
    let damaged: [UInt8] = [0xFF, 0xD8, 0xFF, 0xDA, 0, 2, 0xFF, 0xD9]
    let stream = [[UInt8]](repeating: damaged, count: 5000).flatMap { $0 }
    let start = DispatchTime.now()
    let outcome = try run([model, "-", "--pixel-format", "mjpeg", "--metrics", folder["m.prom"]], input: stream)
    let seconds = Int((DispatchTime.now().uptimeNanoseconds - start.uptimeNanoseconds) / 1_000_000_000)
    #expect(outcome.status == 1)
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.count >= 21 && lines.count <= 23 + seconds)
    let leftOut = lines.compactMap { $0.firstMatch(of: /\((\d+) lines? like it w/).flatMap { Int($0.output.1) } }
    let said = lines.filter { $0.contains("picture ") }.count
    #expect(said + leftOut.reduce(0, +) == 5000)
    #expect(try metrics("m.prom")["e3_broken_frames_total{kind=\"undecodable\"}"] == 5000)
  }

  @Test("a line says when more are unknown than the calibration promises, and when that is over")
  func drift() throws {
    let model = try folder.model {
      $0.calibration = SampleFile.thresholds(hasStatistics: true)
      $0.hasStatistics = true
      $0.calibration?.unknown_threshold = -1e6
    }
    let all = try run([model, "-"] + stream, input: noise(120 * 300))
    #expect(all.status == 0)
    let promise = "100.0 % of the last 300 answers are unknown, the calibration promises 5 %"
    #expect(all.errors == "e3-run: -: drift: \(promise)\n")
    #expect(try run([model, "-"] + stream, input: noise(120 * 299)).errors.isEmpty)
    let known = try folder.model {
      $0.calibration = SampleFile.thresholds(hasStatistics: true)
      $0.hasStatistics = true
      $0.calibration?.unknown_threshold = 1e6
    }
    #expect(try run([known, "-"] + stream, input: noise(120 * 600)).errors.isEmpty)
  }

  // promise: threads-auto
  @Test("--threads auto takes the processors that the process may use; more than these are noted")
  func threads() throws {
    let model = packageRoot.appendingPathComponent("models/fashion-e3.e3").path
    let usable = try #require(cpus().count > 0 ? cpus().count : nil)
    let auto = try run([model, "--self-test", "--threads", "auto"])
    #expect(auto.status == 0 && auto.errors.isEmpty)
    let taskset = BuiltCommand(path: "/usr/bin/taskset")
    let bound = try taskset.run(["-c", "\(cpus()[0])", command.path, model, "--self-test", "--threads", "auto"])
    #expect(bound.output.contains("1 thread)") && bound.errors.isEmpty)
    let more = try run([model, "--self-test", "--threads", "64"])
    #expect(more.status == 0)
    if usable < 64 {
      #expect(more.errors.hasPrefix("e3-run: note: 64 threads, but this process may use "))
    }
  }

  @Test(
    "--threads auto keeps to the quotas of its control group and of those above it, of both versions",
    .enabled(if: hasNamespaces, "this user has no namespaces of its own"),
    arguments: [
      ("0::/board/e3", "cpu.max", "150000 100000"), ("0::/", "cpu.max", "50000 100000"),
      ("3:cpu,cpuacct:/board/e3", "cpu/board/cpu.cfs_quota_us", "100000"),
    ])
  func quotas(group: String, file: String, text: String) throws {
    try folder.write(text + "\n", to: "groups/\(file)")
    try folder.write("max 100000\n", to: "groups/board/e3/cpu.max")
    try folder.write("100000\n", to: "groups/cpu/board/cpu.cfs_period_us")
    try folder.write("-1\n", to: "groups/cpu/board/e3/cpu.cfs_quota_us")
    try folder.write(group + "\n", to: "group")
    let script = """
      mount --bind '\(folder["groups"])' /sys/fs/cgroup && mount --bind '\(folder["group"])' /proc/$$/cgroup &&
      exec '\(command.path)' '\(packageRoot.path)/models/fashion-e3.e3' --self-test --threads auto
      """
    let outcome = try BuiltCommand(path: unshare).run(["-rm", "/bin/sh", "-c", script])
    #expect(outcome.status == 0 && outcome.output.contains("1 thread)"), "\(outcome.errors)")
  }

  /// Processors that this process may use, as the kernel lists them.
  private func cpus() -> [Int] {
    let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed_list:") }) else { return [] }
    return line.dropFirst(18).split(separator: ",").flatMap { range -> [Int] in
      let ends = range.split(separator: "-").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
      return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
    }
  }

  // MARK: systemd

  // promise: service
  @Test(
    "a service manager is told of readiness, of life while frames are waited for, and of the end",
    arguments: [false, true])
  func service(isAbstract: Bool) throws {
    let model = try folder.model()
    let name = isAbstract ? "\0e3-test-\(UUID().uuidString)" : folder["s"]
    let manager = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(name.utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let length = socklen_t(2 + bytes.count)
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(manager, $0, length) }
    }
    #expect(bound == 0)
    func message() -> String {
      var bytes = [UInt8](repeating: 0, count: 1024)
      let count = recv(manager, &bytes, bytes.count, 0)
      return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
    let path = folder["pipe"]
    #expect(mkfifo(path, 0o600) == 0)
    let (output, errors) = (try Scratch(), try Scratch())
    let process = try command.start(
      [model, path] + stream,
      environment: ["NOTIFY_SOCKET": isAbstract ? "@" + name.dropFirst() : name, "WATCHDOG_USEC": "40000"],
      descriptors: [0, output.descriptor, errors.descriptor])
    #expect(message() == "READY=1\nSTATUS=answering frames")
    // Nobody writes to the pipe: the run waits, and says that it is alive.
    for _ in 0..<3 { #expect(message() == "WATCHDOG=1") }
    kill(process, SIGTERM)
    var last = message()
    while last == "WATCHDOG=1" { last = message() }
    #expect(last == "STOPPING=1")
    #expect(wait(for: process) == 0 && errors.text.isEmpty)
    close(manager)
  }

  @Test("a service manager that no longer reads is named once, and the frames are answered")
  func deafService() throws {
    let model = try folder.model()
    let manager = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(manager) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(folder["s"].utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(manager, $0, socklen_t(2 + bytes.count)) }
    }
    #expect(bound == 0)
    // More messages than a socket holds: /proc/sys/net/unix/max_dgram_qlen.
    let setting = try String(contentsOfFile: "/proc/sys/net/unix/max_dgram_qlen", encoding: .utf8)
    let held = try #require(Int(setting.prefix { $0.isNumber }))
    let frames = try folder.write(noise(120 * (held + 8)), to: "frames")
    let (output, errors) = (try Scratch(), try Scratch())
    let process = try command.start(
      [model, frames] + stream, environment: ["NOTIFY_SOCKET": folder["s"], "WATCHDOG_USEC": "4"],
      descriptors: [0, output.descriptor, errors.descriptor])
    #expect(wait(for: process) == 0 && output.text.split(separator: "\n").count >= held + 8)
    #expect(errors.text == "e3-run: NOTIFY_SOCKET: Resource temporarily unavailable\n")
  }

  @Test("a service manager that cannot be told is named once, and the frames are answered")
  func unreachableService() throws {
    let model = try folder.model()
    let cases = [(folder["s"], "No such file or directory"), ("vsock:2:1", "Invalid argument")]
    for (socket, text) in cases {
      let (output, errors) = (try Scratch(), try Scratch())
      let file = try folder.write(noise(240), to: "frames")
      let process = try command.start(
        [model, file] + stream, environment: ["NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "4"],
        descriptors: [0, output.descriptor, errors.descriptor])
      #expect(wait(for: process) == 0 && !output.text.isEmpty)
      #expect(errors.text == "e3-run: NOTIFY_SOCKET: \(text)\n")
    }
  }
}
