import E3TestSupport
import Foundation
import Testing

@Suite("e3-run: several regions of a frame")
struct RegionTests {
  let folder: TemporaryFolder
  let model: String
  private let stream = ["--pixel-format", "gray8", "--size", "12x10", "--json"]

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.model()
  }

  // promise: regions
  @Test("each --crop has an answer of its own, that of the rectangle alone, in their order")
  func answers() throws {
    let frames = noise(240)
    let crops = ["0,0,12,10", "3,1,5,7", "3,1,5,7", "11,9,1,1"]
    let all = try run([model, "-"] + stream + crops.flatMap { ["--crop", $0] }, input: frames)
    #expect(all.status == 0)
    let objects = try all.objects
    #expect(objects.map { $0["frame"] as? Int } == [0, 0, 0, 0, 1, 1, 1, 1])
    for (index, crop) in crops.enumerated() {
      let alone = try run([model, "-", "--crop", crop] + stream, input: frames).objects
      for frame in 0..<2 {
        let (one, other) = (objects[4 * frame + index], alone[frame])
        #expect((one["crop"] as? [Int])?.map(String.init).joined(separator: ",") == crop)
        #expect(one["probabilities"] as? [NSNumber] == other["probabilities"] as? [NSNumber])
        #expect(one["members"] as? NSArray == other["members"] as? NSArray)
      }
    }
    #expect(try run([model, "-"] + stream, input: frames).objects[0]["crop"] == nil)
  }

  @Test("--json says how the frame was turned, where it was")
  func turned() throws {
    let picture = pictureFolder.appendingPathComponent("grey.jpg").path
    let turned = try run([model, picture, "--json", "--rotate", "90", "--flip", "vertical"]).objects[0]
    #expect(turned["rotate"] as? Int == 90 && turned["flip"] as? String == "vertical")
    let plain = try run([model, picture, "--json"]).objects[0]
    #expect(plain["rotate"] == nil && plain["flip"] == nil)
  }

  @Test("text names the rectangle; --frames counts frames")
  func text() throws {
    let crops = ["--crop", "0,0,4,4", "--crop", "1,2,3,4"]
    let lines = try run([model, "-"] + stream.dropLast() + crops + ["--frames", "1"], input: noise(240)).lines
    #expect(lines.count == 2 && lines[0].hasPrefix("- 0 [0,0,4,4]: ") && lines[1].hasPrefix("- 0 [1,2,3,4]: "))
    let picture = pictureFolder.appendingPathComponent("grey.jpg").path
    let text = try run([model, picture] + crops).output
    #expect(text.contains("grey.jpg [0,0,4,4]: ") && text.contains("grey.jpg [1,2,3,4]: "))
  }

  @Test("a rectangle that leaves the frame is reported, and the others are answered")
  func outside() throws {
    let picture = pictureFolder.appendingPathComponent("grey.jpg").path
    let outcome = try run([model, picture, "--json", "--crop", "0,0,9000,1", "--crop", "0,0,2,2"])
    #expect(outcome.status == 1 && outcome.lines.count == 1)
    #expect(outcome.errors.contains("frame 0: ") && outcome.errors.hasSuffix("leaves the frame of 27x18 pixels\n"))
    let many = (0..<17).flatMap { _ in ["--crop", "0,0,1,1"] }
    #expect(try run([model, picture] + many).errors == "e3-run: more than 16 times --crop; e3-run --help explains\n")
    #expect(try run([model, "-", "--crop", "0,0,1,1", "--crop", "4,0,9,1"] + stream).status == 2)
  }
}
