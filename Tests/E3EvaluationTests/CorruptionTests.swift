import Testing
@testable import E3DataSets
@testable import E3Evaluation

@Suite("Corruptions")
struct CorruptionTests {
  /// A smooth picture with detail, of an odd size.
  private func picture(channels: Int, height: Int = 33, width: Int = 40) -> Picture {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        for channel in 0..<channels { pixels.append(UInt8(60 + (x * 3 + y * 2) % 97 + 30 * channel)) }
      }
    }
    return Picture(height: height, width: width, channels: channels, pixels: pixels)
  }

  private func distance(_ a: Picture, _ b: Picture) -> Int {
    zip(a.pixels, b.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
  }

  @Test("every severity changes the picture more than the one before, and never its size", arguments: [1, 3])
  func severities(channels: Int) throws {
    let original = picture(channels: channels)
    for corruption in Corruption.allCases {
      var last = 0
      for severity in 1...Corruption.severities {
        let changed = try corruption.apply(to: original, severity: severity, index: 3)
        #expect((changed.height, changed.width, changed.channels) == (33, 40, channels))
        let found = distance(original, changed)
        #expect(found > last, "\(corruption) \(severity)")
        last = found
      }
    }
  }

  @Test("a corruption depends on the image's number and severity alone")
  func deterministic() throws {
    let original = picture(channels: 3)
    for corruption in Corruption.allCases {
      let once = try corruption.apply(to: original, severity: 2, index: 7)
      #expect(try corruption.apply(to: original, severity: 2, index: 7) == once)
    }
    let noise = try (0..<2).map { try Corruption.noise.apply(to: original, severity: 2, index: $0) }
    #expect(noise[0] != noise[1])
  }

  @Test("noise has mean 0 and the stated deviation")
  func noise() throws {
    let grey = Picture(height: 200, width: 200, channels: 1, pixels: [UInt8](repeating: 128, count: 40_000))
    for (severity, deviation) in [(1, 0.04), (5, 0.10)] {
      let noisy = try Corruption.noise.apply(to: grey, severity: severity, index: 0)
      let values = noisy.pixels.map { Double($0) - 128 }
      let mean = values.reduce(0, +) / 40_000
      let found = (values.reduce(0) { $0 + $1 * $1 } / 40_000).squareRoot() / 255
      // Five standard errors of the mean and of the deviation.
      #expect(abs(mean) < 5 * deviation * 255 / 200)
      #expect(abs(found - deviation) < 5 * deviation / 282)
    }
  }

  @Test("an even picture stays as it is under blur, contrast and rotation, and even under JPEG")
  func evenPicture() throws {
    let grey = Picture(height: 17, width: 16, channels: 1, pixels: [UInt8](repeating: 77, count: 272))
    for corruption in [Corruption.blur, .contrast, .rotation] {
      #expect(try corruption.apply(to: grey, severity: 5, index: 1) == grey, "\(corruption)")
    }
    // The mean of a block is coded in steps.
    let coded = try Corruption.jpeg.apply(to: grey, severity: 5, index: 1)
    #expect(Set(coded.pixels).count == 1 && abs(Int(coded.pixels[0]) - 77) <= 2)
  }

  @Test("contrast keeps the mean, brightness keeps hue and stops at white")
  func light() throws {
    let two = Picture(height: 1, width: 2, channels: 1, pixels: [50, 150])
    #expect(try Corruption.contrast.apply(to: two, severity: 2, index: 0).pixels == [75, 125])
    let colour = Picture(height: 1, width: 2, channels: 3, pixels: [100, 50, 0, 255, 128, 0])
    let bright = try Corruption.brightness.apply(to: colour, severity: 5, index: 0)
    #expect(bright.pixels == [177, 88, 0, 255, 128, 0])
    let black = Picture(height: 1, width: 1, channels: 3, pixels: [0, 0, 0])
    #expect(try Corruption.brightness.apply(to: black, severity: 5, index: 0).pixels == [77, 77, 77])
  }

  @Test("a turned picture turns back, and both sides occur")
  func rotation() {
    var pixels = [UInt8](repeating: 0, count: 31 * 31)
    for y in 10..<21 { for x in 12..<19 { pixels[y * 31 + x] = 200 } }
    let original = Picture(height: 31, width: 31, channels: 1, pixels: pixels)
    let turn = Turn.severities[4]
    let there = original.turned(turn)
    let back = there.turned(turn.reversed)
    #expect(distance(original, there) > 2 * distance(original, back))
    let sides = (0..<20).map { index in
      try? Corruption.rotation.apply(to: original, severity: 5, index: index) == there
    }
    #expect(sides.contains(true) && sides.contains(false))
  }
}
