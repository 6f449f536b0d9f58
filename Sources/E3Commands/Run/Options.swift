import CE3
import CE3Board
import CE3Pictures

/// What the command line asks for.
struct Options {
  /// What to do.
  enum Task {
    case frames, tensor, forget, selfTest, verify, listCameras, help, version
  }

  var task = Task.frames
  var json = false
  /// Classes to show; nil: 5, or 1 where a frame has one line.
  var top: Int?
  var session = SessionSetup()
  /// Frames to answer before stopping; nil: all.
  var frameLimit: Int?
  /// Least nanoseconds from one frame to the next.
  var frameInterval: UInt64 = 0
  /// How pictures are decoded.
  var pictures = e3p_settings(alpha: E3P_ALPHA_WHITE, max_pixels: 0, max_scans: 0, max_text: 0, stop: e3c_work_ends)
  /// How frames lie, and what of them is looked at.
  var capture = CaptureRequest()
  /// What is done on a board that nobody watches.
  var board = BoardOptions()
  /// Of raw streams; nil: FRAME is a picture or a camera.
  var stream: StreamFormat?
  /// Nanoseconds that a frame may take; 0: any number.
  var deadline: UInt64 = 0
  /// Whether a model file that is renamed into the place of MODEL takes over.
  var watchesModel = false
  /// Public key with which MODEL must be signed; nil: it need not be.
  var trust: UnsafePointer<CChar>?
  /// Label of the learned class that the frames are pictures of; nil: they are to be answered.
  var teach: UnsafePointer<CChar>?
  /// Label of the learned class that is taken out; nil: none is.
  var forget: UnsafePointer<CChar>?
  /// Pictures to learn; nil: 5.
  var shots: Int?
  /// Path of the `.npy`.
  var tensor: UnsafePointer<CChar>?
  /// Position of MODEL in the arguments; the frames follow.
  var firstOperand = 0

  /// Long options in the order of the cases of ``Name``.
  private static var names: StaticString {
    """
    json top= threads= isa= size= pixel-format= stride= plane-height= color-range= color-matrix= crop= rotate= \
    flip= alpha= max-pixels= max-scans= max-text= max-work= max-arena= frames= fps= tensor= deadline= load= resident= early watch-model \
    trust= classes= teach= shots= forget= \
    chroma-stride= control= reconnect smooth= save= save-limit= metrics= list-cameras \
    self-test verify help version
    """
  }

  private enum Name: Int32 {
    case json, top, threads, isa, size, pixelFormat, stride, planeHeight, colorRange, colorMatrix, crop, rotate
    case flip, alpha, maxPixels, maxScans, maxText, maxWork, maxArena, frames, fps, tensor, deadline, load, resident,
      early, watchModel
    case trust, classes, teach, shots, forget
    case chromaStride, control, reconnect, smooth, save, saveLimit, metrics, listCameras
    case selfTest, verify, help, version
  }

  /// Parses and checks the command line.
  init(_ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) throws(Failure) {
    var options = OptionReader<Name>(names: Self.names, count: count, arguments: arguments)
    options.repeatable = 1 << UInt64(Name.crop.rawValue) | 1 << UInt64(Name.control.rawValue)
    session.limits = WorkLimits()
    var isLoadChosen = false
    var saveLimit: (frames: Int, mebibytes: Int, seconds: Int)?
    while let (name, argument) = try options.next() {
      switch name {
      case .json: json = true
      case .top: top = try OptionValue.number(argument, 1...1_000_000, "--top takes 1 to 1000000, not")
      case .threads: session.threads = try OptionValue.threads(argument)
      case .isa: session.isa = try OptionValue.isa(argument)
      case .size: capture.size = try FrameOptions.size(argument)
      case .pixelFormat: capture.pixels = try FrameOptions.pixels(argument)
      case .stride:
        capture.stride = try OptionValue.number(argument, 1...999_999_999, "--stride takes 1 to 999999999 bytes, not")
      case .planeHeight:
        capture.planeHeight = try OptionValue.number(argument, 1...65536, "--plane-height takes 1 to 65536 lines, not")
      case .colorRange: capture.range = try FrameOptions.range(argument)
      case .colorMatrix: capture.matrix = try FrameOptions.matrix(argument)
      case .crop:
        guard capture.view.add(try FrameOptions.crop(argument)) else { throw .usage("more than 16 times --crop") }
      case .rotate: capture.view.rotation = try FrameOptions.rotation(argument)
      case .flip: capture.view.flip = try FrameOptions.flip(argument)
      case .alpha: pictures.alpha = try Self.alpha(argument)
      case .maxPixels:
        pictures.max_pixels = UInt32(
          try OptionValue.number(argument, 1...268_435_456, "--max-pixels takes 1 to 268435456, not"))
      case .maxScans:
        pictures.max_scans = UInt32(
          try OptionValue.number(argument, 1...1_000_000, "--max-scans takes 1 to 1000000, not"))
      case .maxText:
        pictures.max_text = UInt32(
          try OptionValue.number(argument, 1...268_435_456, "--max-text takes 1 to 268435456 bytes, not"))
      case .maxWork:
        session.limits?.work = try OptionValue.bytes(argument, "--max-work takes multiply-accumulates, as 500G, not")
      case .maxArena: session.limits?.arena = try OptionValue.bytes(argument, "--max-arena takes bytes, as 400M, not")
      case .frames:
        frameLimit = try OptionValue.number(argument, 1...999_999_999, "--frames takes 1 to 999999999, not")
      case .fps: frameInterval = try Self.interval(argument)
      case .tensor:
        tensor = argument
        try choose(.tensor)
      case .deadline:
        let most = 3_600_000
        deadline =
          1_000_000 * UInt64(try OptionValue.number(argument, 1...most, "--deadline takes 1 to 3600000 ms, not"))
      case .load:
        session.load = try Self.loadMode(argument)
        isLoadChosen = true
      case .resident:
        session.residentBytes = try OptionValue.bytes(argument, "--resident takes bytes, as 900K, 400M or 1G, not")
      case .early: session.stopsEarly = true
      case .watchModel: watchesModel = true
      case .trust: trust = argument
      case .chromaStride:
        capture.chromaStride = try OptionValue.number(
          argument, 1...999_999_999, "--chroma-stride takes 1 to 999999999 bytes, not")
      case .control:
        try board.addControl(argument)
      case .reconnect: board.reconnects = true
      case .smooth:
        board.smooth = try OptionValue.number(argument, 1...100, "--smooth takes 1 to 100 frames, not")
      case .save:
        board.save = try SaveOptions(argument, e3c_further_argument(count, arguments))
      case .saveLimit:
        saveLimit = try SaveOptions.limits(argument)
      case .metrics:
        if let argument, CString.equal(argument, "-") { throw .usage("--metrics takes a FILE, not", argument) }
        board.metrics = argument
      case .listCameras:
        try choose(.listCameras)
      case .classes: session.classes = argument
      case .teach:
        teach = argument
      case .forget:
        forget = argument
        try choose(.forget)
      case .shots: shots = try OptionValue.number(argument, 1...65535, "--shots takes 1 to 65535, not")
      case .selfTest: try choose(.selfTest)
      case .verify: try choose(.verify)
      case .help: task = .help
      case .version: task = .version
      }
      if task == .help || task == .version { return }
    }
    firstOperand = Int(e3c_first_operand())
    if let saveLimit {
      guard board.save != nil else { throw .usage("--save-limit needs --save") }
      board.save?.limit(saveLimit)
    }
    try checkTeaching()
    if watchesModel {
      guard task == .frames else { throw .usage("--watch-model is for frames") }
      // A file that is written to instead of renamed must not end the run.
      guard !isLoadChosen || session.load == .copy else { throw .usage("--watch-model needs --load copy") }
      session.load = .copy
    }
    guard session.residentBytes == 0 || session.load == .map else { throw .usage("--resident needs --load map") }
    try checkOperands(count: Int(count), arguments)
  }

  private mutating func choose(_ next: Task) throws(Failure) {
    guard task == .frames else {
      throw .usage("one at a time of --tensor, --forget, --self-test, --verify and --list-cameras")
    }
    task = next
  }

  private mutating func checkTeaching() throws(Failure) {
    // A smoothed answer is of the model's own classes.
    guard session.classes == nil || board.smooth == 1 else { throw .usage("--smooth does not know --classes") }
    guard forget == nil || teach == nil else { throw .usage("--forget and --teach exclude each other") }
    guard forget == nil || session.classes != nil else { throw .usage("--forget needs --classes FILE") }
    guard teach != nil else {
      if shots != nil { throw .usage("--shots belongs to --teach") }
      return
    }
    guard task == .frames, !json, !watchesModel else {
      throw .usage("--teach is for frames, without --json or --watch-model")
    }
    guard session.classes != nil else { throw .usage("--teach needs --classes FILE") }
    session.beginsClasses = true
  }

  private mutating func checkOperands(
    count: Int, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  ) throws(Failure) {
    for index in firstOperand..<count {
      guard let operand = arguments[index].map({ UnsafePointer($0) }), operand[0] != 0 else {
        throw .usage("an argument is empty")
      }
      // Standard input has no name.
      if !CString.equal(operand, "-") { try requireOtherMetrics(operand) }
    }
    if let classes = session.classes { try requireOtherMetrics(classes) }
    if let trust { try requireOtherMetrics(trust) }
    if task == .listCameras { return }
    guard firstOperand < count else { throw .usage("a MODEL.e3 is missing") }
    let frames = firstOperand + 1..<count
    switch task {
    case .frames:
      guard !frames.isEmpty else { throw .usage("a FRAME is missing") }
      try capture.validate()
      for index in frames {
        // What is not there yet may be a camera.
        guard let frame = arguments[index] else { continue }
        let isCamera = e3c_is_camera(frame)
        let isForStreams = capture.pixels == .y4m || capture.chromaStride != 0
        if isCamera == 0 || (isCamera < 0 && isForStreams && !board.needsCamera) {
          stream = try capture.stream()
          guard !board.needsCamera else { throw .usage("--control and --reconnect are for cameras, not for", frame) }
        } else {
          guard capture.pixels != .y4m else { throw .usage("y4m is for streams, not for the camera", frame) }
          guard capture.chromaStride == 0 else {
            throw .usage("--chroma-stride is for streams, not for the camera", frame)
          }
        }
      }
    default:
      guard capture.view.isWhole else { throw .usage("--crop, --rotate and --flip are for frames") }
      guard !board.isAsked else {
        throw .usage("--control, --reconnect, --smooth, --save and --metrics are for frames")
      }
      guard frames.isEmpty else { throw .usage("no FRAME is taken here:", arguments[frames.lowerBound]) }
    }
  }
}

extension Options {
  /// Refuses metrics in the place of a file that is used: they would replace it.
  private func requireOtherMetrics(_ path: UnsafePointer<CChar>) throws(Failure) {
    if let metrics = board.metrics, e3c_is_same(metrics, path) != 0 {
      throw .usage("--metrics takes a file of its own, not", path)
    }
  }
}

// MARK: Arguments of options

extension Options {
  /// Frames per second, `30` or `0.5`: nanoseconds from one frame to the next.
  private static func interval(_ argument: UnsafePointer<CChar>?) throws(Failure) -> UInt64 {
    if let argument {
      let point = UInt8(ascii: ".")
      if let whole = CString.number(argument, until: point), whole.value <= 1000 {
        if argument[whole.length] == 0, whole.value > 0 { return 1_000_000_000 / UInt64(whole.value) }
        let rest = argument + whole.length + 1
        if argument[whole.length] != 0, let fraction = CString.number(rest) {
          var scale = 1
          for _ in 0..<fraction.length { scale *= 10 }
          let rate = Double(whole.value) + Double(fraction.value) / Double(scale)
          if rate >= 0.001, rate <= 1000 { return UInt64(1e9 / rate) }
        }
      }
    }
    throw .usage("--fps takes frames per second from 0.001 to 1000, not", argument)
  }

  private static func loadMode(_ argument: UnsafePointer<CChar>?) throws(Failure) -> LoadMode {
    if let argument {
      if CString.equal(argument, "map") { return .map }
      if CString.equal(argument, "lock") { return .lock }
      if CString.equal(argument, "copy") { return .copy }
    }
    throw .usage("--load takes map, lock or copy, not", argument)
  }

  private static func alpha(_ argument: UnsafePointer<CChar>?) throws(Failure) -> e3p_alpha {
    if let argument {
      if CString.equal(argument, "white") { return E3P_ALPHA_WHITE }
      if CString.equal(argument, "black") { return E3P_ALPHA_BLACK }
      if CString.equal(argument, "ignore") { return E3P_ALPHA_IGNORE }
    }
    throw .usage("--alpha takes white, black or ignore, not", argument)
  }
}
