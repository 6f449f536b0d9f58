import CE3

/// A packed linear layer inside the file.
public struct LinearView: BitwiseCopyable {
  /// First panel; 64-byte aligned.
  public let panels: UnsafePointer<UInt8>
  /// Kp: inputs of a panel, a multiple of 8.
  public let inputs: Int
  /// N: outputs, without the padding of the last panel.
  public let outputs: Int
  /// Panels of 16 outputs.
  public let panelCount: Int
  /// Bytes from one panel to the next.
  public let panelBytes: Int
  /// Whether the weights have 4 bits, and not 8.
  public let isInt4: Bool

  /// The panel that output `column`, a multiple of 16, begins.
  public func panel(ofColumn column: Int) -> UnsafePointer<UInt8> { panels + column / 16 * panelBytes }

  /// The panels in `range` alone, which were copied to `start`.
  public func copied(_ range: Range<Int>, to start: UnsafePointer<UInt8>) -> LinearView {
    LinearView(
      panels: start, inputs: inputs, outputs: 16 * range.count, panelCount: range.count, panelBytes: panelBytes,
      isInt4: isInt4)
  }

  private init(
    panels: UnsafePointer<UInt8>, inputs: Int, outputs: Int, panelCount: Int, panelBytes: Int, isInt4: Bool
  ) {
    (self.panels, self.inputs, self.outputs) = (panels, inputs, outputs)
    (self.panelCount, self.panelBytes, self.isInt4) = (panelCount, panelBytes, isInt4)
  }

  init(_ start: UnsafeRawPointer, _ layout: LinearLayout) {
    panels = start.assumingMemoryBound(to: UInt8.self)
    inputs = layout.paddedInputs
    outputs = layout.outputs
    panelCount = layout.panelCount
    panelBytes = layout.panelBytes
    isInt4 = layout.isInt4
  }
}

/// The two linear layers of an MLP or an expert inside the file.
public struct MLPView: BitwiseCopyable {
  /// H inputs, F outputs.
  public let expand: LinearView
  /// F inputs, H outputs.
  public let contract: LinearView
  /// All bytes of the MLP, to page, lock or prefetch.
  public let bytes: UnsafeRawBufferPointer
}

/// A float layer inside the file: panels of `[inputs][16]` floats.
public struct FloatPanelsView: BitwiseCopyable {
  /// First panel; 64-byte aligned.
  public let panels: UnsafePointer<Float>
  public let inputs: Int
  public let panelCount: Int
  /// [panelCount * 16], or nil.
  public let bias: UnsafePointer<Float>?
}

extension ModelFile {
  /// The linear layer of `kind`: `patchEmbedding`, `queryKeyValue`, `attentionOutput`, `mapKeyValue`, `mapOutput` or
  /// `preLogits`. `block` matters for the kinds that blocks have.
  public func linear(_ kind: ExtentKind, block: Int = 0) -> LinearView {
    LinearView(start(kind, block: block), LinearLayout(shape, kind))
  }

  /// The MLP of a dense block.
  public func mlp(block: Int) -> MLPView { mlpView(.mlp, block: block) }

  /// Expert `index` of a MoE block, counted over all members. Page-aligned.
  public func expert(block: Int, index: Int) -> MLPView {
    mlpView(.expert, block: block, expert: index)
  }

  /// Place of an expert in the table.
  public func tableIndex(ofExpert index: Int, block: Int) -> Int {
    tableIndex(ofPlanned: plan.index(of: .expert, block: block, expert: index))
  }

  /// Place of a layer in the file.
  public func offset(of layer: LinearView) -> UInt64 { UInt64(UnsafeRawPointer(layer.panels) - base) }

  /// The MLP of the map head; the classifier must be `map`.
  public var mapMLP: MLPView { mlpView(.mapMLP) }

  /// The values of a float extent: positions, norms, `mapQuery`. Layouts in e3_file.h.
  public func floats(_ kind: ExtentKind, block: Int = 0) -> UnsafePointer<Float> {
    start(kind, block: block).assumingMemoryBound(to: Float.self)
  }

  /// The router of one member in a MoE block: H inputs, E/M outputs, no bias.
  public func router(block: Int, member: Int) -> FloatPanelsView {
    precondition(member >= 0 && member < shape.memberCount, "no such member")
    let panelCount = ModelShape.padded(shape.expertsPerMember) / 16
    return FloatPanelsView(
      panels: floats(.router, block: block) + member * panelCount * shape.hiddenSize * 16, inputs: shape.hiddenSize,
      panelCount: panelCount, bias: nil)
  }

  /// The classifier head: R (or H) inputs, C outputs.
  public var head: FloatPanelsView {
    let panelCount = shape.classCountPadded / 16
    let panels = floats(.head)
    return FloatPanelsView(
      panels: panels, inputs: shape.headInputSize, panelCount: panelCount,
      bias: panels + panelCount * shape.headInputSize * 16)
  }

  private func mlpView(_ kind: ExtentKind, block: Int = 0, expert: Int = 0) -> MLPView {
    let index = tableIndex(ofPlanned: plan.index(of: kind, block: block, expert: expert))
    let encoding = ExtentEncoding(rawValue: .init(extents[index].encoding))
    let expand = LinearLayout(shape, kind, contract: false, encoding: encoding)
    let start = base + Int(extents[index].offset)
    return MLPView(
      expand: LinearView(start, expand),
      contract: LinearView(start + Int(expand.length), LinearLayout(shape, kind, contract: true, encoding: encoding)),
      bytes: bytes(at: index))
  }

  /// Most inputs of a layer of this network with 4-bit weights; 0 without. Cost: reads the table.
  public var mostInt4Inputs: Int {
    var most = 0
    for planned in plan.floatCount..<plan.count {
      let index = tableIndex(ofPlanned: planned)
      guard extents[index].encoding == UInt32(E3_FILE_ENCODING_INT4.rawValue) else { continue }
      let width = extents[index].kind == UInt32(E3_FILE_EXPERT.rawValue) ? shape.expertMLPSize : shape.mlpSize
      most = max(most, max(shape.hiddenSize, width))
    }
    return most
  }

  private func start(_ kind: ExtentKind, block: Int) -> UnsafeRawPointer {
    base + Int(extents[tableIndex(ofPlanned: plan.index(of: kind, block: block))].offset)
  }
}
