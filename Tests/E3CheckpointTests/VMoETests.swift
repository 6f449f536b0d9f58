import E3Checkpoint
import E3Host
import E3TestSupport
import Testing

/// A msgpack value to be written.
private indirect enum Pack: Sendable {
  case null, bool(Bool), int(Int), text(String), bytes([UInt8]), list([Pack]), map([(String, Pack)]), ext(Int8, Pack)

  var encoded: [UInt8] {
    func head(_ tag: UInt8, _ count: Int) -> [UInt8] { [tag] + [24, 16, 8, 0].map { UInt8(count >> $0 & 0xFF) } }
    switch self {
    case .null: return [0xC0]
    case .bool(let flag): return [flag ? 0xC3 : 0xC2]
    case .int(let value): return [0xD3] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    case .text(let text): return [0xD9, UInt8(text.utf8.count)] + Array(text.utf8)
    case .bytes(let bytes): return head(0xC6, bytes.count) + bytes
    case .list(let list): return head(0xDD, list.count) + list.flatMap(\.encoded)
    case .map(let map): return head(0xDF, map.count) + map.flatMap { Pack.text($0.0).encoded + $0.1.encoded }
    case .ext(let code, let value):
      let payload = value.encoded
      return head(0xC9, payload.count) + [UInt8(bitPattern: code)] + payload
    }
  }

  /// A slice_nd payload.
  static func slices(_ ranges: [Range<Int>]) -> Pack {
    .list(ranges.map { .bytes(Pack.list([.int($0.lowerBound), .int($0.upperBound), .null]).encoded) })
  }

  /// An index entry: shape, slices and the data file of each.
  static func leaf(_ shape: [Int], _ slices: [[Range<Int>]], _ shards: [Int], type: String = "float32") -> Pack {
    let array = Pack.list([.list(shape.map(Pack.int)), .text(type), .bool(false), .map([])])
    return .ext(
      8,
      .list([.bytes(array.encoded), .list(slices.map { .bytes(Pack.slices($0).encoded) }), .list(shards.map(Pack.int))])
    )
  }

  /// A chunk of float32 in pieces.
  static func chunk(_ pieces: [[Float]], _ ranges: [Range<Int>], type: String = "float32") -> Pack {
    let arrays = pieces.map { piece in
      Pack.ext(1, .list([.list([.int(piece.count)]), .text(type), .bytes(piece.withUnsafeBytes { Array($0) })]))
    }
    return .list([.list(arrays), .ext(6, .slices(ranges))])
  }
}

@Suite("V-MoE checkpoints") struct VMoETests {
  private static let magic = ("__msgpack_array_chunk_a87ca2__", Pack.bool(true))

  /// Opens a checkpoint with one data file.
  private func open(
    _ tree: [(String, Pack)], _ data: [(String, Pack)], shardCount: Int = 1, version: Pack? = .text("20220622")
  ) throws -> Checkpoint {
    let folder = try TemporaryFolder()
    var index = [("shard_count", Pack.int(shardCount)), ("index", .map(tree))]
    if let version { index.append(("version", version)) }
    try folder.write(Pack.map(index).encoded, to: "c.index")
    try folder.write(Pack.map([Self.magic] + data).encoded, to: "c.data-00000-of-00001")
    return try Checkpoint(path: folder["c"])
  }

  private static let whole = Pack.leaf([2, 3], [[0..<2, 0..<3]], [0])
  private static let six: [Float] = [1, 2, 3, 4, 5, 6]

  @Test("an array is put together from boxes, each in one or more pieces")
  func boxes() throws {
    let tree = [("w", Pack.leaf([2, 3], [[0..<2, 2..<3], [0..<1, 0..<2], [1..<2, 0..<2]], [0, 0, 0]))]
    let chunks = [
      Pack.chunk([[4, 5]], [1..<2, 0..<2]), .chunk([[3], [], [6]], [0..<2, 2..<3]), .chunk([[1, 2]], [0..<1, 0..<2]),
    ]
    let checkpoint = try open(tree, [("0", .list(chunks))])
    #expect(try checkpoint.read("w") == Self.six)
    #expect(try checkpoint.read("w", at: 1) == [4, 5, 6])
  }

  @Test("leaves are numbered by the code points of their keys; empty maps and nil count nothing")
  func numbering() throws {
    let scalar = Pack.leaf([], [[]], [0])
    let tree = [("b_2", scalar), ("a", Pack.map([])), ("b_10", scalar), ("c", .null), ("B", scalar)]
    let data = [("2", 3), ("0", 1), ("1", 2)].map { ($0.0, Pack.list([.chunk([[$0.1]], [])])) }
    let checkpoint = try open(tree, data)
    #expect(checkpoint.tensorNames == ["B", "b_10", "b_2"])
    #expect(try checkpoint.read("B") == [1] && checkpoint.read("b_10") == [2] && checkpoint.read("b_2") == [3])
  }

  @Test("arrays of the optimizer are never taken for parameters, though they have the same names")
  func optimizer() throws {
    let leaf = Pack.leaf([1], [[0..<1]], [0])
    let tree = [("opt_state", Pack.map([("w", leaf)])), ("params", .map([("w", leaf)])), ("step", leaf)]
    let data = [("0", Float(7)), ("1", 8), ("2", 9)].map { ($0.0, Pack.list([.chunk([[$0.1]], [0..<1])])) }
    let checkpoint = try open(tree, data)
    #expect(checkpoint.tensorNames == ["w"])
    #expect(try checkpoint.read("w") == [8])
    // The oldest files number step, params, opt_state, rngs.
    #expect(try open(tree, data, version: nil).read("w") == [8])
    let early = [("opt_state", Pack.map([("w", leaf), ("x", leaf)])), ("params", .map([("w", leaf)]))]
    #expect(try open(early, data, version: nil).read("w") == [7])
    #expect(try open(early, data).read("w") == [9])
    #expect(throws: FileError.self) { try open([("opt_state", .map([("w", leaf)]))], data) }
  }

  @Test("an index that does not describe whole arrays is refused")
  func badIndex() throws {
    let data = [("0", Pack.list([.chunk([Self.six], [0..<2, 0..<3])]))]
    let cases: [(Pack, String)] = [
      (.leaf([2, 3], [[0..<1, 0..<3]], [0]), "do not cover"),
      (.leaf([2, 3], [[0..<2, 0..<2], [0..<1, 1..<3]], [0, 0]), "do not cover"),
      (.leaf([2, 3], [[0..<2, 0..<4]], [0]), "leaves the shape"),
      (.leaf([2, 3], [[0..<6]], [0]), "leaves the shape"),
      (.leaf([2, 3], [[0..<2, 0..<3]], [1]), "data files [1]"),
      (.leaf([2, 3], [[0..<2, 0..<3]], []), "data files []"),
      (.leaf([0, 3], [], []), "bad shape"),
      (.leaf([1 << 40, 1 << 40], [], []), "bad shape"),
      (.leaf([2, 3], [[0..<2, 0..<3]], [0], type: "complex64"), "unknown dtype complex64"),
      (.leaf([2, 3], [[0..<2, 0..<3]], [0], type: "int32"), "dtype"),
      (.ext(8, .list([])), "expected an array of 3"), (.int(3), "neither a map nor an array"),
    ]
    for (leaf, expected) in cases {
      let error = try #require(throws: FileError.self) { try open([("w", leaf)], data) }
      #expect(error.description.contains(expected) || expected == "dtype", "\(error)")
    }
    for (shards, version) in [(0, "20220622"), (1 << 40, "20220622"), (1, "2030")] {
      #expect(throws: FileError.self) {
        try open([("w", Self.whole)], data, shardCount: shards, version: .text(version))
      }
    }
    #expect(throws: FileError.self) { try open([("w", Self.whole), ("w", Self.whole)], data) }
    #expect(throws: FileError.self) { try open([], data) }
    let deep = (0..<1000).reduce(Self.whole) { inner, _ in .map([("m", inner)]) }
    let error = try #require(throws: FileError.self) { try open([("w", deep)], data) }
    #expect(error.problem.contains("nested deeper than 32"))
  }

  @Test("data that are not what the index says are refused, with the tensor's name")
  func badData() throws {
    let whole = [0..<2, 0..<3]
    let cases: [([(String, Pack)], String)] = [
      ([], "tensor w: slice [0:2, 0:3] is missing"),
      ([("0", .list([.chunk([Self.six], whole), .chunk([Self.six], whole)]))], "is stored twice"),
      ([("0", .list([.chunk([[1, 2, 3]], [0..<1, 0..<3])]))], "is not one that the index places here"),
      ([("0", .list([.chunk([[1, 2]], whole)]))], "2 elements for the slice"),
      ([("0", .list([.chunk([Self.six], [0..<2, 0..<4])]))], "leaves the shape"),
      ([("0", .list([.chunk([Self.six], whole, type: "int32")]))], "data of type int32, expected float32"),
      ([("0", .list([])), ("0", .list([]))], "unexpected or repeated key 0"),
      ([("x", .list([]))], "unexpected or repeated key x"), ([("0", .int(1))], "expected an array"),
    ]
    for (data, expected) in cases {
      let error = try #require(throws: FileError.self) { try open([("w", Self.whole)], data) }
      #expect(error.description.contains(expected), "\(error)")
    }
  }
}
