import E3

/// Classifies one RGB frame in memory that C owns: the model's bytes, the session's arena and the pixels.
///
/// - Returns: the top class, or -1 with the status of `e3.h` in `status`.
@c(board_classify)
public func classify(
  _ model: UnsafeRawPointer?, _ modelSize: Int, _ arena: UnsafeMutableRawPointer?, _ arenaSize: Int,
  _ pixels: UnsafePointer<UInt8>?, _ width: Int, _ height: Int, _ probability: UnsafeMutablePointer<Float>,
  _ status: UnsafeMutablePointer<Int32>
) -> Int {
  do throws(E3Error) {
    let model = try Model(bytes: UnsafeRawBufferPointer(start: model, count: modelSize))
    let options = SessionOptions()
    let needed = try Session.arenaLayout(model, options).byteCount
    guard needed <= arenaSize else { throw .arenaTooSmall }
    var session = try Session(
      model, options, arena: UnsafeMutableRawBufferPointer(start: arena, count: arenaSize))
    let bytes = UnsafeRawBufferPointer(start: pixels, count: width * height * 3)
    let answer = try session.run(Frame(.rgb24, width: width, height: height, pixels: bytes.bytes))
    probability.pointee = answer.topProbability
    status.pointee = 0
    return answer.topClass
  } catch {
    status.pointee = error.rawValue
    return -1
  }
}
