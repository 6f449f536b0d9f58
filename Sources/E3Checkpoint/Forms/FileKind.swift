import E3Host

/// What a file holds, recognised by its first bytes and not by its name.
enum FileKind {
  case safetensors
  case zip
  /// JSON, which may be the index of a checkpoint in parts.
  case json
  /// msgpack, which may be the index of a V-MoE checkpoint.
  case msgpack

  /// - Throws: a file of a kind that is not read, with what to do about it.
  init(_ file: MappedFile) throws(FileError) {
    let bytes = file.bytes
    func starts(with prefix: [UInt8], at offset: Int = 0) -> Bool {
      bytes.count >= offset + prefix.count && bytes[offset...].starts(with: prefix)
    }
    func starts(with text: String, at offset: Int = 0) -> Bool { starts(with: Array(text.utf8), at: offset) }
    func refusal(_ what: String) -> FileError { FileError(file: file.path, problem: what) }

    if starts(with: "PK\u{3}\u{4}") {
      self = .zip
    } else if bytes.count > 8, bytes[8] == UInt8(ascii: "{"),
      UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self)) < 1 << 40
    {
      self = .safetensors
    } else if starts(with: "version https://git-lfs") {
      throw refusal("a git-lfs pointer, not the file itself: run `git lfs pull` in its folder")
    } else if starts(with: "{") {
      self = .json
    } else if starts(with: [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]) {
      throw refusal(
        "a PyTorch file of the form before 1.6: save it anew with "
          + "torch.save(torch.load(FILE, weights_only=True), NEW)")
    } else if bytes[0] == 0x80, bytes.count > 1, (2...5).contains(bytes[1]) {
      throw refusal("a Python pickle, which could run anything: save the weights with torch.save or safetensors")
    } else if starts(with: "\u{89}HDF\r\n\u{1A}\n".unicodeScalars.map { UInt8($0.value) }) {
      throw refusal("an HDF5 file, as Keras writes: load it where it was trained and save the weights as safetensors")
    } else if starts(with: "TFL3", at: 4) {
      throw refusal("a TFLite model, whose weights are changed for its runtime: pack the checkpoint that it came from")
    } else if starts(with: "GGUF") {
      throw refusal("a GGUF file, whose weights are quantised: pack the checkpoint that it came from")
    } else if starts(with: [0x93] + Array("NUMPY".utf8)) {
      throw refusal("one .npy array, expected a checkpoint of named tensors")
    } else if starts(with: [0x89] + Array("E3M\r\n".utf8)) {
      throw refusal("is packed already: give the checkpoint")
    } else if starts(with: [0x1F, 0x8B]) || starts(with: "ustar", at: 257) || starts(with: "BZh")
      || starts(with: [0xFD] + Array("7zXZ".utf8))
    {
      throw refusal("an archive: unpack it first")
    } else if starts(with: [0x89] + Array("PNG".utf8)) || starts(with: [0xFF, 0xD8, 0xFF]) {
      throw refusal("a picture, expected a checkpoint")
    } else if starts(with: "<") {
      throw refusal("a web page or XML, not a checkpoint: download the file itself")
    } else if bytes[0] == 0x08, bytes.count > 4, bytes[1] < 0x20, [0x12, 0x3A, 0x42].contains(bytes[2]) {
      throw refusal("an ONNX model: tools/checkpoints/onnx_to_safetensors turns a ViT into what is read here")
    } else if (0x80...0x8F).contains(bytes[0]) || bytes[0] == 0xDE || bytes[0] == 0xDF {
      self = .msgpack
    } else if bytes.count >= 48, bytes.suffix(8).elementsEqual([0x57, 0xFB, 0x80, 0x8B, 0x24, 0x75, 0x47, 0xDB]) {
      throw refusal(
        "the index of a TensorFlow checkpoint: load it where it was trained and save the weights as safetensors")
    } else if file.path.hasSuffix(".safetensors") {
      // What is wrong with it is told by its reader; a zip file may begin with anything.
      self = .safetensors
    } else if file.path.hasSuffix(".npz") {
      self = .zip
    } else {
      throw refusal(
        "neither a V-MoE checkpoint, safetensors, npz nor a PyTorch file"
          + (Self.namedForm(file.path).map { "; its name says \($0), its contents do not" } ?? ""))
    }
  }

  /// The form that a file's name promises; nil for one that says nothing.
  private static func namedForm(_ path: String) -> String? {
    let forms = [
      ".onnx": "ONNX", ".pt": "PyTorch", ".pth": "PyTorch", ".bin": "PyTorch", ".h5": "HDF5", ".keras": "Keras",
      ".tflite": "TFLite", ".gguf": "GGUF", ".msgpack": "msgpack", ".safetensors": "safetensors", ".npz": "npz",
    ]
    return forms.first { path.hasSuffix($0.key) }?.value
  }
}
