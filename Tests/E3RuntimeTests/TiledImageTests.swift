import CE3
import E3TestSupport
import Testing

/// A model whose patches leave no line and no column of the image over and have a multiple of 16 values in a line: prepared
/// images are then quantised in place, without a patch matrix.
@Suite("A prepared image that patches tile")
struct TiledImageTests {
  private static let config: e3_file_config = {
    var config = awkwardConfigs[1].config
    (config.image_height, config.image_width) = (32, 48)
    (config.patch_height, config.patch_width) = (8, 16)
    config.activation = UInt32(E3_FILE_ACTIVATION_GELU_ERF.rawValue)
    return config
  }()

  @Test("gives the answer of the frame that it was prepared from, on every tier", arguments: [1, 3])
  func frame(threads: Int) throws {
    let model = try OpenModel(Self.config)
    let pixels = noise(61 * 47 * 3)
    var expected: Answer?
    for isa in E3_ISA_SCALAR...E3_ISA_I8MM where e3_isa_available(e3_isa(isa)) == E3_OK {
      let session = try OpenSession(model, sessionOptions(threads: threads, isa: isa))
      var values = model.image(seed: 0)
      try withRGB24(pixels, width: 61, height: 47) { frame in
        let answer = try session.answer(frame)
        try check(e3_session_preprocess(session.handle, frame, &values, values.count))
        #expect(try session.answer(values) == answer)
        #expect(expected == nil || answer == expected)
        expected = answer
      }
    }
  }

  @Test("is refused with a number that is not finite anywhere")
  func notFinite() throws {
    let session = try OpenSession(OpenModel(Self.config), sessionOptions())
    let image = session.model.image(seed: 1)
    for (place, value) in [(0, Float.nan), (image.count / 2, .infinity), (image.count - 1, -.infinity)] {
      var edited = image
      edited[place] = value
      #expect(throws: Failure(status: e3_status(E3_ERROR_TENSOR_NOT_FINITE))) { try session.answer(edited) }
    }
    _ = try session.answer(image)
  }
}
