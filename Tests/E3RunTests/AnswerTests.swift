import E3
import E3Host
import E3Models
import E3TestSupport
import Foundation
import Testing

/// The value at a path of keys of a JSON object.
private func number(_ object: [String: Any], _ key: String) -> Double? { (object[key] as? NSNumber)?.doubleValue }

private func numbers(_ value: Any?) -> [Double] { (value as? [NSNumber] ?? []).map(\.doubleValue) }

@Suite("e3-run: answers")
struct AnswerTests {
  let folder: TemporaryFolder
  let model: String
  let picture = pictureFolder.appendingPathComponent("rgb8.png").path

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.model()
  }

  @Test("--json counts frames over all FRAMEs: a broken one takes a number, a FRAME that is missing takes none")
  func frameNumbers() throws {
    let broken = try folder.write("P5 12 10 255\nshort", to: "broken.pgm")
    let outcome = try run([model, picture, folder["none.png"], broken, picture, "--json"])
    #expect(outcome.status == 1)
    #expect(try outcome.objects.map { $0["frame"] as? Int } == [0, 2])
    let errors = outcome.errors.split(separator: "\n")
    #expect(errors.count == 2 && errors[0] == "e3-run: \(folder["none.png"]): No such file or directory")
    #expect(errors.last?.hasPrefix("e3-run: \(broken): ") == true)
  }

  @Test("--json prints one object per frame with exactly the documented fields")
  func fields() throws {
    let outcome = try run([model, picture, picture, "--json", "--top", "2"])
    #expect(outcome.status == 0)
    #expect(outcome.errors.isEmpty)
    let objects = try outcome.objects
    #expect(objects.count == 2)
    for (index, object) in objects.enumerated() {
      #expect(
        Set(object.keys) == [
          "frame", "source", "top", "probabilities", "members", "uncertainty", "decision", "answer",
          "thresholds", "prediction_set", "latency_ms", "capture_ms", "preprocess_ms", "inference_ms",
        ])
      #expect(number(object, "frame") == Double(index))
      #expect(object["source"] as? String == picture)
      let uncertainty = try #require(object["uncertainty"] as? [String: Any])
      #expect(
        Set(uncertainty.keys) == [
          "total_entropy", "expected_entropy", "mutual_information", "disagreement", "distance",
          "relative_distance", "unknown_score",
        ])
      #expect(uncertainty["distance"] is NSNull, "the model carries no statistics")
      #expect(uncertainty["relative_distance"] is NSNull)
      let thresholds = try #require(object["thresholds"] as? [String: Any])
      #expect(Set(thresholds.keys) == ["accept_probability", "unknown_relative_distance", "unknown_score"])
      #expect(number(thresholds, "accept_probability") == 0.5 && thresholds["unknown_relative_distance"] is NSNull)
      #expect(["accept", "unsure"].contains(object["decision"] as? String))
      let answer = try #require(object["answer"] as? [String: Any])
      let top = try #require((object["top"] as? [[String: Any]])?.first)
      #expect(Set(answer.keys) == ["index", "label", "learned"] && answer["learned"] as? Bool == false)
      #expect(
        answer["index"] as? Int == top["index"] as? Int && answer["label"] as? NSObject == top["label"] as? NSObject)
      #expect(numbers(object["prediction_set"]).isEmpty, "the model is not calibrated")
      let parts = try ["capture_ms", "preprocess_ms", "inference_ms"].map { try #require(number(object, $0)) }
      #expect(parts.allSatisfy { $0 >= 0 })
      #expect(abs(parts.reduce(0, +) - number(object, "latency_ms")!) < 0.0025, "rounded to microseconds each")
    }
  }

  @Test("the numbers of an answer agree with each other")
  func consistency() throws {
    let object = try run([model, picture, "--json"]).object
    let probabilities = numbers(object["probabilities"])
    #expect(probabilities.count == 3)
    #expect(abs(probabilities.reduce(0, +) - 1) < 1e-5)
    let members = try #require(object["members"] as? [[String: Any]])
    #expect(members.count == 2)
    for member in members { #expect(Set(member.keys) == ["logits", "probabilities"]) }
    let memberProbabilities: [[Double]] = members.map { numbers($0["probabilities"]) }
    for index in 0..<3 {
      let mean: Double = (memberProbabilities[0][index] + memberProbabilities[1][index]) / 2
      #expect(abs(probabilities[index] - mean) < 1e-6)
    }
    let top = try #require(object["top"] as? [[String: Any]])
    let ranked: [Int] = (0..<3).sorted { (a: Int, b: Int) in probabilities[a] > probabilities[b] }
    #expect(top.map { $0["index"] as? Int } == ranked)
    #expect(top.map { number($0, "probability") } == ranked.map { probabilities[$0] })
    #expect(top.map { $0["label"] as? String } == ranked.map { ["cat", "Čeština", ""][$0] })
  }

  @Test("floats are printed so that they read back as the library's, in nine digits at most")
  func roundTrip() throws {
    let image: [Float] = (0..<7 * 9 * 3).map { Float($0 % 101) / 50 - 1 }
    let tensor = try folder.write(npy([7, 9, 3], bytes(image), type: "<f4"), to: "image.npy")
    let outcome = try run([model, "--tensor", tensor, "--json"])
    var session = try ModelSession(MappedModel(path: model))
    let answer = StoredAnswer(try session.run(.tensor(image), name: tensor))
    let object = try outcome.object
    let members = try #require(object["members"] as? [[String: Any]])
    let printedLogits: [Double] = members.flatMap { member in numbers(member["logits"]) }
    #expect(printedLogits.map { Float($0) } == Array(answer.memberLogits.joined()))
    #expect(numbers(object["probabilities"]).map { Float($0) } == answer.probabilities)
    // The exact text: nine digits at most, and a zero before the point.
    let list = try #require(outcome.output.firstMatch(of: /"probabilities":\[([^\]]*)\]/))
    for text in list.output.1.split(separator: ",") { #expect(text.filter { $0.isNumber }.count <= 10) }
  }

  @Test("threads and instruction sets do not change a bit of the answer")
  func sameBits() throws {
    func answer(_ options: [String]) throws -> Substring {
      let outcome = try run([model, picture, "--json"] + options)
      #expect(outcome.status == 0, "\(options): \(outcome.errors)")
      return outcome.output.prefix { $0 != "\n" }.components(separatedBy: ",\"latency_ms\"")[0][...]
    }
    let expected = try answer([])
    for options in [["--isa", "scalar"], ["--threads", "4"], ["--threads=2", "--isa=scalar"]] {
      #expect(try answer(options) == expected)
    }
  }

  @Test("labels and paths with quotes and control characters are valid JSON")
  func escapes() throws {
    let label = "a\"b\\c"
    let model = try folder.model { $0.labels = [label, label, label] }
    let name = "qu\"ote\tüñ.png"
    let path = try folder.write(pictureBytes("grey8.png"), to: name)
    let object = try run([model, path, "--json"]).object
    #expect((object["source"] as? String)?.hasSuffix(name) == true)
    #expect((object["top"] as? [[String: Any]])?.first?["label"] as? String == label)
  }

  @Test("a model without labels prints null, and only indices in the text")
  func unlabelled() throws {
    let model = try folder.model { $0.labels = nil }
    let object = try run([model, picture, "--json", "--top", "1"]).object
    let top = try #require(object["top"] as? [[String: Any]])
    #expect(top.count == 1)
    #expect(top[0]["label"] is NSNull)
  }

  @Test("the text says the decision, the ranked classes with bars, and the uncertainty")
  func text() throws {
    let outcome = try run([model, picture])
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.count == 6 && lines[5] == "  no calibration: nothing is called unknown")
    let decision = #/.*rgb8\.png: (accept|unsure) \([0-9.]+ ms\)/#
    #expect(lines[0].wholeMatch(of: decision) != nil)
    let ranked = #/  [0-2]  (cat    |Čeština|       ) +[0-9.]+ %  [█▏▎▍▌▋▊▉]+/#
    #expect(lines[1].wholeMatch(of: ranked) != nil)
    let uncertainty =
      #/  uncertainty [0-9.]+ nats: [0-9.]+ in the image \+ [0-9.]+ between 2 members, disagreement [0-9]+ %/#
    #expect(lines[4].wholeMatch(of: uncertainty) != nil)
    let ascii = try run([model, picture], environment: ["LC_ALL": "C"]).output
    #expect(ascii.contains("#"))
    #expect(!ascii.contains("█"))
  }

  @Test("another score than the relative distance is called by its name")
  func weighted() throws {
    var sample = SampleFile.weighted
    sample.calibration?.unknown_threshold = -1e6
    let path = try folder.write(sample.bytes, to: "weighted.e3")
    let object = try run([path, picture, "--json"]).object
    let thresholds = try #require(object["thresholds"] as? [String: Any])
    #expect(thresholds["unknown_relative_distance"] is NSNull && number(thresholds, "unknown_score") == -1e6)
    let uncertainty = try #require(object["uncertainty"] as? [String: Any])
    #expect(number(uncertainty, "unknown_score") != number(uncertainty, "relative_distance"))
    let text = try run([path, picture]).output
    #expect(text.contains(#/  unknown: unknown score [-0-9.]+ is above -1000000.00/#))
  }

  @Test("a calibrated model decides by its thresholds, in JSON and in the text, which gives the reason and the set")
  func calibrated() throws {
    func model(unknown: Float, accept: Float) throws -> String {
      var sample = SampleFile.calibrated
      sample.calibration?.unknown_threshold = unknown
      sample.calibration?.accept_threshold = accept
      return try folder.write(sample.bytes, to: "calibrated.e3")
    }
    let cases: [(unknown: Float, accept: Float, decision: String, reason: Regex<Substring>)] = [
      (1e6, 0, "accept", #/  accept: [0-9.]+ % is at least 0.0 %, relative distance [-0-9.]+ is at most 1000000.00/#),
      (1e6, 1, "unsure", #/  unsure: [0-9.]+ % is below 100.0 %, relative distance [-0-9.]+ is at most 1000000.00/#),
      (-1e6, 0, "unknown", #/  unknown: relative distance [-0-9.]+ is above -1000000.00/#),
    ]
    for (unknown, accept, decision, reason) in cases {
      let path = try model(unknown: unknown, accept: accept)
      let object = try run([path, picture, "--json"]).object
      #expect(object["decision"] as? String == decision)
      let uncertainty = try #require(object["uncertainty"] as? [String: Any])
      #expect(number(uncertainty, "distance")! > 0 && number(uncertainty, "relative_distance") != nil)
      let thresholds = try #require(object["thresholds"] as? [String: Any])
      #expect(number(thresholds, "unknown_relative_distance") == Double(unknown))
      #expect(number(thresholds, "unknown_score") == Double(unknown))
      #expect(number(uncertainty, "unknown_score") == number(uncertainty, "relative_distance"))
      let probabilities = numbers(object["probabilities"])
      let set = (0..<3).filter { probabilities[$0] >= 0.2 }.sorted { probabilities[$0] > probabilities[$1] }
      #expect(numbers(object["prediction_set"]) == set.map(Double.init))
      let lines = try run([path, picture]).output.split(separator: "\n")
      #expect(lines.count == (decision == "unknown" ? 6 : 7) && lines[0].contains(": \(decision) ("))
      #expect(lines[5].wholeMatch(of: reason) != nil, "\(lines[5])")
      if decision == "unknown" { continue }
      let names = set.map { ["cat", "Čeština", "2"][$0] }.joined(separator: ", ")
      #expect(lines[6] == "  set that holds the class in at least 95 % of images: \(names)")
    }
    for (share, text) in [(Float(0.999), "99.9"), (0.9995, "99.95"), (0.5, "50"), (0.07, "7"), (0.999999, "99.9999")] {
      var sample = SampleFile.calibrated
      sample.calibration?.unknown_threshold = 1e6
      sample.calibration?.set_coverage = share
      let path = try folder.write(sample.bytes, to: "calibrated.e3")
      #expect(try run([path, picture]).output.contains("holds the class in at least \(text) % of images:"))
    }
  }

  @Test("a model's own golden input can be checked")
  func selfTest() throws {
    // The sample's stored answer is made up, so the honest result is a mismatch with its own text.
    let outcome = try run([model, "--self-test"])
    #expect(outcome.status == 1)
    #expect(outcome.errors == "e3-run: \(model): \(statusText(E3_ERROR_GOLDEN_MISMATCH))\n")
    let plain = try folder.model { $0.golden = false }
    #expect(try run([plain, "--self-test"]).errors.contains(statusText(E3_ERROR_NO_GOLDEN)))
    let honest = packageRoot.appendingPathComponent("models/fashion-e3.e3").path
    let good = try run([honest, "--self-test"])
    #expect(good.status == 0)
    #expect(good.lines.first == "\(honest): every checksum is right")
    #expect(good.lines.last?.hasPrefix("\(honest): the golden input gives the stored bits (") == true)
  }
}
