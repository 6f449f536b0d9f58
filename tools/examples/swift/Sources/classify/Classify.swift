import E3
import Foundation

/// Classifies one raw RGB frame and prints the answer.
@main
struct Classify {
  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count == 5, let width = Int(arguments[3]), let height = Int(arguments[4]) else {
      fail("usage: classify MODEL.e3 FRAME.rgb WIDTH HEIGHT", status: 2)
    }
    do {
      try classify(model: arguments[1], frame: arguments[2], width: width, height: height)
    } catch {
      fail("classify: \(error)", status: 1)
    }
  }

  static func classify(model path: String, frame: String, width: Int, height: Int) throws {
    let model = try Model(contentsOf: path)
    let pixels = [UInt8](try Data(contentsOf: URL(fileURLWithPath: frame)))
    var session = try Session(model, SessionOptions(threads: 2))
    let answer = try session.run(Frame(.rgb24, width: width, height: height, pixels: pixels.span.bytes))
    print("class \(answer.topClass) (\(model.label(answer.topClass) ?? "no label"))")
    print("probability \(answer.topProbability), decision \(answer.decision)")
    print("mutual information \(answer.mutualInformation) nats over \(answer.memberCount) members")
    for member in 0..<answer.memberCount {
      let probabilities = answer.probabilities(ofMember: member)
      print("member \(member): probability \(probabilities[answer.topClass])")
    }
  }

  static func fail(_ message: String, status: Int32) -> Never {
    FileHandle.standardError.write(Data((message + "\n").utf8))
    exit(status)
  }
}
