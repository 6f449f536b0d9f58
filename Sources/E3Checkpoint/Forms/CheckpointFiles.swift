import E3Host
import Glibc

/// Where a checkpoint lies: its weights, and the configuration beside them.
struct CheckpointFiles {
  /// The file of the weights, of the index of their parts, or the prefix of a V-MoE checkpoint.
  let weights: String
  let isVMoE: Bool
  /// `config.json` in the folder, or beside a file the JSON of its name or `config.json`, whatever it is; nil where there
  /// is none.
  let configuration: String?
  /// Names of other checkpoints in the folder, of which nothing is read.
  private(set) var unread: [String] = []

  /// - Throws: a path where nothing is, a folder without a checkpoint or with several, a folder of a form that is not
  ///   read.
  init(path: String) throws(FileError) {
    if isFolder(path) {
      let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
      let found = try Self.weights(in: folder)
      weights = found
      unread = try Self.unread(in: folder, beside: found)
      isVMoE = found.hasSuffix(".index")
      configuration = ["\(folder)/config.json"].first(where: isListed)
      return
    }
    weights = path
    isVMoE = path.hasSuffix(".index") || !exists(path) && exists("\(path).index")
    guard isVMoE || exists(path) else { throw FileError(file: path, problem: systemErrorText()) }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    guard !path.hasSuffix(Self.distributed) else { throw Self.distributedFault(folder.isEmpty ? "." : folder) }
    let name = path.dropFirst(folder.count)
    let stem = isVMoE && !name.hasSuffix(".index") ? name : name.prefix(upTo: name.lastIndex(of: ".") ?? name.endIndex)
    configuration = ["\(folder)\(stem).json", "\(folder)config.json"].first { isListed($0) && $0 != path }
    try requireWhole(String(name))
  }

  /// A part of a checkpoint says so in its name.
  private func requireWhole(_ name: String) throws(FileError) {
    if let dash = name.range(of: ".data-"), name[dash.upperBound...].contains("-of-") {
      throw FileError(
        file: weights, problem: "a data file of a V-MoE checkpoint: give \(name[..<dash.lowerBound]).index")
    }
    let parts = name.split(separator: ".").first?.split(separator: "-") ?? []
    guard parts.count >= 4, parts[parts.count - 2] == "of", let part = Int(parts[parts.count - 3]),
      let count = Int(parts[parts.count - 1]), count > 1
    else { return }
    throw FileError(
      file: weights,
      problem: "part \(part) of \(count): give the index (\(parts.dropLast(3).joined(separator: "-"))."
        + "\(name.split(separator: ".").last ?? "").index.json) or the folder")
  }

  /// Ending of the parts that torch.distributed.checkpoint writes.
  private static let distributed = ".distcp"

  private static func distributedFault(_ folder: String) -> FileError {
    FileError(
      file: folder,
      problem: "a checkpoint of torch.distributed: turn it into one file first, python -m "
        + "torch.distributed.checkpoint.format_utils dcp_to_torch \(folder) FILE.pt")
  }

  /// The index that parts without one lack: `model.safetensors.index.json` of `model-00001-of-00002.safetensors`.
  private static func missingIndex(of names: [String]) -> String? {
    let indices = names.map { name -> String? in
      let words = name.split(separator: ".", omittingEmptySubsequences: false)
      let parts = words[0].split(separator: "-")
      guard words.count == 2, parts.count >= 4, parts[parts.count - 2] == "of", Int(parts[parts.count - 3]) != nil,
        Int(parts[parts.count - 1]) != nil
      else { return nil }
      return "\(parts.dropLast(3).joined(separator: "-")).\(words[1]).index.json"
    }
    guard let first = indices.first, indices.allSatisfy({ $0 == first }) else { return nil }
    return first
  }

  /// What Hugging Face's libraries and timm call the weights in a folder, in the order in which transformers looks for them.
  private static let usual = [
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
  ]
  /// Endings of files with weights that are read here.
  private static let ownEndings = [".safetensors", ".npz", ".pt", ".pth", ".bin", ".pth.tar", ".ckpt"]
  /// What the files that hold the rest of a training's state begin with.
  private static let trainingState = [
    "training_args", "optimizer", "scheduler", "scaler", "rng_state", "random_states",
  ]

  /// What else in the folder may be a checkpoint, but for parts of the one that is read.
  private static func unread(in folder: String, beside weights: String) throws(FileError) -> [String] {
    let stems = ["model-", "pytorch_model-"]
    return try fileNames(in: folder).filter { name in
      "\(folder)/\(name)" != weights && (usual.contains(name) || ownEndings.contains { name.hasSuffix($0) })
        && !trainingState.contains { name.hasPrefix($0) }
        && !(stems.contains { name.hasPrefix($0) } && name.range(of: "-of-") != nil)
    }
  }

  private static func weights(in folder: String) throws(FileError) -> String {
    let names = try fileNames(in: folder)
    func has(_ name: String) -> Bool { names.contains(name) }
    if isOrbax(folder, names) {
      throw FileError(
        file: folder,
        problem: "an Orbax checkpoint: tools/checkpoints/orbax_to_safetensors turns it into what is read here")
    }
    if has("saved_model.pb") {
      throw FileError(
        file: folder,
        problem: "a TensorFlow SavedModel: load it where it was trained and save the weights as safetensors")
    }
    if names.contains(where: { $0.hasSuffix(distributed) }) { throw distributedFault(folder) }
    if let name = usual.first(where: has) {
      // transformers applies the adapter to these weights when it opens the folder.
      if let adapter = ["adapter_model.safetensors", "adapter_model.bin", "adapter_config.json"].first(where: has) {
        throw FileError(
          file: "\(folder)/\(adapter)",
          problem: "belongs to \(LoRA.next) (\(name), given as a file, is the model without it)")
      }
      return "\(folder)/\(name)"
    }
    for endings in [ownEndings + [".index"], [".h5", ".msgpack", ".onnx", ".keras"]] {
      let found = names.filter { name in endings.contains { name.hasSuffix($0) } }
      if found.count == 1 { return "\(folder)/\(found[0])" }
      if found.count > 1, let index = missingIndex(of: found) {
        throw FileError(
          file: folder,
          problem: "parts of one checkpoint (\(found.prefix(2).joined(separator: ", ")) …) without their index: fetch "
            + "\(index), which lies beside them where they come from")
      }
      guard found.isEmpty else {
        throw FileError(
          file: folder,
          problem: "holds several checkpoints (\(found.prefix(4).joined(separator: ", "))): give one of them")
      }
    }
    if has("latest") || has("zero_to_fp32.py") {
      throw FileError(
        file: folder,
        problem: "a checkpoint of DeepSpeed: python zero_to_fp32.py \(folder) FOLDER, the script that DeepSpeed puts "
          + "there, makes its weights whole; without ZeRO give the mp_rank_00_model_states.pt in it")
    }
    throw FileError(file: folder, problem: "a folder without a checkpoint\(savedSteps(in: folder, names))")
  }

  /// What the folder of a run of Hugging Face's Trainer holds, the last ones first.
  private static func savedSteps(in folder: String, _ names: [String]) -> String {
    let mark = "checkpoint-"
    let steps = names.compactMap { name in
      name.hasPrefix(mark) && isFolder("\(folder)/\(name)") ? Int(name.dropFirst(mark.count)) : nil
    }
    guard !steps.isEmpty else { return "" }
    let folders = steps.sorted(by: >).prefix(4).map { "\(folder)/\(mark)\($0)" }.joined(separator: ", ")
    return ": give one of those in it (\(folders)\(steps.count > 4 ? ", …" : ""))"
  }

  /// Whether the folder, or one up to two levels below it, has an Orbax file.
  private static func isOrbax(_ folder: String, _ names: [String], depth: Int = 0) -> Bool {
    let marks = ["manifest.ocdbt", "_CHECKPOINT_METADATA", "_METADATA", "_sharding", "checkpoint_metadata"]
    if marks.contains(where: names.contains) { return true }
    guard depth < 2 else { return false }
    return names.prefix(64).contains { name in
      let inner = "\(folder)/\(name)"
      guard isFolder(inner), let names = try? fileNames(in: inner) else { return false }
      return isOrbax(inner, names, depth: depth + 1)
    }
  }
}

private func mode(_ path: String) -> mode_t? {
  var status = stat()
  return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
}

/// Whether there is anything at `path`.
func exists(_ path: String) -> Bool { mode(path) != nil }
/// The same, also for a link to nothing.
func isListed(_ path: String) -> Bool {
  var status = stat()
  return lstat(path, &status) == 0
}

/// - Throws: where something else than a file is at `path`, with what can be done, `next`.
package func requireFile(_ path: String, _ next: String) throws(FileError) {
  let kind: String
  switch mode(path) {
  case S_IFREG?: return
  case S_IFDIR?: kind = "a folder"
  case S_IFIFO?: kind = "a pipe"
  case nil: kind = "a link to nothing"
  default: kind = "a device or socket"
  }
  throw FileError(file: path, problem: "\(kind), expected a file: \(next)")
}

private func isFolder(_ path: String) -> Bool { mode(path) == S_IFDIR }

/// Names in a folder, ascending, without hidden ones.
private func fileNames(in folder: String) throws(FileError) -> [String] {
  guard let directory = opendir(folder) else { throw FileError(file: folder, problem: systemErrorText()) }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if !name.hasPrefix(".") { names.append(name) }
  }
  return names.sorted()
}

extension StringProtocol {
  /// Where `text` stands first.
  fileprivate func range(of text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}
