import ArgumentParser
import E3Host
import E3Models

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check all of a model file: structure, every checksum, the weights, the golden self-test.")

  @Argument(help: "Model file.", completion: .file(extensions: ["e3"]))
  var model: String

  func run() throws {
    let meter = ProgressMeter("verifying \(model)")
    let mapped = try verify(model: model, progress: meter.update)
    let calibration = mapped.file.calibration.map { ", calibrated on \(counted(Int($0.image_count), "image"))" } ?? ""
    print("\(inOneLine(model)): \(mapped.file.extentCount) extents, \(mapped.file.size) bytes\(calibration), all good")
  }
}
