import E3TestSupport
import Foundation
import Testing
@testable import E3DataSets
@testable import E3Evaluation
@testable import E3Models

@Suite("Pictures of a page")
struct PagePictureTests {
  /// The bytes behind a data address, as a picture.
  private func decoded(_ address: String, _ kind: String) throws -> Picture {
    let prefix = "data:image/\(kind);base64,"
    try #require(address.hasPrefix(prefix))
    let data = try #require(Data(base64Encoded: String(address.dropFirst(prefix.count))))
    return try data.withUnsafeBytes { try decodePicture($0, path: "page", alpha: .ignore) }
  }

  @Test("small pictures are on the page pixel by pixel", arguments: [(1, 1, 1), (28, 28, 1), (3, 64, 3), (7, 5, 3)])
  func exact(height: Int, width: Int, channels: Int) throws {
    let picture = Picture(
      height: height, width: width, channels: channels, pixels: noise(height * width * channels))
    #expect(try decoded(try picture.dataAddress().markup, "png") == picture)
  }

  @Test("large ones are scaled down to at most 128 pixels, in proportion", arguments: [(600, 900), (65, 1), (1, 3000)])
  func large(height: Int, width: Int) throws {
    let picture = Picture(height: height, width: width, channels: 3, pixels: noise(height * width * 3))
    let shown = try decoded(try picture.dataAddress().markup, "jpeg")
    let side = min(128, max(height, width))
    #expect(max(shown.height, shown.width) == side)
    #expect(min(shown.height, shown.width) == max(1, min(height, width) * side / max(height, width)))
  }

  @Test("a pixel of a picture that is scaled down is the mean of those that it covers")
  func means() {
    let picture = Picture(height: 2, width: 4, channels: 1, pixels: [0, 10, 20, 30, 100, 110, 120, 131])
    let small = picture.scaledDown(toFit: 2)
    #expect(small == Picture(height: 1, width: 2, channels: 1, pixels: [55, 75]))
    #expect(picture.scaledDown(toFit: 4) == picture)
  }

  @Test("base64 is that of RFC 4648")
  func encoding() {
    for (text, expected) in [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
      ("foobar", "Zm9vYmFy"),
    ] {
      #expect(base64(Array(text.utf8)) == expected)
    }
    #expect(base64([0xFB, 0xEF, 0xFF]) == "++//")
  }

  @Test("what the network sees becomes the bytes that it was made of")
  func prepared() throws {
    let folder = try TemporaryFolder()
    let model = try MappedModel(path: folder.packModel(SampleConfig.dense, as: "dense"))
    var session = try ModelSession(model)
    let pixels = noise(144)
    let picture = Picture(height: 12, width: 12, channels: 1, pixels: pixels)
    let values = try session.prepared(.picture(picture), name: "picture")
    #expect(model.file.shape.picture(of: values) == picture)
  }

  @Test("a map has the colour of the expert that took each patch, and of the other one beside it")
  func maps() throws {
    let folder = try TemporaryFolder()
    let model = try MappedModel(path: folder.packModel(SampleConfig.ensemble, as: "ensemble"))
    var session = try ModelSession(model, recordsRouting: true)
    let image = DataSetImage.picture(Picture(height: 12, width: 12, channels: 1, pixels: noise(144, seed: 3)))
    let markup = try ExpertMaps(of: image, name: "image", &session).html().markup
    let addresses = markup.matches(of: try Regex("src=\"([^\"]*)\"")).map { String($0.output[1].substring!) }
    // Two blocks have experts; the router of the second one, the last block, sees the class token alone.
    #expect(addresses.count == 3 && markup.components(separatedBy: "first token only, expert ").count == 4)
    _ = try session.run(image, name: "image")
    let routing = try session.routing(layer: 0)
    let (tokens, selected, perMember) = (routing.tokenCount, routing.selectedExperts, routing.memberExperts)
    #expect(tokens == 10 && selected == 2 && perMember == 4)
    let chosen = routing.experts.withUnsafeBufferPointer { $0.map { Int($0) } }
    let palette = ExpertColours.palette(perMember)
    for (member, address) in addresses.enumerated() {
      let map = try decoded(address, "png")
      #expect(map.width == 3 * selected && map.height == 3 && map.channels == 3)
      for place in 0..<9 * selected {
        // The first token is the class token.
        let expert = chosen[(member * tokens + 1) * selected + place] - member * perMember
        #expect(Array(map.pixels[3 * place..<3 * place + 3]) == Array(palette[3 * expert..<3 * expert + 3]))
      }
    }
  }

  @Test("experts have colours of their own", arguments: [1, 4, 8, 9, 16, 32])
  func colours(count: Int) {
    let palette = ExpertColours.palette(count)
    #expect(Set((0..<count).map { Array(palette[3 * $0..<3 * $0 + 3]) }).count == count)
  }
}
