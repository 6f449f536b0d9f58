import Testing
@testable import E3Metrics

@Suite("Detection metrics")
struct DetectionTests {
  @Test("AUROC, average precision and FPR95 are scikit-learn's, ties included")
  func values() throws {
    for expected in try Fixture().detection {
      let found = try #require(Detection(positives: expected.positives, negatives: expected.negatives))
      #expect(agree(found.auroc, expected.auroc))
      #expect(agree(found.aupr, expected.aupr))
      #expect(found.fpr95 == expected.fpr95)
    }
  }

  @Test("equal scores tell nothing: AUROC one half, precision the share of positives, all negatives false")
  func equalScores() throws {
    let found = try #require(Detection(positives: [0, 0, 0], negatives: [0]))
    #expect(found.auroc == 0.5 && found.aupr == 0.75 && found.fpr95 == 1)
  }

  @Test("perfect order is 1, 1 and 0; reversed order is 0 and 1")
  func extremes() throws {
    let perfect = try #require(Detection(positives: [3, .infinity], negatives: [-.infinity, 1]))
    #expect(perfect.auroc == 1 && perfect.aupr == 1 && perfect.fpr95 == 0)
    let reversed = try #require(Detection(positives: [1], negatives: [2]))
    #expect(reversed.auroc == 0 && reversed.aupr == 0.5 && reversed.fpr95 == 1)
  }

  @Test("one kind of item only, none, or a score that is NaN: undefined")
  func undefined() {
    #expect(Detection(positives: [1, 2], negatives: []) == nil)
    #expect(Detection(positives: [], negatives: [1]) == nil)
    #expect(Detection(positives: [], negatives: []) == nil)
    #expect(Detection(positives: [1, .nan], negatives: [0]) == nil)
  }

  @Test("the entropies of two members that agree, differ, and differ with certainty")
  func spread() {
    let agreeing = MemberSpread(members: [0.25, 0.75, 0.25, 0.75], classCount: 2)
    #expect(agreeing.disagreement == 0 && agree(agreeing.mutualInformation, 0))
    let certain = MemberSpread(members: [1, 0, 0, 1], classCount: 2)
    #expect(certain.probabilities == [0.5, 0.5] && certain.expectedEntropy == 0 && certain.disagreement == 1)
    #expect(agree(certain.mutualInformation, 0.6931471805599453))
    let three = MemberSpread(members: [1, 0, 0, 1, 0, 1], classCount: 2)
    #expect(agree(three.disagreement, 2.0 / 3))
    #expect(MemberSpread(members: [0.5, 0.5], classCount: 2).disagreement == 0)
  }
}
