import CE3
import CE3Board
import CE3Files

/// A model in memory of its own, so that threads can hand it to each other. Whoever is left with it destroys it.
struct ModelBox {
  private let place: UnsafeMutablePointer<Model>

  init(_ model: consuming Model) throws(Failure) {
    let path = model.path
    guard let memory = e3c_map_memory(MemoryLayout<Model>.size) else { throw .report(path, "out of memory") }
    place = memory.bindMemory(to: Model.self, capacity: 1)
    place.initialize(to: model)
  }

  fileprivate init?(_ address: UnsafeMutableRawPointer?) {
    guard let address else { return nil }
    place = address.assumingMemoryBound(to: Model.self)
  }

  fileprivate var address: UnsafeMutableRawPointer { UnsafeMutableRawPointer(place) }

  var value: Model {
    _read { yield place.pointee }
    nonmutating _modify { yield &place.pointee }
  }

  func destroy() {
    place.deinitialize(count: 1)
    e3c_unmap_memory(place, MemoryLayout<Model>.size)
  }
}

/// Looks, on a thread of its own, for a model file that was renamed into the place of the one that is in use, and makes
/// it ready: what takes time happens there, and a frame waits for none of it.
struct ModelWatch {
  /// Milliseconds between two looks.
  private static var period: Int32 { 20 }
  /// Nanoseconds since a file was last written before it is opened: a copy that is still being made would be refused.
  private static var settling: Int64 { 200_000_000 }
  /// Milliseconds between two pieces of 256 KiB that are verified, so that frames keep their processor.
  private static var pause: Int32 { 1 }

  /// Ends the lines of the thread that looks.
  private static var stays: StaticString { "; the model before it stays" }

  /// What both threads see.
  private struct Shared {
    let path: UnsafePointer<CChar>
    let options: Options
    /// The file that was last opened, and what stood there at the last look.
    var opened: ce3_stamp
    var seen: ce3_stamp
    let slots: Slots
  }

  /// Where the threads hand models to each other: each is emptied or filled in one step.
  private struct Slots {
    private let places: UnsafeMutablePointer<UnsafeMutableRawPointer?>

    init?() {
      guard let memory = e3c_map_memory(Self.bytes) else { return nil }
      places = memory.bindMemory(to: UnsafeMutableRawPointer?.self, capacity: 2)
    }

    /// A model that waits for the next frame.
    func exchangeReady(_ model: ModelBox?) -> ModelBox? { ModelBox(e3c_exchange(places, model?.address)) }
    /// A model that is not used any more.
    func exchangeRetired(_ model: ModelBox?) -> ModelBox? { ModelBox(e3c_exchange(places + 1, model?.address)) }

    func destroy() {
      exchangeReady(nil)?.destroy()
      exchangeRetired(nil)?.destroy()
      e3c_unmap_memory(places, Self.bytes)
    }

    private static var bytes: Int { 2 * MemoryLayout<UnsafeMutableRawPointer?>.stride }
  }

  private let shared: UnsafeMutablePointer<Shared>
  private let slots: Slots
  private let thread: OpaquePointer

  /// Begins to look.
  ///
  /// - Parameter first: The file that is in use.
  init(_ path: UnsafePointer<CChar>, _ options: Options, first: ce3_stamp) throws(Failure) {
    guard let slots = Slots(), let memory = e3c_map_memory(MemoryLayout<Shared>.size) else {
      throw .report(path, "out of memory")
    }
    self.slots = slots
    shared = memory.bindMemory(to: Shared.self, capacity: 1)
    shared.initialize(
      to: Shared(path: path, options: options, opened: first, seen: first, slots: slots))
    guard let thread = e3c_begin_watch({ ModelWatch.look($0) }, shared, Self.period) else {
      throw .report(path, "the thread that watches the model could not be started")
    }
    self.thread = thread
  }

  /// The model that is to answer from now on; nil: the one that does. The other is to be given to ``retire(_:)``.
  func next() -> ModelBox? { slots.exchangeReady(nil) }

  /// Takes a model that does not answer any more.
  func retire(_ model: ModelBox) {
    // Empty: the thread cleared it before it made the next model ready.
    slots.exchangeRetired(model)?.destroy()
  }

  /// Ends the thread and destroys what nobody has taken.
  func end() {
    e3c_end_watch(thread)
    slots.destroy()
    e3c_unmap_memory(shared, MemoryLayout<Shared>.size)
  }
}

// MARK: The thread

extension ModelWatch {
  private static func look(_ context: UnsafeMutableRawPointer?) {
    guard let shared = context?.assumingMemoryBound(to: Shared.self) else { return }
    let slots = shared.pointee.slots
    slots.exchangeRetired(nil)?.destroy()
    var now = ce3_stamp()
    // Between the removal of one file and the arrival of the next there may be none.
    guard ce3_read_stamp(shared.pointee.path, &now) == 0 else { return }
    let before = shared.pointee.seen
    shared.pointee.seen = now
    let age = e3c_file_clock_ns() - now.modified  // negative where a clock was set back
    guard now != shared.pointee.opened, now == before, age < 0 || age > settling else { return }
    shared.pointee.opened = now
    // One that no frame has asked for yet is out of date.
    slots.exchangeReady(nil)?.destroy()
    e3c_set_message_end(CString.pointer(Self.stays))
    if let model = try? prepare(shared.pointee) { _ = slots.exchangeReady(model) }
  }

  /// A model that is verified and passes its self-test, where the file has one.
  private static func prepare(_ shared: Shared) throws(Failure) -> ModelBox {
    let model = try ModelBox(Model(of: shared.options, shared.path))
    do throws(Failure) {
      try model.value.verify(pausing: pause)
      let status = model.value.selfTest()
      guard status == 0 || status == E3_ERROR_NO_GOLDEN else { throw .report(shared.path, status: status) }
    } catch {
      model.destroy()
      throw error
    }
    return model
  }
}

extension ce3_stamp {
  static func == (left: ce3_stamp, right: ce3_stamp) -> Bool {
    left.device == right.device && left.inode == right.inode && left.size == right.size
      && left.modified == right.modified
  }

  static func != (left: ce3_stamp, right: ce3_stamp) -> Bool { !(left == right) }
}
