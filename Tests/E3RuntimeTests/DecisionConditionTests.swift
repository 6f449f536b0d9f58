import CE3
import E3Format
import E3TestSupport
import Testing

@testable import E3Runtime

/// Modified condition/decision coverage of what decides: pairs of inputs that differ in one condition, and its outcome.
@Suite("Each condition of the decision decides alone")
struct DecisionConditionTests {
  /// Calls `body` with the decisions of a calibrated model with 37 classes, thresholds 3 and 0.4.
  private func withAnswer<R>(_ body: (E3Runtime.Answer, e3_file_calibration) throws -> R) throws -> R {
    let model = try OpenModel(awkwardConfigs[1].config, isCalibrated: true)
    let session = try OpenSession(model, sessionOptions())
    let pointer = try #require(UnsafeMutableRawPointer(session.handle)).assumingMemoryBound(to: Session.self)
    let answer = E3Runtime.Answer(
      model: pointer.pointee.model, members: pointer.pointee.model.memberCount, kernels: pointer.kernels,
      space: pointer.pointee.answer)
    return try withExtendedLifetime(session) {
      try body(answer, try #require(pointer.pointee.model.calibration))
    }
  }

  @Test(
    "unknown by the distance, else accepted by the probability, at the last bit of each",
    arguments: [
      (3, 0.4, E3_DECISION_ACCEPT), (Float(3).nextUp, 0.4, E3_DECISION_UNKNOWN),
      (3, Float(0.4).nextDown, E3_DECISION_UNSURE),
      (Float(3).nextUp, Float(0.4).nextDown, E3_DECISION_UNKNOWN), (.infinity, 1, E3_DECISION_UNKNOWN),
      (-.infinity, 1, E3_DECISION_ACCEPT), (.nan, 1, E3_DECISION_ACCEPT), (.nan, 0, E3_DECISION_UNSURE),
    ] as [(Float, Float, Int)])
  func decide(relative: Float, top: Float, decision: Int) throws {
    try withAnswer { answer, calibration in
      #expect(calibration.unknown_threshold == 3 && calibration.accept_threshold == 0.4)
      #expect(
        Int(answer.decide(calibration, topProbability: top, unknownScore: relative)) == decision)
    }
  }

  /// The classes of the set for these probabilities of the first classes, zero for the others.
  private func set(
    _ probabilities: [Float], top: Int, threshold: Float, score: SetScore = .leastAmbiguous
  ) throws -> [UInt32] {
    try withAnswer { answer, stored in
      var calibration = stored
      calibration.set_threshold = threshold
      score.store(in: &calibration)
      let all = probabilities + [Float](repeating: 0, count: answer.model.shape.classCount - probabilities.count)
      return [UInt32](unsafeUninitializedCapacity: all.count) { buffer, count in
        guard let start = buffer.baseAddress else { return }
        count = answer.collectPredictionSet(calibration, all, top: top, into: start)
      }
    }
  }

  @Test("a class is in the set by its probability, at the last bit, or because it is the top class")
  func membership() throws {
    #expect(try set([0.2, 0.5], top: 1, threshold: 0.2) == [1, 0])
    #expect(try set([Float(0.2).nextDown, 0.5], top: 1, threshold: 0.2) == [1])
    #expect(try set([0.2, 0.5], top: 0, threshold: 0.6) == [0], "the top class, below the threshold")
    #expect(try set([0.2, 0.5], top: 1, threshold: 0.6) == [1])
  }

  @Test("the order is falling probability, then rising index; each alone turns two classes round")
  func order() throws {
    #expect(try set([0.3, 0.4], top: 1, threshold: 0.3) == [1, 0])
    #expect(try set([0.4, 0.3], top: 0, threshold: 0.3) == [0, 1])
    #expect(try set([0.3, 0.3], top: 0, threshold: 0.3) == [0, 1], "equal: the lower index first")
    // Of three: the last has one child alone, the middle of two is the later of both.
    for values: [Float] in [[0.2, 0.3, 0.4], [0.4, 0.2, 0.3], [0.3, 0.4, 0.2], [0.3, 0.3, 0.4], [0.2, 0.2, 0.2]] {
      let expected = (0..<3).sorted { values[$0] > values[$1] || values[$0] == values[$1] && $0 < $1 }
      #expect(try set(values, top: expected[0], threshold: 0.2) == expected.map { UInt32($0) })
    }
  }

  @Test("adaptive: a class is in the set by the sum before it, at the last bit, or because it is the top class")
  func adaptive() throws {
    let score = SetScore(isAdaptive: true)
    let values: [Float] = [0.25, 0.5, 0.125, 0.125]
    #expect(try set(values, top: 1, threshold: 0.5, score: score) == [1, 0])
    #expect(try set(values, top: 1, threshold: Float(0.5).nextDown, score: score) == [1])
    #expect(try set(values, top: 1, threshold: 0.75, score: score) == [1, 0, 2], "equal: the lower index first")
    #expect(try set(values, top: 1, threshold: 0, score: score) == [1])
    #expect(try set(values, top: 1, threshold: 1, score: score).count == 37)
  }

  @Test("regularised: ranks beyond the free ones cost a penalty each")
  func regularised() throws {
    let values: [Float] = [0.25, 0.5, 0.125, 0.125]
    // 0, 0.5, 0.75 + 0.125, 0.875 + 0.25
    let score = SetScore(isAdaptive: true, freeRanks: 2, penalty: 128)
    #expect(try set(values, top: 1, threshold: 0.5, score: score) == [1, 0])
    #expect(try set(values, top: 1, threshold: Float(0.875).nextDown, score: score) == [1, 0])
    #expect(try set(values, top: 1, threshold: 0.875, score: score) == [1, 0, 2])
    #expect(try set(values, top: 1, threshold: 1.125, score: score) == [1, 0, 2, 3])
    // Without a free rank the top class has a penalty too, and stays.
    #expect(try set(values, top: 1, threshold: 0, score: SetScore(isAdaptive: true, penalty: 128)) == [1])
  }

  @Test("without a calibration the probability 0.5 decides, and no distance does")
  func uncalibrated() throws {
    // Three classes: two with equal logits, the third less by as much as is asked for.
    var config = awkwardConfigs[1].config
    config.class_count = 3
    let bytes = try SampleFile(config: config, seed: 7).bytes
    let extent = bytes[extent: try #require(bytes.extentIndex(of: .head))]
    func decision(_ third: Float) throws -> Int {
      var edited = bytes
      for place in Int(extent.offset)..<Int(extent.offset + extent.length) { edited[place] = 0 }
      edited.write(third, at: Int(extent.offset + extent.length) - 4 * (16 - 2))  // its bias
      let model = try OpenModel(edited)
      return Int(try OpenSession(model, sessionOptions()).answer(model.image(seed: 1)).decision)
    }
    #expect(try decision(-200) == E3_DECISION_ACCEPT, "0.5 is enough")
    #expect(try decision(-15) == E3_DECISION_UNSURE)
  }
}
