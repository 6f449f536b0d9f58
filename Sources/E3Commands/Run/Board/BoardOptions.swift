import CE3
import CE3Board

/// What the command line asks for a board that nobody watches.
struct BoardOptions {
  /// Frames that a decision is made over; 1: each has its own.
  var smooth = 1
  /// File of the metrics; nil: none are written.
  var metrics: UnsafePointer<CChar>?
  /// Whether a camera that is not there, or goes away, is waited for.
  var reconnects = false
  /// Frames that are kept; nil: none are.
  var save: SaveOptions?

  private static var mostControls: Int { 32 }
  private var controls = InlineArray<32, UnsafePointer<CChar>?>(repeating: nil)
  private var controlCount = 0

  /// Whether anything is asked for that only a camera has.
  var needsCamera: Bool { reconnects || controlCount > 0 }

  /// Whether any of it is asked for.
  var isAsked: Bool { needsCamera || smooth > 1 || metrics != nil || save != nil }

  func withControls<R>(_ body: (e3c_controls) -> R) -> R {
    let count = UInt32(controlCount)
    return controls.span.withUnsafeBufferPointer { body(e3c_controls(settings: $0.baseAddress, count: count)) }
  }

  /// `NAME=NUMBER`.
  mutating func addControl(_ argument: UnsafePointer<CChar>?) throws(Failure) {
    guard let argument, Self.isSetting(argument) else { throw .usage("--control takes NAME=NUMBER, not", argument) }
    guard controlCount < Self.mostControls else { throw .usage("more than 32 times --control") }
    controls[controlCount] = argument
    controlCount += 1
  }

  private static func isSetting(_ text: UnsafePointer<CChar>) -> Bool {
    var name = 0
    while text[name] != 0, text[name] != CChar(UInt8(ascii: "=")) { name += 1 }
    guard name > 0, text[name] != 0 else { return false }
    let value = text + name + 1
    let isNegative = value[0] == CChar(UInt8(ascii: "-"))
    return CString.number(isNegative ? value + 1 : value) != nil
  }
}

/// Which frames are kept, where, and how many.
struct SaveOptions {
  /// Bit i: those with the decision i.
  var decisions: UInt32 = 0
  let folder: UnsafePointer<CChar>
  var frames = 1000
  var mebibytes = 256
  /// Least nanoseconds from one frame of a stream to the next.
  var interval: UInt64 = 1_000_000_000

  /// `KIND,KIND` and the folder.
  init(_ kinds: UnsafePointer<CChar>?, _ folder: UnsafePointer<CChar>?) throws(Failure) {
    guard let folder else { throw .usage("a folder is missing after --save", kinds) }
    self.folder = folder
    guard var rest = kinds else { return }
    while true {
      let (kind, length) = Self.kind(rest)
      guard let kind else { throw .usage("--save takes accept, unsure, unknown with commas between, not", kinds) }
      decisions |= 1 << UInt32(kind)
      if rest[length] == 0 { return }
      rest += length + 1
    }
  }

  /// The decision that `text` begins with, up to a comma or its end.
  private static func kind(_ text: UnsafePointer<CChar>) -> (Int?, Int) {
    func ends(_ length: Int) -> Bool { text[length] == 0 || text[length] == CChar(UInt8(ascii: ",")) }
    if CString.hasPrefix(text, "accept"), ends(6) { return (E3_DECISION_ACCEPT, 6) }
    if CString.hasPrefix(text, "unsure"), ends(6) { return (E3_DECISION_UNSURE, 6) }
    if CString.hasPrefix(text, "unknown"), ends(7) { return (E3_DECISION_UNKNOWN, 7) }
    return (nil, 0)
  }

  /// `FRAMES,MIB,SECONDS`.
  static func limits(_ argument: UnsafePointer<CChar>?) throws(Failure) -> (frames: Int, mebibytes: Int, seconds: Int) {
    let comma = UInt8(ascii: ",")
    guard let argument, let frames = CString.number(argument, until: comma), (1...100_000).contains(frames.value),
      argument[frames.length] != 0, let size = CString.number(argument + frames.length + 1, until: comma),
      (1...1_000_000).contains(size.value), argument[frames.length + 1 + size.length] != 0,
      let pause = CString.number(argument + frames.length + size.length + 2), pause.value <= 86400
    else {
      throw .usage("--save-limit takes FRAMES,MIB,SECONDS, whole numbers to 100000, 1000000 and 86400, not", argument)
    }
    return (frames.value, size.value, pause.value)
  }

  mutating func limit(_ most: (frames: Int, mebibytes: Int, seconds: Int)) {
    (frames, mebibytes) = (most.frames, most.mebibytes)
    interval = UInt64(most.seconds) * 1_000_000_000
  }

  func includes(_ decision: e3_decision) -> Bool { decisions >> UInt32(decision) & 1 == 1 }
}
