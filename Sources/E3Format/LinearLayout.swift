import CE3

/// Dimensions of one packed linear layer, and which of its inputs and outputs are real.
///
/// The bytes are `ceil(outputs / 16)` panels: `Kp * 16` int8 weights, or grids and `Kp * 8` bytes of 4-bit codes; then
/// 16 scales, 16 biases and 16 int32 compensations, where Kp is `inputs` rounded up to 8 (e3_kernels.h, "packed
/// panels").
public struct LinearLayout: BitwiseCopyable, Sendable {
  /// Inputs K of the stored matrix, padded heads included.
  public let inputs: Int
  /// Outputs N of the stored matrix, padded heads included.
  public let outputs: Int
  /// Input k is real when `k % inputPeriod < inputUsed`: heads are padded to a multiple of 16.
  public let inputPeriod: Int
  public let inputUsed: Int
  /// Output n is real when `n % outputPeriod < outputUsed`.
  public let outputPeriod: Int
  public let outputUsed: Int
  /// Whether the weights have 4 bits, and not 8.
  public let isInt4: Bool

  /// The layer of `kind` in a model of `shape`. `contract` chooses the second layer of an MLP.
  public init(_ shape: ModelShape, _ kind: ExtentKind, contract: Bool = false, encoding: ExtentEncoding = .int8) {
    var headInputs = false
    var headOutputs = false
    switch kind {
    case .patchEmbedding: (inputs, outputs) = (shape.patchValueCount, shape.hiddenSize)
    case .queryKeyValue: (inputs, outputs, headOutputs) = (shape.hiddenSize, 3 * shape.attentionWidth, true)
    case .mapKeyValue: (inputs, outputs, headOutputs) = (shape.hiddenSize, 2 * shape.attentionWidth, true)
    case .attentionOutput, .mapOutput: (inputs, outputs, headInputs) = (shape.attentionWidth, shape.hiddenSize, true)
    case .preLogits: (inputs, outputs) = (shape.pooledSize, shape.headInputSize)
    case .mlp, .mapMLP, .expert:
      let size = kind == .expert ? shape.expertMLPSize : shape.mlpSize
      (inputs, outputs) = contract ? (size, shape.hiddenSize) : (shape.hiddenSize, size)
    default: preconditionFailure("not a linear layer")
    }
    isInt4 = encoding == .int4
    inputPeriod = headInputs ? shape.headSizePadded : inputs
    inputUsed = headInputs ? shape.headSize : inputs
    outputPeriod = headOutputs ? shape.headSizePadded : outputs
    outputUsed = headOutputs ? shape.headSize : outputs
  }

  /// A layer all of whose inputs and outputs are real.
  public init(inputs: Int, outputs: Int, encoding: ExtentEncoding) {
    isInt4 = encoding == .int4
    (self.inputs, inputPeriod, inputUsed) = (inputs, inputs, inputs)
    (self.outputs, outputPeriod, outputUsed) = (outputs, outputs, outputs)
  }

  /// Kp: inputs of a panel, a multiple of 8.
  public var paddedInputs: Int {
    let multiple = Int(E3_FILE_PANEL_INPUT_MULTIPLE)
    return (inputs + multiple - 1) / multiple * multiple
  }
  /// Panels of 16 outputs.
  public var panelCount: Int { (outputs + Int(E3_FILE_PANEL_CHANNELS) - 1) / Int(E3_FILE_PANEL_CHANNELS) }
  /// Bytes of a panel, a multiple of 64.
  public var panelBytes: Int { gridBytes + weightBytes + Self.tailBytes }
  /// Bytes of the grids that come first in a panel of 4-bit weights: one of an output for 32 inputs each.
  public var gridBytes: Int {
    isInt4 ? (gridCount * Int(E3_FILE_PANEL_CHANNELS) + 63) / 64 * 64 : 0
  }
  /// Grids of an output.
  var gridCount: Int { (paddedInputs + Int(E3_FILE_GRID_INPUTS) - 1) / Int(E3_FILE_GRID_INPUTS) }
  /// Bytes of a panel's weights.
  public var weightBytes: Int { paddedInputs * Int(E3_FILE_PANEL_CHANNELS) / (isInt4 ? 2 : 1) }
  /// Bytes of the layer.
  public var length: UInt64 { UInt64(panelCount) * UInt64(panelBytes) }

  /// Bytes of scales, biases and compensations after the weights of a panel.
  public static var tailBytes: Int { Int(E3_FILE_PANEL_TAIL_BYTES) }

  func isRealInput(_ input: Int) -> Bool { input < inputs && input % inputPeriod < inputUsed }
  func isRealOutput(_ output: Int) -> Bool { output < outputs && output % outputPeriod < outputUsed }
}
