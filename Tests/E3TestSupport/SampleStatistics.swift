import CE3
import E3Format

// The sections of a calibration, from FORMAT.md.
extension SampleFile {
  /// XXH64 of the configurations and the checksums of the required extents.
  static func modelHash(_ configs: [e3_file_config], _ contents: [[UInt8]]) -> UInt64 {
    let checksums = contents.map { content in content.withUnsafeBytes { XXH64.hash($0) } }
    return (configs.flatMap { raw($0) } + checksums.flatMap { raw($0) }).withUnsafeBytes { XXH64.hash($0) }
  }

  /// For each member: centre, two whitenings with positive diagonals, class means.
  static func statistics(_ shape: ModelShape, _ random: inout SplitMix) -> [UInt8] {
    let (real, padded) = (shape.headInputSize, (shape.headInputSize + 15) / 16 * 16)
    func row(_ scale: Float) -> [Float] { (0..<padded).map { $0 < real ? random.float * scale : 0 } }
    var values: [Float] = []
    for _ in 0..<shape.memberCount {
      values += row(0.5)
      for _ in 0..<2 {
        for panel in 0..<padded / 16 {
          for input in 0..<16 * (panel + 1) {
            for output in 16 * panel..<16 * (panel + 1) {
              let isReal = input <= output && output < real
              values.append(!isReal ? 0 : input == output ? 1 + abs(random.float) : random.float * 0.3)
            }
          }
        }
      }
      for _ in 0..<shape.classCount { values += row(2) }
    }
    return values.withUnsafeBytes { Array($0) }
  }
}
