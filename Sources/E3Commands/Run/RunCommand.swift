import CE3

/// The command `e3-run`. Returns its exit status.
@c(e3_run_main)
public func runCommand(_ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
  var status: Int32 = 0
  do throws(Failure) {
    let options = try Options(count, arguments)
    switch options.task {
    case .help: TextStream.output.write(helpText)
    case .version: TextStream.output.writeVersion()
    default:
      guard let path = arguments[options.firstOperand] else { throw .usage("a MODEL.e3 is missing") }
      var run = try Run(path, options)
      switch options.task {
      case .selfTest: try run.selfTest()
      case .verify: try run.verify()
      case .tensor: try run.tensor()
      default: try run.frames(arguments, options.firstOperand + 1..<Int(count))
      }
      if run.hasFailed { status = 1 }
    }
  } catch {
    status = error.exitStatus
  }
  // A run that saw standard output fail has said so already.
  if status == 0 {
    let error = TextStream.output.flush()
    if error != 0 { status = Failure.report(standardOutput: error).exitStatus }
  }
  return status
}
