import CE3
import CE3Board
import CE3Files
import CE3Threads
import E3Format

/// How a session is to run.
struct SessionSetup {
  var threads = 1
  var isa = e3_isa(E3_ISA_AUTO)
  /// CPU of each thread; nil: the system places them.
  var cpus: UnsafePointer<UInt16>?
  var load = LoadMode.map
  /// Bytes of a mapped model that stay in memory; 0: the system decides.
  var residentBytes: UInt64 = 0
  /// Whether later networks are left out where the file says that the first ones suffice.
  var stopsEarly = false
  /// File of learned classes; nil: none.
  var classes: UnsafePointer<CChar>?
  /// Whether that file may be missing, and then is begun.
  var beginsClasses = false
  /// What the model may cost; nil: anything.
  var limits: WorkLimits?
}

/// A model file and one session of it.
struct Model: ~Copyable {
  let path: UnsafePointer<CChar>
  let info: e3_model_info
  /// Nil when the file carries none.
  let calibration: e3_calibration?
  let isa: e3_isa
  let threads: Int
  let arenaBytes: Int
  private var file: MappedFile
  /// Of the header: that of every byte, as long as all checksums are right.
  private let checksum: UInt64
  /// One `e3_model`; the session refers to it.
  private let model: Memory
  private let arena: Memory
  private let session: OpaquePointer
  /// Attached to the session; nil where there are none.
  let learned: LearnedFile?
  /// Nanoseconds that a frame may take from the scene on; 0: any number.
  private let deadline: UInt64

  /// Maps and validates the file and creates the session.
  init(_ path: UnsafePointer<CChar>, _ setup: SessionSetup) throws(Failure) {
    try self.init(path, MappedFile(model: path, setup.load), setup)
  }

  /// Validates a file that is already mapped and creates the session.
  ///
  /// - Parameter deadline: nanoseconds that a frame may take from the scene on; 0: any number.
  init(
    _ path: UnsafePointer<CChar>, _ file: consuming MappedFile, _ setup: SessionSetup, deadline: UInt64 = 0
  ) throws(Failure) {
    guard file.bytes.count > 0 else { throw .report(path, "the file is empty") }
    guard let model = Memory(count: MemoryLayout<e3_model>.size) else { throw .report(path, "out of memory") }
    let handle = model.start.assumingMemoryBound(to: e3_model.self)
    let opened = e3_model_open(file.bytes.baseAddress, file.bytes.count, handle)
    if opened == E3_ERROR_FILE_MAGIC, let text = otherFileText(file.bytes) { throw .report(path, text) }
    try Self.check(path, opened)

    var info = e3_model_info()
    info.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
    try Self.check(path, e3_model_get_info(handle, &info))

    try setup.limits?.requireWork(file.bytes, path)

    var calibration = e3_calibration()
    calibration.struct_size = UInt32(MemoryLayout<e3_calibration>.size)
    if info.calibrated != 0 { try Self.check(path, e3_model_get_calibration(handle, &calibration)) }

    guard info.networks == 1 || setup.classes == nil else {
      throw .usage("--classes is for models of one network, a deep ensemble learns no classes:", path)
    }
    guard info.networks > 1 || !setup.stopsEarly else {
      throw .usage("--early is for deep ensembles (e3-convert pack of several checkpoints), this is one network:", path)
    }

    var choices = e3_session_options()
    choices.struct_size = UInt32(MemoryLayout<e3_session_options>.size)
    choices.threads = UInt32(setup.threads)
    choices.isa = setup.isa
    choices.learned_classes = setup.classes == nil ? 0 : 1
    (choices.resident_bytes, choices.descriptor) = (setup.residentBytes, file.descriptor)
    choices.early = setup.stopsEarly ? 1 : 0
    if let cpus = setup.cpus {
      choices.pin_threads = 1
      withUnsafeMutableBytes(of: &choices.cpus) {
        $0.copyMemory(from: UnsafeRawBufferPointer(start: cpus, count: 2 * setup.threads))
      }
    }
    var bytes = 0
    var alignment = 0
    try Self.check(nil, e3_session_query(handle, &choices, &bytes, &alignment))
    try setup.limits?.requireArena(bytes, bytes: file.bytes.count, path)
    // Pages are aligned to 4096 bytes at least; a larger alignment is found inside a larger mapping.
    let slack = alignment > 4096 ? alignment : 0
    guard let arena = Memory(count: bytes + slack) else { throw .report(path, "out of memory for the session") }
    var session: OpaquePointer?
    let start = slack == 0 ? arena.start : arena.start.alignedUp(toMultipleOf: alignment)
    let created = e3_session_create(handle, &choices, start, bytes, &session)
    if created == E3_ERROR_ISA_UNAVAILABLE { throw Self.reportUnavailable(setup.isa) }
    if created == E3_ERROR_RESIDENT_BYTES { throw Self.reportResident(path, info) }
    if created == E3_ERROR_FILE_READ || created == E3_ERROR_NO_EARLY_STOPS || created == E3_ERROR_MEMORY_LOCK {
      throw .report(path, status: created)
    }
    if created == E3_ERROR_THREAD_AFFINITY, let cpus = setup.cpus { throw Self.reportUnusable(cpus, setup.threads) }
    try Self.check(nil, created)
    guard let session else { throw .report(path, "the session was not created") }
    if setup.stopsEarly, let file = try? ModelFile(validating: file.bytes), file.stopsNothing {
      _ = Failure.report(path, "note: --early has no effect: the file stops nothing (e3-convert inspect says why)")
    }
    // What is not locked then is for checks alone: huge pages would bring what is around it, too.
    file.readOn(isHuge: setup.residentBytes == 0)
    var isa = e3_isa(E3_ISA_AUTO)
    try Self.check(nil, e3_session_get_isa(session, &isa))
    var learned: LearnedFile?
    do throws(Failure) {
      if let classes = setup.classes {
        learned = try LearnedFile(classes, handle, begins: setup.beginsClasses)
        try Self.check(classes, e3_session_attach_classes(session, learned?.handle))
      }
    } catch {
      e3_session_destroy(session)
      learned?.destroy()
      throw error
    }
    self.learned = learned
    checksum = file.bytes.load(as: e3_file_header.self).checksum
    self.path = path
    self.info = info
    self.calibration = info.calibrated != 0 ? calibration : nil
    self.isa = isa
    threads = setup.threads
    arenaBytes = bytes
    self.session = session
    self.deadline = deadline
    self.file = file
    self.model = model
    self.arena = arena
  }

  deinit {
    e3_session_destroy(session)
    learned?.destroy()
  }

  private static func check(_ path: UnsafePointer<CChar>?, _ status: e3_status) throws(Failure) {
    if status != 0 { throw .report(path, status: status) }
  }

  /// Names the fewest bytes that serve.
  private static func reportResident(_ path: UnsafePointer<CChar>, _ info: e3_model_info) -> Failure {
    .report(path, "--resident takes at least ") { errors in
      errors.write(info.resident_minimum)
      errors.write(" bytes: the model without its experts")
    }
  }

  /// Names the instruction-set tiers that can be asked for.
  private static func reportUnavailable(_ isa: e3_isa) -> Failure {
    .report(nil, "--isa ") { errors in
      errors.write(cString: e3_isa_name(isa))
      errors.write(" is not there; this processor and this build have")
      for tier in E3_ISA_SCALAR...E3_ISA_I8MM where e3_isa_available(e3_isa(tier)) == 0 {
        errors.write(" ")
        errors.write(cString: e3_isa_name(e3_isa(tier)))
      }
    }
  }

  /// Names the first CPU to which this process cannot bind a thread.
  private static func reportUnusable(_ cpus: UnsafePointer<UInt16>, _ count: Int) -> Failure {
    for index in 0..<count where e3_cpu_available(cpus[index]) != E3_OK {
      return .report(nil, "no thread can be bound to CPU ") { $0.write(Int(cpus[index])) }
    }
    return .report(nil, status: e3_status(E3_ERROR_THREAD_AFFINITY))
  }
}

/// The answer to one frame; its arrays hold until the next one.
struct Answer {
  let result: e3_result
  let latency: Latency
}

/// How long an answer took from the scene on, in nanoseconds.
struct Latency {
  /// Until the whole frame was in memory.
  let capture: UInt64
  /// Decoding, and from pixels to the first layer's input.
  let preprocess: UInt64
  let inference: UInt64

  var total: UInt64 { capture + preprocess + inference }
}

extension Model {
  /// Classifies a camera frame. Returns the answer or the library's status.
  func classify(_ frame: SourceFrame) -> Result<Answer, StatusError> {
    var pixels = frame.pixels
    begin(after: frame.capture + frame.decoding)
    return timed(capture: frame.capture, decoding: frame.decoding) { e3_session_run_frame(session, &pixels, $0) }
  }

  /// Classifies a prepared image.
  func classify(_ values: UnsafePointer<Float>, count: Int) -> Result<Answer, StatusError> {
    begin(after: 0)
    return timed { e3_session_run_tensor(session, values, count, $0) }
  }

  /// Sets the deadline of a frame that has taken `elapsed` nanoseconds so far.
  private func begin(after elapsed: UInt64) {
    guard deadline > 0 else { return }
    // 1 has passed long ago.
    e3_session_set_deadline(session, elapsed < deadline ? ce3_clock_ns() + deadline - elapsed : 1)
  }

  /// - Throws: when the model file was written to since it was mapped: what was answered since may be of both.
  mutating func requireUnchanged() throws(Failure) {
    guard try file.hasNewStatus() else { return }
    // An image of a system gives all files one time: another model may have this one's.
    let handle = UnsafePointer(model.start.assumingMemoryBound(to: e3_model.self))
    guard file.bytes.load(as: e3_file_header.self).checksum == checksum, e3_model_verify(handle) == E3_OK else {
      throw file.reportChanged()
    }
  }

  /// Which file it was opened from, and when that was last written.
  var stamp: ce3_stamp { file.stamp }

  /// Checks everything of the file against its checksums, in pieces with pauses of as many `milliseconds` between them.
  ///
  /// - Throws: names what is damaged.
  func verify(pausing milliseconds: Int32 = 0) throws(Failure) {
    let handle = UnsafePointer(model.start.assumingMemoryBound(to: e3_model.self))
    guard milliseconds > 0 else { return try Self.check(path, e3_model_verify(handle)) }
    var scrub = e3_scrub()
    scrub.struct_size = UInt32(MemoryLayout<e3_scrub>.size)
    while scrub.passes == 0 {
      try Self.check(path, e3_model_scrub(handle, &scrub, 256 << 10))
      e3c_pause_ms(milliseconds)
    }
  }

  /// Names bytes that lie behind the model, which nothing reads or checks: a partition has them.
  func noteBytesBehind() {
    let size = file.bytes.load(as: e3_file_header.self).file_size
    let behind = file.bytes.count - Int(truncatingIfNeeded: size)
    guard behind > 0 else { return }
    _ = Failure.report(path, "note: bytes behind the model, which belong to nothing: ") { $0.write(behind) }
  }

  /// Takes the last answer as one more picture of a learned class; the library's status.
  func learn(_ index: UInt32) -> e3_status { e3_classes_learn(learned?.handle, index, session) }

  /// The status of the model's golden self-test.
  func selfTest() -> e3_status { e3_session_self_test(session) }

  /// Where the time of the last run went.
  var profile: e3_profile {
    var profile = e3_profile()
    profile.struct_size = UInt32(MemoryLayout<e3_profile>.size)
    _ = e3_session_get_profile(session, &profile)
    return profile
  }

  /// Whether the classes are as many as those of another model, and called the same.
  func knowsClasses(of other: borrowing Model) -> Bool {
    guard info.classes == other.info.classes, info.labels == other.info.labels else { return false }
    for index in 0..<info.labels {
      guard let own = label(index), let others = other.label(index), own.isSame(as: others) else { return false }
    }
    return true
  }

  /// How the experts of a MoE layer came into memory in the last run; nil after the last layer, and where all of the
  /// model comes and goes as it is mapped.
  func residency(layer: Int) -> e3_residency? {
    var residency = e3_residency()
    residency.struct_size = UInt32(MemoryLayout<e3_residency>.size)
    return e3_session_get_residency(session, UInt32(layer), &residency) == 0 ? residency : nil
  }

  /// The file's text for a class; nil when it has none.
  func label(_ index: UInt32) -> UnsafeRawBufferPointer? {
    var text: UnsafePointer<CChar>?
    var length = 0
    let handle = UnsafePointer(model.start.assumingMemoryBound(to: e3_model.self))
    guard e3_model_get_label(handle, index, &text, &length) == 0 else { return nil }
    return UnsafeRawBufferPointer(start: text, count: length)
  }

  private func timed(
    capture: UInt64 = 0, decoding: UInt64 = 0, _ run: (UnsafeMutablePointer<e3_result>) -> e3_status
  ) -> Result<Answer, StatusError> {
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    let start = ce3_clock_ns()
    let status = run(&result)
    let end = ce3_clock_ns()
    if status != 0 { return .failure(StatusError(status: status)) }
    let preprocess = min(profile.preprocess_ns, end - start)
    let latency = Latency(capture: capture, preprocess: decoding + preprocess, inference: end - start - preprocess)
    return .success(Answer(result: result, latency: latency))
  }
}

/// A status of the library other than `E3_OK`.
struct StatusError: Error { let status: e3_status }
