import E3
import E3TestSupport
import Foundation
import Testing

@Suite("e3-run: learned classes")
struct LearnTests {
  let folder: TemporaryFolder
  let model = packageRoot.appendingPathComponent("models/fashion-e3.e3").path
  let rocket = packageRoot.appendingPathComponent("models/frames/other-rocket.jpg").path
  let coffee = packageRoot.appendingPathComponent("models/frames/other-coffee.jpg").path
  let dress = packageRoot.appendingPathComponent("models/frames/garment-dress.jpg").path

  init() throws { folder = try TemporaryFolder() }

  @Test("--teach begins a file, and --classes finds the class again and leaves other answers as they are")
  func teach() throws {
    let classes = folder["my.e3c"]
    let taught = try run(
      [model, rocket, rocket, rocket, coffee, "--teach", "rocket", "--shots", "3", "--classes", classes])
    #expect(taught.status == 0 && taught.errors.isEmpty, "\(taught.errors)")
    #expect(taught.lines.count == 6 && taught.lines[2] == "\(rocket) 2: picture 3 of 3 of rocket")
    #expect(taught.lines[3].hasPrefix("\(classes): rocket is learned from 3 pictures, radius 0."))
    #expect(taught.lines[4] == "2 of the pictures are copies of others, and teach nothing more")
    #expect(taught.lines[5] == "1 more was not looked at (--shots)")

    let answers = try run([model, rocket, dress, "--classes", classes, "--json"]).objects
    let learned = try answers.map { try #require($0["learned"] as? [String: Any]) }
    #expect(learned[0]["label"] as? String == "rocket" && learned[0]["is_answer"] as? Bool == true)
    #expect(answers[0]["decision"] as? String == "accept" && learned[1]["is_answer"] as? Bool == false)
    // Where the class is the answer, `answer` names it; `top` has the model's own classes, as without.
    let named = try answers.map { try #require($0["answer"] as? [String: Any]) }
    #expect(named[0]["label"] as? String == "rocket" && named[0]["index"] as? Int == 0)
    #expect(named[0]["learned"] as? Bool == true && named[1]["learned"] as? Bool == false)
    #expect(named[1]["label"] as? String == "dress" && named[1]["index"] as? Int == 3)
    let alone = try run([model, rocket, "--json"]).object
    #expect(alone["decision"] as? String == "unknown" && alone["answer"] is NSNull)
    #expect(answers[0]["top"] as? NSObject == alone["top"] as? NSObject)
    let plain = try run([model, dress, "--json"]).object
    for key in ["probabilities", "members", "uncertainty", "decision", "answer", "prediction_set", "top"] {
      #expect(answers[1][key] as? NSObject == plain[key] as? NSObject, "\(key)")
    }
    let text = try run([model, rocket, "--classes", classes]).output
    #expect(
      text.hasPrefix("\(rocket): accept, learned class rocket (")
        && text.contains("\n  learned class rocket: distance 0.0"))
    #expect(
      try run([model, coffee, "--classes", classes]).output.contains("\n  nearest learned class rocket: distance "))
  }

  @Test("pictures that the model or an earlier class answers already are counted, with what they are answered with")
  func known() throws {
    let classes = folder["my.e3c"]
    let bag = packageRoot.appendingPathComponent("models/frames/garment-bag.jpg").path
    let gown = try run(
      [model, dress, bag, dress, coffee, "--teach", "gown", "--shots", "4", "--classes", classes])
    #expect(gown.status == 0 && gown.errors.isEmpty, "\(gown.errors)")
    #expect(gown.lines.contains("3 of the pictures are known already: 2 as dress, 1 as bag"), "\(gown.output)")
    let first = try run([model, rocket, "--teach", "rocket", "--shots", "1", "--classes", classes])
    #expect(!first.output.contains("known"))
    // More pictures of a class are not known as that class.
    #expect(
      try !run([model, rocket, "--teach", "rocket", "--shots", "1", "--classes", classes]).output.contains("known"))
    let again = try run([model, rocket, "--teach", "missile", "--shots", "1", "--classes", classes])
    #expect(again.lines.contains("1 of the pictures is known already: 1 as rocket"), "\(again.output)")
  }

  @Test("a pipe of raw frames teaches too; two pictures are at most unsure, and more are added to the class")
  func pipe() throws {
    let classes = folder["my.e3c"]
    let cat = try [UInt8](Data(contentsOf: packageRoot.appendingPathComponent("models/frames/other-cat-160x120.yuyv")))
    let raw = ["--size", "160x120", "--pixel-format", "yuyv", "--classes", classes]
    let taught = try run([model, "-", "--teach", "cat", "--shots", "2"] + raw, input: cat + cat + cat)
    #expect(taught.status == 0 && taught.output.contains("; with fewer than 3 it is at most unsure\n"))
    #expect(taught.output.hasSuffix("\n1 of the pictures is a copy of another, and teaches nothing more\n"))
    let answer = try run([model, "-", "--json"] + raw, input: cat).object
    #expect(answer["decision"] as? String == "unsure")
    let more = try run([model, "-", "--teach", "cat", "--shots", "1"] + raw, input: cat)
    #expect(more.output.contains("cat is learned from 3 pictures"))
    let line = try run([model, "-"] + raw, input: cat).output
    #expect(line.contains(": accept, learned class cat, "))
  }

  @Test("--forget takes a class out, so that it can be taught anew")
  func forget() throws {
    let classes = folder["my.e3c"]
    let cat = try [UInt8](Data(contentsOf: packageRoot.appendingPathComponent("models/frames/other-cat-160x120.yuyv")))
    let raw = ["--size", "160x120", "--pixel-format", "yuyv", "--classes", classes]
    let lesson = [model, "-", "--teach", "cat", "--shots", "3"] + raw
    #expect(try run(lesson, input: cat + cat + cat).status == 0)
    let taught = try folder.bytes("my.e3c")
    #expect(try run([model, "-", "--teach", "dog", "--shots", "1"] + raw, input: cat).status == 0)
    let forgot = try run([model, "--forget", "dog", "--classes", classes])
    #expect(forgot.status == 0 && forgot.output == "\(classes): dog is forgotten; 1 class is left\n")
    #expect(try folder.bytes("my.e3c") == taught)
    #expect(try run([model, "--forget", "cat", "--classes", classes]).output.hasSuffix("; 0 classes are left\n"))
    #expect(try run(lesson, input: cat + cat + cat).status == 0)
    #expect(try folder.bytes("my.e3c") == taught)

    for (arguments, status, problem) in [
      ([model, "--forget", "dog", "--classes", classes], 1, "\(classes): holds no class dog; it holds cat\n"),
      ([model, "--forget", "dog", "--classes", folder["no.e3c"]], 1, "\(folder["no.e3c"]): No such file or directory"),
      ([model, "--forget", "dog"], 2, "--forget needs --classes FILE"),
      ([model, "-", "--forget", "cat", "--classes", classes], 2, "no FRAME is taken here: '-'"),
      (
        [model, "--forget", "cat", "--teach", "cat", "--classes", classes], 2, "--forget and --teach exclude each other"
      ),
      ([model, "--forget", "cat", "--self-test", "--classes", classes], 2, "one at a time of --tensor, --forget"),
      ([model, "--verify", "--forget", "cat", "--classes", classes], 2, "one at a time of --tensor, --forget"),
      ([model, "--forget", "cat", "--forget", "cat", "--classes", classes], 2, "an option is given twice"),
    ] {
      let result = try run(arguments)
      #expect(result.status == status && result.errors.contains(problem), "\(result.errors)")
    }
    #expect(try folder.bytes("my.e3c") == taught)
  }

  @Test("teaches the bytes that the Swift interface does")
  func interface() throws {
    let pixels = try [UInt8](
      Data(contentsOf: packageRoot.appendingPathComponent("models/frames/other-cat-160x120.yuyv")))
    let path = folder["my.e3c"]
    let taught = try run(
      [
        model, "-", "--teach", "cat", "--shots", "2", "--size", "160x120", "--pixel-format", "yuyv", "--classes", path,
      ], input: pixels + pixels)
    #expect(taught.status == 0)
    let opened = try Model(contentsOf: model)
    let classes = try LearnedClasses(opened)
    var session = try Session(opened, SessionOptions(hasLearnedClasses: true))
    try session.attach(classes)
    let index = try classes.add("cat")
    for _ in 0..<2 {
      _ = try session.run(Frame(.yuyv, width: 160, height: 120, pixels: pixels.span.bytes))
      try classes.learn(index, from: &session)
    }
    #expect(try folder.bytes("my.e3c") == classes.bytes)
    #expect(try classes.info(index).pictures == 2 && classes.index(of: "cat") == 0 && classes.count == 1)
    let answer = try session.run(Frame(.yuyv, width: 160, height: 120, pixels: pixels.span.bytes))
    let (learned, nearest, decision) = (answer.learnedClass, answer.nearestLearnedClass, answer.decision)
    #expect(learned == 0 && nearest == 0 && decision == .unsure)
    // A class that is called as one of the model's own learns nothing; another that only looks like it would.
    let dress = try classes.add("dress")
    _ = try session.run(Frame(.yuyv, width: 160, height: 120, pixels: pixels.span.bytes))
    #expect(throws: E3Error.classLabel) { try classes.learn(dress, from: &session) }
    try classes.remove(dress)
    #expect(try classes.add("\u{E9}") == 1 && classes.add("e\u{301}") == 2 && classes.index(of: "e\u{301}") == 2)
    try classes.remove(2)
    try classes.remove(1)
    // The golden input is no picture of a class.
    try session.selfTest()
    #expect(throws: E3Error.noFeatures) { try classes.learn(index, from: &session) }
    let bytes = classes.bytes
    let read = try LearnedClasses(opened, copying: bytes.span.bytes)
    #expect(read.bytes == classes.bytes)
    try read.remove(index)
    #expect(try read.count == 0 && read.bytes == LearnedClasses(opened).bytes)
    #expect(throws: E3Error.indexRange) { try read.remove(0) }
    #expect(throws: E3Error.indexRange) { try read.remove(-1) }
  }

  @Test("a file that is none, damaged or of another model is one line, and stays as it was")
  func refused() throws {
    let classes = folder["my.e3c"]
    #expect(try run([model, rocket, "--classes", classes]).errors == "e3-run: \(classes): No such file or directory\n")
    #expect(try run([model, rocket, "--teach", "r", "--shots", "1", "--classes", classes]).status == 0)
    let other = packageRoot.appendingPathComponent("models/fashion-vit.e3").path
    let foreign = try run([other, rocket, "--classes", classes])
    #expect(
      foreign.status == 1
        && foreign.errors
          == "e3-run: \(classes): the classes were learned with another model, or another calibration of it\n"
    )
    var bytes = try folder.bytes("my.e3c")
    bytes[5000] ^= 1
    try folder.write(bytes, to: "damaged.e3c")
    let nowhere = try run([model, rocket, "--teach", "s", "--shots", "1", "--classes", folder["none/x.e3c"]])
    #expect(nowhere.status == 1 && nowhere.output.isEmpty)
    #expect(nowhere.errors == "e3-run: \(folder["none/x.e3c"]): No such file or directory\n")
    let damaged = try run([model, rocket, "--teach", "s", "--classes", folder["damaged.e3c"]])
    #expect(damaged.status == 1 && damaged.errors.contains("checksum"))
    #expect(try folder.bytes("damaged.e3c") == bytes)
  }

  @Test("fewer pictures than --shots asks for teach nothing, and the file stays as it was or is not begun")
  func few() throws {
    let classes = folder["my.e3c"]
    let none = try run([model, rocket, "--teach", "r", "--shots", "2", "--classes", classes])
    let reason = "nothing is written: 1 picture of r, but --shots asks for 2"
    #expect(none.status == 1 && none.errors == "e3-run: \(classes): \(reason)\n")
    #expect(none.output == "\(rocket) 0: picture 1 of 2 of r\n" && !folder.names.contains("my.e3c"))
    #expect(try run([model, rocket, "--teach", "r", "--shots", "1", "--classes", classes]).status == 0)
    let bytes = try folder.bytes("my.e3c")
    let again = try run([model, rocket, coffee, "--teach", "r", "--classes", classes])
    #expect(again.errors == "e3-run: \(classes): nothing is written: 2 pictures of r, but --shots asks for 5\n")
    #expect(try again.status == 1 && folder.bytes("my.e3c") == bytes)
  }

  @Test("a link to the file stays one; pictures of other things get none of a class's; a long file is not read whole")
  func file() throws {
    let classes = folder["my.e3c"]
    try FileManager.default.createSymbolicLink(atPath: folder["link.e3c"], withDestinationPath: "my.e3c")
    let first = try run([model, rocket, "--teach", "r", "--shots", "1", "--classes", classes])
    #expect(first.status == 0)
    #expect(try run([model, rocket, "--teach", "r", "--shots", "1", "--classes", folder["link.e3c"]]).status == 0)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder["link.e3c"]) == "my.e3c")

    let opened = try Model(contentsOf: model)
    let stored = try folder.bytes("my.e3c")
    let learned = try LearnedClasses(opened, copying: stored.span.bytes)
    #expect(try learned.info(0).pictures == 2)
    _ = try learned.add("unlike", isUnlike: true)
    try folder.write(learned.bytes, to: "my.e3c")
    let other = try run([model, rocket, "--teach", "unlike", "--shots", "1", "--classes", classes])
    #expect(other.status == 1 && other.errors.contains("unlike: is what pictures of other things are called; give"))
    #expect(try folder.bytes("my.e3c") == learned.bytes)

    #expect(truncate(classes, 1 << 40) == 0)
    #expect(try run([model, rocket, "--classes", classes]).status == 0)
  }

  @Test("the file keeps its owner and its permissions; a link stays one, also where it leads to no file yet")
  func owner() throws {
    #expect(symlink("my.e3c", folder["link.e3c"]) == 0)
    let lesson = [model, rocket, "--teach", "r", "--shots", "1", "--classes", folder["link.e3c"]]
    #expect(try run(lesson).status == 0)
    for mode in [mode_t(0o600), 0o640] {
      #expect(chmod(folder["my.e3c"], mode) == 0)
      if geteuid() == 0 { #expect(chown(folder["my.e3c"], 1234, 567) == 0) }
      let result = try run(lesson)
      #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
      var status = stat()
      #expect(stat(folder["my.e3c"], &status) == 0 && status.st_mode & 0o7777 == mode)
      if geteuid() == 0 { #expect(status.st_uid == 1234 && status.st_gid == 567) }
    }
    #expect(folder.names == ["link.e3c", "my.e3c"])
    #expect(symlink("loop.e3c", folder["loop.e3c"]) == 0)
    let loop = try run([model, rocket, "--teach", "r", "--shots", "1", "--classes", folder["loop.e3c"]])
    #expect(loop.status == 1 && loop.output.isEmpty)
  }

  @Test("a file that is write-protected, or in such a folder, is refused before the first picture, and stays as it was")
  func protected() throws {
    let classes = folder["my.e3c"]
    let lesson = [model, rocket, "--teach", "r", "--shots", "1", "--classes", classes]
    #expect(try run(lesson).status == 0)
    let bytes = try folder.bytes("my.e3c")
    let reason = "is write-protected: make it writable (chmod u+w), or give another file"
    #expect(chmod(classes, 0o444) == 0)
    for arguments in [lesson, [model, "--forget", "r", "--classes", classes]] {
      let refused = try run(arguments)
      #expect(refused.status == 1 && refused.output.isEmpty && refused.errors == "e3-run: \(classes): \(reason)\n")
    }
    #expect(try run([model, rocket, "--classes", classes]).status == 0)
    #expect(try folder.bytes("my.e3c") == bytes && folder.names == ["my.e3c"])

    // What holds for other users than root, whom permissions do not bind.
    let isRoot = geteuid() == 0
    let user = isRoot ? BuiltCommand(path: "/usr/bin/setpriv") : command
    // What measures coverage would complain that this user writes no profile.
    let quiet = ["env", "LLVM_PROFILE_FILE=/dev/null"]
    let prefix = isRoot ? ["--reuid=65534", "--clear-groups"] + quiet + [command.path] : []
    guard try user.run(prefix + ["--version"]).status == 0 else { return }
    #expect(chmod(folder.path, 0o555) == 0)
    defer { chmod(folder.path, 0o755) }
    for (name, mode, expected) in [
      ("my.e3c", mode_t(0o666), "is in a folder that this user may not write to"),
      ("new.e3c", 0, "is in a folder that this user may not write to"), ("my.e3c", 0o644, reason),
    ] where isRoot || mode != 0o644 {
      if mode != 0 { #expect(chmod(folder[name], mode) == 0) }
      let refused = try user.run(prefix + lesson.dropLast() + [folder[name]])
      #expect(refused.status == 1 && refused.output.isEmpty, "\(refused.output)")
      #expect(refused.errors == "e3-run: \(folder[name]): \(expected)\n")
    }
    #expect(try folder.bytes("my.e3c") == bytes && folder.names == ["my.e3c"])

    // In a folder like /tmp renaming over a file is for its owner and the folder's.
    guard isRoot else { return }
    #expect(chmod(classes, 0o666) == 0 && chmod(folder.path, 0o1777) == 0)
    let sticky = try user.run(prefix + lesson)
    #expect(sticky.status == 1 && sticky.output.isEmpty)
    let owners = "belongs to another user, in a folder where only owners replace files: give another file"
    #expect(sticky.errors == "e3-run: \(classes): \(owners)\n")
    let ownFile = try user.run(prefix + lesson.dropLast() + [folder["new.e3c"]])
    #expect(ownFile.status == 0, "\(ownFile.errors)")
    #expect(try user.run(prefix + lesson.dropLast() + [folder["new.e3c"]]).status == 0)
    #expect(try run(lesson).status == 0)
  }

  @Test("a signal at any moment leaves the old file or the new one, and nothing beside it")
  func signals() throws {
    let classes = folder["my.e3c"]
    for label in ["r", "s"] {
      #expect(try run([model, rocket, "--teach", label, "--shots", "1", "--classes", classes]).status == 0)
    }
    let before = try folder.bytes("my.e3c")
    let arguments = [model, "--forget", "s", "--classes", classes]
    #expect(try run(arguments).status == 0)
    let after = try folder.bytes("my.e3c")
    for round in 0..<40 {
      try folder.write(before, to: "my.e3c")
      // It waits for the lock when it is about to write.
      let lock = open(classes, O_RDONLY | O_CLOEXEC)
      #expect(flock(lock, LOCK_EX) == 0)
      let (output, errors) = (try Scratch(), try Scratch())
      let process = try command.start(arguments, descriptors: [STDIN_FILENO, output.descriptor, errors.descriptor])
      usleep(30_000)
      close(lock)
      usleep(UInt32(round * 20))
      kill(process, SIGTERM)
      let status = wait(for: process)
      #expect(status == 0 || status == -SIGTERM, "\(errors.text)")
      let found = try folder.bytes("my.e3c")
      #expect(folder.names == ["my.e3c"] && (found == before || found == after) && (status != 0 || found == after))
    }
  }

  @Test("a class of the model is taught under another name")
  func nameOfTheModel() throws {
    let classes = folder["my.e3c"]
    let refused = try run([model, rocket, "--teach", "dress", "--shots", "1", "--classes", classes])
    let reason = "is a class of the model: give the one that is learned another name"
    #expect(refused.status == 1 && refused.output.isEmpty && refused.errors == "e3-run: dress: \(reason)\n")
    #expect(folder.names.isEmpty)
  }

  @Test("labels are told apart by their bytes, and commands to a terminal are not passed on")
  func bytes() throws {
    let classes = folder["my.e3c"]
    for (count, label) in ["\u{E9}", "e\u{301}"].enumerated() {
      let taught = try run([model, rocket, "--teach", label, "--shots", "1", "--classes", classes])
      #expect(taught.status == 0 && taught.output.contains(": \(label) is learned from 1 picture,"))
      let stored = try folder.bytes("my.e3c")
      #expect(try LearnedClasses(Model(contentsOf: model), copying: stored.span.bytes).count == count + 1)
    }
    let forgot = try run([model, "--forget", "e\u{301}", "--classes", classes])
    #expect(forgot.output.hasSuffix("is forgotten; 1 class is left\n"))
    for (label, shown) in [("x\u{1B}[2J", "x?[2J"), ("x\ny", "x?y"), ("\u{202E}x", "?x"), ("\u{9B}2J", "?2J")] {
      let none = try run([model, "--forget", label, "--classes", classes])
      #expect(none.status == 1 && none.errors == "e3-run: \(classes): holds no class \(shown); it holds \u{E9}\n")
      let lesson = try run([model, rocket, "--teach", label, "--classes", classes])
      #expect(lesson.status == 1 && lesson.errors.hasPrefix("e3-run: \(shown): the label of a learned class is "))
    }
    let picture = folder["a\u{1B}[2J\"\u{202E}.jpg"]
    try FileManager.default.copyItem(atPath: rocket, toPath: picture)
    let lesson = try run([model, picture, "--teach", "x", "--shots", "1", "--classes", classes])
    #expect(lesson.status == 0 && lesson.output.contains("/a?[2J\"?.jpg 0: picture 1 of 1 of x\n"))
    let json = try run([model, picture, "--json"])
    #expect(json.output.contains("/a\\u001b[2J\\\"\\u202e.jpg\"") && !json.output.contains("\u{202E}"))
    #expect(try json.object["source"] as? String == picture)
  }

  @Test("what somebody else wrote meanwhile is not lost: the later one writes nothing")
  func twoWriters() throws {
    let classes = folder["my.e3c"]
    #expect(mkfifo(folder["frames"], 0o600) == 0)
    let cat = try [UInt8](Data(contentsOf: packageRoot.appendingPathComponent("models/frames/other-cat-160x120.yuyv")))
    let slow = try command.start(
      [
        model, folder["frames"], "--teach", "cat", "--shots", "1", "--size", "160x120", "--pixel-format", "yuyv",
        "--classes", classes,
      ])
    // It has read that there is no file when it waits for the first frame.
    let writer = try #require(FileHandle(forWritingAtPath: folder["frames"]))
    #expect(try run([model, rocket, "--teach", "r", "--shots", "1", "--classes", classes]).status == 0)
    let bytes = try folder.bytes("my.e3c")
    try writer.write(contentsOf: Data(cat))
    try writer.close()
    #expect(wait(for: slow) == 1)
    #expect(try folder.bytes("my.e3c") == bytes)
  }

  @Test("of two that end at once, none loses what the other says that it has learned", arguments: [false, true])
  func writersAtOnce(isThere: Bool) throws {
    for round in 0..<5 {
      let classes = folder["\(round).e3c"]
      func arguments(_ label: String) -> [String] {
        [model, rocket, "--teach", label, "--shots", "1", "--classes", classes]
      }
      if isThere { #expect(try run(arguments("first")).status == 0) }
      let labels = ["cat", "dog", "fox"]
      let outputs = try labels.map { _ in (try Scratch(), try Scratch()) }
      let writers = try zip(labels, outputs).map { label, output in
        try command.start(arguments(label), descriptors: [STDIN_FILENO, output.0.descriptor, output.1.descriptor])
      }
      let statuses = writers.map { wait(for: $0) }
      let text = String(decoding: try folder.bytes("\(round).e3c"), as: UTF8.self)
      #expect(statuses.contains(0) && (!isThere || text.contains("first")))
      for (label, status) in zip(labels, statuses) {
        #expect(text.contains(label) == (status == 0), "\(label): \(status)")
      }
    }
  }

  @Test("mistakes have status 2")
  func usage() throws {
    for arguments in [
      ["--teach", "x"], ["--teach", "", "--classes", "c"], ["--shots", "3"],
      ["--teach", "x", "--classes", "c", "--json"],
      ["--teach", "x", "--classes", "c", "--shots", "0"], ["--teach", "x", "--classes", "c", "--watch-model"],
    ] {
      #expect(try run([model, rocket] + arguments).status == 2, "\(arguments)")
    }
    let long = String(repeating: "x", count: 41)
    for (label, problem) in [
      (" \u{A0}\u{3000}\u{200B}", "\(folder["c"]): the label of a learned class is nothing that can be seen"),
      ("\u{2800}\u{3164}", "\(folder["c"]): the label of a learned class is nothing that can be seen"),
      ("unlike", "unlike: is what pictures of other things are called; give the class another name"),
      (" UnLIKE\u{115F}", " UnLIKE\u{115F}: is what pictures of other things are called; give the class another name"),
      (long, "\(long): the label of a learned class is longer than 40 bytes"),
      ("x\ny", "x?y: the label of a learned class is not one line of UTF-8"),
    ] {
      let outcome = try run([model, rocket, "--teach", label, "--classes", folder["c"]])
      #expect(outcome.status == 1 && outcome.errors == "e3-run: \(problem)\n", "\(outcome.errors)")
    }
    // The option behind --teach is no label.
    for option in ["--json", "--classes"] {
      let outcome = try run([model, rocket, "--teach", option, folder["c"]])
      #expect(outcome.status == 2 && outcome.errors.contains("missing, or empty, after '--teach'"))
    }
    let ensemble = packageRoot.appendingPathComponent("models/fashion-vit-ensemble.e3").path
    let several = try run([ensemble, rocket, "--teach", "x", "--classes", folder["c"]])
    #expect(several.status == 2 && several.errors.contains("a deep ensemble learns no classes"))
    #expect(folder.names.isEmpty)
  }
}
