import E3
import E3TestSupport
import Foundation
import Testing
@testable import E3DataSets
@testable import E3Evaluation
@testable import E3Models

/// Sample files with a calibration and random statistics.
@Suite("A calibrated file")
struct CalibratedTests {
  let folder: TemporaryFolder
  let model: EvaluatedModel

  init() throws {
    folder = try TemporaryFolder()
    model = try EvaluatedModel(path: folder.write(SampleFile.calibrated.bytes, to: "calibrated.e3"))
  }

  private func images(_ count: Int) throws -> DataSet {
    let shape = model.mapped.file.shape
    let (height, width, channels) = (shape.imageHeight, shape.imageWidth, shape.channels)
    return try DataSet(
      path: folder.write(
        npy([count, height, width, channels], noise(count * shape.imageValues)), to: "images.npy"))
  }

  @Test("the distances that the float path is given are the runtime's formula")
  func distances() throws {
    var session = try ModelSession(model.mapped, recordsRouting: false)
    let data = try images(5)
    for index in 0..<5 {
      let answer = StoredAnswer(try session.run(data.image(at: index), name: "image"))
      let (distance, relative) = (try #require(answer.distance), try #require(answer.relativeDistance))
      let rows = answer.representations.map { $0[...] }
      let exact = try #require(model.mapped.distances(of: rows))
      #expect(abs(Double(distance) - exact.distance) < 1e-4 * exact.distance)
      #expect(abs(Double(relative) - exact.relative) < 1e-3 * abs(exact.relative) + 1e-3)
    }
  }

  @Test("what decides is, of the float path too, the file's weighted score")
  func weighted() throws {
    let model = try EvaluatedModel(path: folder.write(SampleFile.weighted.bytes, to: "weighted.e3"))
    var session = try ModelSession(model.mapped, recordsRouting: false)
    let data = try images(5)
    var floats = Answers(classCount: model.classCount, memberCount: model.memberCount, isCalibrated: false)
    for index in 0..<5 {
      let answer = StoredAnswer(try session.run(data.image(at: index), name: "image"))
      let exact = try #require(model.mapped.distances(of: answer.representations.map { $0[...] }))
      floats.append(
        members: answer.memberProbabilities.flatMap { $0 }[...], distances: exact, score: model.mapped.unknownScore)
      let score = Double(try #require(answer.unknownScore))
      #expect(abs(floats.unknownScore[index] - score) < 1e-3 * (exact.distance * exact.distance + 1))
      #expect(abs(Double(try #require(answer.distance)) - exact.distance) < 1e-4 * exact.distance)
    }
    let answers = try model.answers(to: data, threads: 1)
    #expect(answers.unknownScore.count == 5 && answers.unknownScore != answers.relativeDistance)
    #expect(Answers.ensemble([answers, answers]).unknownScore.isEmpty, "several files have no decision")
  }

  @Test("scores stand before and after the temperature, with decisions, sets and both distances")
  func report() throws {
    let data = try images(40)
    let labels = (0..<40).map { $0 % model.classCount }
    let answers = try model.answers(to: data, threads: 2)
    let report = Report(models: [model], images: data, answers: answers, labels: labels)
    let calibrated = try #require(report.calibrated)
    // The mean before the temperature, tempered, is what the runtime answers.
    let again = answers.labelled(labels).tempered(by: 1.25)
    #expect(abs(Double(again.negativeLogLikelihood ?? 0) - calibrated.scores.nll) < 1e-5)
    #expect(report.scores.nll != calibrated.scores.nll && report.scores.accuracy == calibrated.scores.accuracy)
    let shares = calibrated.decisions
    #expect(abs(shares.accept + shares.unsure + shares.unknown - 1) < 1e-12)
    #expect(calibrated.sets.meanSize >= 1 && calibrated.sets.emptyShare == 0)
    #expect(report.misclassification.map(\.signal) == Signal.allCases)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
    let values = try #require(object["calibrated"] as? [String: Any])
    #expect(values["coverage"] as? Double == calibrated.sets.coverage && values["accept"] as? Double == shares.accept)
    #expect(report.text.contains("accuracy of accepted"))
  }

  @Test("an ensemble of a file with itself has the file's distances, and one without statistics has none")
  func ensembles() throws {
    let answers = try model.answers(to: try images(6), threads: 1)
    let twice = Answers.ensemble([answers, answers])
    for (a, b) in zip(twice.distance, answers.distance) { #expect(abs(a - b) < 1e-9 * b) }
    #expect(twice.relativeDistance.count == 6 && twice.calibrated == nil)
    let plain = try EvaluatedModel(path: folder.write(SampleFile.full.bytes, to: "plain.e3"))
    let others = try plain.answers(to: try images(6), threads: 1)
    #expect(others.distance.isEmpty && others.calibrated == nil)
    #expect(Answers.ensemble([answers, others]).distance.isEmpty)
  }
}
