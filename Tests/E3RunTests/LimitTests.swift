import CE3
import CE3Board
import CE3Pictures
import E3Format
import E3TestSupport
import Testing

@Suite("Limits")
struct LimitTests {
  @Test("the largest side is one number, wherever it is needed")
  func side() {
    #expect(Int(E3_MAX_FRAME_SIDE) == Int(E3P_MAX_SIDE))
    #expect(Int(E3_MAX_FRAME_SIDE) == Int(E3C_MAX_SIDE))
    #expect(ModelLimits.imageSide == UInt32(E3_MAX_FRAME_SIDE))
  }

  /// A dense model of colour images of `side` pixels.
  private func dense(side: UInt32, patch: UInt32) -> SampleFile {
    var config = SampleFile.config
    (config.image_height, config.image_width, config.patch_height, config.patch_width) = (side, side, patch, patch)
    (config.member_count, config.expert_count, config.selected_experts) = (1, 0, 0)
    (config.moe_layers.0, config.expert_mlp_size) = (0, 0)
    return SampleFile(config: config)
  }

  @Test(
    "a small model that claims much work or memory is refused before anything is computed, whatever it is asked for")
  func claims() throws {
    let folder = try TemporaryFolder()
    let picture = try folder.write(Array("P6 1 1 255\nabc".utf8), to: "p.ppm")
    // 8836 tokens that all attend to each other; patches of 192 MB.
    let claims = [
      (dense(side: 94, patch: 1), "multiply-accumulates"), (dense(side: 8000, patch: 100), "beside its file"),
    ]
    for (file, text) in claims {
      let bytes = try file.bytes
      #expect(bytes.count < 1_000_000)
      let model = try folder.write(bytes, to: "large.e3")
      for arguments in [[picture], ["--self-test"], ["--verify"]] {
        let refused = try run([model] + arguments)
        #expect(refused.status == 1 && refused.errors.contains(text), "\(refused.errors)")
      }
    }
  }

  @Test("--max-work and --max-arena are the limits of a model")
  func options() throws {
    let folder = try TemporaryFolder()
    let picture = try folder.write(Array("P6 1 1 255\nabc".utf8), to: "p.ppm")
    let model = try folder.model()
    #expect(try run([model, picture]).status == 0)
    #expect(try run([model, picture, "--max-work", "1G", "--max-arena", "10M"]).status == 0)
    #expect(try run([model, picture, "--max-work", "1000"]).errors.contains("--max-work allows more"))
    #expect(try run([model, picture, "--max-arena", "1000"]).errors.contains("--max-arena allows more"))
    #expect(try run([model, picture, "--max-work", "0"]).status == 2)
    #expect(try run([model, picture, "--max-arena", "many"]).status == 2)
  }
}
