import E3TestSupport
import Testing
@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Format
@testable import E3Models

/// The weights that int4 panels stand for, decoded from FORMAT.md, section 4.2.
private func decoded(_ bytes: [UInt8], inputs: Int, outputs: Int) -> [[Float]] {
  let padded = (inputs + 7) / 8 * 8
  let gridBytes = ((padded + 31) / 32 * 16 + 63) / 64 * 64
  let panelBytes = gridBytes + 8 * padded + 192
  return (0..<inputs).map { input in
    (0..<outputs).map { output in
      let panel = output / 16 * panelBytes
      let channel = output % 16
      let grid = Int(bytes[panel + input / 32 * 16 + channel])
      let byte = Int(bytes[panel + gridBytes + input / 8 * 64 + channel * 4 + input % 4])
      let code = input % 8 < 4 ? byte % 16 : byte / 16
      let scale = (0..<4).reduce(UInt32(0)) {
        $0 | UInt32(bytes[panel + gridBytes + 8 * padded + 4 * channel + $1]) << UInt32(8 * $1)
      }
      return Float(bitPattern: scale) * Float(grid % 16 * (code - grid / 16))
    }
  }
}

@Suite("Rounding to 4 bits")
struct Int4Tests {
  @Test("every weight is the nearest level of its grid, and the layer is close to the floats")
  func rounding() throws {
    var random = SplitMix(state: 1)
    for (inputs, outputs) in [(1, 1), (31, 3), (64, 17), (100, 20)] {
      let weights = (0..<inputs * outputs).map { random.float * ($0 % 7 == 0 ? 3 : 1) }
      let bias = (0..<outputs).map { _ in random.float }
      let bytes = Int4Linear(rounding: weights, inputs: inputs, outputs: outputs, bias: bias).panels()
      let layout = LinearLayout(inputs: inputs, outputs: outputs, encoding: .int4)
      #expect(bytes.count == Int(layout.length))
      try bytes.withAligned { try ModelFile.verifyPanels($0.baseAddress!, layout) }
      let found = decoded(bytes, inputs: inputs, outputs: outputs)
      var (error, power): (Float, Float) = (0, 0)
      for input in 0..<inputs {
        for output in 0..<outputs {
          let (weight, level) = (weights[input * outputs + output], found[input][output])
          error += (weight - level) * (weight - level)
          power += weight * weight
        }
      }
      #expect(error < 0.012 * power, "\(inputs) x \(outputs): \(error / power)")
    }
  }

  @Test("a grid rounds to the nearest of its levels and never beyond them")
  func gridRounding() {
    var random = SplitMix(state: 2)
    for _ in 0..<50 {
      let weights = (0..<32).map { _ in random.float }
      let scale: Float = 1.0 / 127
      let grid = weights.withUnsafeBufferPointer { Int4Grid(fitting: $0, scale: scale) }
      let levels = (0...15).map { scale * Float(Int(grid.multiplier) * ($0 - Int(grid.zero))) }
      for value in weights + [-9, 9, 0] {
        let (code, level) = grid.round(value, scale: scale)
        #expect(code < 16 && abs(level - levels[Int(code)]) < 1e-6)
        #expect(levels.allSatisfy { abs($0 - value) >= abs(level - value) - 1e-6 })
      }
    }
  }

  @Test("importance moves the error from inputs that matter to those that do not")
  func importance() {
    var random = SplitMix(state: 3)
    let weights = (0..<128).map { _ in random.float }
    let matters = (0..<128).map { Float($0 % 2 == 0 ? 100 : 0.01) }
    func error(_ importance: [Float]?) -> Float {
      let layer = Int4Linear(rounding: weights, inputs: 128, outputs: 1, bias: [0], importance: importance)
      let found = decoded(layer.panels(), inputs: 128, outputs: 1)
      return stride(from: 0, to: 128, by: 2).reduce(0) {
        $0 + (weights[$1] - found[$1][0]) * (weights[$1] - found[$1][0])
      }
    }
    #expect(error(matters) < error(nil))
  }

  @Test("weights of zeros are a scale of 0")
  func zeros() throws {
    let bytes = Int4Linear(rounding: [Float](repeating: 0, count: 80), inputs: 40, outputs: 2, bias: [1, 2]).panels()
    try bytes.withAligned {
      try ModelFile.verifyPanels($0.baseAddress!, LinearLayout(inputs: 40, outputs: 2, encoding: .int4))
    }
    #expect(decoded(bytes, inputs: 40, outputs: 2).allSatisfy { $0 == [0, 0] })
  }

  @Test(
    "a model has 4 bits where it was asked for, and says so", arguments: [(true, false), (false, true), (true, true)])
  func packing(experts: Bool, mlp: Bool) throws {
    let folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
    let bits = WeightBits(experts: experts ? .four : .eight, mlp: mlp ? .four : .eight)
    try pack(
      checkpoint: checkpoint, config: config, output: folder["model.e3"], options: PackOptions(weights: bits))
    let model = try MappedModel(path: folder["model.e3"])
    try model.file.verifyChecksums()
    var session = try ModelSession(model)
    try session.selfTest()
    for index in 0..<model.file.extentCount {
      let extent = model.file.extent(at: index)
      let isInt4 = extent.encoding == UInt32(ExtentEncoding.int4.rawValue)
      switch ExtentKind(rawValue: .init(extent.kind)) {
      case .expert: #expect(isInt4 == experts)
      case .mlp: #expect(isInt4 == mlp)
      default: #expect(!isInt4)
      }
    }
    let provenance = String(decoding: try #require(model.file.provenance), as: UTF8.self)
    #expect(provenance.contains("expert_weights") == experts)
    #expect(provenance.contains("mlp_weights") == mlp)
    #expect(inspectionText(of: model).contains("int4"))
  }
}
