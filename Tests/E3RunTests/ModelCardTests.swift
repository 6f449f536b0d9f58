import E3TestSupport
import Foundation
import Testing

@Suite("models/parts-e3.md")
struct ModelCardTests {
  @Test("the shipped model answers every frame of its card as the card says")
  func frames() throws {
    let models = packageRoot.appendingPathComponent("models")
    let card = try String(contentsOf: models.appendingPathComponent("parts-e3.md"), encoding: .utf8)
    // | `frames/part-nut.jpg` | accept | nut |
    let rows = card.matches(of: /\| `(frames\/[a-z0-9-]+\.jpg)` \| (\w+) \| ([A-Za-z -]+) \|/)
    let files = rows.map { String($0.output.1) }
    let all = try FileManager.default.contentsOfDirectory(atPath: models.appendingPathComponent("frames").path)
      .filter { $0.hasSuffix(".jpg") && ($0.hasPrefix("part-") || $0.hasPrefix("unseen-")) }
    #expect(Set(files) == Set(all.map { "frames/\($0)" }) && files.count >= 12)
    let model = models.appendingPathComponent("parts-e3.e3").path
    let outcome = try run([model, "--json", "--top", "1"] + files.map { models.appendingPathComponent($0).path })
    #expect(outcome.status == 0, "\(outcome.errors)")
    let answers = try outcome.objects
    #expect(answers.count == rows.count)
    for (row, answer) in zip(rows, answers) {
      let top = try #require((answer["top"] as? [[String: Any]])?.first)
      #expect(answer["decision"] as? String == String(row.output.2), "\(row.output.1)")
      #expect(top["label"] as? String == String(row.output.3), "\(row.output.1)")
    }
  }
}
