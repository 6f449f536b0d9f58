import CE3

/// A validated model: E³ (an ensemble of M members in one pass), sparse MoE or dense ViT (M = 1), in int8.
///
/// A model is immutable. Any number of sessions on any number of threads may use one at once; a copy refers to the same
/// bytes. The equivalent of `e3_model`.
public struct Model: @unchecked Sendable {
  // Sendable: the bytes are only ever read.
  let handle: e3_model
  private let info: e3_model_info
  /// What the file says about its answers; nil when it carries no calibration.
  public let calibration: Calibration?
  #if !hasFeature(Embedded)
    /// Keeps the bytes where they are.
    private let owner: AnyObject?
    /// Of the file that is mapped; -1: the bytes are somebody else's.
    var descriptor: Int32 { (owner as? Mapping)?.descriptor ?? -1 }

    /// Validates a whole .e3 file in memory.
    ///
    /// Reads the header, the tables and the small tensors. Weights are not touched.
    ///
    /// - Parameters:
    ///   - bytes: The file, 64-byte aligned. It must stay unchanged at this address as long as the model, a copy of it
    ///     or
    ///     a session of it is used.
    ///   - owner: An object that keeps `bytes` alive; the model and its sessions retain it.
    /// - Throws: the `file…` errors.
    public init(bytes: UnsafeRawBufferPointer, owner: AnyObject? = nil) throws(E3Error) {
      (handle, info, calibration) = try Self.open(bytes)
      self.owner = owner
    }
  #else
    /// Validates a whole .e3 file in memory.
    ///
    /// Reads the header, the tables and the small tensors. Weights are not touched.
    ///
    /// - Parameter bytes: The file, 64-byte aligned. It must stay unchanged at this address as long as the model, a
    ///   copy of it or a session of it is used.
    /// - Throws: the `file…` errors.
    public init(bytes: UnsafeRawBufferPointer) throws(E3Error) {
      (handle, info, calibration) = try Self.open(bytes)
    }
  #endif

  private static func open(
    _ bytes: UnsafeRawBufferPointer
  ) throws(E3Error) -> (e3_model, e3_model_info, Calibration?) {
    var handle = e3_model()
    guard let start = bytes.baseAddress else { throw .fileTruncated }
    try E3Error.check(e3_model_open(start, bytes.count, &handle))
    var info = e3_model_info()
    info.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
    try E3Error.check(e3_model_get_info(&handle, &info))
    guard info.calibrated != 0 else { return (handle, info, nil) }
    var calibration = e3_calibration()
    calibration.struct_size = UInt32(MemoryLayout<e3_calibration>.size)
    try E3Error.check(e3_model_get_calibration(&handle, &calibration))
    return (handle, info, Calibration(calibration))
  }

  /// Compares every part of the file with its stored checksum. Reads the whole file.
  ///
  /// - Throws: `fileChecksum`, `fileValues`, `fileCalibration`.
  public func verify() throws(E3Error) {
    try E3Error.check(withUnsafePointer(to: handle) { e3_model_verify($0) })
  }

  /// How a frame becomes the model's image.
  public var preprocessing: Preprocessing {
    var preprocessing = e3_preprocessing()
    preprocessing.struct_size = UInt32(MemoryLayout<e3_preprocessing>.size)
    _ = withUnsafePointer(to: handle) { e3_model_get_preprocessing($0, &preprocessing) }
    return Preprocessing(preprocessing)
  }

  /// Where the model comes from: a JSON object in UTF-8; empty when the file says nothing.
  public var utf8Provenance: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      var text: UnsafePointer<CChar>?
      var count = 0
      _ = withUnsafePointer(to: handle) { e3_model_get_provenance($0, &text, &count) }
      let bytes = UnsafeRawPointer(text)?.assumingMemoryBound(to: UInt8.self)
      return _overrideLifetime(Span(_unsafeElements: UnsafeBufferPointer(start: bytes, count: count)), borrowing: self)
    }
  }

  /// UTF-8 text of a class.
  ///
  /// - Parameter index: below `labelCount`.
  /// - Throws: `indexRange` when the file has no text for it.
  @_lifetime(borrow self)
  public func utf8Label(_ index: Int) throws(E3Error) -> Span<UInt8> {
    var text: UnsafePointer<CChar>?
    var count = 0
    guard let number = UInt32(exactly: index) else { throw .indexRange }
    try E3Error.check(withUnsafePointer(to: handle) { e3_model_get_label($0, number, &text, &count) })
    let bytes = UnsafeRawPointer(text)?.assumingMemoryBound(to: UInt8.self)
    let label = Span(_unsafeElements: UnsafeBufferPointer(start: bytes, count: bytes == nil ? 0 : count))
    return _overrideLifetime(label, borrowing: self)
  }
}

/// One network of a model file.
public struct Network: Sendable {
  private let info: e3_model_info

  init(_ info: e3_model_info) { self.info = info }

  /// The number of its members; those of an answer are the members of the networks, one network after the other.
  public var memberCount: Int { Int(info.members) }
  /// The number of experts of a MoE layer over its members; 0 for a dense network.
  public var expertCount: Int { Int(info.experts) }
  /// The number of experts that a token is sent to.
  public var selectedExperts: Int { Int(info.selected_experts) }
  /// Number of encoder blocks.
  public var layerCount: Int { Int(info.layers) }
  /// Width of a token.
  public var hiddenSize: Int { Int(info.hidden_size) }
  /// Number of attention heads.
  public var headCount: Int { Int(info.heads) }
  /// Width of the MLP's hidden layer, and of an expert's.
  public var mlpSize: Int { Int(info.mlp_size) }
  /// Width of the vector that the head reads.
  public var representationSize: Int { Int(info.representation_size) }
  /// Tokens of one image, class token included.
  public var tokenCount: Int { Int(info.tokens) }
  /// Multiply-accumulates of one frame in this network.
  public var multiplyAccumulates: UInt64 { info.multiply_accumulates }
}

extension Model {
  /// One network of the file.
  ///
  /// - Parameter index: below ``networkCount``.
  /// - Throws: `indexRange`, `fileChanged`.
  public func network(_ index: Int) throws(E3Error) -> Network {
    guard let number = UInt32(exactly: index) else { throw .indexRange }
    var info = e3_model_info()
    info.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
    try E3Error.check(withUnsafePointer(to: handle) { e3_model_get_network_info($0, number, &info) })
    return Network(info)
  }
}

// MARK: What the model is

extension Model {
  /// Height of the network's input, in pixels.
  public var imageHeight: Int { Int(info.image_height) }
  /// Width of the network's input, in pixels.
  public var imageWidth: Int { Int(info.image_width) }
  /// 1 (grey) or 3 (red, green, blue).
  public var channels: Int { Int(info.channels) }
  /// Values of a prepared image: height x width x channels.
  public var imageValues: Int { imageHeight * imageWidth * channels }
  /// The smallest value of a pixel in a prepared image.
  public var lowestValue: Float { info.value_low }
  /// The largest value of a pixel in a prepared image.
  public var highestValue: Float { info.value_high }
  /// C, the number of classes.
  public var classCount: Int { Int(info.classes) }
  /// N, the number of networks of the file; several are a deep ensemble, whose members count alike. What a model says of
  /// its experts, blocks and sizes is then the first network's; ``network(_:)`` describes each.
  public var networkCount: Int { Int(info.networks) }
  /// M, the number of members of the ensemble, over all networks; 1 for one V-MoE or ViT.
  public var memberCount: Int { Int(info.members) }
  /// E, the number of experts of a MoE layer over all members; 0 for a dense model.
  public var expertCount: Int { Int(info.experts) }
  /// K, the number of experts that a token is sent to.
  public var selectedExperts: Int { Int(info.selected_experts) }
  /// Number of encoder blocks.
  public var layerCount: Int { Int(info.layers) }
  /// Width of a token.
  public var hiddenSize: Int { Int(info.hidden_size) }
  /// Number of attention heads.
  public var headCount: Int { Int(info.heads) }
  /// Width of the MLP's hidden layer, and of an expert's.
  public var mlpSize: Int { Int(info.mlp_size) }
  /// R, the width of the vector that the head reads.
  public var representationSize: Int { Int(info.representation_size) }
  /// Tokens of one image, class token included.
  public var tokenCount: Int { Int(info.tokens) }
  /// Whether the file says when an answer may stop before the last network (`e3-convert calibrate --early`):
  /// ``SessionOptions/stopsEarly``.
  public var hasEarlyStops: Bool { info.early != 0 }
  /// Number of label texts: C, or 0.
  public var labelCount: Int { Int(info.labels) }
  /// Multiply-accumulates of one frame, after the exact savings: the most that any routing takes.
  public var multiplyAccumulates: UInt64 { info.multiply_accumulates }
  /// Fewest bytes for `SessionOptions.keepResident(bytes:of:)`: of everything in the file but the experts.
  public var residentMinimum: UInt64 { info.resident_minimum }
}
