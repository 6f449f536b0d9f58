import CE3
import E3Format
import E3TestSupport
import Testing

/// What is not there is a status, in every function and in each of its places.
@Suite("A null pointer")
struct NullArgumentTests {
  private let null = e3_status(E3_ERROR_NULL_ARGUMENT)

  @Test("in the place of a model, of bytes or of what is asked for is a status")
  func models() throws {
    let model = try OpenModel(SampleFile.calibrated.bytes)
    var other = e3_model()
    var (bytes, alignment, length) = (0, 0, 0)
    var text: UnsafePointer<CChar>?
    #expect(e3_model_open(nil, 64, &other) == null && e3_model_open(model.memory.baseAddress, 64, nil) == null)
    #expect(e3_model_open(model.memory.baseAddress, -1, &other) == E3_ERROR_FILE_TRUNCATED)
    #expect(e3_model_verify(nil) == null && e3_model_scrub(&model.handle, nil, 64) == null)
    #expect(e3_model_get_info(nil, nil) == null && e3_model_get_info(&model.handle, nil) == null)
    #expect(e3_model_get_network_info(&model.handle, 0, nil) == null)
    #expect(e3_model_get_calibration(&model.handle, nil) == null)
    #expect(e3_model_get_preprocessing(&model.handle, nil) == null)
    #expect(e3_model_get_label(&model.handle, 0, nil, &length) == null)
    #expect(e3_model_get_label(&model.handle, 0, &text, nil) == null)
    #expect(e3_model_get_provenance(&model.handle, nil, &length) == null)
    #expect(e3_model_get_provenance(&model.handle, &text, nil) == null)
    #expect(e3_session_query(&model.handle, nil, nil, &alignment) == null)
    #expect(e3_session_query(&model.handle, nil, &bytes, nil) == null)
    #expect(e3_classes_query(&model.handle, 1, 1, nil, &alignment) == null)
    #expect(e3_classes_query(&model.handle, 1, 1, &bytes, nil) == null)
  }

  @Test("in the place of a session, an arena, values or a result is a status, and the session then answers")
  func sessions() throws {
    let model = try OpenModel(SampleFile.calibrated.bytes)
    let session = try OpenSession(model, sessionOptions())
    let image = model.image(seed: 1)
    let expected = try session.answer(image)
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    var values = image
    var handle: OpaquePointer?
    #expect(e3_session_create(&model.handle, nil, nil, session.size, &handle) == null)
    #expect(e3_session_create(&model.handle, nil, session.arena.baseAddress, session.size, nil) == null)
    #expect(e3_session_run_tensor(nil, image, image.count, &result) == null)
    #expect(e3_session_run_tensor(session.handle, nil, image.count, &result) == null)
    #expect(e3_session_run_tensor(session.handle, image, image.count, nil) == null)
    #expect(e3_session_run_frame(session.handle, nil, &result) == null)
    #expect(e3_session_get_isa(session.handle, nil) == null && e3_session_get_profile(session.handle, nil) == null)
    try withRGB24(noise(63), width: 7, height: 3) { frame in
      #expect(e3_session_run_frame(session.handle, frame, nil) == null)
      #expect(e3_session_preprocess(session.handle, frame, nil, image.count) == null)
      #expect(e3_session_preprocess(session.handle, frame, &values, image.count - 1) == E3_ERROR_TENSOR_SIZE)
    }
    #expect(e3_session_preprocess(session.handle, nil, &values, image.count) == null)
    #expect(e3_session_destroy(nil) == E3_OK)
    #expect(try session.answer(image) == expected)
  }

  @Test("in the place of learned classes or of their memory is a status")
  func classes() throws {
    let model = try OpenModel(SampleFile.calibrated.bytes)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 1 << 16, alignment: 64)
    defer { memory.deallocate() }
    var handle: OpaquePointer?
    #expect(e3_classes_create(&model.handle, 1, 1, nil, 1 << 16, &handle) == null)
    #expect(e3_classes_create(&model.handle, 1, 1, memory, 1 << 16, nil) == null)
    #expect(e3_classes_open(&model.handle, nil, 128, &handle) == null)
    #expect(e3_classes_open(&model.handle, memory, 128, nil) == null)
    #expect(e3_classes_get_info(nil, nil) == null && e3_classes_get_class(nil, 0, nil) == null)
  }
}
