import CE3
import CE3Board

/// The command `e3-run`. Returns its exit status.
@c(e3_run_main)
public func runCommand(_ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
  var status: Int32 = 0
  e3c_put_text_by { stream, text in if let text { TextStream(stream: stream).write(path: text) } }
  do throws(Failure) {
    let options = try Options(count, arguments)
    switch options.task {
    case .help: TextStream.output.write(helpText)
    case .version: TextStream.output.writeVersion()
    case .listCameras:
      let nodes = arguments + options.firstOperand
      let nodeCount = count - Int32(options.firstOperand)
      let cameras = nodes.withMemoryRebound(to: UnsafePointer<CChar>?.self, capacity: Int(nodeCount)) {
        e3c_list_cameras($0, nodeCount)
      }
      _ = TextStream.output.flush()  // before what standard error says; a failure is reported below
      if cameras == 0 { throw .report(nil, "no camera") }
    default:
      guard let path = arguments[options.firstOperand] else { throw .usage("a MODEL.e3 is missing") }
      var run = try Run(path, options)
      switch options.task {
      case .selfTest: try run.selfTest()
      case .verify: try run.verify()
      case .tensor: try run.tensor()
      case .forget: try run.forget()
      default: try run.frames(arguments, options.firstOperand + 1..<Int(count))
      }
      if run.hasFailed || run.unattended.hasFailed { status = 1 }
    }
  } catch {
    status = error.exitStatus
  }
  // A run that saw standard output fail has said so already.
  if status == 0 {
    let error = TextStream.output.flush()
    if Failure.isStopped(error) {
      _ = Failure.report(nil, "stopped while nobody read standard output: its last line may be cut")
    } else if error != 0 {
      status = Failure.report(standardOutput: error).exitStatus
    }
  }
  return status
}
