import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Models

/// What `pack` and `export` say of what the caller may not have meant.
@Suite("Remarks of pack and export")
struct RemarkTests {
  private let folder: TemporaryFolder
  private let tool: BuiltCommand

  init() throws { (folder, tool) = (try TemporaryFolder(), BuiltCommand("e3-convert")) }

  /// A copy of a library's model with texts of its JSON files replaced.
  private func model(_ name: String, _ changes: [(String, String)] = [], as copy: String = "m") throws -> String {
    let source = "\(Goldens.libraryDirectory)/\(name)"
    for entry in try FileManager.default.contentsOfDirectory(atPath: source) {
      var bytes = try contents(of: "\(source)/\(entry)")
      if entry.hasSuffix(".json") {
        var text = String(decoding: bytes, as: UTF8.self)
        for (old, new) in changes { text = text.replacing(old, with: new) }
        bytes = Array(text.utf8)
      }
      try folder.write(bytes, to: "\(copy)/\(entry)")
    }
    return folder[copy]
  }

  private func notes(_ sources: [CheckpointSource], _ options: PackOptions = PackOptions()) throws -> [String] {
    var notes: [String] = []
    try pack(sources, output: folder["out.e3"], options: options) { notes.append($0) }
    return notes
  }

  @Test("means of another number than the channels are refused by their fields, unless --value-norm is given")
  func means() throws {
    let path = try model("timm_vit_tiny_patch16_224", [("\"mean\": [\n      0.5\n    ]", "\"mean\": [0.5, 0.5, 0.5]")])
    let source = CheckpointSource(checkpoint: path)
    #expect(
      fault { _ = try notes([source]) }
        == "\(path)/config.json: mean and std have 3 values, but the model has 1 channel: give --value-norm MEAN,STD")
    let given = PackOptions(value: .norm(mean: [127.5], deviation: [127.5]))
    #expect(fault { _ = try notes([source], given) } == nil)
    // The float path takes images that are prepared: it needs no recipe.
    #expect(fault { _ = try SourceModel(checkpoint: path, config: nil) } == nil)
  }

  @Test(
    "means and deviations that are not those of pixels in 0...1 are refused, unless --value-norm is given",
    arguments: [
      ("0.5", "127.5", true), ("127.5", "58.4", true), ("0.5", "58.4", true), ("0", "2", true), ("0.5", "1e-30", true),
      ("0", "1", false), ("1", "1", false), ("-1", "0.0625", false), ("0.5", "0.015625", false),
    ])
  func units(_ mean: String, _ deviation: String, _ isRefused: Bool) throws {
    func list(_ field: String, _ value: String) -> (String, String) {
      ("\"\(field)\": [\n      0.5\n    ]", "\"\(field)\": [\(value)]")
    }
    let path = try model("timm_vit_tiny_patch16_224", [list("mean", mean), list("std", deviation)])
    let source = CheckpointSource(checkpoint: path)
    let message = fault { _ = try notes([source]) }
    guard isRefused else {
      #expect(message == nil)
      return
    }
    let found = "mean and std are \([Float(mean)!]) and \([Float(deviation)!]), expected those of pixels in 0...1"
    #expect(message?.hasPrefix("\(path)/config.json: \(found): give --value-norm") == true, "\(message ?? "packed")")
    let given = PackOptions(value: .norm(mean: [127.5], deviation: [127.5]))
    #expect(fault { _ = try notes([source], given) } == nil)
    #expect(fault { _ = try SourceModel(checkpoint: path, config: nil) } == nil)
  }

  @Test("a mean of one channel among others that is no pixel in 0...1 is refused, of Hugging Face too")
  func oddMean() throws {
    let means = "\"image_mean\": [\n    0.5,\n    0.5,\n    0.5\n  ]"
    let path = try model("hf_ViTForImageClassification", [(means, "\"image_mean\": [0.5, 0.5, 99]")])
    let message = fault { _ = try notes([CheckpointSource(checkpoint: path)]) }
    let fields = "image_mean and image_std of preprocessor_config.json"
    let expected = "\(fields) are [0.5, 0.5, 99.0] and [0.5, 0.5, 0.5], expected"
    #expect(message?.contains(expected) == true, "\(message ?? "")")
    // Its numbers are those of the file, and the unit that of its pixels.
    let bytes = try model("hf_ViTForImageClassification", [("\"do_rescale\": true", "\"do_rescale\": false")], as: "b")
    let other = fault { _ = try notes([CheckpointSource(checkpoint: bytes)]) }
    let found = "are [0.5, 0.5, 0.5] and [0.5, 0.5, 0.5], expected those of pixels in 0...255: give"
    #expect(other?.contains(found) == true, "\(other ?? "")")
  }

  @Test("labels of which nothing can be seen are refused in a file, and left out of a configuration")
  func blankLabels() throws {
    let plain = CheckpointSource(checkpoint: try model("timm_vit_tiny_patch16_224"))
    for blank in [" ", "\u{200B}", "\u{3164}", "\u{A0}\u{AD}"] {
      let file = try folder.write("a\nb\n\(blank)\nd\ne\n", to: "labels.txt")
      let problem =
        "\(file): line 3, the label of class 2, is nothing that can be seen: leave it empty for a class without a name"
      #expect(fault { _ = try notes([plain], PackOptions(labels: file)) } == problem)
    }
    let named = try model("hf_ViTForImageClassification", [("\"1\": \"kind 1\"", "\"1\": \"\u{200B}\"")], as: "h")
    let said = try notes([CheckpointSource(checkpoint: named)])
    let note = "\(named)/config.json: the label of class 1 is nothing that can be seen: no label is taken for it"
    #expect(said.contains(note), "\(said)")
    #expect(try MappedModel(path: folder["out.e3"]).labels == ["kind 0", "", "kind 2", "kind 3", "kind 4"])
  }

  @Test("labels that look the same are said")
  func lookalikes() throws {
    let plain = CheckpointSource(checkpoint: try model("timm_vit_tiny_patch16_224"))
    for (first, second) in [("crane", "cr\u{200B}ane"), ("a b", "a\u{A0}b"), ("a b", "a  b")] {
      let file = try folder.write("\(first)\nb\nc\n\(second)\ne\n", to: "labels.txt")
      let note =
        "\(file): the labels of the classes 0 and 3, \"\(first)\", differ only in characters that cannot be seen"
      let said = try notes([plain], PackOptions(labels: file))
      #expect(said.contains(note), "\(said)")
    }
  }

  @Test("a pipe in the place of a label file is refused at once")
  func pipeOfLabels() throws {
    let plain = CheckpointSource(checkpoint: try model("timm_vit_tiny_patch16_224"))
    #expect(mkfifo(folder["pipe"], 0o600) == 0)
    let message = fault { _ = try notes([plain], PackOptions(labels: folder["pipe"])) }
    #expect(message == "\(folder["pipe"]): a pipe, expected a file: with a label in each line")
  }

  @Test("bits of experts that are not there, a network given twice and the filter nearest are said")
  func unmeant() throws {
    let path = try model("timm_vit_tiny_patch16_224")
    let source = CheckpointSource(checkpoint: path)
    let four = PackOptions(weights: WeightBits(experts: .four))
    #expect(
      try notes([source], four).contains(
        "--weights experts=4 changes nothing: there are no experts; mlp=4 is for the MLPs that all tokens go through"))
    #expect(try !notes([source]).contains { $0.contains("--weights") })
    #expect(try notes([source, source]).contains { $0.hasSuffix("adds nothing to the answers but time") })
    let nearest = try model("timm_vit_tiny_patch16_224", [("\"bicubic\"", "\"nearest\"")], as: "nearest")
    let said = try notes([CheckpointSource(checkpoint: nearest)])
    #expect(
      said.contains { $0.hasPrefix("resize with the filter nearest takes the pixels that Pillow takes") }, "\(said)")
  }

  @Test("how images are prepared is asked for once, in the words of the library")
  func recipe() throws {
    let path = "\(try model("hf_Dinov2ForImageClassification"))"
    try FileManager.default.removeItem(atPath: "\(path)/preprocessor_config.json")
    let other = try model("hf_Dinov2ForImageClassification", as: "other")
    try FileManager.default.removeItem(atPath: "\(other)/preprocessor_config.json")
    let said = try notes([CheckpointSource(checkpoint: path), CheckpointSource(checkpoint: other)])
      .filter { $0.contains("nothing says how the training prepared its images") }
    #expect(said.count == 1 && said[0].contains(" and 1 more: nothing says"), "\(said)")
    #expect(said[0].contains("of Hugging Face's ViT") && !said[0].contains("timm"), "\(said)")
  }

  @Test("a class without a name is said with its line")
  func namelessClass() throws {
    let path = try folder.write("a\n\nc\n\ne\n", to: "labels.txt")
    let source = CheckpointSource(checkpoint: try model("timm_vit_tiny_patch16_224"))
    #expect(
      try notes([source], PackOptions(labels: path)).contains(
        "\(path): line 2 is empty: class 1 has no name, and 1 more"))
  }

  @Test(
    "labels in another order than the checkpoint's are refused by the first class that differs, and others are taken")
  func labelOrder() throws {
    let (library, first) = ("hf_ViTForImageClassification", #""0": "kind 0""#)
    let path = try model(library)
    let file = try folder.write("kind 0\nkind 2\nkind 1\nkind 3\nkind 4\n", to: "labels.txt")
    #expect(
      fault { _ = try notes([CheckpointSource(checkpoint: path)], PackOptions(labels: file)) }
        == "\(file): class 1 is \"kind 2\", but \"kind 1\" in \(path)/config.json, which has the same labels in another "
        + "order: leave --labels out, give them in that order, or correct those of the checkpoint if they are wrong")
    let numbers = #""kind 0": 0"#
    let swapped = try model(
      library,
      [
        (first, #""0": "kind 4""#), (#""4": "kind 4""#, #""4": "kind 0""#), (#""kind 4": 4"#, #""kind 4": 0"#),
        (numbers, #""kind 0": 4"#),
      ], as: "swapped")
    let both = [path, swapped].map { CheckpointSource(checkpoint: $0) }
    let right = try folder.write("kind 0\nkind 1\nkind 2\nkind 3\nkind 4\n", to: "right.txt")
    for options in [PackOptions(), PackOptions(labels: right)] {
      #expect(
        fault { _ = try notes(both, options) }
          == "\(swapped)/config.json: class 0 is \"kind 4\", but \"kind 0\" in \(path)/config.json, which has the same labels "
          + "in another order: the answers of such networks cannot be averaged; train or export this one with the classes in "
          + "that order, or correct its labels if they are wrong")
    }
    for line in ["Kind 2\nkind 1", "kind 2 \nkind 1 ", "kind  2\nKIND 1"] {
      let alike = try folder.write("kind 0\n\(line)\nkind 3\nkind 4\n", to: "alike.txt")
      let said = fault { _ = try notes([CheckpointSource(checkpoint: path)], PackOptions(labels: alike)) }
      #expect(said?.contains("\(path)/config.json, which has the same labels in another order") == true, "\(line)")
    }
    let capitals = try folder.write("Kind 0\nkind 1\nkind 2\nkind 3\nkind 4\n", to: "capitals.txt")
    #expect(fault { _ = try notes([CheckpointSource(checkpoint: path)], PackOptions(labels: capitals)) } == nil)
    let named = try folder.write("a\nb\nc\nd\ne\n", to: "named.txt")
    for labels in [right, named] {
      #expect(fault { _ = try notes([CheckpointSource(checkpoint: path)], PackOptions(labels: labels)) } == nil)
    }
  }

  @Test("labels in another order of which some are renamed too are refused; one name at another class is noted")
  func renamedLabelOrder() throws {
    let path = try model("hf_ViTForImageClassification")
    let config = "\(path)/config.json"
    func said(_ labels: String) throws -> (refusal: String?, notes: [String]) {
      let file = try folder.write(labels, to: "labels.txt")
      var said: [String] = []
      let refusal = fault {
        said = try notes([CheckpointSource(checkpoint: path)], PackOptions(labels: file)).filter { $0.hasPrefix(file) }
      }
      return (refusal, said)
    }
    #expect(
      try said("kind 0\nKind 2\nkind 1\nd\ne\n").refusal
        == "\(folder["labels.txt"]): class 1 is \"Kind 2\", but \"kind 1\" in \(config), which has 2 of these labels at other "
        + "classes: leave --labels out, give them in that order, or correct those of the checkpoint if they are wrong")
    // Fewer than half of the labels are the checkpoint's, or one alone stands elsewhere.
    for labels in ["a\nkind 2\nkind 1\nd\ne\n", "kind 0\nkind 2\nc\nkind 3\nkind 4\n"] {
      let (refusal, notes) = try said(labels)
      #expect(refusal == nil)
      #expect(
        notes == [
          "\(folder["labels.txt"]): class 1 is \"kind 2\", which is class 2 in \(config): labels belong in the order of the "
            + "classes"
        ])
    }
    #expect(try said("kind 0\nb\nkind 2\nd\nkind 4\n") == (nil, []))
  }

  /// A PyTorch file of the plain model whose dictionary has more members, in opcodes.
  private func torch(_ members: [UInt8], to name: String) throws -> String {
    let same = "\(Goldens.libraryDirectory)/same"
    try folder.write(contents(of: "\(same)/config.json"), to: "config.json")
    let file = try MappedFile(path: "\(same)/float32.pt")
    let parts = try ZipArchive(file).members.map { member in
      var bytes = Array(file.bytes[member.stored])
      if member.name.hasSuffix("data.pkl") { bytes.insert(contentsOf: members, at: bytes.count - 1) }
      return (member.name, bytes)
    }
    return try folder.write(storedZip(parts), to: name)
  }

  private func text(_ text: String) -> [UInt8] { [UInt8(ascii: "X"), UInt8(text.utf8.count), 0, 0, 0] + text.utf8 }

  /// The member `key` with the labels and their classes.
  private func numbered(_ key: String, _ classes: [(String, UInt8)]) -> [UInt8] {
    let pairs = classes.flatMap { text($0.0) + [UInt8(ascii: "K"), $0.1, UInt8(ascii: "s")] }
    return text(key) + [UInt8(ascii: "}")] + pairs + [UInt8(ascii: "s")]
  }

  @Test(
    "names of the classes beside PyTorch's tensors are the labels; in another order than those given they are refused")
  func labelsBesideTensors() throws {
    let list = text("classes") + Array("](".utf8) + ["c", "b", "a"].flatMap(text) + Array("es".utf8)
    let path = try torch(numbered("class_to_idx", [("a", 2), ("c", 0), ("b", 1)]) + list, to: "m.pth")
    let (source, field) = (CheckpointSource(checkpoint: path), "\(path) (class_to_idx)")
    #expect(try notes([source]).contains("\(field): names the classes: these labels are taken"))
    #expect(try MappedModel(path: folder["out.e3"]).labels == ["c", "b", "a"])
    let labels = try folder.write("a\nb\nc\n", to: "labels.txt")
    #expect(
      fault { _ = try notes([source], PackOptions(labels: labels)) }
        == "\(labels): class 0 is \"a\", but \"c\" in \(field), which has the same labels in another order: leave --labels "
        + "out, give them in that order, or correct those of the checkpoint if they are wrong")
    let two = try torch(numbered("class_to_idx", [("a", 0), ("b", 1), ("c", 2)]) + list, to: "two.pth")
    #expect(
      fault { _ = try notes([CheckpointSource(checkpoint: two)]) }
        == "\(two) (classes): class 0 is \"c\", but \"a\" in \(two) (class_to_idx), which has the same labels in another "
        + "order: correct the one of the two that is wrong")
    let odd = try torch(numbered("class_to_idx", [("a", 0), ("b", 1), ("c", 3)]), to: "odd.pth")
    let unclear = "\(odd) (class_to_idx): names classes in a way that is not understood, and is not looked at"
    #expect(try notes([CheckpointSource(checkpoint: odd)]).contains(unclear))
    let few = try torch(numbered("class_to_idx", [("a", 0), ("b", 1)]), to: "few.pth")
    let left =
      "\(few) (class_to_idx): its labels are left out, 2 labels, expected one for each of 3 classes: give --labels"
    #expect(try notes([CheckpointSource(checkpoint: few)]).contains(left))
  }

  @Test(
    "a number beside PyTorch's tensors that is called a temperature or a logit scale is said",
    arguments: ["T", "logit_scale"])
  func scaleBesideTensors(_ name: String) throws {
    func said(_ number: UInt8) throws -> [String] {
      let path = try torch(text(name) + [UInt8(ascii: "K"), number, UInt8(ascii: "s")], to: "m.pth")
      return try SourceModel(checkpoint: path, config: nil).notes.filter { $0.contains("is left out") }
    }
    let found = try said(2)
    #expect(found.count == 1 && found[0].contains("m.pth: \(name) (2) is left out: where the model scales its logits"))
    #expect(try said(name == "T" ? 1 : 0).isEmpty)
  }

  @Test(
    "lines of a label file that number themselves in another order are refused, and in their own are said",
    arguments: [
      ("1 a\n0 b\n2 c\n3 d\n4 e\n", "line 1, the label of class 0, begins with the number 1"),
      ("1,a\n2,b\n3,c\n5,d\n4,e\n", "line 4, the label of class 3, begins with the number 5"),
      ("a:4\nb:3\nc:2\nd:1\ne:0\n", "line 1, the label of class 0, ends with the number 4"),
      ("a 0\nb 1\nc 3\nd 2\n\"e\";4\n", "line 3, the label of class 2, ends with the number 3"),
      ("0 a\n1 b\n2 c\n3 d\n4 e\n", nil), ("a, 1\nb, 2\nc, 3\nd, 4\ne, 5\n", nil),
    ] as [(String, String?)])
  func numberedLines(_ lines: String, _ refusal: String?) throws {
    let file = try folder.write(lines, to: "labels.txt")
    let next = ": put the lines in the order of the classes and take the numbers out"
    var said: [String] = []
    let message = fault { _ = try readLabels(path: file, classCount: 5) { said.append($0) } }
    #expect(message == refusal.map { "\(file): \($0)\(next)" })
    let verb = lines.hasPrefix("0") ? "begins" : "ends"
    let note = "\(file): every line \(verb) with a number, which is part of the label: take the numbers out"
    #expect(said == (refusal == nil ? [note] : []))
  }

  @Test(
    "names that have numbers are labels as they are",
    arguments: [
      "grade 4\ngrade 3\ngrade 2\ngrade 1\ngrade 0\n", "4\n3\n2\n1\n0\n", "1st\n0th\n2nd\n3rd\n4th\n",
      "7 up\n0 b\n2 c\n3 d\n4 e\n", "1 a\n0 b\n2 c\n3 d\ne\n", "1 a\n1 b\n2 c\n3 d\n0 e\n", "a4\nb3\nc2\nd1\ne0\n",
      "1 a\n0 b\n\n3 d\n2 e\n",
    ])
  func numbersInNames(_ lines: String) throws {
    let file = try folder.write(lines, to: "labels.txt")
    var said: [String] = []
    #expect(fault { _ = try readLabels(path: file, classCount: 5) { said.append($0) } } == nil)
    #expect(said.allSatisfy { $0.contains("is empty") })
  }

  @Test("pixels that are neither rescaled nor normalised are refused with what makes the model take others")
  func rawPixels() throws {
    let changes = ["do_rescale", "do_normalize"].map { ("\"\($0)\": true", "\"\($0)\": false") }
    let path = try model("hf_ViTForImageClassification", changes)
    #expect(
      fault { _ = try notes([CheckpointSource(checkpoint: path)]) }
        == "\(path)/preprocessor_config.json: it neither brings pixels to 0...1 nor normalises them: values of 0...255 are not "
        + "served. Multiply the weights of the patch embedding, not its bias, by 255, and take \"do_rescale\": true and "
        + "\"rescale_factor\": 0.00392156862745098 here: the answers stay the same")
    let huge = try model("hf_ViTForImageClassification", [changes[1], ("0.00392156862745098", "1e30")], as: "huge")
    let said = fault { _ = try notes([CheckpointSource(checkpoint: huge)]) }
    #expect(said?.contains("not its bias, by 2.55e+32") == true)
  }

  @Test("--quantize-with: values of another range and transparent pictures are noted")
  func quantizingImages() throws {
    let source = CheckpointSource(checkpoint: try model("timm_vit_base_patch16_224"))
    func said(_ path: String) throws -> [String] {
      try notes([source], PackOptions(rounding: .images(path: path, count: 2)))
        .filter { $0.contains("its values are") || $0.contains("transparent") }
    }
    let values = (0..<2 * 768).map { Float($0 % 256) / 255 }
    for (scale, found) in [(Float(1), "0.0 to 1.0, none below 0"), (-1.5, "-1.5 to -0.0"), (-0.9, nil)]
      as [(Float, String?)]
    {
      let bytes = values.map { $0 * scale }.withUnsafeBytes { Array($0) }
      let path = try folder.write(npy([2, 16, 16, 3], bytes, type: "<f4"), to: "values.npy")
      let line = found.map {
        "\(path): its values are \($0), but the model takes -1.0 to 1.0: bring them to that range, or give the pictures or "
          + "their bytes, which are brought there as the model's recipe says"
      }
      #expect(try said(path) == [line].compactMap { $0 })
    }
    for name in ["clear/a.png", "clear/b.png"] { try folder.write(transparentPNG, to: name) }
    #expect(
      try said(folder["clear"]) == [
        "2 pictures are transparent and shown on white: where the training dropped transparency (Pillow's "
          + "convert(\"RGB\")), give them opaque"
      ])
  }

  @Test("bits that are no words are answered with those that are meant")
  func weights() throws {
    let refused = try tool.run(["pack", "x", "-o", folder["no.e3"], "--weights", "4"])
    #expect(refused.status == 2 && refused.errors.contains(": --weights experts=4,mlp=4\n"), "\(refused.errors)")
  }

  @Test("export says what it leaves out, and how pack is told it")
  func export() throws {
    let path = "\(Goldens.libraryDirectory)/hf_ViTForImageClassification"
    let result = try tool.run(["export", path, "-o", folder["out.safetensors"]])
    #expect(result.status == 0)
    #expect(
      result.errors.contains("recipe of the images: pack it with ")
        && result.errors.contains("--resize bilinear:16x16 --value-norm 0.5,0.5,0.5,0.5,0.5,0.5"), "\(result.errors)")
    let json = try tool.run(["export", path, "-o", folder["out.safetensors"], "--json"])
    #expect(!json.errors.contains("leaves out"))
    let means = "\"image_mean\": [\n    0.5,\n    0.5,\n    0.5\n  ]"
    let other = try model("hf_ViTForImageClassification", [(means, "\"image_mean\": 127.5")])
    let bytes = try tool.run(["export", other, "-o", folder["out.safetensors"]])
    #expect(bytes.status == 0 && bytes.errors.contains("--resize bilinear:16x16 --value-norm MEAN,STD\n"))
    #expect(bytes.errors.contains("preprocessor_config.json are [127.5] and [0.5, 0.5, 0.5], expected"))
  }
}
