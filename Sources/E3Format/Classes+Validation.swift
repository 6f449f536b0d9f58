import CE3

// What a .e3c file must keep, in the order of CLASSES.md, "Validation". The only reader of bytes from outside.

extension Classes {
  /// The classes in the `count` bytes at `memory`, which may be anything.
  ///
  /// - Throws: `arenaAlignment`, `notClasses`, `fileVersion`, `fileTruncated`, `fileHeader`, `classesModel`,
  ///   `fileChecksum`, `fileLabels`, `fileValues`, and what ``layout(_:capacity:grid:)`` does.
  public init(validating memory: UnsafeMutableRawPointer, count: Int, model: ModelFile) throws(E3Error) {
    guard Int(bitPattern: memory) % Self.alignment == 0 else { throw .arenaAlignment }
    guard count >= MemoryLayout<UInt64>.size, memory.load(as: UInt64.self) == E3_CLASSES_MAGIC else {
      throw .notClasses
    }
    guard count >= MemoryLayout<e3_classes_header>.size else { throw .fileTruncated }
    let header = memory.load(as: e3_classes_header.self)
    guard header.version_major == UInt32(E3_CLASSES_VERSION_MAJOR),
      header.version_minor == UInt32(E3_CLASSES_VERSION_MINOR)
    else { throw .fileVersion }
    guard header.checksum == Self.checksum(of: header), header.grid != 0 else { throw .fileHeader }
    guard header.model_hash == model.classesHash else { throw .classesModel }
    let layout: ClassesLayout
    do throws(E3Error) {
      layout = try Self.layout(model, capacity: header.capacity, grid: header.grid)
    } catch {
      throw error == .indexRange ? .fileHeader : error
    }
    self.init(start: memory, layout: layout)
    guard isConsistent(header), header.agreement == model.classAgreement(grid: layout.grid) else { throw .fileHeader }
    guard count >= layout.bytes else { throw .fileTruncated }
    guard header.body_checksum == XXH64.hash(body) else { throw .fileChecksum }
    try validateRecords()
    try validateFeatures()
    for index in 0..<self.count {
      // The mean of vectors of the length 1 is no longer than they are, but for rounding.
      guard derived(index) == derivedAsStored(index), records[index].norm < 1.01 else { throw .fileValues }
    }
  }

  /// The classes at an address that came out of ``create(_:capacity:grid:memory:count:)`` or ``init(validating:count:model:)``.
  ///
  /// - Throws: `notClasses`.
  public init(at memory: UnsafeMutableRawPointer) throws(E3Error) {
    guard Int(bitPattern: memory) % Self.alignment == 0 else { throw .notClasses }
    let header = memory.load(as: e3_classes_header.self)
    guard header.magic == E3_CLASSES_MAGIC, header.checksum == Self.checksum(of: header),
      let layout = ClassesLayout(header)
    else { throw .notClasses }
    self.init(start: memory, layout: layout)
    guard isConsistent(header) else { throw .notClasses }
  }

  private func isConsistent(_ header: e3_classes_header) -> Bool {
    header.file_size == UInt64(layout.bytes) && header.count <= header.capacity
      && header.features == UInt32(layout.features) && header.mean_rows == UInt32(layout.members)
      && header.mean_width == UInt32(layout.meanWidth) && (-1...1).contains(header.agreement)
      && withUnsafeBytes(of: header.reserved) { $0.isZero(from: 0, to: $0.count) }
  }

  private func validateRecords() throws(E3Error) {
    var unlikeCount = 0
    for index in 0..<count {
      let record = records[index]
      guard isLabel(label(index)) else { throw .fileLabels }
      for earlier in 0..<index where hasLabel(earlier, label(index)) { throw .fileLabels }
      guard record.kind <= UInt32(E3_CLASS_UNLIKE), record.pictures <= UInt32(Self.mostPictures),
        record.pictures < 2 ? record.agreement == 0 : (-1...1).contains(record.agreement)
      else { throw .fileValues }
      if record.kind == UInt32(E3_CLASS_UNLIKE) { unlikeCount += 1 }
      guard UnsafeRawBufferPointer(start: mean(index), count: 4 * layout.meanFloats).allFinite else {
        throw .fileValues
      }
    }
    guard unlikeCount <= 1 else { throw .fileValues }
    // What no class uses is zero.
    let (used, all) = (count * MemoryLayout<e3_classes_record>.size, layout.meansOffset - layout.recordsOffset)
    guard UnsafeRawBufferPointer(start: records, count: all).isZero(from: used, to: all) else { throw .fileValues }
    let floats = layout.capacity * layout.meanFloats
    guard
      UnsafeRawBufferPointer(start: mean(0), count: 4 * floats)
        .isZero(from: 4 * count * layout.meanFloats, to: 4 * floats)
    else { throw .fileValues }
  }

  private func validateFeatures() throws(E3Error) {
    for index in 0..<16 * layout.panelCount {
      let view = features(index)
      var (sum, isZero) = (0, true)
      for place in 0..<layout.features {
        let weight = Int(view.weight(place))
        guard weight >= -127 else { throw .fileValues }
        isZero = isZero && weight == 0
        sum += weight
      }
      guard view.bias.pointee.bitPattern == 0, view.compensation.pointee == Int32(128 * sum) else { throw .fileValues }
      let isUsed = index < count && records[index].pictures > 0
      guard
        isUsed
          ? view.scale.pointee.isFinite && view.scale.pointee > 0 && !isZero
          : view.scale.pointee.bitPattern == 0 && isZero
      else { throw .fileValues }
    }
  }

  private func derivedAsStored(_ index: Int) -> Derived {
    Derived(norm: records[index].norm, unlikeCosine: records[index].unlike_cosine, radius: records[index].radius)
  }

  /// Whether a text may be a label.
  func isLabel(_ text: UnsafeRawBufferPointer) -> Bool {
    !text.isEmpty && text.count <= Int(E3_CLASS_LABEL_BYTES) && text.isUTF8 && text.hasNoControlCharacters
  }

  /// Whether a class has the label `text`.
  func hasLabel(_ index: Int, _ text: UnsafeRawBufferPointer) -> Bool { label(index).isSame(as: text) }
}

extension ClassesLayout {
  /// What a header says; nil when there can be no such classes.
  init?(_ header: e3_classes_header) {
    guard (1...UInt32(E3_MAX_LEARNED_CLASSES)).contains(header.capacity), Self.isGrid(header.grid),
      header.features > 0, header.features <= UInt32(Self.mostFeatures), header.features % 16 == 0,
      header.mean_rows > 0, header.mean_width > 0, header.mean_width % 16 == 0,
      UInt64(header.capacity) * UInt64(header.mean_rows) * UInt64(header.mean_width) <= UInt64(Int32.max) / 8,
      header.mean_rows <= UInt32(Int32.max) / header.mean_width
    else { return nil }
    (capacity, grid, features) = (Int(header.capacity), Int(header.grid), Int(header.features))
    (members, meanWidth) = (Int(header.mean_rows), Int(header.mean_width))
  }
}
