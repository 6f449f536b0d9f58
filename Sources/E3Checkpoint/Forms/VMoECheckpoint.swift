import E3Host

/// Reads the parameters of a V-MoE checkpoint: `PREFIX.index` and `PREFIX.data-nnnnn-of-NNNNN`.
///
/// Both the versioned and the version-less form are read, with the parameters at the root or, in a train state, below
/// `params`. Source: https://github.com/google-research/vmoe, vmoe/checkpoints.
func readVMoE(prefix: String) throws(FileError) -> [String: any TensorSource] {
  let indexFile = try MappedFile(path: "\(prefix).index")
  let index = try VMoEIndex(indexFile)
  let width = 5
  func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  var chunks: [Int: [ArrayRegion: Chunk]] = [:]
  for shard in Set(index.leaves.values.flatMap { $0.slices.map(\.shard) }).sorted() {
    let file = try MappedFile(path: "\(prefix).data-\(padded(shard))-of-\(padded(index.shardCount))")
    try readShard(file, number: shard, index: index, into: &chunks)
  }

  var tensors: [String: any TensorSource] = [:]
  for (number, leaf) in index.leaves {
    let found = chunks[number] ?? [:]
    for (region, shard) in leaf.slices where found[region] == nil {
      throw FileError(
        file: "\(prefix).data-\(padded(shard))-of-\(padded(index.shardCount))", tensor: leaf.name,
        problem: "slice \(region) is missing")
    }
    // Slices tile the array and each was found, so every element has exactly one place.
    tensors[leaf.name] = ChunkedTensor(
      shape: leaf.shape, elementType: leaf.elementType, chunks: leaf.slices.compactMap { found[$0.region] })
  }
  return tensors
}

private let arrayCode: Int8 = 1
private let sliceCode: Int8 = 6
private let chunksKey = "__msgpack_array_chunk_a87ca2__"

private func readShard(
  _ file: MappedFile, number: Int, index: VMoEIndex, into chunks: inout [Int: [ArrayRegion: Chunk]]
) throws(FileError) {
  var reader = MessagePackReader(file.bytes, file: file.path)
  guard case .map(let count) = try reader.next() else { throw reader.fault("expected the map of a V-MoE data file") }
  var hasKey = false
  var seen: Set<Int> = []
  for _ in 0..<count {
    let key = try reader.readString()
    if key == chunksKey, !hasKey {
      guard case .bool(true) = try reader.next() else { throw reader.fault("\(key) is not true") }
      hasKey = true
      continue
    }
    guard let leafNumber = Int(key), seen.insert(leafNumber).inserted else {
      throw reader.fault("unexpected or repeated key \(key) in a V-MoE data file")
    }
    guard let leaf = index.leaves[leafNumber] else {
      try reader.skip()
      continue
    }
    let expected = Set(leaf.slices.lazy.filter { $0.shard == number }.map(\.region))
    for _ in 0..<(try reader.readArray()) {
      let chunk = try readChunk(&reader, of: leaf, in: file)
      guard expected.contains(chunk.region) else {
        throw FileError(
          file: file.path, tensor: leaf.name,
          problem: "slice \(chunk.region) is not one that the index places here")
      }
      guard chunks[leafNumber, default: [:]].updateValue(chunk, forKey: chunk.region) == nil else {
        throw FileError(file: file.path, tensor: leaf.name, problem: "slice \(chunk.region) is stored twice")
      }
    }
  }
  guard hasKey, reader.isAtEnd else { throw reader.fault("not a whole V-MoE data file") }
  // Headers lie between gigabytes of values, which the system may have read along with them.
  file.release(0..<file.bytes.count)
}

/// Reads `[[array, …], slice]`, whose 1-d arrays joined fill the slice.
private func readChunk(_ reader: inout MessagePackReader, of leaf: VMoEIndex.Leaf, in file: MappedFile)
  throws(FileError) -> Chunk
{
  func fault(_ problem: String) -> FileError {
    FileError(file: file.path, tensor: leaf.name, problem: problem)
  }
  _ = try reader.readArray(count: 2)
  var pieces: [Chunk.Piece] = []
  var total = 0
  for _ in 0..<(try reader.readArray()) {
    var array = reader.nested(try reader.readExtension(arrayCode))
    _ = try array.readArray(count: 3)
    let shape = try array.readIntegers()
    let typeName = try array.readString()
    let data = try array.readBinary()
    guard typeName == leaf.elementType.rawValue else {
      throw fault("data of type \(typeName), expected \(leaf.elementType.rawValue) as in the index")
    }
    guard let count = elementCount(of: shape), checkedProduct(count, leaf.elementType.size) == data.count else {
      throw fault("an array of shape \(shape) in \(data.count) bytes")
    }
    let elements = MappedElements(file: file, byteOffset: data.lowerBound, elementType: leaf.elementType)
    if count > 0 { pieces.append(Chunk.Piece(start: total, count: count, elements: elements)) }
    guard let sum = checkedSum(total, count) else { throw fault("too many elements") }
    total = sum
  }
  let payload = try reader.readExtension(sliceCode)
  let region = try VMoEIndex.readRegion(reader.nested(payload))
  guard region.fits(in: leaf.shape) else { throw fault("slice \(region) leaves the shape \(leaf.shape)") }
  guard elementCount(of: region.shape) == total else {
    throw fault("\(total) elements for the slice \(region), expected \(elementCount(of: region.shape) ?? 0)")
  }
  return Chunk(region: region, pieces: pieces)
}
