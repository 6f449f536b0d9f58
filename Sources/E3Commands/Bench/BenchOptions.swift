import CE3
import CE3Board
import CE3Kernels

/// What the command line of `e3-bench` asks for.
struct BenchOptions {
  enum Task {
    case model, kernels, firstFrame, help, version
  }

  var task = Task.model
  var json = false
  var session = SessionSetup()
  var tiles = E3K_TILES_AUTO
  /// Of the products of `--kernels`.
  var weights = E3K_INT8
  var seconds = 5
  /// MODEL as it was typed.
  var path: UnsafePointer<CChar>?
  /// Number of resident bytes as it was typed.
  var resident: UnsafePointer<CChar>?
  /// CPU list as it was typed.
  var cpuList: UnsafePointer<CChar>?
  private var cpus = e3_session_options().cpus

  private static var names: StaticString {
    "json threads= cpus= isa= tiles= weights= seconds= resident= kernels first-frame help version"
  }

  private enum Name: Int32 {
    case json, threads, cpus, isa, tiles, weights, seconds, resident, kernels, firstFrame, help, version
  }

  /// Parses and checks the command line.
  init(_ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) throws(Failure) {
    var options = OptionReader<Name>(names: Self.names, count: count, arguments: arguments)
    while let (name, argument) = try options.next() {
      switch name {
      case .json: json = true
      case .threads: session.threads = try OptionValue.threads(argument)
      case .cpus: cpuList = argument
      case .isa: session.isa = try OptionValue.isa(argument)
      case .tiles: tiles = try Self.tiles(argument)
      case .weights: weights = try Self.weights(argument)
      case .seconds: seconds = try OptionValue.number(argument, 1...3600, "--seconds takes 1 to 3600, not")
      case .resident:
        session.residentBytes = try OptionValue.bytes(argument, "--resident takes bytes, as 400M, not")
        resident = argument
      case .kernels: task = .kernels
      case .firstFrame: task = .firstFrame
      case .help: task = .help
      case .version: task = .version
      }
      if task == .help || task == .version { return }
    }
    if cpuList != nil { try parseCPUs() }
    guard tiles == E3K_TILES_AUTO || task == .kernels else { throw .usage("--tiles needs --kernels") }
    guard weights == E3K_INT8 || task == .kernels else { throw .usage("--weights needs --kernels") }
    guard resident == nil || task != .kernels else { throw .usage("--resident is for a model") }
    let operand = Int(e3c_first_operand())
    let expected = task == .kernels ? 0 : 1
    guard Int(count) - operand >= expected else { throw .usage("a MODEL.e3 is missing") }
    guard Int(count) - operand == expected else { throw .usage("one operand too many:", arguments[operand + expected]) }
    if expected == 1 { path = arguments[operand].map { UnsafePointer($0) } }
  }

  private static func tiles(_ argument: UnsafePointer<CChar>?) throws(Failure) -> e3k_tiles {
    if let argument, CString.equal(argument, "single") { return E3K_TILES_SINGLE }
    if let argument, CString.equal(argument, "pairs") { return E3K_TILES_PAIRS }
    throw .usage("--tiles takes single or pairs, not", argument)
  }

  private static func weights(_ argument: UnsafePointer<CChar>?) throws(Failure) -> e3k_weights {
    if let argument, CString.equal(argument, "8") { return E3K_INT8 }
    if let argument, CString.equal(argument, "4") { return E3K_INT4 }
    throw .usage("--weights takes 4 or 8, not", argument)
  }

  /// One number for each thread, commas between them.
  private mutating func parseCPUs() throws(Failure) {
    guard var text = cpuList else { return }
    for thread in 0..<session.threads {
      let isLast = thread == session.threads - 1
      let separator: UInt8 = isLast ? 0 : UInt8(ascii: ",")
      guard let number = CString.number(text, until: separator), number.value < 1024,
        isLast || text[number.length] != 0
      else { throw .usage("--cpus takes one CPU number for each thread, not", cpuList) }
      withUnsafeMutableBytes(of: &cpus) { $0.bindMemory(to: UInt16.self)[thread] = UInt16(number.value) }
      text += number.length + 1
    }
  }

  /// The session's setup, with the CPUs where they were given.
  func withSetup<Value: ~Copyable>(
    _ body: (SessionSetup) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    guard cpuList != nil else { return try body(session) }
    var cpus = cpus
    var setup = session
    return try withUnsafeMutablePointer(to: &cpus) { pointer throws(Failure) in
      setup.cpus = UnsafePointer(UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: UInt16.self))
      return try body(setup)
    }
  }
}
