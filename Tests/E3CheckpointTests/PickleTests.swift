import E3Host
import E3TestSupport
import Testing
@testable import E3Checkpoint

/// Opcodes of a pickle, put together by hand.
private struct PickleText {
  var bytes: [UInt8] = [0x80, 2]

  static func + (a: PickleText, b: PickleText) -> PickleText { PickleText(bytes: a.bytes + b.bytes.dropFirst(2)) }

  static func raw(_ bytes: [UInt8]) -> PickleText { PickleText(bytes: [0x80, 2] + bytes) }
  static func text(_ text: String) -> PickleText {
    raw([UInt8(ascii: "X")] + withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { Array($0) } + text.utf8)
  }
  static func global(_ module: String, _ name: String) -> PickleText {
    raw([UInt8(ascii: "c")] + module.utf8 + [0x0A] + name.utf8 + [0x0A])
  }
  static func integer(_ value: Int32) -> PickleText {
    raw([UInt8(ascii: "J")] + withUnsafeBytes(of: value.littleEndian) { Array($0) })
  }
  static func tuple(_ elements: [PickleText]) -> PickleText {
    elements.reduce(raw([UInt8(ascii: "(")])) { $0 + $1 } + raw([UInt8(ascii: "t")])
  }
  static func call(_ function: PickleText, _ arguments: [PickleText]) -> PickleText {
    function + tuple(arguments) + raw([UInt8(ascii: "R")])
  }
  static func dictionary(_ members: [(String, PickleText)]) -> PickleText {
    members.reduce(raw([UInt8(ascii: "}")])) { $0 + text($1.0) + $1.1 + raw([UInt8(ascii: "s")]) }
  }
  /// A tensor as `torch.save` describes it.
  static func tensor(
    key: String = "0", size: Int32 = 6, offset: Int32 = 0, shape: [Int32] = [2, 3], strides: [Int32] = [3, 1],
    storage: String = "FloatStorage", metadata: PickleText? = nil
  ) -> PickleText {
    let place = tuple([text("storage"), global("torch", storage), text(key), text("cpu"), integer(size)])
    return call(
      global("torch._utils", "_rebuild_tensor_v2"),
      [
        place + raw([UInt8(ascii: "Q")]), integer(offset), tuple(shape.map(integer)), tuple(strides.map(integer)),
        raw([0x89]), raw([UInt8(ascii: "}")]),
      ] + [metadata].compactMap { $0 })
  }
}

@Suite("PyTorch files") struct PickleTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// Opens a file whose pickle is `pickle`, with one storage of 0, 1, 2, 3, 4, 5.
  private func open(_ pickle: PickleText, end: [UInt8] = [UInt8(ascii: ".")]) throws -> Checkpoint {
    let values: [Float] = [0, 1, 2, 3, 4, 5]
    let zip = storedZip([
      ("archive/data.pkl", pickle.bytes + end), ("archive/byteorder", Array("little".utf8)),
      ("archive/data/0", values.withUnsafeBytes { Array($0) }),
    ])
    return try Checkpoint(path: folder.write(zip, to: "model.pt"))
  }

  @Test("tensors are read by offset and stride, and dictionaries in dictionaries become names with dots")
  func views() throws {
    let checkpoint = try open(
      .dictionary([
        ("a", .tensor()), ("transposed", .tensor(shape: [3, 2], strides: [1, 3])),
        ("row", .tensor(offset: 3, shape: [3], strides: [1])), ("one", .tensor(offset: 5, shape: [], strides: [])),
        ("none", .tensor(shape: [0, 4], strides: [4, 1])), ("same", .tensor(offset: 4, shape: [7], strides: [0])),
        ("rows", .tensor(offset: 3, shape: [2, 3], strides: [0, 1])),
        ("inner", .dictionary([("b", .tensor(shape: [2, 2], strides: [3, 2])), ("text", .text("x"))])),
        ("half", .tensor(key: "0", size: 12, shape: [2], strides: [1], storage: "HalfStorage")),
        ("flags", .tensor(storage: "BoolStorage")),
      ]))
    #expect(
      checkpoint.tensorNames == [
        "a", "flags", "half", "inner.b", "none", "one", "row", "rows", "same", "transposed",
      ])
    #expect(try checkpoint.read("same") == [Float](repeating: 4, count: 7))
    #expect(try checkpoint.read("rows") == [3, 4, 5, 3, 4, 5])
    #expect(try checkpoint.read("a") == [0, 1, 2, 3, 4, 5])
    #expect(try checkpoint.read("transposed") == [0, 3, 1, 4, 2, 5])
    #expect(try checkpoint.read("row") == [3, 4, 5] && checkpoint.read("one") == [5])
    #expect(try checkpoint.read("inner.b") == [0, 2, 3, 5] && checkpoint.read("none") == [])
    #expect(fault { _ = try checkpoint.read("flags") }?.contains("type torch.BoolStorage, expected float32") == true)
  }

  @Test("a tensor whose metadata change its values is refused where it is used")
  func metadata() throws {
    let flag = PickleText.dictionary([("neg", .raw([0x88]))])
    let checkpoint = try open(
      .dictionary([
        ("a", .tensor(metadata: .raw([UInt8(ascii: "N")]))), ("b", .tensor(metadata: .dictionary([]))),
        ("negative", .tensor(metadata: flag)), ("number", .tensor(metadata: .integer(1))),
      ]))
    #expect(try checkpoint.read("a") == [0, 1, 2, 3, 4, 5] && checkpoint.read("b") == [0, 1, 2, 3, 4, 5])
    for name in ["negative", "number"] {
      let message = try #require(fault { _ = try checkpoint.read(name) })
      #expect(
        message.hasSuffix(
          "tensor \(name): has metadata that change its values (conj or neg): save tensor.resolve_conj().resolve_neg() "
            + "in its place"), "\(message)")
    }
  }

  @Test("a class or function that no tensor needs is refused by its name, and nothing is run")
  func foreignClasses() throws {
    for (module, name) in [
      ("os", "system"), ("builtins", "eval"), ("posix", "system"), ("torch.hub", "load"), ("torch", "load"),
      ("timm.models.vision_transformer", "VisionTransformer"), ("torch._utils", "_rebuild_anything"),
    ] {
      let marker = folder["ran"]
      let pickle = PickleText.dictionary([
        ("a", .tensor()), ("b", .call(.global(module, name), [.text("touch \(marker)")])),
      ])
      let message = try #require(fault { _ = try open(pickle) })
      #expect(message.contains("its pickle names \(module).\(name), which no file of tensors needs"), "\(message)")
      #expect(!folder.names.contains("ran"))
    }
  }

  @Test("weights that PyTorch quantised are called so")
  func quantised() throws {
    for (module, name) in [
      ("torch", "qint8"), ("torch._utils", "_rebuild_qtensor"), ("torchao.dtypes", "AffineQuantizedTensor"),
    ] {
      let pickle = PickleText.dictionary([("type", .global(module, name))])
      let message = try #require(fault { _ = try open(pickle) })
      #expect(message.contains("its pickle names \(module).\(name): its weights are quantised; give"), "\(message)")
    }
  }

  @Test("what training leaves beside the tensors is passed over without being made")
  func inert() throws {
    let namespace = PickleText.call(.global("argparse", "Namespace"), []) + .dictionary([("lr", .integer(3))])
    let ordered = PickleText.call(.global("collections", "OrderedDict"), []) + .text("w") + .tensor()
    let checkpoint = try open(
      .dictionary([
        ("args", namespace + .raw([UInt8(ascii: "b")])), ("model", ordered + .raw([UInt8(ascii: "s")])),
        ("long", .raw([0x8A, 9] + [UInt8](repeating: 1, count: 9))),
      ]))
    #expect(checkpoint.tensorNames == ["model.w"])
  }

  /// Tensors that are refused, and with what words.
  private static let refusals: [(PickleText, String)] = [
    (.tensor(offset: 1), "leaves its storage of 6 elements"),
    (.tensor(shape: [2, 3], strides: [4, 1]), "leaves its storage"),
    (
      .tensor(shape: [1 << 30, 1 << 20], strides: [0, 0]), "repeats the 6 elements of its storage to 112589990684262"
    ),
    (.tensor(shape: [(1 << 24) + 7], strides: [0]), "to 16777223, expected at most 16777216 more in all tensors"),
    (.tensor(shape: [1 << 30, 1 << 30], strides: [0, 0]), "leaves its storage"),
    (.tensor(offset: 6, shape: [2], strides: [0]), "leaves its storage"),
    (.tensor(offset: 3, shape: [2, 4], strides: [0, 1]), "leaves its storage"),
    (.tensor(shape: [2], strides: [-1]), "leaves its storage"),
    (.tensor(offset: -1, shape: [1], strides: [1]), "leaves its storage"),
    (.tensor(size: 7), "24 bytes in its storage, expected 7 elements"),
    (.tensor(key: "1"), "its storage 1 is missing"),
    // Neither the product of the extents nor that of an empty tensor's others may leave Int.
    (.tensor(shape: [0, .max, .max, .max], strides: [1, 1, 1, 1]), "leaves its storage"),
    (.tensor(shape: [-1], strides: [1], storage: "BoolStorage"), "shape [-1], which no array has"),
    (.tensor(shape: [.max, .max, 2], strides: [1, 1, 1], storage: "BoolStorage"), "which no array has"),
    (.call(.global("torch._utils", "_rebuild_tensor_v2"), [.integer(1)]), "described in a way that is not known"),
    (.call(.global("torch._utils", "_rebuild_parameter"), [.integer(1)]), "in a way that is not known"),
  ]

  @Test(
    "a tensor that leaves its storage, or is described in another way, is refused by its name",
    arguments: refusals)
  private func damaged(_ tensor: PickleText, _ expected: String) throws {
    let message = try #require(fault { _ = try open(.dictionary([("a", tensor)])) })
    #expect(message.contains("model.pt: tensor a: ") && message.contains(expected), "\(message)")
  }

  @Test("objects that hold themselves, or each other many times over, end in an error")
  func cycles() throws {
    // A list that is appended to itself.
    let list = PickleText.raw([UInt8(ascii: "]"), UInt8(ascii: "q"), 0, UInt8(ascii: "h"), 0, UInt8(ascii: "a")])
    #expect(fault { _ = try open(.dictionary([("a", list)])) }?.contains("nested too deep") == true)
    // Each list holds the one before it twice: 2^40 ways to the innermost.
    var laughs = PickleText.raw([UInt8(ascii: "]"), UInt8(ascii: "q"), 0])
    for level in UInt8(1)...40 {
      laughs =
        laughs
        + .raw([
          UInt8(ascii: "0"), UInt8(ascii: "]"), UInt8(ascii: "q"), level, UInt8(ascii: "("), UInt8(ascii: "h"),
          level - 1,
          UInt8(ascii: "h"), level - 1, UInt8(ascii: "e"),
        ])
    }
    #expect(fault { _ = try open(.dictionary([("a", laughs)])) }?.contains("nested too deep") == true)
    // A million tuples, one in the other.
    let nested = PickleText.raw(
      [UInt8](repeating: UInt8(ascii: "N"), count: 1) + [UInt8](repeating: 0x85, count: 1 << 20))
    #expect(fault { _ = try open(.dictionary([("a", nested)])) }?.contains("nested too deep") == true)
  }

  @Test("keys that make a name too long, or tensors too many, are refused before the names are built")
  func longNames() throws {
    let long = String(repeating: "k", count: 300)
    #expect(try open(.dictionary([(long, .tensor())])).tensorNames == [long])
    let nested = PickleText.dictionary([(long, .dictionary([(long, .tensor())]))])
    #expect(
      fault { _ = try open(nested) }?.contains("keys that make a name of 601 bytes, expected at most 512") == true)
    // Plain values need no name.
    #expect(try open(.dictionary([(long + long, .integer(1)), ("a", .tensor())])).tensorNames == ["a"])
    // One tensor, referred to by two bytes each time.
    let many = PickleText.raw(
      [UInt8(ascii: "]"), UInt8(ascii: "(")] + PickleText.tensor().bytes.dropFirst(2) + [UInt8(ascii: "q"), 0]
        + [[UInt8]](repeating: [UInt8(ascii: "h"), 0], count: 1 << 17).joined() + [UInt8(ascii: "e")])
    #expect(fault { _ = try open(.dictionary([("a", many)])) }?.contains("more than 131072 tensors") == true)
    #expect(
      fault { _ = try open(.dictionary([(long, many)])) }?.contains(
        "names of tensors that take more than 16777216 bytes")
        == true)
  }

  @Test(
    "objects that grow item by item take time in proportion to their items", .timeLimit(.minutes(1)),
    arguments: [
      ("]", [UInt8(ascii: "N"), UInt8(ascii: "a")]), ("}", [UInt8(ascii: "N"), UInt8(ascii: "N"), UInt8(ascii: "s")]),
    ])
  func growth(_ start: String, _ item: [UInt8]) throws {
    let items = [[UInt8]](repeating: item, count: 400_000).joined()
    let checkpoint = try open(.dictionary([("a", .raw(Array(start.utf8) + items)), ("b", .tensor())]))
    #expect(checkpoint.tensorNames == ["b"])
  }

  @Test("one list cannot become many dictionaries")
  func repeatedList() throws {
    let pair = PickleText.tuple([.text("k"), .integer(1)]).bytes.dropFirst(2)
    let list = PickleText.raw(
      [UInt8(ascii: "]"), UInt8(ascii: "q"), 0, UInt8(ascii: "(")]
        + [[UInt8]](repeating: Array(pair), count: 1000).joined()
        + [UInt8(ascii: "e"), UInt8(ascii: "0")])
    let again =
      PickleText.call(.global("collections", "OrderedDict"), [.raw([UInt8(ascii: "h"), 0])]) + .raw([UInt8(ascii: "0")])
    let all = (0..<100).reduce(list) { sum, _ in sum + again } + .dictionary([("b", .tensor())])
    #expect(fault { _ = try open(all) }?.contains("one list for too many dictionaries") == true)
    #expect(try open(list + again + .dictionary([("b", .tensor())])).tensorNames == ["b"])
  }

  @Test("bad opcodes, an empty stack, a memo that was never written and a missing end are refused")
  func malformed() throws {
    for (bytes, expected): ([UInt8], String) in [
      ([0xFF], "opcode 255"), ([UInt8(ascii: "R")], "an empty stack"), ([UInt8(ascii: "h"), 9], "memo 9"),
      ([UInt8(ascii: "t")], "no mark"), ([UInt8(ascii: "X"), 0xFF, 0xFF, 0xFF, 0x7F], "bytes announced"),
      ([0x8D, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "a negative length"),
      ([UInt8(ascii: "N"), UInt8(ascii: "N"), UInt8(ascii: "a")], "no list to append to"),
      ([UInt8(ascii: "i")], "opcode 105"), ([UInt8(ascii: "}")], "holds no named tensors"),
    ] {
      let message = try #require(fault { _ = try open(.raw(bytes)) })
      #expect(message.contains(expected), "\(message)")
    }
    #expect(fault { _ = try open(.raw([UInt8(ascii: "N")]), end: []) }?.contains("the end at byte 3") == true)
  }

  @Test("NumPy arrays, tensors without values and float8 are answered with the next step")
  func otherArrays() throws {
    let array = PickleText.call(.global("numpy._core.multiarray", "_reconstruct"), [.global("numpy", "ndarray")])
    #expect(
      fault { _ = try open(.dictionary([("a", array)])) }?.contains("torch.save({k: torch.from_numpy(v)") == true)
    let meta = PickleText.global("torch._utils", "_rebuild_meta_tensor_no_storage")
    #expect(fault { _ = try open(meta) }?.contains("without values: load the weights, then save them") == true)
    let small = try open(.dictionary([("a", .tensor(storage: "float8_e4m3fn"))]))
    #expect(
      small.problem(with: "a")
        == "type torch.float8_e4m3fn, expected float32, float16, bfloat16 or float64: save the model after model.float()"
    )
  }

  @Test("a storage that is damaged is refused by its checksum, where it has one and a tensor is in it")
  func checksum() throws {
    let values = (0..<6).map(Float.init).withUnsafeBytes { Array($0) }
    var zip = storedZip([
      ("a/data.pkl", PickleText.dictionary([("a", .tensor())]).bytes + [0x2E]), ("a/data/0", values),
      ("a/data/1", values.reversed()),
    ])
    func message() throws -> String? {
      let path = try folder.write(zip, to: "damaged.pt")
      return fault { _ = try Checkpoint(path: path).read("a") }
    }
    zip[try #require(zip.firstRange(of: values.reversed())).lowerBound] ^= 1
    #expect(try message() == nil)
    zip[try #require(zip.firstRange(of: values)).lowerBound] ^= 1
    #expect(try message() == "\(folder["damaged.pt"]): tensor a/data/0: wrong zip checksum")
    // As PyTorch writes it when it is told to compute none.
    let sum = try #require(zip.ranges(of: zipChecksum(values)).last)
    zip.replaceSubrange(sum, with: [0, 0, 0, 0])
    #expect(try message() == nil)
  }

  @Test("tensors of another byte order are refused")
  func byteOrder() throws {
    let zip = storedZip([("a/data.pkl", PickleText.dictionary([]).bytes + [0x2E]), ("a/byteorder", Array("big".utf8))])
    let path = try folder.write(zip, to: "big.pt")
    #expect(fault { _ = try Checkpoint(path: path) }?.contains("not little-endian") == true)
  }
}
