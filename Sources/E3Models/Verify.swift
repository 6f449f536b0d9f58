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
  guard model.bytes.count == model.file.size else {
    throw FileError(
      file: path, problem: "\(model.bytes.count - model.file.size) bytes after the end of the model")
  }
  for index in 0..<model.file.extentCount {
    do throws(E3Error) {
      try model.file.verify(at: index)
    } catch {
      throw FileError(file: path, tensor: extentName(model.file.extent(at: index)), problem: error.description)
    }
    progress(Double(index + 1) / Double(model.file.extentCount))
  }
  if model.file.golden != nil { try selfTest(model) }
  return model
}

/// Runs the golden input of `model`, which must have one, and compares the answer bit for bit.
package func selfTest(_ model: MappedModel) throws(FileError) {
  var session = try ModelSession(model)
  try session.selfTest()
}

/// Name of an extent in messages: `expert, block 5, index 3`.
package func extentName(_ extent: e3_file_extent) -> String {
  let kind = ExtentKind(rawValue: .init(extent.kind))
  var name = kind.name.string
  if (16..<32).contains(kind.rawValue) { name += ", block \(extent.block)" }
  if kind == .expert { name += ", index \(extent.index)" }
  return name
}
