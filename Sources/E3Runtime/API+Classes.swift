import CE3
import E3Format

// Learned classes: the part of e3.h that adds to a model. `e3_classes` is the address of the bytes of a .e3c file.

/// The classes behind a handle.
///
/// - Throws: `nullArgument`, `notClasses`.
private func classes(_ handle: OpaquePointer?) throws(E3Error) -> Classes {
  guard let handle else { throw .nullArgument }
  return try Classes(at: UnsafeMutableRawPointer(handle))
}

@c @implementation
public func e3_classes_query(
  _ handle: UnsafePointer<e3_model>?, _ capacity: UInt32, _ grid: UInt32, _ bytes: UnsafeMutablePointer<Int>?,
  _ alignment: UnsafeMutablePointer<Int>?
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
    guard let bytes, let alignment else { throw .nullArgument }
    bytes.pointee = try Classes.layout(file, capacity: capacity, grid: grid).bytes
    alignment.pointee = Classes.alignment
  }
}

@c @implementation
public func e3_classes_create(
  _ handle: UnsafePointer<e3_model>?, _ capacity: UInt32, _ grid: UInt32, _ memory: UnsafeMutableRawPointer?,
  _ bytes: Int, _ created: UnsafeMutablePointer<OpaquePointer?>?
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
    guard let memory, let created else { throw .nullArgument }
    _ = try Classes.create(file, capacity: capacity, grid: grid, memory: memory, count: bytes)
    created.pointee = OpaquePointer(memory)
  }
}

@c @implementation
public func e3_classes_open(
  _ handle: UnsafePointer<e3_model>?, _ memory: UnsafeMutableRawPointer?, _ bytes: Int,
  _ opened: UnsafeMutablePointer<OpaquePointer?>?
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
    guard let memory, let opened else { throw .nullArgument }
    _ = try Classes(validating: memory, count: bytes, model: file)
    opened.pointee = OpaquePointer(memory)
  }
}

@c @implementation
public func e3_classes_get_info(
  _ handle: OpaquePointer?, _ info: UnsafeMutablePointer<e3_classes_info>?
) -> e3_status {
  status { () throws(E3Error) in
    let classes = try classes(handle)
    var filled = e3_classes_info()
    filled.count = UInt32(classes.count)
    filled.capacity = UInt32(classes.layout.capacity)
    filled.grid = UInt32(classes.layout.grid)
    filled.bytes = UInt64(classes.layout.bytes)
    try fill(info, with: filled)
  }
}

@c @implementation
public func e3_classes_add(
  _ handle: OpaquePointer?, _ label: UnsafePointer<CChar>?, _ kind: e3_class_kind,
  _ index: UnsafeMutablePointer<UInt32>?
) -> e3_status {
  status { () throws(E3Error) in
    let classes = try classes(handle)
    guard let label, let index else { throw .nullArgument }
    var length = 0
    // One byte more than a label has is enough to refuse it.
    while length <= Int(E3_CLASS_LABEL_BYTES), label[length] != 0 { length += 1 }
    index.pointee = UInt32(try classes.add(UnsafeRawBufferPointer(start: label, count: length), kind: kind))
  }
}

@c @implementation
public func e3_classes_learn(_ handle: OpaquePointer?, _ index: UInt32, _ learner: OpaquePointer?) -> e3_status {
  status { () throws(E3Error) in
    _ = try classes(handle)
    try withSession(learner) { (session) throws(E3Error) in
      guard let learned = session.pointee.learned, let attached = learned.state.pointee.classes,
        attached.isAt(handle)
      else { throw .noFeatures }
      guard !attached.isNamed(Int(index), asIn: session.pointee.model) else { throw .classLabel }
      try session.learn(learned, Int(index))
    }
  }
}

@c @implementation
public func e3_classes_remove(_ handle: OpaquePointer?, _ index: UInt32) -> e3_status {
  status { () throws(E3Error) in try classes(handle).remove(Int(index)) }
}

@c @implementation
public func e3_classes_get_class(
  _ handle: OpaquePointer?, _ index: UInt32, _ learned: UnsafeMutablePointer<e3_class>?
) -> e3_status {
  status { () throws(E3Error) in
    let classes = try classes(handle)
    guard Int(index) < classes.count else { throw .indexRange }
    let record = classes.record(Int(index))
    let label = classes.label(Int(index))
    var filled = e3_class()
    (filled.kind, filled.pictures) = (record.kind, record.pictures)
    (filled.agreement, filled.radius) = (record.agreement, record.radius)
    filled.label_length = UInt32(label.count)
    filled.label = label.baseAddress?.assumingMemoryBound(to: CChar.self)
    try fill(learned, with: filled)
  }
}

@c @implementation
public func e3_session_attach_classes(_ handle: OpaquePointer?, _ attached: OpaquePointer?) -> e3_status {
  status { () throws(E3Error) in
    try withSession(handle) { (session) throws(E3Error) in
      guard let learned = session.pointee.learned else { throw .noFeatures }
      var chosen: Classes?
      if let attached {
        let classes = try classes(attached)
        guard classes.isFor(session.pointee.model) else { throw .classesModel }
        chosen = classes
      }
      learned.state.pointee.classes = chosen
      learned.forget()
    }
  }
}
