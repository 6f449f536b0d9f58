import CE3
import CE3Board
import CE3Threads

/// Frames of files, streams and cameras.
extension Run {
  /// Answers the frames of every operand, until a stop is asked for. One that cannot be read is reported, and the next
  /// one follows.
  mutating func frames(
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, _ operands: Range<Int>
  ) throws(Failure) {
    e3c_catch_stop()
    e3c_begin_service { _ = Failure.report(CString.pointer("NOTIFY_SOCKET"), errno: $0) }
    defer { endFrames() }
    e3c_tell_ready()
    var left = operands.count
    for operand in operands {
      guard let path = arguments[operand] else { continue }
      if isDone { break }
      left -= 1
      do throws(Failure) {
        if options.board.reconnects || e3c_is_camera(path) > 0 {
          try camera(path)
          continue
        }
        switch options.stream {
        case .some(let format) where format.pixels == .mjpeg:
          try answer(MJPEGStream(path, format, options), path)
        case .some(let format) where format.pixels == .y4m:
          try answer(Y4MStream(path, format), path)
        case .some(let format): try answer(RawStream(path, format), path)
        case nil: try answer(PictureFile(path, options), path)
        }
      } catch {
        if isOver { throw error }
        hasFailed = true
      }
    }
    try requireAnswer()
    try lesson?.end(model.value, left: left)
  }

  private func endFrames() {
    e3c_end_update()
    e3c_tell_stopping()
    Failure.reportUnreported()
    if options.board.metrics != nil { _ = e3c_write_metrics() }
  }

  /// Answers the frames of a source.
  private mutating func answer<Source: FrameSource & ~Copyable>(
    _ source: consuming Source, _ path: UnsafePointer<CChar>
  ) throws(Failure) {
    unattended.beginSource()
    while !isDone, !source.isOver {
      if !source.hasEnded { pace.wait() }
      e3c_tick()
      var failure: Failure?
      let step: SourceStep
      do throws(Failure) {
        step = try source.next { failure = answer($0, path, isLive: Source.isLive) }
      } catch {
        e3c_count(E3C_LOST, 1)
        throw error
      }
      if let failure { throw failure }
      switch step {
      case .end: return
      case .broken where !Source.toleratesDamage: hasFailed = true
      case .late: try finish(.failure(StatusError(status: e3_status(E3_ERROR_DEADLINE))), path)
      default: break
      }
      e3c_count(E3C_FRAMES, 1)
      count += 1
    }
  }

  /// Gives the answers to one frame, one for each region; returns why the run cannot go on.
  private mutating func answer(_ frame: SourceFrame, _ path: UnsafePointer<CChar>, isLive: Bool) -> Failure? {
    do throws(Failure) {
      // Now and not before the frame was waited for, which may be long.
      if let watch, let next = watch.next() { try takeOver(next, watch) }
    } catch {
      return error
    }
    let start = ce3_clock_ns()
    for region in 0..<options.capture.view.answerCount {
      var part = frame
      options.capture.view.apply(region, to: &part.pixels)
      // Waiting for the regions before it is a part of the way from the scene to this answer.
      if region > 0 { part.capture += ce3_clock_ns() - start }
      let outcome = model.value.classify(part)
      do throws(Failure) {
        try finish(outcome, path, frame: frame, region: region, isLive: isLive)
      } catch {
        return error
      }
    }
    return nil
  }

  /// From this frame on, `next` answers.
  private mutating func takeOver(_ next: ModelBox, _ watch: ModelWatch) throws(Failure) {
    let knowsOthers = !next.value.knowsClasses(of: model.value)
    watch.retire(model)
    model = next
    e3c_count(E3C_MODELS, 1)
    try unattended.begin(next.value)
    let frame = count
    _ = Failure.report(next.value.path, "the new model answers from frame ") {
      $0.write(frame)
      if knowsOthers { $0.write("; it knows other classes than the one before it") }
    }
  }

  /// Takes an answer in and writes it, or reports why there is none.
  ///
  /// - Parameter frame: What it answers; nil for prepared images.
  /// - Parameter isNumbered: Whether it is one of several in a file.
  mutating func finish(
    _ outcome: Result<Answer, StatusError>, _ path: UnsafePointer<CChar>, frame: SourceFrame? = nil, region: Int = 0,
    isLive: Bool = false, isNumbered: Bool = false
  ) throws(Failure) {
    do throws(Failure) {
      try model.value.requireUnchanged()
    } catch {
      isOver = true
      throw error
    }
    switch outcome {
    case .success(let answer):
      answered += 1
      var shown = ShownAnswer(answer, frame: count, view: options.capture.view, region: region)
      shown.smoothed = unattended.add(answer, region: region, path: path, isLive: isLive)
      // Whoever reads the answers gets each one when it is there.
      var error: Int32 = 0
      if lesson == nil {
        error = write(shown, path, isLive: isLive, isNumbered: isNumbered)
      } else {
        error = try lesson?.take(answer.result, model.value, source: path, frame: count) ?? 0
      }
      if error != 0 {
        isOver = true
        if Failure.isStopped(error) { return }
        throw .report(standardOutput: error)
      }
      if let frame { keep(frame, shown, path, isLive: isLive) }
    case .failure(let error):
      hasFailed = true
      let kind = error.status == E3_ERROR_DEADLINE ? E3C_LATE : E3C_REFUSED
      _ = Failure.fault(kind, path, "frame ") { errors in
        errors.write(count)
        errors.write(": ")
        errors.write(cString: e3_status_text(error.status))
        guard error.status == E3_ERROR_FRAME_CROP, let frame else { return }
        errors.write(" of ")
        errors.write(size: (frame.pixels.width, frame.pixels.height))
        errors.write(" pixels")
      }
    }
  }

  private mutating func keep(_ frame: SourceFrame, _ shown: ShownAnswer, _ path: UnsafePointer<CChar>, isLive: Bool) {
    let (model, top) = (model, options.top ?? 5)
    unattended.keep(frame, shown.answer.result.decision, isLive: isLive) { stream in
      JSONAnswer(stream: stream).writeObject(shown, source: path, model: model.value, top: top)
    }
  }

  /// Writes an answer; 0, or the errno of standard output.
  private func write(
    _ shown: ShownAnswer, _ path: UnsafePointer<CChar>, isLive: Bool, isNumbered: Bool
  ) -> Int32 {
    let output = TextStream.output
    if options.json {
      JSONAnswer(stream: output).write(shown, source: path, model: model.value, top: options.top ?? 5)
      return output.flush()
    }
    let text = TextAnswer(stream: output, isUTF8: isUTF8)
    guard isLive else {
      text.write(shown, source: path, isNumbered: isNumbered, model: model.value, top: options.top ?? 5)
      return output.flush()
    }
    if canUpdate { e3c_begin_update() }
    text.writeLine(shown, source: path, model: model.value, top: options.top ?? 1)
    if canUpdate { return e3c_show_update() }
    output.write("\n")
    return output.flush()
  }
}

// MARK: Cameras

extension Run {
  /// Milliseconds between two tries to open a camera: first and last; each pause is twice the one before.
  private static var pauses: ClosedRange<UInt64> { 100...2000 }

  /// Answers the frames of a camera. With `--reconnect` one that is not there, or goes away, is waited for.
  private mutating func camera(_ path: UnsafePointer<CChar>) throws(Failure) {
    var isAway = false
    var pause = Self.pauses.lowerBound
    while !isDone {
      var failure = e3c_failure()
      if let camera = Camera(path, options, &failure) {
        if isAway {
          e3c_count(E3C_RECONNECTED, 1)
          e3c_tell_ready()
          _ = Failure.limited(path, "the camera is there")
          isAway = false
        }
        let before = count
        do throws(Failure) {
          return try answer(camera, path)
        } catch {
          guard options.board.reconnects, !isOver else { throw error }
          if count > before { pause = Self.pauses.lowerBound }
        }
      } else {
        guard options.board.reconnects, failure.may_pass != 0 else {
          throw .report(path, "") { failure.write(to: $0) }
        }
        if !isAway {
          _ = Failure.limited(path, "") { errors in
            failure.write(to: errors)
            errors.write("; waiting for the camera")
          }
        }
      }
      if !isAway { e3c_tell_waiting(path) }
      isAway = true
      e3c_wait_until(ce3_clock_ns() + pause * 1_000_000)
      pause = min(2 * pause, Self.pauses.upperBound)
    }
  }
}
