/// What a file is that is no model, as its first bytes tell, and what makes a model of it: one line to stand behind the
/// file's name. Nil where nothing tells.
///
/// `tools/python/e3/_files.py` says the same in Python.
package func otherFileText(_ bytes: UnsafeRawBufferPointer) -> StaticString? {
  func has(_ mark: StaticString, at offset: Int = 0) -> Bool {
    mark.withUTF8Buffer { mark in
      guard bytes.count >= offset + mark.count else { return false }
      for place in 0..<mark.count where bytes[offset + place] != mark[place] { return false }
      return true
    }
  }
  func first(_ byte: UInt8) -> Bool { bytes.count > 4 && bytes[0] == byte }

  if has("PK\u{3}\u{4}") {
    return "a zip file, as PyTorch and NumPy write, not an E3 model file: e3-convert pack makes one of a checkpoint"
  }
  if has("\0\0\0{", at: 5) { return "safetensors, not an E3 model file: e3-convert pack makes one of it" }
  // The version of the format, then a text of the exporter, or the graph.
  if first(0x08), bytes[1] < 0x20, bytes[2] == 0x12 || bytes[2] == 0x3A || bytes[2] == 0x42 {
    return
      "an ONNX model, not an E3 model file: tools/checkpoints/onnx_to_safetensors and e3-convert pack make one of a ViT"
  }
  if has("TFL3", at: 4) {
    return "a TFLite model, not an E3 model file: e3-convert pack makes one of the checkpoint that it came from"
  }
  if has("GGUF") {
    return "a GGUF file, not an E3 model file: e3-convert pack makes one of the checkpoint that it came from"
  }
  if first(0x89), has("HDF\r\n\u{1A}\n", at: 1) {
    return
      "an HDF5 file, as Keras writes, not an E3 model file: e3-convert pack makes one of its weights as safetensors"
  }
  if first(0x80), (2...5).contains(bytes[1]) {
    return "a pickle, as PyTorch wrote before 1.6, not an E3 model file: e3-convert pack says how to save it anew"
  }
  if first(0x89), has("E3C\r\n\u{1A}\n", at: 1) {
    return
      "learned classes (.e3c), not an E3 model file: give them beside the model that learned them"
  }
  if has("version https://git-lfs") {
    return "a git-lfs pointer, not an E3 model file: run `git lfs pull` in its folder"
  }
  if first(UInt8(ascii: "<")) { return "a web page or XML, not an E3 model file: download the file itself" }
  return nil
}
