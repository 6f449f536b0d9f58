import CE3
import CE3Kernels
import CE3Threads
import E3Format

// Sessions and answers: the part of e3.h that runs the network. `e3_session` is the address of a `Session`.

/// The session behind a handle.
///
/// - Throws: `nullArgument`, `notASession`.
private func session(_ handle: OpaquePointer?) throws(E3Error) -> UnsafeMutablePointer<Session> {
  guard let handle else { throw .nullArgument }
  let session = UnsafeMutablePointer<Session>(handle)
  // The mark is the first member; another thread may be destroying the session.
  guard Int(bitPattern: session) % Session.arenaAlignment == 0, ce3_load(session) == Session.mark(at: session) else {
    throw .notASession
  }
  return session
}

/// Calls `body` with the session behind a handle, which no other call uses meanwhile.
///
/// - Throws: `nullArgument`, `notASession`, `sessionBusy`, `forked`, and what `body` throws.
func withSession(
  _ handle: OpaquePointer?, _ body: (UnsafeMutablePointer<Session>) throws(E3Error) -> Void
) throws(E3Error) {
  let session = try session(handle)
  let team = session.pointee.team
  let entered = ce3_team_enter(team)
  guard entered == CE3_TEAM_OK else { throw entered == CE3_TEAM_FORKED ? .forked : .sessionBusy }
  defer { ce3_team_leave(team) }
  try body(session)
}

@c @implementation
public func e3_session_query(
  _ handle: UnsafePointer<e3_model>?, _ options: UnsafePointer<e3_session_options>?,
  _ bytes: UnsafeMutablePointer<Int>?,
  _ alignment: UnsafeMutablePointer<Int>?
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
    guard let bytes, let alignment else { throw .nullArgument }
    bytes.pointee = try Session.arenaBytes(file, options: SessionOptions(validating: options))
    alignment.pointee = Session.arenaAlignment
  }
}

@c @implementation
public func e3_session_create(
  _ handle: UnsafePointer<e3_model>?, _ options: UnsafePointer<e3_session_options>?, _ arena: UnsafeMutableRawPointer?,
  _ bytes: Int, _ created: UnsafeMutablePointer<OpaquePointer?>?
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
    guard let arena, let created else { throw .nullArgument }
    created.pointee = OpaquePointer(
      try Session.create(file, options: SessionOptions(validating: options), memory: arena, count: bytes))
  }
}

@c @implementation
@discardableResult
public func e3_session_destroy(_ handle: OpaquePointer?) -> e3_status {
  status { () throws(E3Error) in
    if handle == nil { return }
    let session = try session(handle)
    guard ce3_team_enter(session.pointee.team) != CE3_TEAM_BUSY else { throw .sessionBusy }
    ce3_store(session, 0)
    ce3_team_stop(session.pointee.team)
  }
}

@c @implementation
public func e3_session_get_isa(_ handle: OpaquePointer?, _ isa: UnsafeMutablePointer<e3_isa>?) -> e3_status {
  status { () throws(E3Error) in
    let session = try session(handle)
    guard let isa else { throw .nullArgument }
    isa.pointee = session.pointee.kernels.pointee.isa
  }
}

@c @implementation
public func e3_session_run_frame(
  _ handle: OpaquePointer?, _ frame: UnsafePointer<e3_frame>?, _ result: UnsafeMutablePointer<e3_result>?
) -> e3_status {
  status { () throws(E3Error) in
    try withSession(handle) { (session) throws(E3Error) in
      session.pointee.learned?.forget()
      guard let result else { throw .nullArgument }
      try fill(result, with: session.run(frame: frame), firstSize: Int(E3_RESULT_FIRST_SIZE))
    }
  }
}

@c @implementation
public func e3_session_run_tensor(
  _ handle: OpaquePointer?, _ values: UnsafePointer<Float>?, _ count: Int, _ result: UnsafeMutablePointer<e3_result>?
) -> e3_status {
  status { () throws(E3Error) in
    try withSession(handle) { (session) throws(E3Error) in
      session.pointee.learned?.forget()
      guard let values, let result else { throw .nullArgument }
      try fill(result, with: session.run(tensor: values, count: count), firstSize: Int(E3_RESULT_FIRST_SIZE))
    }
  }
}

@c @implementation
public func e3_session_preprocess(
  _ handle: OpaquePointer?, _ frame: UnsafePointer<e3_frame>?, _ values: UnsafeMutablePointer<Float>?, _ count: Int
) -> e3_status {
  status { () throws(E3Error) in
    try withSession(handle) { (session) throws(E3Error) in
      let shape = session.pointee.model.shape
      guard let values else { throw .nullArgument }
      guard count == shape.imageValues else { throw .tensorSize }
      let destination = PatchMatrix(image: shape, values: values)
      FramePreparation(of: try Frame(validating: frame), shape: shape, tables: session.pointee.answer.filterTables).run(
        lines: 0..<destination.lineCount, into: destination, kernels: session.kernels)
    }
  }
}

@c @implementation
public func e3_session_self_test(_ handle: OpaquePointer?) -> e3_status {
  status { () throws(E3Error) in
    try withSession(handle) { (session) throws(E3Error) in try session.selfTest() }
  }
}

@c @implementation
public func e3_session_set_deadline(_ handle: OpaquePointer?, _ nanoseconds: UInt64) -> e3_status {
  status { () throws(E3Error) in ce3_team_set_deadline(try session(handle).pointee.team, nanoseconds) }
}

@c @implementation
public func e3_session_get_profile(_ handle: OpaquePointer?, _ profile: UnsafeMutablePointer<e3_profile>?) -> e3_status
{
  status { () throws(E3Error) in
    try withSession(handle) { (session) throws(E3Error) in
      let measured = session.pointee.profile.pointee
      var filled = e3_profile()
      filled.preprocess_ns = measured.preprocess
      filled.embedding_ns = measured.embedding
      filled.attention_ns = measured.attention
      filled.mlp_ns = measured.mlp
      filled.routing_ns = measured.routing
      filled.experts_ns = measured.experts
      filled.head_ns = measured.head
      try fill(profile, with: filled)
    }
  }
}

@c @implementation
public func e3_session_get_routing(
  _ handle: OpaquePointer?, _ layer: UInt32, _ routing: UnsafeMutablePointer<e3_routing>?
) -> e3_status {
  status { () throws(E3Error) in
    try withSession(handle) { (session) throws(E3Error) in
      try fill(routing, with: session.routing(layer: layer), firstSize: Int(E3_ROUTING_FIRST_SIZE))
    }
  }
}

@c @implementation
public func e3_session_get_residency(
  _ handle: OpaquePointer?, _ layer: UInt32, _ residency: UnsafeMutablePointer<e3_residency>?
) -> e3_status {
  status { () throws(E3Error) in
    try withSession(handle) { (session) throws(E3Error) in try fill(residency, with: session.residency(layer: layer)) }
  }
}
