import E3
import E3Models
import E3TestSupport
import Foundation
import Testing
@testable import E3Calibration

/// The built `e3-convert learn`, and what a calibration says for it.
@Suite("e3-convert learn")
struct LearnTests {
  let folder: TemporaryFolder
  let model = packageRoot.appendingPathComponent("models/fashion-e3.e3").path

  init() throws {
    folder = try TemporaryFolder()
    for (place, names) in [
      "new/ground": ["other-grass", "other-gravel", "other-bricks"],
      "new/cat": ["other-cat", "other-cat", "other-cat"],
      "other": ["garment-bag", "garment-coat", "garment-dress", "other-coffee"],
    ] {
      for (index, name) in names.enumerated() {
        let picture = packageRoot.appendingPathComponent("models/frames/\(name).jpg")
        try folder.write([UInt8](Data(contentsOf: picture)), to: "\(place)/\(index).jpg")
      }
    }
  }

  private func learn(_ arguments: String...) throws -> Outcome {
    try BuiltCommand("e3-convert").run(["learn", model] + arguments + ["--classes", folder["my.e3c"]])
  }

  @Test("learns a class from each folder and says what was found with each picture left out")
  func folders() throws {
    let result = try learn(folder["new"], "--unlike", folder["other"])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    #expect(result.lines.count == 5 && result.lines[0] == "\(folder["my.e3c"]): 2 classes learned", "\(result.output)")
    #expect(
      result.lines[1].hasPrefix("  cat: 3 pictures, radius 0.")
        && result.lines[1].hasSuffix("found: one picture cannot tell"))
    #expect(
      result.lines[2].hasPrefix("  ground: 3 pictures, radius 0.") && result.lines[2].contains(" of 3 when left out"))
    #expect(result.lines[3] == "  2 of the pictures are copies of others, and count once")
    #expect(result.lines[4].hasPrefix("  taken for one of them, of the unlike pictures: 0 of 4 when left out (0 %"))
    let bytes = try folder.bytes("my.e3c")
    let opened = try Model(contentsOf: model)
    let classes = try LearnedClasses(opened, copying: bytes.span.bytes)
    let learned = try [classes.info(0), classes.info(1), classes.info(2)]
    #expect(learned.map(\.label) == ["unlike", "cat", "ground"])
    #expect(learned[0].isUnlike && learned[0].pictures == 4)
    let shown = try BuiltCommand("e3-convert").run(["inspect", folder["my.e3c"]])
    #expect(shown.status == 0 && shown.lines.count == 4, "\(shown.errors)")
    #expect(shown.lines[0] == "\(folder["my.e3c"]): 3 learned classes, room for 16")
    #expect(shown.lines[1] == "  unlike: 4 pictures, unlike, of none of the classes")
    #expect(shown.lines[2].hasPrefix("  cat: 3 pictures, radius 0."))
    let object = try BuiltCommand("e3-convert").run(["inspect", folder["my.e3c"], "--json"]).object
    #expect((object["classes"] as? [[String: Any]])?.map { $0["pictures"] as? Int } == [4, 3, 3])
    for damaged in [Array(bytes.dropLast()), bytes.dropLast() + [bytes[bytes.count - 1] ^ 1], Array(bytes.prefix(200))]
    {
      let path = try folder.write(damaged, to: "damaged.e3c")
      let refused = try BuiltCommand("e3-convert").run(["inspect", path])
      #expect(refused.status == 1 && refused.errors.contains("learned classes (.e3c) that are damaged"))
    }
  }

  @Test("adds pictures to a class that the file has, in the order of the files, as one after the other does")
  func more() throws {
    #expect(try learn(folder["new/ground"], "--label", "ground").status == 0)
    let whole = try folder.bytes("my.e3c")
    try FileManager.default.removeItem(atPath: folder["my.e3c"])
    #expect(try learn(folder["new/ground"], "--label", "ground", "--limit", "2").output.contains("at most unsure"))
    let rest = try learn(folder["new/ground"], "--label", "ground", "--skip", "2")
    #expect(rest.output.contains("  ground: 3 pictures,") && rest.output.contains("not known; --unlike"))
    #expect(rest.output.contains("found: not known; these may be among the 2 pictures that it had, --anew begins"))
    #expect(try folder.bytes("my.e3c") == whole)
  }

  @Test("--anew puts the pictures in the place of those that the file had")
  func anew() throws {
    #expect(try learn(folder["new"], "--unlike", folder["other"]).status == 0)
    let once = try folder.bytes("my.e3c")
    // The same once more tells nothing of pictures that were not seen.
    let twice = try learn(folder["new"], "--unlike", folder["other"])
    #expect(twice.output.contains("  cat: 6 pictures,") && !twice.output.contains("when left out"), "\(twice.output)")
    #expect(twice.output.contains("not known; these may be among the 4 pictures that it had"), "\(twice.output)")
    let anew = try learn(folder["new"], "--unlike", folder["other"], "--anew")
    #expect(anew.status == 0 && anew.output.contains("  cat: 3 pictures,"), "\(anew.errors)")
    #expect(try folder.bytes("my.e3c") == once)
    // Only the class that there are pictures of.
    #expect(try learn(folder["new"], "--anew", "--limit", "3").output.contains("  cat: 3 pictures,"))
    let bytes = try folder.bytes("my.e3c")
    #expect(try LearnedClasses(Model(contentsOf: model), copying: bytes.span.bytes).index(of: "ground") != nil)
    #expect(try learn(folder["new"], "--unlike", folder["other"], "--anew").status == 0)
    #expect(try learn(folder["new/ground"], "--label", "ground", "--anew").output.contains("  ground: 3 pictures,"))
    #expect(try folder.bytes("my.e3c") == once)
  }

  @Test("a fault is one line, and the file stays as it was")
  func faults() throws {
    #expect(try learn(folder["new/cat"], "--label", "cat").status == 0)
    let before = try folder.bytes("my.e3c")
    let unnamed = try learn(folder["new/cat"])
    #expect(
      unnamed.status == 1
        && unnamed.errors == "e3-convert: \(folder["new/cat"]): pictures of one class, which --label names\n")
    let named = try learn(folder["new"], "--label", "x")
    #expect(named.status == 1 && named.errors.contains("the folders are the labels"))
    let long = try learn(folder["new/cat"], "--label", String(repeating: "x", count: 41))
    #expect(long.status == 1 && long.errors.hasSuffix(": the label of a learned class is longer than 40 bytes\n"))
    let ensemble = packageRoot.appendingPathComponent("models/fashion-vit-ensemble.e3").path
    let several = try BuiltCommand("e3-convert").run(
      ["learn", ensemble, folder["new"], "--classes", folder["other.e3c"]])
    #expect(several.status == 1 && several.errors.contains("a deep ensemble learns no classes"))
    let kind = try learn(folder["new/cat"], "--label", "unlike", "--unlike", folder["other"])
    #expect(kind.status == 1 && kind.errors.contains("another kind of class"))
    for (label, problem) in [
      (" \u{2003}", "the label of a learned class is nothing that can be seen"),
      ("\u{FFA0}\u{E000}", "the label of a learned class is nothing that can be seen"),
      (" Unlike", "is what pictures of other things are called; give the class another name"),
      ("unlike", "is what pictures of other things are called; give the class another name"),
    ] {
      let refused = try learn(folder["new/cat"], "--label", label)
      #expect(refused.status == 1 && refused.errors.hasSuffix(": \(problem)\n"), "\(refused.errors)")
    }
    #expect(try learn(folder["new/cat"], "--label", "", "--limit", "0").status == 2)
    let all = try learn(folder["new/cat"], "--label", "dog", "--skip", "3", "--limit", "\(Int.max)")
    #expect(all.status == 1 && all.errors.contains("3 images, of which 3 are left out"))
    let most = try learn(folder["new/cat"], "--label", "x\u{1B}y", "--skip", "1", "--limit", "\(Int.max)")
    #expect(most.status == 1 && most.errors.hasPrefix("e3-convert: "))
    #expect(try folder.bytes("my.e3c") == before)
    try folder.write(Array(before.dropLast()), to: "my.e3c")
    let short = try learn(folder["new/cat"], "--label", "cat")
    #expect(short.status == 1 && short.errors.hasPrefix("e3-convert: \(folder["my.e3c"]): "))
  }

  @Test("a file that is write-protected is refused before the first picture is read")
  func protected() throws {
    try folder.write([1], to: "my.e3c")
    #expect(chmod(folder["my.e3c"], 0o444) == 0)
    try folder.write("no picture", to: "new/cat/0.jpg")
    let refused = try learn(folder["new"])
    #expect(refused.status == 1 && refused.output.isEmpty)
    #expect(
      refused.errors
        == "e3-convert: \(folder["my.e3c"]): is write-protected: make it writable (chmod u+w), or give another file\n")
    #expect(try folder.bytes("my.e3c") == [1])
  }

  @Test("pictures that the model or an earlier class answers already are counted, with what they are answered with")
  func known() throws {
    for (index, name) in ["garment-dress", "garment-dress", "garment-bag", "other-coffee"].enumerated() {
      let picture = packageRoot.appendingPathComponent("models/frames/\(name).jpg")
      try folder.write([UInt8](Data(contentsOf: picture)), to: "gown/\(index).jpg")
    }
    let gown = try learn(folder["gown"], "--label", "gown")
    #expect(gown.status == 0, "\(gown.errors)")
    #expect(
      gown.lines.contains("  gown: 3 of these pictures are known already: 2 as dress, 1 as bag"), "\(gown.output)")
    #expect(try !learn(folder["new/cat"], "--label", "cat").output.contains("known already"))
    let again = try learn(folder["new/cat"], "--label", "puss", "--limit", "1")
    #expect(again.lines.contains("  puss: 1 of these pictures is known already: 1 as cat"), "\(again.output)")
    // More pictures of a class are not known as that class.
    #expect(try !learn(folder["new/cat"], "--label", "cat", "--limit", "1").output.contains("as cat"))
  }

  @Test("a class of the model is learned under another name")
  func nameOfTheModel() throws {
    let label = try #require(MappedModel(path: model).labels.first)
    let refused = try learn(folder["new/cat"], "--label", label)
    #expect(
      refused.status == 1
        && refused.errors
          == "e3-convert: \(label): is a class of the model: give the one that is learned another name\n"
    )
    #expect(!folder.names.contains("my.e3c"))
  }

  @Test("two folders whose names are the same to Unicode, but not in bytes, are two classes")
  func normalisation() throws {
    for (label, name) in [("\u{E9}", "other-cat"), ("e\u{301}", "other-grass")] {
      let picture = packageRoot.appendingPathComponent("models/frames/\(name).jpg")
      for index in 0..<3 { try folder.write([UInt8](Data(contentsOf: picture)), to: "two/\(label)/\(index).jpg") }
    }
    let both = try learn(folder["two"])
    #expect(both.output.hasPrefix("\(folder["my.e3c"]): 2 classes learned\n"))
    let reason = "another class, whose name is written with other bytes"
    for (label, other) in [("\u{E9}", "e\u{301}"), ("e\u{301}", "\u{E9}")] {
      let warning = "e3-convert: warning: \(label): looks like \(other), \(reason)\n"
      #expect(both.errors.utf8.contains(warning.utf8), "\(both.errors)")
    }
    #expect(try learn(folder["two/\u{E9}"], "--label", "\u{E9}", "--anew").output.contains(" \u{E9}: 3 pictures,"))
    let bytes = try folder.bytes("my.e3c")
    let classes = try LearnedClasses(Model(contentsOf: model), copying: bytes.span.bytes)
    let labels = try [classes.info(0), classes.info(1)].map { Array($0.label.utf8) }
    #expect(labels == [Array("e\u{301}".utf8), Array("\u{E9}".utf8)] && classes.count == 2)
  }

  @Test("a class of which most pictures are not found, or that takes most others, is doubted")
  func doubts() {
    func summary(_ found: Int, of: Int, radius: Float = 0.3, taken: Share? = nil) -> LearningSummary {
      LearningSummary(
        classes: [.init(label: "x", pictures: of, radius: radius, earlier: 0, found: Share(count: found, of: of))],
        taken: taken, earlierUnlike: 0, copies: 0)
    }
    #expect(summary(5, of: 8).doubts.isEmpty && summary(1, of: 4).doubts.isEmpty && summary(0, of: 0).doubts.isEmpty)
    for few in 2...4 { #expect(summary(0, of: few).doubts[0].hasPrefix("x: all of its own pictures were not found")) }
    #expect(summary(2, of: 8).doubts[0].hasPrefix("x: most of its own pictures were not found"))
    #expect(summary(8, of: 8, radius: 1).doubts[0].hasSuffix("so unlike each other that anything is near it"))
    #expect(summary(8, of: 8, taken: Share(count: 24, of: 40)).doubts.count == 1)
    #expect(summary(8, of: 8, taken: Share(count: 20, of: 40)).doubts.isEmpty)
  }

  @Test("a share's interval is Wilson's")
  func interval() {
    // R: binom::binom.confint(8, 10, methods = "wilson") gives 0.4901625 and 0.9433178.
    let (low, high) = Share(count: 8, of: 10).interval
    #expect(abs(low - 0.4901625) < 1e-6 && abs(high - 0.9433178) < 1e-6)
    #expect(Share(count: 0, of: 0).interval.high == 1)
  }
}
