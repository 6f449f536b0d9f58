import CE3
import CE3Kernels
import E3TestSupport
import Foundation

extension SplitMix {
  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

  /// Between -magnitude and magnitude.
  mutating func float(_ magnitude: Float) -> Float { float * magnitude }
}

/// Memory aligned to 64 bytes and filled with a pattern, so that a kernel that writes too much shows.
final class Buffer<Element: BitwiseCopyable> {
  let base: UnsafeMutablePointer<Element>
  let count: Int

  init(_ count: Int) {
    self.count = count
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Element>.stride + 64, alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0x3E, count: count * MemoryLayout<Element>.stride + 64)
    base = bytes.bindMemory(to: Element.self, capacity: count)
  }

  convenience init(_ count: Int, _ value: (Int) -> Element) {
    self.init(count)
    for i in 0..<count { base[i] = value(i) }
  }

  convenience init(copy other: Buffer<Element>) {
    self.init(other.count)
    base.update(from: other.base, count: other.count)
  }

  deinit { UnsafeMutableRawPointer(base).deallocate() }

  /// All bytes, those past the end included.
  var bytes: Data { Data(bytes: base, count: count * MemoryLayout<Element>.stride + 64) }
}

func roundUp(_ value: Int, _ multiple: Int) -> Int { (value + multiple - 1) / multiple * multiple }

/// A matrix of floats with a padded stride; lanes past the width are zeros.
struct Matrix {
  let rows: Int, width: Int, stride: Int
  let values: Buffer<Float>

  init(rows: Int, width: Int, extraStride: Int = 0, _ value: (Int, Int) -> Float) {
    let stride = roundUp(width, 16) + extraStride
    (self.rows, self.width, self.stride) = (rows, width, stride)
    values = Buffer(rows * stride) { $0 % stride < width ? value($0 / stride, $0 % stride) : 0 }
  }

  var base: UnsafeMutablePointer<Float> { values.base }
  func row(_ r: Int) -> [Float] { (0..<width).map { values.base[r * stride + $0] } }
}

/// Kinds of rows that kernels must agree on.
enum RowKind: CaseIterable {
  case uniform, tiny, huge, zeros, one, spike, subQuantum
  /// Numbers at the ends of the range, of which some kernels make one that is not finite.
  case extreme
  /// Numbers of which one in a hundred is a NaN or an infinity.
  case broken

  /// Those of which no kernel makes a NaN or an infinity.
  static let ordinary = allCases.filter { $0 != .extreme && $0 != .broken }

  func matrix(rows: Int, width: Int, extraStride: Int = 0, _ random: inout SplitMix) -> Matrix {
    let spike = random.int(0...max(0, width - 1))
    var generator = random
    defer { random = generator }
    return Matrix(rows: rows, width: width, extraStride: extraStride) { row, column in
      switch self {
      case .uniform: generator.float(4)
      case .tiny: generator.float(1e-12)
      case .huge: generator.float(1e15)
      case .zeros: 0
      case .one: 1
      case .spike: column == spike ? -1000 : generator.float(0.5)
      case .subQuantum: row % 2 == 0 ? generator.float(1e-31) : generator.float
      case .extreme: extremes[generator.int(row % 2 == 0 ? 0...extremes.count - 1 : 6...extremes.count - 1)]
      case .broken: generator.int(0...99) == 0 ? notFinite[generator.int(0...notFinite.count - 1)] : generator.float
      }
    }
  }
}

/// Finite numbers at the ends of the range, the largest first.
let extremes: [Float] = [
  .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 3e38, -1e30, 1e20, -2e19, 1, -1, 0, -0.0, 1e-30, -9.9e-31,
  .leastNormalMagnitude, -.leastNormalMagnitude, .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
]

/// Infinities and NaN of both signs, quiet and signalling, with the smallest and the largest payload.
let notFinite: [Float] = [
  .infinity, -.infinity, .nan, -.nan, .signalingNaN, Float(bitPattern: 0x7f80_0001), Float(bitPattern: 0xff80_0001),
  Float(bitPattern: 0x7fff_ffff), Float(bitPattern: 0xffff_ffff),
]

/// What a kernel leaves that says whether all numbers were finite: only that if not.
func outcome(_ isFinite: Int32, _ outputs: Data...) -> [Data] {
  [Data([UInt8(isFinite)])] + (isFinite == 1 ? outputs : [])
}

/// A tier of kernels that this build has and this CPU runs, with tiles of one kind. Constant function pointers: safe to
/// share.
struct Tier: @unchecked Sendable, CustomStringConvertible {
  let isa: UInt32
  let kernels: e3k_table

  init?(_ isa: UInt32, _ tiles: e3k_tiles = E3K_TILES_SINGLE) {
    guard let table = e3k_select_tiles(isa, tiles) else { return nil }
    (self.isa, kernels) = (isa, table.pointee)
  }

  var description: String {
    String(cString: kernels.name) + (kernels.tiles == E3K_TILES_PAIRS ? " with pairs of panels" : "")
  }
}

let scalar = Tier(UInt32(E3_ISA_SCALAR))!

/// Every tier but the definition itself, with each kind of tiles that it has.
let tiers = (UInt32(E3_ISA_SCALAR) + 1...UInt32(E3_ISA_I8MM)).flatMap { isa in
  [Tier(isa), Tier(isa, E3K_TILES_PAIRS)].compactMap { $0 }
}

/// Quantised bytes of a tier without its flip.
func unflipped(_ bytes: Buffer<UInt8>, _ tier: Tier, stride: Int, width: Int) -> Data {
  let flip = tier.kernels.activation_flip, copy = Buffer(copy: bytes)
  if flip != 0 {
    for row in 0..<bytes.count / stride {
      for i in row * stride..<row * stride + roundUp(width, 16) { copy.base[i] ^= flip }
    }
  }
  return copy.bytes
}

/// Packed panels of a random layer.
func packed(
  inputs: Int, outputs: Int, _ weight: (Int, Int) -> Float, bias: ((Int) -> Float)?
) -> Buffer<UInt8> {
  let weights = Buffer<Float>(max(1, inputs * outputs)) { weight($0 / outputs, $0 % outputs) }
  let panels = Buffer<UInt8>(e3k_panel_bytes(inputs) * ((outputs + 15) / 16))
  let biases = Buffer<Float>(outputs) { bias?($0) ?? 0 }
  e3k_pack_linear(weights.base, outputs, inputs, outputs, nil, bias == nil ? nil : biases.base, panels.base)
  return panels
}
