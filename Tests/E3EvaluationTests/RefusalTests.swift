import E3Converter
import E3Models
import E3TestSupport
import Glibc
import Testing

@Suite("e3-eval refuses")
struct RefusalTests {
  let folder: TemporaryFolder
  let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.packModel(SampleConfig.ensemble, as: "ensemble")
  }

  /// The one line on stderr, without the command's name.
  private func fault(_ arguments: String...) throws -> String {
    let outcome = try BuiltCommand("e3-eval").run(arguments)
    #expect(outcome.status == 1 && outcome.output.isEmpty)
    #expect(outcome.errors.hasPrefix("e3-eval: ") && outcome.errors.filter { $0 == "\n" }.count == 1)
    return String(outcome.errors.dropFirst(9).dropLast())
  }

  private func images(_ count: Int = 4, side: UInt32 = 12, name: String = "images") throws -> String {
    try folder.write(idx([UInt32(count), side, side], noise(count * Int(side * side))), to: name)
  }

  private func labels(_ values: [UInt8]) throws -> String {
    try folder.write(idx([UInt32(values.count)], values), to: "labels")
  }

  @Test("floats that are no pixels of the model's range")
  func otherRange() throws {
    let floats = (0..<12 * 12).map { Float($0 % 256) }
    let array = npy([1, 12, 12, 1], floats.withUnsafeBytes(Array.init), type: "<f4")
    let path = try folder.write(array, to: "bytes.npy")
    let message = try fault(model, path, "--labels", labels([0]))
    #expect(message.hasPrefix("\(path): image 0: the value 5.0 is no prepared pixel: "), "\(message)")
    #expect(message.hasSuffix(" takes -1.0 to 1.0"))
  }

  @Test("files that are missing, cut short or of another kind")
  func files() throws {
    let good = try images()
    let labels = try labels([0, 1, 2, 3])
    #expect(try fault(model, folder["none"]) == "\(folder["none"]): No such file or directory")
    #expect(mkfifo(folder["pipe"], 0o600) == 0)
    #expect(try fault(model, folder["pipe"]) == "\(folder["pipe"]): not a regular file")
    #expect(try fault(folder["none.e3"], good, "--labels", labels).contains("none.e3: No such file"))
    #expect(try fault(good, good, "--labels", labels).contains("not an E3 model file"))
    let swapped = "\(folder.path): a folder, not a model: models come first, the images last"
    #expect(try fault(folder.path, model) == swapped)
    for (name, bytes) in [
      ("short", idx([4, 12, 12], noise(4 * 144 - 1))), ("long", idx([4, 12, 12], noise(4 * 144 + 1))),
      ("header", [0, 0, 8, 3, 0, 0]), ("gzip", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]),
      ("array.npy", Array(npy([4, 12, 12], noise(4 * 144)).dropLast())), ("text", Array("hello".utf8)),
    ] {
      let path = try folder.write(bytes, to: name)
      #expect(try fault(model, path, "--labels", labels).hasPrefix("\(path): "), "\(name)")
      #expect(try fault(model, good, "--labels", labels, "--ood", path).hasPrefix("\(path): "), "\(name)")
    }
  }

  @Test("labels that are missing, too few, or no class of the model")
  func labelFaults() throws {
    let good = try images()
    #expect(try fault(model, good).hasPrefix("\(good): no labels: give them with --labels"))
    #expect(try fault(model, good, "--labels", labels([0, 1])).contains("2 labels for the 4 images"))
    #expect(
      try fault(model, good, "--labels", labels([0, 1, 5, 0])).contains("label 2 is 5, but the model has 5 classes"))
  }

  @Test("folders without pictures, or of classes that the model does not have")
  func folders() throws {
    try folder.write([], to: "empty/.hidden")
    #expect(try fault(model, folder["empty"]).hasPrefix("\(folder["empty"]): no pictures"))
    try folder.write(Array("P5\n1 1\n255\n0".utf8), to: "classes/cat/1.pgm")
    #expect(try fault(model, folder["classes"]).contains("neither the label nor the number of a class"))
    // The one that is none is named, beside a number that is one; the model has no labels.
    try folder.write(Array("P5\n1 1\n255\n0".utf8), to: "classes/1/1.pgm")
    #expect(try fault(model, folder["classes"]).hasPrefix("\(folder["classes"])/cat: the folder is neither"))
    try folder.write(Array("P5\n4 4\n255\nabc".utf8), to: "damaged/0/1.pgm")
    #expect(try fault(model, folder["damaged"]).hasPrefix("\(folder["damaged"])/0/1.pgm: "))
  }

  @Test("models of other classes in one ensemble, and a reference beside several models")
  func ensembles() throws {
    let good = try images()
    let labels = try labels([0, 1, 2, 3])
    let other = try folder.packModel(
      SampleConfig.dense.replacing("\"num_classes\":5", with: "\"num_classes\":6"), as: "other")
    #expect(try fault(model, other, good, "--labels", labels) == "\(other): 6 classes, but \(model) has 5")
    #expect(
      try fault(model, model, good, "--labels", labels, "--reference", folder["ensemble.safetensors"])
        .contains("compared with one model"))
  }

  @Test("models of one ensemble whose classes stand in another order")
  func labelOrder() throws {
    let models = try ["a\nb\nc\nd\ne\n", "a\nc\nb\nd\ne\n"].enumerated().map { place, text in
      let labels = try folder.write(text, to: "\(place).labels")
      return try folder.packModel(SampleConfig.dense, as: "\(place)", options: PackOptions(labels: labels))
    }
    let message = try fault(models[0], models[1], images(), "--labels", labels([0, 1, 2, 3]))
    #expect(
      message
        == "\(models[1]): class 1 is \"c\", but \"b\" in \(models[0]), which has the same labels in another order: the "
        + "answers of such models cannot be averaged; give one whose classes are in that order")
  }

  @Test("floats for models that prepare pixels in several ways; pictures each prepares itself")
  func otherRecipes() throws {
    let values = (0..<4 * 144).map { index -> Float in Float(index % 144) / 72 - 1 }
    let array = npy([4, 12, 12, 1], values.withUnsafeBytes(Array.init), type: "<f4")
    let (path, labels) = (try folder.write(array, to: "values.npy"), try labels([0, 1, 2, 3]))
    let alike = try folder.packModel(
      SampleConfig.dense, as: "alike", options: PackOptions(value: .norm(mean: [127.5], deviation: [127.5])))
    let other = try folder.packModel(
      SampleConfig.dense, as: "other", options: PackOptions(value: .range(low: 0, high: 1)))
    for arguments in [[model, alike, path], [model, other, try images()]] {
      #expect(try BuiltCommand("e3-eval").run(arguments + ["--labels", labels]).status == 0)
    }
    let message = try fault(model, other, path, "--labels", labels)
    #expect(
      message.hasPrefix(
        "\(path): floats in one value range, but \(model) takes -1.0 to 1.0 and \(other) 0.0 to 1.0, each with its own"),
      "\(message)")
    let foreign = try fault(model, other, images(), "--labels", labels, "--ood", path)
    #expect(foreign == message)
  }

  @Test("a damaged model, before it is measured")
  func damage() throws {
    var bytes = try folder.bytes("ensemble.e3")
    let whole = try MappedModel(path: model)
    bytes[withExtendedLifetime(whole) { Int(whole.file.extent(at: 2).offset) }] ^= 1
    let path = try folder.write(bytes, to: "damaged.e3")
    let message = try fault(path, images(), "--labels", labels([0, 1, 2, 3]))
    #expect(message.hasPrefix("\(path): tensor ") && message.hasSuffix(": a checksum is wrong: the file is damaged"))
  }

  @Test("a reference that is another model's, or that cannot be read")
  func reference() throws {
    let good = try images()
    let labels = try labels([0, 1, 2, 3])
    _ = try folder.packModel(SampleConfig.dense, as: "dense")
    #expect(
      try fault(model, good, "--labels", labels, "--reference", folder["dense.safetensors"])
        .contains("no experts to divide into 3 members"))
    try folder.write([], to: "lonely.safetensors")
    #expect(
      try fault(model, good, "--labels", labels, "--reference", folder["lonely.safetensors"])
        .contains("lonely.safetensors: the file is empty"))
    _ = try folder.packModel(SampleConfig.ensemble, as: "sister", seed: 2)
    #expect(
      try fault(model, good, "--labels", labels, "--reference", folder["sister.safetensors"])
        == "\(model): was not packed from \(folder["sister.safetensors"]): the heads differ")
  }

  @Test("prepared values of another size, and corruptions of them")
  func tensors() throws {
    let path = try folder.write(npy([1, 4, 4, 1], [UInt8](repeating: 0, count: 64), type: "<f4"), to: "tensor.npy")
    let labels = try labels([0])
    #expect(try fault(model, path, "--labels", labels).contains("16 values, but \(model) takes 12 x 12 x 1 = 144"))
    let prepared = try folder.write(
      npy([1, 12, 12, 1], [UInt8](repeating: 0, count: 576), type: "<f4"), to: "prepared.npy")
    #expect(try BuiltCommand("e3-eval").run([model, prepared, "--labels", labels]).status == 0)
    #expect(try fault(model, prepared, "--labels", labels, "--corruptions").contains("corruptions need bytes"))
  }

  @Test(
    "arguments that make no sense, before any work",
    arguments: [
      ["--threads", "0"], ["--limit", "0"], ["--skip", "-1"], ["--config", "x.json"], ["--temperature", "0"],
      ["--temperature", "nan"],
    ])
  func arguments(extra: [String]) throws {
    let outcome = try BuiltCommand("e3-eval").run([model, folder["none"]] + extra)
    #expect(outcome.status == 2 && outcome.errors.contains("Error:"))
    #expect(try BuiltCommand("e3-eval").run([model]).status == 2)
  }
}
