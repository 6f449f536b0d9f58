import CE3
import CE3Board
import CE3Files
import E3Format

/// A .e3c file in memory: classes that were added to a model. Whoever opened it destroys it.
struct LearnedFile {
  let path: UnsafePointer<CChar>
  let handle: OpaquePointer
  private let memory: UnsafeMutableRawPointer
  private let count: Int
  /// The file that was read; nil when there was none.
  private let stamp: ce3_stamp?

  /// Classes that a message names.
  private static var namedClasses: UInt32 { 5 }

  /// Classes of a file that is begun.
  private static var capacity: UInt32 { 16 }

  /// Reads the file.
  ///
  /// - Parameter begins: Whether a file that is not there is empty classes.
  init(_ path: UnsafePointer<CChar>, _ model: UnsafePointer<e3_model>, begins: Bool) throws(Failure) {
    // Before the pictures are taken, which would be lost.
    if begins { try Self.requireWritable(path) }
    let isNew = begins && e3c_exists(path) == 0
    var (bytes, alignment) = (0, 0)
    if isNew {
      try Self.check(path, e3_classes_query(model, Self.capacity, 0, &bytes, &alignment))
      memory = try Self.memory(path, bytes)
      stamp = nil
    } else {
      let file = try MappedFile(path)
      bytes = min(file.bytes.count, Self.mostBytes(model))
      memory = try Self.memory(path, bytes)
      if let start = file.bytes.baseAddress { memory.copyMemory(from: start, byteCount: bytes) }
      stamp = file.stamp
    }
    count = bytes
    self.path = path
    var handle: OpaquePointer?
    let status =
      isNew
      ? e3_classes_create(model, Self.capacity, 0, memory, bytes, &handle)
      : e3_classes_open(model, memory, bytes, &handle)
    guard status == 0, let handle else {
      e3c_unmap_memory(memory, max(bytes, 1))
      throw .report(path, status: status)
    }
    self.handle = handle
  }

  /// Bytes of the longest file for the model; what is behind them would not be read.
  private static func mostBytes(_ model: UnsafePointer<e3_model>) -> Int {
    var most = MemoryLayout<e3_classes_header>.size
    for grid in 0..<3 as Range<UInt32> {
      var (bytes, alignment) = (0, 0)
      let status = e3_classes_query(model, UInt32(E3_MAX_LEARNED_CLASSES), 1 &<< grid, &bytes, &alignment)
      if status == 0 { most = max(most, bytes) }
    }
    return most
  }

  private static func memory(_ path: UnsafePointer<CChar>, _ bytes: Int) throws(Failure) -> UnsafeMutableRawPointer {
    guard let memory = e3c_map_memory(max(bytes, 1)) else { throw .report(path, "out of memory") }
    return memory
  }

  private static func requireWritable(_ path: UnsafePointer<CChar>) throws(Failure) {
    if let fault = ce3_write_fault(path) { throw .report(path, cString: fault) }
  }

  func destroy() { e3c_unmap_memory(memory, max(count, 1)) }

  private static func check(_ path: UnsafePointer<CChar>, _ status: e3_status) throws(Failure) {
    if status != 0 { throw .report(path, status: status) }
  }

  /// What the file holds.
  var info: e3_classes_info {
    var info = e3_classes_info()
    info.struct_size = UInt32(MemoryLayout<e3_classes_info>.size)
    _ = e3_classes_get_info(handle, &info)
    return info
  }

  /// A class; nil when there is none of this index.
  func learned(_ index: UInt32) -> e3_class? {
    var learned = e3_class()
    learned.struct_size = UInt32(MemoryLayout<e3_class>.size)
    return e3_classes_get_class(handle, index, &learned) == 0 ? learned : nil
  }

  /// The class with a label; nil when there is none.
  private func find(_ label: UnsafePointer<CChar>) -> (index: UInt32, kind: e3_class_kind)? {
    let wanted = CString.bytes(label)
    for index in 0..<info.count {
      if let learned = learned(index), learned.text.isSame(as: wanted) { return (index, learned.kind) }
    }
    return nil
  }

  /// Takes the class with a label out, and writes the file.
  func forget(_ label: UnsafePointer<CChar>) throws(Failure) {
    try Self.requireWritable(path)
    guard let (index, _) = find(label) else {
      throw .report(path, "holds no class ") { errors in
        errors.write(path: label)
        errors.write(info.count == 0 ? "; it holds none" : "; it holds ")
        for index in 0..<min(info.count, Self.namedClasses) {
          if index > 0 { errors.write(", ") }
          if let learned = learned(index) { errors.write(learned.text) }
        }
        if info.count > Self.namedClasses {
          errors.write(" and ")
          errors.write(info.count - Self.namedClasses)
          errors.write(" more")
        }
      }
    }
    try Self.check(path, e3_classes_remove(handle, index))
    try save()
  }

  /// Index of the class with a label, which is added when there is none.
  func index(of label: UnsafePointer<CChar>) throws(Failure) -> UInt32 {
    if let (index, kind) = find(label) {
      if kind == e3_class_kind(E3_CLASS_LEARNED) { return index }
      throw Self.reserved(label)
    }
    let wanted = CString.bytes(label)
    guard !wanted.isCalled("unlike") else { throw Self.reserved(label) }
    guard !wanted.isBlank else { throw .report(path, "the label of a learned class is nothing that can be seen") }
    guard wanted.count <= Int(E3_CLASS_LABEL_BYTES) else {
      throw .report(label, "the label of a learned class is longer than 40 bytes")
    }
    var index: UInt32 = 0
    let status = e3_classes_add(handle, label, e3_class_kind(E3_CLASS_LEARNED), &index)
    // Neither too long, blank nor there already.
    if status == E3_ERROR_CLASS_LABEL { throw .report(label, "the label of a learned class is not one line of UTF-8") }
    if status != 0 { throw .report(label, status: status) }
    return index
  }

  private static func reserved(_ label: UnsafePointer<CChar>) -> Failure {
    .report(label, "is what pictures of other things are called; give the class another name")
  }

  /// Writes the file anew; it is there whole or as it was.
  ///
  /// - Throws: a file that somebody else has written since it was read, whose classes would be lost.
  func save() throws(Failure) {
    let bytes = Int(info.bytes)
    let error: Int32
    var losesOwner: Int32 = 0
    if var stamp {
      error = e3c_replace_file(path, memory, bytes, &stamp, &losesOwner)
    } else {
      error = e3c_replace_file(path, memory, bytes, nil, &losesOwner)
    }
    guard error != stale else {
      throw .report(path, "was changed meanwhile; nothing is written: do it again")
    }
    if error != 0 {
      throw .report(path, "") { $0.write(cString: e3c_error_text(error)) }
    }
    if losesOwner != 0 { Failure.noteLostOwner(path) }
  }
}

extension e3_class {
  /// The label.
  var text: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: label, count: Int(label_length)) }
}

/// ESTALE, which the module of the C library has and an embedded build does not.
private var stale: Int32 { 116 }
