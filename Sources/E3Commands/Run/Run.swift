import CE3
import CE3Board
import E3Format

/// One run of the command over its frames.
struct Run: ~Copyable {
  private var model: ModelBox
  private let options: Options
  /// Brings the models that come later; nil where none is waited for.
  private let watch: ModelWatch?
  private let isUTF8 = e3c_utf8() != 0
  private let canUpdate = e3c_can_update() != 0
  private var pace: Pace
  /// Frames seen, answered or not.
  private var count: UInt64 = 0
  /// Frames answered.
  private var answered: UInt64 = 0
  /// Whether a frame could not be answered.
  private(set) var hasFailed = false
  /// Whether the model's file is not what it was.
  private var hasLostModel = false

  /// Loads the model.
  init(_ path: UnsafePointer<CChar>, _ options: Options) throws(Failure) {
    let model = try ModelBox(Model(of: options, path))
    watch = options.watchesModel ? try ModelWatch(path, options, first: model.value.stamp) : nil
    self.model = model
    self.options = options
    pace = Pace(interval: options.frameInterval)
  }

  deinit {
    watch?.end()
    model.destroy()
  }

  /// Compares every byte of the file with its checksums.
  func verify() throws(Failure) {
    try model.value.verify()
    let output = TextStream.output
    output.write(cString: model.value.path)
    output.write(": every checksum is right\n")
  }

  /// Verifies the file, and compares the answer to the model's golden input with the stored bits. The golden input
  /// alone would not do: its tokens do not choose every expert.
  func selfTest() throws(Failure) {
    try verify()
    let status = model.value.selfTest()
    if status != 0 { throw .report(model.value.path, status: status) }
    let output = TextStream.output
    output.write(cString: model.value.path)
    output.write(": the golden input gives the stored bits (")
    output.write(cString: e3_isa_name(model.value.isa))
    output.write(model.value.threads == 1 ? ", 1 thread)\n" : ", ")
    if model.value.threads > 1 {
      output.write(model.value.threads)
      output.write(" threads)\n")
    }
  }

  /// Answers every image of the `.npy` file.
  mutating func tensor() throws(Failure) {
    guard let path = options.tensor else { return }
    let file = try NpyFile(path, model.value.info)
    // Aligned for floats, wherever the header of the file ends.
    guard let image = Memory(count: file.imageBytes) else { throw .report(path, "out of memory for an image") }
    for index in 0..<file.imageCount {
      if isDone { return }
      image.start.copyMemory(from: file.image(index).baseAddress!, byteCount: file.imageBytes)
      switch file.element {
      case .float32:
        let values = image.start.assumingMemoryBound(to: Float.self)
        try requirePixels(UnsafeBufferPointer(start: values, count: file.imageBytes / 4), path)
        try finish(model.value.classify(values, count: file.imageBytes / 4), path)
      case .uint8: try finish(model.value.classify(SourceFrame(pixels: pixelFrame(image))), path)
      }
    }
    try requireAnswer()
  }

  /// Refuses prepared values that are no pixels of the model's range: their answers would mean nothing.
  private func requirePixels(_ values: UnsafeBufferPointer<Float>, _ path: UnsafePointer<CChar>) throws(Failure) {
    let (low, high) = (model.value.info.value_low, model.value.info.value_high)
    guard let value = PixelRange.firstOutside(values, low: low, high: high) else { return }
    throw .report(path, "the value ") { errors in
      errors.write(Double(value), decimals: 2)
      errors.write(" is no prepared pixel: the model takes ")
      errors.write(Double(low), decimals: 2)
      errors.write(" to ")
      errors.write(Double(high), decimals: 2)
    }
  }

  /// The pixels of a prepared-size image as a camera frame.
  private func pixelFrame(_ image: borrowing Memory) -> e3_frame {
    let format = model.value.info.channels == 3 ? E3_PIXEL_RGB24 : E3_PIXEL_GRAY8
    var frame = e3_frame(format: format, width: model.value.info.image_width, height: model.value.info.image_height)
    frame.planes.0 = UnsafeRawPointer(image.start)
    frame.sizes.0 = image.count
    return frame
  }

  /// Answers the frames of every operand, until a stop is asked for. One that cannot be read is reported, and the next
  /// one follows.
  mutating func frames(
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, _ operands: Range<Int>
  ) throws(Failure) {
    e3c_catch_stop()
    defer { e3c_end_update() }
    for operand in operands {
      guard let path = arguments[operand] else { continue }
      if isDone { return }
      do throws(Failure) {
        if e3c_is_camera(path) > 0 {
          try answer(Camera(path, options.capture, options.pictures), path)
          continue
        }
        switch options.stream {
        case .some(let format) where format.pixels == .mjpeg: try answer(MJPEGStream(path, options.pictures), path)
        case .some(let format): try answer(RawStream(path, format), path)
        case nil: try answer(PictureFile(path, options.pictures), path)
        }
      } catch {
        if hasLostModel || TextStream.output.flush() != 0 { throw error }
        hasFailed = true
      }
    }
    try requireAnswer()
  }

  /// A run without any answer has not done what it was for, unless somebody stopped it or the reason was reported.
  private func requireAnswer() throws(Failure) {
    if answered == 0, !hasFailed, e3c_stop_asked() == 0 { throw .report(nil, "no frame was answered") }
  }

  private var isDone: Bool {
    if e3c_stop_asked() != 0 { return true }
    return options.frameLimit.map { count >= UInt64($0) } ?? false
  }

  private mutating func answer<Source: FrameSource & ~Copyable>(
    _ source: consuming Source, _ path: UnsafePointer<CChar>
  ) throws(Failure) {
    while !isDone {
      pace.wait()
      if let watch, let next = watch.next() { takeOver(next, watch) }
      var outcome: Result<Answer, StatusError>?
      let step = try source.next { frame in
        var frame = frame
        options.capture.view.apply(to: &frame.pixels)
        outcome = model.value.classify(frame)
      }
      switch step {
      case .end: return
      case .broken:
        if !Source.toleratesDamage { hasFailed = true }
        count += 1
      case .frame:
        if let outcome { try finish(outcome, path, isLive: Source.isLive) }
      }
    }
  }

  /// From the next frame on, `next` answers.
  private mutating func takeOver(_ next: ModelBox, _ watch: ModelWatch) {
    watch.retire(model)
    model = next
    _ = Failure.report(next.value.path, "the new model answers from frame ") { $0.write(count) }
  }

  /// Writes an answer, or reports why there is none.
  private mutating func finish(
    _ outcome: Result<Answer, StatusError>, _ path: UnsafePointer<CChar>, isLive: Bool = false
  ) throws(Failure) {
    defer { count += 1 }
    do throws(Failure) {
      try model.value.requireUnchanged()
    } catch {
      hasLostModel = true
      throw error
    }
    switch outcome {
    case .success(let answer):
      answered += 1
      // Whoever reads the answers gets each one when it is there.
      let error = write(answer, path, isLive: isLive)
      if error != 0 { throw .report(standardOutput: error) }
    case .failure(let error):
      hasFailed = true
      _ = Failure.report(path, "frame ") { errors in
        errors.write(count)
        errors.write(": ")
        errors.write(cString: e3_status_text(error.status))
      }
    }
  }

  /// Writes an answer; 0, or the errno of standard output.
  private func write(_ answer: Answer, _ path: UnsafePointer<CChar>, isLive: Bool) -> Int32 {
    let output = TextStream.output
    if options.json {
      JSONAnswer(stream: output).write(answer, frame: count, source: path, model: model.value, top: options.top ?? 5)
      return output.flush()
    }
    let text = TextAnswer(stream: output, isUTF8: isUTF8)
    guard isLive else {
      text.write(answer, source: path, model: model.value, top: options.top ?? 5)
      return output.flush()
    }
    if canUpdate { e3c_begin_update() }
    text.writeLine(answer, frame: count, source: path, model: model.value, top: options.top ?? 1)
    if canUpdate { return e3c_show_update() }
    output.write("\n")
    return output.flush()
  }
}
