import CE3

#if !hasFeature(Embedded)
  /// Classes that are added to a model from a few pictures, without training. The equivalent of `e3_classes`.
  ///
  /// Attach them to a session; then its answers say whether a frame is of one of them, and what the session answered last
  /// can be learned as one more picture. Not safe to change while a session that they are attached to runs on another
  /// thread.
  public final class LearnedClasses: @unchecked Sendable {
    // Sendable: whoever changes them says so to the others.
    private let memory: UnsafeMutableRawBufferPointer
    let handle: OpaquePointer

    /// No classes yet.
    ///
    /// - Parameters:
    ///   - model: The model that they are added to.
    ///   - capacity: Most classes, 1 to 64.
    ///   - grid: Cells on a side of the grid whose features are compared: 1, 2 or 4; nil: as the model's calibration says.
    /// - Throws: `noCalibration`, `classGrid`, `indexRange`, `modelTooLarge`.
    public init(_ model: Model, capacity: Int = 16, grid: Int? = nil) throws(E3Error) {
      var (byteCount, alignment) = (0, 0)
      guard let rows = UInt32(exactly: capacity), let side = UInt32(exactly: grid ?? 0) else { throw .indexRange }
      try E3Error.check(
        withUnsafePointer(to: model.handle) { e3_classes_query($0, rows, side, &byteCount, &alignment) })
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: alignment)
      self.memory = memory
      handle = try Self.made(memory) { memory, created in
        withUnsafePointer(to: model.handle) {
          e3_classes_create($0, rows, side, memory.baseAddress, memory.count, &created)
        }
      }
    }

    /// Those of a .e3c file.
    ///
    /// - Parameters:
    ///   - model: The model that they were learned with.
    ///   - bytes: The whole file, which is copied.
    /// - Throws: `classesModel`, `notClasses` and the `file…` errors.
    public init(_ model: Model, copying bytes: RawSpan) throws(E3Error) {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.byteCount, 1), alignment: 64)
      self.memory = memory
      bytes.withUnsafeBytes { memory.copyMemory(from: $0) }
      let count = bytes.byteCount
      handle = try Self.made(memory) { memory, opened in
        withUnsafePointer(to: model.handle) { e3_classes_open($0, memory.baseAddress, count, &opened) }
      }
    }

    deinit { memory.deallocate() }

    private static func made(
      _ memory: UnsafeMutableRawBufferPointer,
      _ make: (UnsafeMutableRawBufferPointer, inout OpaquePointer?) -> e3_status
    ) throws(E3Error) -> OpaquePointer {
      var handle: OpaquePointer?
      do throws(E3Error) {
        try E3Error.check(make(memory, &handle))
        guard let handle else { throw .nullArgument }
        return handle
      } catch {
        memory.deallocate()
        throw error
      }
    }

    private var info: e3_classes_info {
      var info = e3_classes_info()
      info.struct_size = UInt32(MemoryLayout<e3_classes_info>.size)
      _ = e3_classes_get_info(handle, &info)
      return info
    }

    /// Classes, the unlike ones among them.
    public var count: Int { Int(info.count) }
    /// Most classes.
    public var capacity: Int { Int(info.capacity) }
    /// Cells on a side of the grid: 1, 2 or 4.
    public var grid: Int { Int(info.grid) }
    /// The bytes of the .e3c file.
    public var bytes: [UInt8] { Array(memory.prefix(Int(info.bytes))) }

    /// Adds a class without pictures, and gives its index.
    ///
    /// - Parameters:
    ///   - label: 1 to 40 bytes of UTF-8, no other class's; labels are the same when all of their bytes are.
    ///   - isUnlike: Whether its pictures are of none of the classes: what these share with them counts for nothing.
    /// - Throws: `classesFull`, `classLabel`.
    public func add(_ label: String, isUnlike: Bool = false) throws(E3Error) -> Int {
      var index: UInt32 = 0
      let kind = e3_class_kind(isUnlike ? E3_CLASS_UNLIKE : E3_CLASS_LEARNED)
      // A null character would end the label for C.
      guard !label.utf8.contains(0) else { throw .classLabel }
      try E3Error.check(e3_classes_add(handle, label, kind, &index))
      return Int(index)
    }

    /// Takes what a session answered last as one more picture of a class.
    ///
    /// - Throws: `noFeatures` when these classes were not attached to the session before; `indexRange`, `classesFull`;
    ///   `classLabel` for a class that is called as one of the model's own.
    public func learn(_ index: Int, from session: inout Session) throws(E3Error) {
      guard let number = UInt32(exactly: index) else { throw .indexRange }
      try E3Error.check(e3_classes_learn(handle, number, session.handle))
    }

    /// Takes a class out; those behind it have an index less from then on. The bytes are as if it had never been added.
    ///
    /// - Throws: `indexRange`.
    public func remove(_ index: Int) throws(E3Error) {
      guard let number = UInt32(exactly: index) else { throw .indexRange }
      try E3Error.check(e3_classes_remove(handle, number))
    }

    /// One class.
    ///
    /// - Throws: `indexRange`.
    public func info(_ index: Int) throws(E3Error) -> LearnedClass {
      guard let number = UInt32(exactly: index) else { throw .indexRange }
      var learned = e3_class()
      learned.struct_size = UInt32(MemoryLayout<e3_class>.size)
      try E3Error.check(e3_classes_get_class(handle, number, &learned))
      let label = UnsafeRawBufferPointer(start: learned.label, count: Int(learned.label_length))
      return LearnedClass(
        label: String(decoding: label, as: UTF8.self), isUnlike: learned.kind == e3_class_kind(E3_CLASS_UNLIKE),
        pictures: Int(learned.pictures), agreement: learned.agreement, radius: learned.radius)
    }

    /// Index of the class with a label; nil when there is none.
    public func index(of label: String) -> Int? {
      (0..<count).first { (try? info($0).label)?.utf8.elementsEqual(label.utf8) == true }
    }
  }

  /// What is known of a learned class. The equivalent of `e3_class`.
  public struct LearnedClass: Sendable, Equatable {
    /// The text that it was taught under, 1 to 40 bytes of UTF-8.
    public let label: String
    /// Whether its pictures are of none of the classes.
    public let isUnlike: Bool
    /// Pictures that it was learned from.
    public let pictures: Int
    /// Mean cosine between the features of two of its pictures; 0 with fewer than two.
    public let agreement: Float
    /// A frame may be of the class up to this distance.
    public let radius: Float
  }

  extension Session {
    /// From now on compares every frame with `classes`; nil ends that. The session keeps them.
    ///
    /// - Throws: `noFeatures` when the session was not created for them (`SessionOptions.hasLearnedClasses`);
    ///   `classesModel`.
    public mutating func attach(_ classes: LearnedClasses?) throws(E3Error) {
      try E3Error.check(e3_session_attach_classes(handle, classes?.handle))
      attached = classes
    }
  }
#endif

extension Answer {
  /// The learned class that is the answer, as `decision` then says; nil when none is.
  public var learnedClass: Int? { Self.index(result.learned_class) }
  /// The nearest learned class, the answer or not.
  public var nearestLearnedClass: Int? { Self.index(result.nearest_learned_class) }
  /// Distance from the nearest learned class, 0 to 2; nil without one.
  public var learnedDistance: Float? { result.learned_distance.isNaN ? nil : result.learned_distance }
  /// Radius of the nearest learned class; nil without one.
  public var learnedRadius: Float? { result.learned_radius.isNaN ? nil : result.learned_radius }

  private static func index(_ number: UInt32) -> Int? { number == E3_NO_CLASS ? nil : Int(number) }
}
