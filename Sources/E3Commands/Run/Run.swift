import CE3
import CE3Board
import E3Format

/// One run of the command over its frames.
struct Run: ~Copyable {
  var model: ModelBox
  let options: Options
  /// Brings the models that come later; nil where none is waited for.
  let watch: ModelWatch?
  var unattended: Unattended
  let isUTF8 = e3c_utf8() != 0
  let canUpdate = e3c_can_update() != 0
  var pace: Pace
  /// Frames seen, answered or not.
  var count: UInt64 = 0
  /// Answers given.
  var answered: UInt64 = 0
  /// Whether a frame could not be answered.
  var hasFailed = false
  /// Whether the model's file is not what it was, or answers cannot be written.
  var isOver = false
  /// What is being taught; nil where frames are answered.
  var lesson: Lesson?

  /// Loads the model.
  init(_ path: UnsafePointer<CChar>, _ options: Options) throws(Failure) {
    let cpus = Int(e3c_usable_cpus())
    if options.session.threads > cpus {
      _ = Failure.report(nil, "note: ") { errors in
        errors.write(options.session.threads)
        errors.write(" threads, but this process may use ")
        errors.write(cpus)
        errors.write(
          cpus == 1 ? " processor; --threads auto takes as many" : " processors; --threads auto takes as many")
      }
    }
    let model = try ModelBox(Model(of: options, path))
    let unattended = try Unattended(options, model.value)
    var lesson: Lesson?
    if let label = options.teach { lesson = try Lesson(label, shots: options.shots ?? 5, model.value) }
    watch = options.watchesModel ? try ModelWatch(path, options, first: model.value.stamp) : nil
    self.lesson = lesson
    self.model = model
    self.unattended = unattended
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
    model.value.noteBytesBehind()
    let output = TextStream.output
    output.write(path: model.value.path)
    output.write(": every checksum is right\n")
  }

  /// Verifies the file, and compares the answer to the model's golden input with the stored bits. The golden input
  /// alone would not do: its tokens do not choose every expert.
  func selfTest() throws(Failure) {
    try verify()
    let status = model.value.selfTest()
    if status != 0 { throw .report(model.value.path, status: status) }
    let output = TextStream.output
    output.write(path: model.value.path)
    output.write(": the golden input gives the stored bits (")
    output.write(cString: e3_isa_name(model.value.isa))
    output.write(model.value.threads == 1 ? ", 1 thread)\n" : ", ")
    if model.value.threads > 1 {
      output.write(model.value.threads)
      output.write(" threads)\n")
    }
  }

  /// Takes a class out of the file of learned classes.
  func forget() throws(Failure) {
    guard let label = options.forget, let learned = model.value.learned else { return }
    try learned.forget(label)
    let (count, output) = (learned.info.count, TextStream.output)
    output.write(path: learned.path)
    output.write(": ")
    output.write(path: label)
    output.write(" is forgotten; ")
    output.write(Int(count))
    output.write(count == 1 ? " class is left\n" : " classes are left\n")
  }

  /// Answers every image of the `.npy` file.
  mutating func tensor() throws(Failure) {
    guard let path = options.tensor else { return }
    let file = try NpyFile(path, model.value.info)
    // Aligned for floats, wherever the header of the file ends.
    guard let image = Memory(count: file.imageBytes) else { throw .report(path, "out of memory for an image") }
    var least = Float.infinity
    for index in 0..<file.imageCount {
      if isDone { return }
      image.start.copyMemory(from: file.image(index).baseAddress!, byteCount: file.imageBytes)
      switch file.element {
      case .float32:
        let values = image.start.assumingMemoryBound(to: Float.self)
        try requirePixels(UnsafeBufferPointer(start: values, count: file.imageBytes / 4), path)
        for index in 0..<file.imageBytes / 4 { least = min(least, values[index]) }
        try finish(model.value.classify(values, count: file.imageBytes / 4), path, isNumbered: file.imageCount > 1)
      case .uint8:
        try finish(
          model.value.classify(SourceFrame(pixels: pixelFrame(image))), path, isNumbered: file.imageCount > 1)
      }
      count += 1
    }
    // One picture may be all bright; several are rather values of 0 to 1.
    if file.imageCount > 1, least >= 0, least < .infinity, model.value.info.value_low < 0 {
      _ = Failure.report(path, "note: no value is below 0: the model takes ") { writeRange($0) }
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
      writeRange(errors)
    }
  }

  /// Writes what the bytes 0 and 255 become.
  private func writeRange(_ errors: TextStream) {
    errors.write(Double(model.value.info.value_low), decimals: 2)
    errors.write(" to ")
    errors.write(Double(model.value.info.value_high), decimals: 2)
  }

  /// The pixels of a prepared-size image as a camera frame.
  private func pixelFrame(_ image: borrowing Memory) -> e3_frame {
    let format = model.value.info.channels == 3 ? E3_PIXEL_RGB24 : E3_PIXEL_GRAY8
    var frame = e3_frame(format: format, width: model.value.info.image_width, height: model.value.info.image_height)
    frame.planes.0 = UnsafeRawPointer(image.start)
    frame.sizes.0 = image.count
    return frame
  }

  /// A run without any answer has not done what it was for, unless somebody stopped it or the reason was reported.
  func requireAnswer() throws(Failure) {
    if answered == 0, !hasFailed, e3c_stop_asked() == 0 { throw .report(nil, "no frame was answered") }
  }

  var isDone: Bool {
    if e3c_stop_asked() != 0 || lesson?.isDone == true { return true }
    return options.frameLimit.map { count >= UInt64($0) } ?? false
  }
}
