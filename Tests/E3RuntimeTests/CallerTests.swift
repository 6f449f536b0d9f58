import CE3
import CE3TestSupport
import E3TestSupport
import Foundation
import Synchronization
import Testing

/// What a call needs, for functions without captures that C calls.
private final class Call {
  let session: OpaquePointer?
  let image: [Float]
  let isOver = Atomic(false)

  init(_ session: OpenSession) { (self.session, image) = (session.handle, session.model.image(seed: 0)) }

  func run() -> e3_status {
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    return e3_session_run_tensor(session, image, image.count, &result)
  }

  /// Calls `body` with this call, through a pointer that C takes along.
  func pass<R>(_ body: (UnsafeMutableRawPointer) -> R) -> R {
    withExtendedLifetime(self) { body(Unmanaged.passUnretained(self).toOpaque()) }
  }

  static func of(_ context: UnsafeMutableRawPointer?) -> Call { Unmanaged.fromOpaque(context!).takeUnretainedValue() }
}

/// One after the other: they bind, fork and interrupt threads of this process.
@Suite("A caller", .serialized)
struct CallerTests {
  // promise: fork
  @Test("in a child of fork gets a status from a session with workers, and can destroy it")
  func forkedWithWorkers() throws {
    let session = try OpenSession(OpenModel(awkwardConfigs[1].config), sessionOptions(threads: 3))
    let call = Call(session)
    #expect(call.run() == E3_OK)
    let statuses = call.pass { context in
      [
        in_child({ Int32(Call.of($0).run()) }, context),
        in_child({ Int32(e3_session_self_test(Call.of($0).session)) }, context),
        in_child({ Int32(e3_session_destroy(Call.of($0).session)) }, context),
        in_child(
          { context in
            _ = e3_session_destroy(Call.of(context).session)
            return Int32(Call.of(context).run())
          }, context),
      ]
    }
    #expect(statuses == [Int32(E3_ERROR_FORKED), Int32(E3_ERROR_FORKED), Int32(E3_OK), Int32(E3_ERROR_NOT_A_SESSION)])
    #expect(call.run() == E3_OK, "the parent goes on")
  }

  // promise: fork
  @Test("in a child of fork uses a session of one thread, and makes sessions with workers of the same model")
  func forked() throws {
    let model = try OpenModel(awkwardConfigs[1].config)
    let session = try OpenSession(model, sessionOptions())
    let call = Call(session)
    #expect(call.pass { context in in_child({ Int32(Call.of($0).run()) }, context) } == Int32(E3_OK))
    let inChild = Unmanaged.passRetained(model)
    defer { inChild.release() }
    let status = in_child(
      { context in
        let model = Unmanaged<OpenModel>.fromOpaque(context!).takeUnretainedValue()
        guard let session = try? OpenSession(model, sessionOptions(threads: 2)) else { return 1 }
        return Int32(Call(session).run())
      }, inChild.toOpaque())
    #expect(status == Int32(E3_OK))
  }

  // promise: busy
  @Test("beside another of the same session gets a status, and the other its answer", arguments: [1, 2])
  func twoCallers(threads: Int) throws {
    let session = try OpenSession(OpenModel(awkwardConfigs[12].config), sessionOptions(threads: threads))
    let call = Call(session)
    let expected = try session.answer(call.image)
    var statuses = Set<e3_status>()
    let other = Unmanaged.passRetained(call)
    defer { other.release() }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { context in
        let call = Call.of(context)
        var seen = 0
        while !call.isOver.load(ordering: .relaxed) {
          let status = call.run()
          if status != E3_OK { seen |= status == E3_ERROR_SESSION_BUSY ? 1 : 2 }
        }
        return UnsafeMutableRawPointer(bitPattern: seen)
      }, other.toOpaque())
    // Until it has met the other, and answered beside it.
    for _ in 0..<1_000_000 where statuses.count < 2 { statuses.insert(call.run()) }
    call.isOver.store(true, ordering: .relaxed)
    var seen: UnsafeMutableRawPointer?
    pthread_join(thread, &seen)
    #expect(statuses == [e3_status(E3_OK), e3_status(E3_ERROR_SESSION_BUSY)])
    #expect(Int(bitPattern: seen) & 2 == 0)
    #expect(try session.answer(call.image) == expected)
  }

  // promise: destroy-busy
  @Test("that destroys a session with a run in progress gets a status, and the run its answer")
  func destroyWhileRunning() throws {
    let session = try OpenSession(OpenModel(awkwardConfigs[12].config), sessionOptions(threads: 2))
    let call = Unmanaged.passRetained(Call(session))
    defer { call.release() }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { context in
        var status = e3_status(E3_OK)
        while status == E3_OK || status == E3_ERROR_SESSION_BUSY { status = Call.of(context).run() }
        return UnsafeMutableRawPointer(bitPattern: Int(status))
      }, call.toOpaque())
    // The other is inside a run when this one is refused; then it is destroyed between two of its runs.
    while call.takeUnretainedValue().run() != E3_ERROR_SESSION_BUSY {}
    while e3_session_destroy(session.handle) == E3_ERROR_SESSION_BUSY {}
    var last: UnsafeMutableRawPointer?
    pthread_join(thread, &last)
    #expect(Int(bitPattern: last) == E3_ERROR_NOT_A_SESSION)
    #expect(e3_session_destroy(session.handle) == E3_ERROR_NOT_A_SESSION)
  }

  // promise: signal-mask
  @Test("finds signals blocked on workers, but for those that their own instructions raise")
  func signalMask() throws {
    func masks() throws -> [pid_t: UInt64] {
      var masks: [pid_t: UInt64] = [:]
      for task in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task") {
        guard let status = try? String(contentsOfFile: "/proc/self/task/\(task)/status", encoding: .utf8),
          let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigBlk:") })
        else { continue }
        masks[pid_t(task) ?? 0] = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
      }
      return masks
    }
    let before = try masks()
    let session = try OpenSession(OpenModel(SampleFile.config), sessionOptions(threads: 4))
    let own = [SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP].map { UInt64(1) << UInt64($0 - 1) }.reduce(0, |)
    let asked = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD].map { UInt64(1) << UInt64($0 - 1) }.reduce(0, |)
    func workers() throws -> Int {
      try masks().filter { before[$0.key] == nil && $0.value & own == 0 && $0.value & asked == asked }.count
    }
    // The C library blocks every signal of a thread until it has started.
    var found = try workers()
    for _ in 0..<1000 where found < 3 {
      usleep(1000)
      found = try workers()
    }
    withExtendedLifetime(session) {}
    #expect(found >= 3)
  }

  // promise: every-failure
  @Test("that may start no thread gets a status, and its CPUs back")
  func noThreads() throws {
    let model = Unmanaged.passRetained(try OpenModel(SampleFile.config))
    defer { model.release() }
    let status = in_child(
      { context in
        let model = Unmanaged<OpenModel>.fromOpaque(context!).takeUnretainedValue()
        let before = allowed_cpus()
        var options = sessionOptions(threads: 3)
        options.pin_threads = 1
        guard refuse_threads() == 0 else { return 100 }
        do {
          _ = try OpenSession(model, options)
          return 101
        } catch let failure as Failure {
          return allowed_cpus() == before ? Int32(failure.status) : 102
        } catch {
          return 103
        }
      }, model.toOpaque())
    #expect(status == Int32(E3_ERROR_THREAD_START))
  }

  // promise: signal-handler
  @Test("in a signal handler gets its answer from a session that was not interrupted")
  func signalHandler() throws {
    let session = try OpenSession(OpenModel(awkwardConfigs[1].config), sessionOptions(threads: 2))
    let call = Call(session)
    #expect(call.pass { context in in_signal_handler({ Int32(Call.of($0).run()) }, context) } == Int32(E3_OK))
  }

  // promise: affinity
  @Test("that pins threads has its CPUs back after e3_session_destroy, and after a session that could not be created")
  func affinity() throws {
    let before = allowed_cpus()
    let usable = (0..<64 as Range<UInt16>).filter { before >> UInt64($0) & 1 == 1 }
    let model = try OpenModel(SampleFile.config)
    var options = sessionOptions()
    options.pin_threads = 1
    options.cpus.0 = usable[usable.count - 1]
    var session: OpenSession? = try OpenSession(model, options)
    #expect(allowed_cpus() == 1 << UInt64(options.cpus.0))
    #expect(try session?.run(model.image(seed: 0)).classes == model.info.classes)
    session = nil
    #expect(allowed_cpus() == before)
    #expect(usable.allSatisfy { e3_cpu_available($0) == E3_OK } && allowed_cpus() == before)

    options.threads = 2
    for unusable in [UInt16(1023), 1024, .max] {
      #expect(e3_cpu_available(unusable) == E3_ERROR_THREAD_AFFINITY && allowed_cpus() == before)
      options.cpus.1 = unusable
      #expect(throws: Failure(status: e3_status(E3_ERROR_THREAD_AFFINITY))) { try OpenSession(model, options) }
      #expect(allowed_cpus() == before)
      (options.cpus.0, options.cpus.1) = (options.cpus.1, options.cpus.0)
      #expect(throws: Failure(status: e3_status(E3_ERROR_THREAD_AFFINITY))) { try OpenSession(model, options) }
      #expect(allowed_cpus() == before)
      (options.cpus.0, options.cpus.1) = (options.cpus.1, options.cpus.0)
    }
  }

  // promise: affinity
  @Test("that bound its thread otherwise meanwhile keeps that; another thread may destroy the session")
  func affinityChanged() throws {
    let before = allowed_cpus()
    defer { _ = allow_cpus(before) }
    let usable = (0..<64 as Range<UInt16>).filter { before >> UInt64($0) & 1 == 1 }
    try #require(usable.count >= 2)
    var options = sessionOptions()
    options.pin_threads = 1
    options.cpus.0 = usable[0]
    let model = try OpenModel(SampleFile.config)
    var session: OpenSession? = try OpenSession(model, options)
    #expect(allow_cpus(1 << UInt64(usable[1])) == 0)
    withExtendedLifetime(session) {}
    session = nil
    #expect(allowed_cpus() == 1 << UInt64(usable[1]))

    #expect(allow_cpus(before) == 0)
    let pinned = try OpenSession(model, options)
    let call = Unmanaged.passRetained(Call(pinned))
    defer { call.release() }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { context in
        let before = allowed_cpus()
        _ = e3_session_destroy(Call.of(context).session)
        return UnsafeMutableRawPointer(bitPattern: before == allowed_cpus() ? 1 : 2)
      }, call.toOpaque())
    var unchanged: UnsafeMutableRawPointer?
    pthread_join(thread, &unchanged)
    #expect(Int(bitPattern: unchanged) == 1)
    #expect(allowed_cpus() == before)
  }
}
