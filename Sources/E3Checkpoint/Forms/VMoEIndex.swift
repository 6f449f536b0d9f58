import E3Host

/// The `.index` file of a V-MoE checkpoint: which arrays there are and in which data files their slices lie.
struct VMoEIndex {
  /// An array of the parameter tree.
  struct Leaf {
    /// Path in the parameter tree, joined with `/`.
    let name: String
    let shape: [Int]
    let elementType: ElementType
    /// Slices that tile the array, and the data file of each.
    let slices: [(region: ArrayRegion, shard: Int)]
  }

  /// Number of data files.
  let shardCount: Int
  /// Parameters by their number in the data files.
  let leaves: [Int: Leaf]

  private static let indexInfoCode: Int8 = 8
  private static let depthLimit = 32
  private static let sliceLimit = 1 << 12

  init(_ file: MappedFile) throws(FileError) {
    var reader = MessagePackReader(file.bytes, file: file.path)
    guard case .map(let count) = try reader.next() else { throw reader.fault("expected the map of a V-MoE index") }
    var shardCount: Int?
    var root: [Node]?
    var isVersioned = false
    for _ in 0..<count {
      switch try reader.readString() {
      case "shard_count" where shardCount == nil: shardCount = try reader.readInteger()
      case "index" where root == nil: root = try Self.readMap(&reader, depth: 0)
      case "version":
        let version = try reader.readString()
        guard version == "20220622" else { throw reader.fault("version \(version), expected 20220622,") }
        isVersioned = true
      case let key: throw reader.fault("unexpected or repeated key \(key) in a V-MoE index")
      }
    }
    guard reader.isAtEnd else { throw reader.fault("bytes after the index") }
    guard let shardCount, (1...99_999).contains(shardCount) else {
      throw FileError(file: file.path, problem: "shard_count \(shardCount ?? 0), expected 1 to 99999")
    }
    guard let root else { throw FileError(file: file.path, problem: "no index in it") }
    self.shardCount = shardCount
    leaves = try Self.parameters(of: root, isVersioned: isVersioned, shardCount: shardCount, file: file)
  }

  /// A branch or a leaf of the tree, leaves not decoded yet.
  private struct Node {
    enum Content {
      case map([Node])
      case leaf(Range<Int>)
    }
    let key: String
    let content: Content
  }

  /// Reads a map and sorts it by key, as the writer numbers leaves. Nil and empty maps hold no arrays.
  private static func readMap(_ reader: inout MessagePackReader, depth: Int) throws(FileError) -> [Node] {
    guard depth < depthLimit else { throw reader.fault("maps nested deeper than \(depthLimit)") }
    guard case .map(let count) = try reader.next() else { throw reader.fault("expected a map") }
    return try readMap(&reader, count: count, depth: depth)
  }

  private static func readMap(_ reader: inout MessagePackReader, count: Int, depth: Int) throws(FileError)
    -> [Node]
  {
    guard depth < depthLimit else { throw reader.fault("maps nested deeper than \(depthLimit)") }
    var nodes: [Node] = []
    var keys: Set<String> = []
    for _ in 0..<count {
      let key = try reader.readString()
      guard keys.insert(key).inserted else { throw reader.fault("duplicate key \(key)") }
      switch try reader.next() {
      case .nil: break
      case .map(let count):
        nodes.append(Node(key: key, content: .map(try readMap(&reader, count: count, depth: depth + 1))))
      case .ext(indexInfoCode, let range): nodes.append(Node(key: key, content: .leaf(range)))
      default: throw reader.fault("key \(key) is neither a map nor an array")
      }
    }
    return nodes.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
  }

  /// Numbers all leaves depth-first and decodes those of the parameters.
  private static func parameters(of root: [Node], isVersioned: Bool, shardCount: Int, file: MappedFile)
    throws(FileError) -> [Int: Leaf]
  {
    let keys = Set(root.map(\.key))
    let isTrainState = keys.contains("params")
    guard isTrainState || !keys.contains("opt_state") else {
      throw FileError(file: file.path, problem: "an optimizer state without parameters")
    }
    // The oldest writer numbered a train state in the order of its fields.
    let fields = ["step", "params", "opt_state", "rngs"]
    let rank = { (node: Node) in fields.firstIndex(of: node.key) ?? fields.count }
    let ordered = isTrainState && !isVersioned ? root.sorted { rank($0) < rank($1) } : root

    var leaves: [Int: Leaf] = [:]
    var number = 0
    func visit(_ node: Node, path: [String]) throws(FileError) {
      let path = path + [node.key]
      switch node.content {
      case .map(let children): for child in children { try visit(child, path: path) }
      case .leaf(let range):
        if !isTrainState || path[0] == "params" {
          let name = path.dropFirst(isTrainState ? 1 : 0).joined(separator: "/")
          leaves[number] = try leaf(name: name, range, shardCount: shardCount, file: file)
        }
        number += 1
      }
    }
    for node in ordered { try visit(node, path: []) }
    guard !leaves.isEmpty else { throw FileError(file: file.path, problem: "no parameters in the index") }
    guard Set(leaves.values.map(\.name)).count == leaves.count else {
      throw FileError(file: file.path, problem: "two parameters have the same path")
    }
    return leaves
  }

  private static func leaf(name: String, _ range: Range<Int>, shardCount: Int, file: MappedFile)
    throws(FileError) -> Leaf
  {
    func fault(_ problem: String) -> FileError {
      FileError(file: file.path, tensor: name, problem: problem)
    }
    var reader = MessagePackReader(file.bytes, range: range, file: file.path)
    _ = try reader.readArray(count: 3)

    var array = reader.nested(try reader.readBinary())
    _ = try array.readArray(count: 4)
    let shape = try array.readIntegers()
    let typeName = try array.readString()
    guard let type = ElementType(rawValue: typeName) else { throw fault("unknown dtype \(typeName)") }
    guard shape.count <= 8, shape.allSatisfy({ $0 > 0 }),
      elementCount(of: shape).flatMap({ checkedProduct($0, 8) }) != nil
    else { throw fault("bad shape \(shape)") }

    let sliceCount = try reader.readArray()
    guard sliceCount <= sliceLimit else { throw fault("\(sliceCount) slices, expected at most \(sliceLimit)") }
    var regions: [ArrayRegion] = []
    for _ in 0..<sliceCount {
      let payload = try reader.readBinary()
      let region = try readRegion(reader.nested(payload))
      guard region.fits(in: shape) else { throw fault("slice \(region) leaves the shape \(shape)") }
      regions.append(region)
    }
    let shards = try reader.readIntegers()
    guard shards.count == regions.count, shards.allSatisfy({ (0..<shardCount).contains($0) }) else {
      throw fault("data files \(shards.prefix(8)) for \(regions.count) slices in \(shardCount) files")
    }
    guard ArrayRegion.tile(regions, shape: shape) else {
      throw fault("its slices do not cover shape \(shape) exactly once")
    }
    return Leaf(name: name, shape: shape, elementType: type, slices: Array(zip(regions, shards)))
  }

  /// Decodes a slice_nd payload: an array of encoded `[start, stop, step]`.
  static func readRegion(_ payload: MessagePackReader) throws(FileError) -> ArrayRegion {
    var reader = payload
    let count = try reader.readArray()
    guard count <= 8 else { throw reader.fault("a slice of \(count) axes") }
    var axes: [Range<Int>] = []
    for _ in 0..<count {
      var slice = reader.nested(try reader.readBinary())
      _ = try slice.readArray(count: 3)
      let start = try slice.readInteger()
      let stop = try slice.readInteger()
      guard 0 <= start, start < stop else { throw slice.fault("an empty or negative slice \(start):\(stop)") }
      switch try slice.next() {
      case .nil, .integer(1): break
      default: throw slice.fault("a slice with a step")
      }
      axes.append(start..<stop)
    }
    return ArrayRegion(axes: axes)
  }
}
