import CE3

/// Learned classes in the caller's memory, whose bytes are those of a .e3c file: CLASSES.md.
///
/// Invariant: `start` is the first of `layout.bytes` bytes, 64-byte aligned, that only the owner of the classes changes.
/// What is read of them is bounded by `layout`, whatever they hold.
public struct Classes: BitwiseCopyable, @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  public let layout: ClassesLayout

  /// Alignment of the memory.
  public static var alignment: Int { Int(E3_FILE_EXTENT_ALIGNMENT) }

  /// Empty classes of `model` in `memory`.
  ///
  /// - Parameter grid: 0: as the model's calibration says.
  /// - Throws: what ``layout(_:capacity:grid:)`` does, `arenaTooSmall`, `arenaAlignment`.
  public static func create(
    _ model: ModelFile, capacity: UInt32, grid: UInt32, memory: UnsafeMutableRawPointer, count: Int
  ) throws(E3Error) -> Classes {
    let classes = Classes(start: memory, layout: try layout(model, capacity: capacity, grid: grid))
    guard Int(bitPattern: memory) % alignment == 0 else { throw .arenaAlignment }
    guard count >= classes.layout.bytes else { throw .arenaTooSmall }
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: classes.layout.bytes)
    var header = e3_classes_header()
    header.magic = E3_CLASSES_MAGIC
    header.version_major = UInt32(E3_CLASSES_VERSION_MAJOR)
    header.version_minor = UInt32(E3_CLASSES_VERSION_MINOR)
    header.file_size = UInt64(classes.layout.bytes)
    header.model_hash = model.classesHash
    header.capacity = capacity
    header.grid = UInt32(classes.layout.grid)
    header.features = UInt32(classes.layout.features)
    header.mean_rows = UInt32(classes.layout.members)
    header.mean_width = UInt32(classes.layout.meanWidth)
    header.agreement = model.classAgreement(grid: classes.layout.grid)
    classes.seal(header)
    return classes
  }

  /// Where the classes of a model lie.
  ///
  /// - Throws: `noCalibration`, `classGrid`, `indexRange`, `modelTooLarge`.
  public static func layout(_ model: ModelFile, capacity: UInt32, grid: UInt32) throws(E3Error) -> ClassesLayout {
    guard model.hasStatistics, let calibration = model.calibration else { throw .noCalibration }
    // Members of several networks would share no grid.
    guard model.networkCount == 1 else { throw .classGrid }
    let chosen = grid == 0 ? calibration.class_grid : grid
    guard chosen != 0 else { throw .classGrid }
    return try ClassesLayout(model.shape, capacity: capacity, grid: chosen)
  }

  /// Whether they lie at `address`.
  public func isAt(_ address: OpaquePointer?) -> Bool { address == OpaquePointer(start) }

  /// Whether their memory holds classes that were learned with `model`, as far as its header shows.
  public func isFor(_ model: ModelFile) -> Bool {
    guard header.magic == E3_CLASSES_MAGIC, header.model_hash == model.classesHash,
      let own = try? ClassesLayout(model.shape, capacity: header.capacity, grid: header.grid)
    else { return false }
    return header.file_size == UInt64(own.bytes) && own.bytes == layout.bytes && own.features == layout.features
      && own.members == layout.members
  }

  /// The header, for its owner.
  public var header: e3_classes_header { start.load(as: e3_classes_header.self) }

  /// Classes in use, never more than there is room for.
  public var count: Int { min(Int(header.count), layout.capacity) }

  var records: UnsafeMutablePointer<e3_classes_record> {
    (start + layout.recordsOffset).assumingMemoryBound(to: e3_classes_record.self)
  }

  /// The record of a class that there is.
  public func record(_ index: Int) -> e3_classes_record {
    precondition(index >= 0 && index < layout.capacity, "no such class")
    return records[index]
  }

  /// The label of a class that there is, inside the memory.
  public func label(_ index: Int) -> UnsafeRawBufferPointer {
    precondition(index >= 0 && index < layout.capacity, "no such class")
    let bytes = UnsafeRawBufferPointer(start: records + index, count: Int(E3_CLASS_LABEL_BYTES))
    var length = bytes.count
    while length > 0, bytes[length - 1] == 0 { length -= 1 }
    return UnsafeRawBufferPointer(rebasing: bytes[..<length])
  }

  /// Index of the unlike class; nil without one or while it has no pictures.
  public var unlike: Int? {
    for index in 0..<count where records[index].kind == UInt32(E3_CLASS_UNLIKE) && records[index].pictures > 0 {
      return index
    }
    return nil
  }

  /// `[M][R16]` means of the whitened representations of a class's pictures.
  public func mean(_ index: Int) -> UnsafeMutablePointer<Float> {
    (start + layout.meansOffset).assumingMemoryBound(to: Float.self) + index * layout.meanFloats
  }

  /// The panels of the features.
  public var panels: UnsafeMutablePointer<UInt8> {
    (start + layout.panelsOffset).assumingMemoryBound(to: UInt8.self)
  }

  /// Stores `header` with the checksums of all bytes.
  func seal(_ header: e3_classes_header) {
    var header = header
    header.body_checksum = XXH64.hash(body)
    header.checksum = Self.checksum(of: header)
    start.storeBytes(of: header, as: e3_classes_header.self)
  }

  /// Everything after the header.
  var body: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start + layout.recordsOffset, count: layout.bytes - layout.recordsOffset)
  }

  static func checksum(of header: e3_classes_header) -> UInt64 {
    var header = header
    header.checksum = 0
    return withUnsafeBytes(of: header) { XXH64.hash($0) }
  }
}

extension ModelFile {
  /// What learned classes are bound to: the model, its calibration and its statistics.
  public var classesHash: UInt64 {
    var hash = XXH64()
    withUnsafeBytes(of: modelHash) { hash.update($0) }
    if calibrationIndex >= 0 { withUnsafeBytes(of: extents[calibrationIndex].checksum) { hash.update($0) } }
    if statisticsIndex >= 0 { withUnsafeBytes(of: extents[statisticsIndex].checksum) { hash.update($0) } }
    return hash.digest
  }

  /// Mean cosine between the features of two images of a class, as the calibration says; 0 when it does not.
  func classAgreement(grid: Int) -> Float {
    guard let fitted = calibration?.class_agreement else { return 0 }
    return grid == 1 ? fitted.0 : grid == 2 ? fitted.1 : fitted.2
  }
}
