import E3TestSupport
import Foundation
import Testing

/// Keys and signatures as minisign and `e3-convert sign` make them.
@Suite("e3-run: --trust")
struct TrustTests {
  private let folder: TemporaryFolder
  private let model: String
  private let picture: String
  private let minisign = BuiltCommand(path: "/usr/bin/minisign")
  private let convert = BuiltCommand("e3-convert")

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.model { $0.golden = false }
    picture = try folder.write(Array("P5 1 1 255 ".utf8) + [7], to: "picture.pgm")
    for name in ["good", "other"] {
      let made = try minisign.run(["-G", "-W", "-p", folder["\(name).pub"], "-s", folder["\(name).key"]])
      try #require(made.status == 0, "\(made.errors)")
    }
  }

  private func trusted(_ key: String = "good.pub") throws -> Outcome {
    try run([model, picture, "--trust", folder[key]])
  }

  // promise: trust
  @Test("a model is taken when it is signed by the key, by minisign or by e3-convert sign; minisign takes both")
  func signed() throws {
    #expect(try minisign.run(["-S", "-s", folder["good.key"], "-m", model]).status == 0)
    #expect(try trusted().status == 0)
    #expect(try minisign.run(["-S", "-l", "-s", folder["good.key"], "-m", model]).status == 0)
    #expect(try trusted().status == 0, "a signature of the bytes themselves, of minisign before 0.10")
    for _ in 0..<2 {
      let signed = try convert.run(["sign", model, "--key", folder["good.key"]])
      #expect(signed.status == 0 && signed.output == "\(model).minisig: signed\n", "\(signed.errors)")
    }
    let first = try folder.bytes("model.e3.minisig")
    #expect(try convert.run(["sign", model, "--key", folder["good.key"]]).status == 0)
    #expect(try folder.bytes("model.e3.minisig") == first)
    #expect(try trusted().status == 0)
    #expect(try minisign.run(["-V", "-p", folder["good.pub"], "-m", model]).status == 0)
  }

  @Test("a signature does not take the place of the key")
  func key() throws {
    let key = try folder.bytes("good.key")
    #expect(symlink(folder["good.key"], folder["model.e3.minisig"]) == 0)
    let outcome = try convert.run(["sign", model, "--key", folder["good.key"]])
    #expect(outcome.errors.hasSuffix("is also an input, expected another name for the output\n") && outcome.status == 1)
    #expect(try folder.bytes("good.key") == key)
  }

  // promise: trust
  @Test(
    "a model is refused before anything of it is believed: not signed, by another key, changed by any bit, no model")
  func refused() throws {
    func expect(
      _ text: String, _ file: String? = nil, key: String = "good.pub", _ place: SourceLocation = #_sourceLocation
    ) throws {
      let outcome = try trusted(key)
      #expect(outcome.status == 1, sourceLocation: place)
      #expect(outcome.errors == "e3-run: \(file ?? model + ".minisig"): \(text)\n", sourceLocation: place)
    }
    try expect("no signature; e3-convert sign makes it")
    try expect("No such file or directory", folder["none.pub"], key: "none.pub")
    #expect(try convert.run(["sign", model, "--key", folder["other.key"]]).status == 0)
    try expect("signed with another key")
    try expect("not a key of minisign's", folder["other.key"], key: "other.key")
    #expect(try convert.run(["sign", model, "--key", folder["good.key"]]).status == 0)
    let (signature, bytes) = (try folder.bytes("model.e3.minisig"), try folder.bytes("model.e3"))
    var random = SplitMix(state: 2)
    for _ in 0..<20 {
      var changed = bytes
      changed[Int(random.next() % UInt64(bytes.count))] ^= 1 << UInt8(random.next() % 8)
      try folder.write(changed, to: "model.e3")
      try expect("the signature is not that of the file")
    }
    try folder.write(Array("no model".utf8), to: "model.e3")
    try expect("the signature is not that of the file")
    try folder.write(bytes, to: "model.e3")
    // Every line of the signature counts but the untrusted comment.
    let lines = String(decoding: signature, as: UTF8.self).split(separator: "\n")
    for line in 1..<lines.count {
      var changed = lines.map { Array($0.utf8) }
      let place = changed[line].count / 2
      changed[line][place] = changed[line][place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
      try folder.write(changed.flatMap { $0 + [10] }, to: "model.e3.minisig")
      let outcome = try trusted()
      #expect(outcome.status == 1, "line \(line)")
    }
    for cut in stride(from: 0, to: signature.count - 1, by: 7) {
      try folder.write(Array(signature.prefix(cut)) + [10], to: "model.e3.minisig")
      #expect(try trusted().status == 1, "\(cut) bytes")
    }
    try folder.write(signature, to: "model.e3.minisig")
    #expect(try trusted().status == 0)
  }

  @Test("a damaged model is not signed, and a key that cannot be used is named")
  func notSigned() throws {
    var bytes = try folder.bytes("model.e3")
    let wrongKey = try convert.run(["sign", model, "--key", folder["good.pub"]])
    #expect(wrongKey.status == 1 && wrongKey.errors == "e3-convert: \(folder["good.pub"]): not a key of minisign's\n")
    // A terabyte of nothing, which takes minutes to read.
    try folder.write([], to: "large.key")
    #expect(truncate(folder["large.key"], 1 << 40) == 0)
    let largeKey = try convert.run(["sign", model, "--key", folder["large.key"]])
    #expect(largeKey.errors == "e3-convert: \(folder["large.key"]): not a key of minisign's\n")
    bytes[Int(bytes[extent: 4].offset)] ^= 1
    try folder.write(bytes, to: "model.e3")
    #expect(try convert.run(["sign", model, "--key", folder["good.key"]]).status == 1)
    #expect(!folder.names.contains("model.e3.minisig"))
  }
}
