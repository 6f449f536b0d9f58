import E3Host

/// The tensors of a checkpoint under the names that its files give them.
struct StoredTensors {
  let form: Checkpoint.Form
  let tensors: [String: any TensorSource]
  /// What a PyTorch file of one part has beside them.
  let beside: BesideTensors

  /// Most tensors of a checkpoint.
  static let countLimit = 1 << 17
  /// Longest name of a tensor in bytes.
  static let nameLimit = 512
  /// Bytes of all names together.
  static let namesLimit = 16 << 20

  /// - Throws: what reading the files throws; too many tensors, a name that is too long, a shape that no array has.
  init(_ files: CheckpointFiles, headerLimit: Int = Checkpoint.headerLimit) throws(FileError) {
    (form, tensors, beside) = try Self.read(files, headerLimit)
    guard tensors.count <= Self.countLimit else {
      throw FileError(
        file: files.weights, problem: "\(tensors.count) tensors, expected at most \(Self.countLimit)")
    }
    var bytes = 0
    for (name, tensor) in tensors {
      bytes += name.utf8.count
      guard bytes <= Self.namesLimit else { throw Self.tooManyNames(files.weights) }
      guard name.utf8.count <= Self.nameLimit else {
        throw FileError(
          file: files.weights, tensor: name,
          problem: "a name of \(name.utf8.count) bytes, expected at most \(Self.nameLimit)")
      }
      guard isComputable(tensor.shape) else {
        throw FileError(file: files.weights, tensor: name, problem: "shape \(tensor.shape), which no array has")
      }
    }
  }

  static func tooManyNames(_ path: String) -> FileError {
    FileError(file: path, problem: "names of tensors that take more than \(namesLimit) bytes together")
  }

  private typealias Found = (form: Checkpoint.Form, tensors: [String: any TensorSource], beside: BesideTensors)

  private static func read(_ files: CheckpointFiles, _ headerLimit: Int) throws(FileError)
    -> Found
  {
    let path = files.weights
    if files.isVMoE {
      let prefix = path.hasSuffix(".index") ? String(path.dropLast(6)) : path
      try requireMsgpack("\(prefix).index")
      return (.vmoe, try readVMoE(prefix: prefix), BesideTensors())
    }
    let file = try MappedFile(path: path)
    return try FileKind(file) == .json ? try parts(file, headerLimit) : try whole(file, headerLimit)
  }

  /// Other formats have an `.index` as well.
  private static func requireMsgpack(_ path: String) throws(FileError) {
    guard try FileKind(MappedFile(path: path)) == .msgpack else {
      throw FileError(file: path, problem: "not the index of a V-MoE checkpoint")
    }
  }

  /// A checkpoint of one file.
  private static func whole(_ file: MappedFile, _ headerLimit: Int) throws(FileError)
    -> Found
  {
    switch try FileKind(file) {
    case .safetensors: return (.safetensors, try readSafetensors(file, headerLimit: headerLimit), BesideTensors())
    case .json: throw FileError(file: file.path, problem: "JSON, expected weights: give the checkpoint or its folder")
    case .msgpack:
      throw FileError(
        file: file.path,
        problem: "msgpack, as flax writes: load it where it was trained and save the weights as safetensors")
    case .zip:
      let archive = try ZipArchive(file)
      let names = archive.members.map(\.name)
      if names.contains("model.weights.h5") {
        throw FileError(
          file: file.path, problem: "a Keras file: load it where it was trained and save the weights as safetensors")
      }
      if names.contains(where: { $0.hasSuffix("/constants.pkl") }) {
        throw FileError(
          file: file.path,
          problem: "a TorchScript program: save the weights alone, torch.save(model.state_dict(), FILE)")
      }
      if names.contains(where: {
        $0.hasSuffix("/archive_format") || $0.hasSuffix("serialized_exported_program.json")
          || $0.contains("/data/weights/") || $0.hasSuffix("/models/model.json")
      }) {
        throw FileError(
          file: file.path,
          problem: "a program of torch.export: save its weights alone, "
            + "torch.save(torch.export.load(FILE).state_dict, NEW)")
      }
      if let pickle = archive.members.first(where: { $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl") }) {
        let found = try readTorch(file, archive, pickle: pickle, headerLimit: headerLimit)
        return (.pytorch, found.tensors, found.beside)
      }
      return (.npz, try readNumpyZip(file, archive), BesideTensors())
    }
  }

  /// A checkpoint in parts, by the index that says which tensor is in which file.
  private static func parts(_ file: MappedFile, _ headerLimit: Int) throws(FileError)
    -> Found
  {
    let index = try JSON(parsing: file.bytes, file: file.path)
    guard case .object(let map)? = index["weight_map"] else {
      throw FileError(
        file: file.path, problem: "JSON without a weight_map, expected weights: give the checkpoint or its folder")
    }
    let folder = file.path.lastIndex(of: "/").map { String(file.path[...$0]) } ?? ""
    var names: [String: [String]] = [:]
    for (name, value) in map {
      guard case .string(let part) = value, !part.contains("/"), !part.isEmpty else {
        throw FileError(file: file.path, tensor: name, problem: "its part is \(value.text()), expected a file name")
      }
      names[part, default: []].append(name)
    }
    guard (1...1024).contains(names.count) else {
      throw FileError(file: file.path, problem: "\(names.count) parts, expected 1 to 1024")
    }
    var form = Checkpoint.Form.safetensors
    var tensors: [String: any TensorSource] = [:]
    for (part, names) in names.sorted(by: { $0.key < $1.key }) {
      let (partForm, found, _) = try whole(MappedFile(path: folder + part), headerLimit)
      form = partForm
      for name in names {
        guard let tensor = found[name] else {
          throw FileError(file: folder + part, tensor: name, problem: "missing, but \(file.path) says that it is here")
        }
        tensors[name] = tensor
      }
      let expected = Set(names)
      if let extra = found.keys.sorted().first(where: { !expected.contains($0) }) {
        throw FileError(file: folder + part, tensor: extra, problem: "\(file.path) does not say that it is here")
      }
    }
    return (form, tensors, BesideTensors())
  }
}
