import E3Format
import E3Host

/// Checks all of a model file: validation, every checksum, the rules of int8 weights, and the golden input's answer.
///
/// - Parameter progress: Is told the share of the file that is read, 0 to 1.
/// - Throws: the first breach, naming the extent.
/// - Returns: the model, for more checks.
@discardableResult
public func verify(
  model path: String, progress: (Double) -> Void = { _ in }
) throws(FileError) -> MappedModel {
  let model = try MappedModel(path: path)
  guard model.bytesBehind == 0 else {
    throw FileError(file: path, problem: "\(counted(model.bytesBehind, "byte")) after the end of the model")
  }
  try model.requireWhole(progress: progress)
  if model.file.golden != nil { try selfTest(model) }
  return model
}

/// Runs the golden input of `model`, which must have one, and compares the answer bit for bit.
package func selfTest(_ model: MappedModel) throws(FileError) {
  var session = try ModelSession(model)
  try session.selfTest()
}

extension MappedModel {
  /// Reads all of the file: its checksums and the rules of its values.
  ///
  /// - Parameter progress: Is told the share that is read, 0 to 1.
  /// - Throws: damage, with the name of the extent.
  package func requireWhole(progress: (Double) -> Void = { _ in }) throws(FileError) {
    for index in 0..<file.extentCount {
      do throws(E3Error) {
        try file.verify(at: index)
      } catch {
        throw FileError(file: path, tensor: extentName(index), problem: error.description)
      }
      progress(Double(index + 1) / Double(file.extentCount))
    }
  }

  /// Name of the extent at `index` of the table: `expert, block 5, index 3`; in a file of several networks also which of
  /// them it is of.
  package func extentName(_ index: Int) -> String {
    let extent = file.extent(at: index)
    let kind = ExtentKind(rawValue: .init(extent.kind))
    var name = kind.name.string
    if networks.count > 1, let network = network(ofTable: index) { name += ", network \(network)" }
    if (16..<32).contains(kind.rawValue) { name += ", block \(extent.block)" }
    if kind == .expert { name += ", index \(extent.index)" }
    return name
  }

  /// Which network the extent at `index` of the table is of; nil for an optional section.
  package func network(ofTable index: Int) -> Int? { networks.firstIndex { $0.plannedIndex(ofTable: index) != nil } }

  /// Whether the extent at `index` of the table is stored with an earlier network's.
  package func isShared(_ index: Int) -> Bool { (try? file.isShared(index)) ?? false }
}
