import E3Checkpoint
import E3Host
import E3TestSupport
import Testing

@Suite("Safetensors") struct SafetensorsTests {
  /// Opens a file with `header` and `count` data bytes.
  private func open(
    _ header: String, dataBytes count: Int, headerSize: UInt64? = nil, headerLimit: Int = Checkpoint.headerLimit
  ) throws -> Checkpoint {
    let folder = try TemporaryFolder()
    let size = withUnsafeBytes(of: (headerSize ?? UInt64(header.utf8.count)).littleEndian) { Array($0) }
    let bytes = size + Array(header.utf8) + [UInt8](repeating: 0, count: count)
    return try Checkpoint(path: folder.write(bytes, to: "model.safetensors"), headerLimit: headerLimit)
  }

  @Test("tensors written are read back under their names, whole and by slices")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    let path = folder["model.safetensors"]
    let kernel = (0..<24).map { Float($0) * 0.25 }
    let writer = try SafetensorsWriter(path: path, tensors: [("a/\"kernel\"", [2, 3, 4]), ("empty", [0]), ("b", [1])])
    try writer.append(Array(kernel[..<10]))
    try writer.append(Array(kernel[10...]))
    try writer.append([-1])
    try writer.finish()
    let checkpoint = try Checkpoint(path: path)
    #expect(checkpoint.tensorNames == ["a/\"kernel\"", "b", "empty"])
    #expect(try checkpoint.read("a/\"kernel\"") == kernel)
    #expect(try checkpoint.read("a/\"kernel\"", at: 1) == Array(kernel[12...]))
    #expect(try checkpoint.read("b") == [-1] && checkpoint.read("empty") == [])
    #expect(throws: FileError.self) { try checkpoint.read("a/\"kernel\"", at: 2) }
    #expect(throws: FileError.self) { try checkpoint.read("c") }
  }

  @Test("an unfinished file leaves nothing behind")
  func unfinished() throws {
    let folder = try TemporaryFolder()
    let path = folder["model.safetensors"]
    do { try SafetensorsWriter(path: path, tensors: [("a", [2])]).append([1]) }
    #expect(throws: FileError.self) { try Checkpoint(path: path) }
  }

  @Test("where some names start with params/, only those are parameters")
  func prefix() throws {
    let checkpoint = try open(
      """
      {"opt/a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"params/a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}
      """, dataBytes: 8)
    #expect(checkpoint.tensorNames == ["a"])
  }

  @Test("float64 is rounded to float32, and what float32 does not hold is refused")
  func float64() throws {
    let header = #"{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}"#
    let folder = try TemporaryFolder()
    func checkpoint(_ values: [Double]) throws -> Checkpoint {
      let size = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
      let bytes = values.withUnsafeBytes { Array($0) }
      return try Checkpoint(path: folder.write(size + Array(header.utf8) + bytes, to: "model.safetensors"))
    }
    #expect(try checkpoint([0.1, -3e-300]).read("a") == [0.1, 0])
    let tooLarge = try checkpoint([1, 1e39])
    #expect(
      fault { _ = try tooLarge.read("a") }?.hasSuffix("a: value inf at flat index 1, expected finite weights") == true)
  }

  @Test("a tensor of a type that no weights have is refused when it is read, and not before")
  func otherTypes() throws {
    let checkpoint = try open(
      """
      {"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[4,6]},\
      "c":{"dtype":"F32","shape":[0,3],"data_offsets":[6,6]}}
      """, dataBytes: 6)
    #expect(
      fault { _ = try checkpoint.read("a") }?.hasSuffix(
        "a: element type int32, expected float32, float16, bfloat16 or float64")
        == true)
    #expect(fault { _ = try checkpoint.read("b") }?.hasSuffix("b: dtype F8_E4M3, expected F32, F16 or BF16") == true)
    #expect(try checkpoint.read("c") == [])
  }

  @Test(
    "a table that does not fit its data is refused",
    arguments: [
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "does not fill its 4 bytes"),
      (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 5, "tensors fill 4 of 5 data bytes"),
      (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3, "leave the 3 data bytes"),
      (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "leave the 4 data bytes"),
      (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, "bad data_offsets: -4"),
      (#"{"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,4]}}"#, 4, "bad shape"),
      (#"{"a":{"dtype":"F32","shape":[9007199254740992,9007199254740992],"data_offsets":[0,4]}}"#, 4, "does not fill"),
      (#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}"#, 4, "bad shape"),
      (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4, "bad shape: 1.5"),
      (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":0}}"#, 4, "unknown field x"),
      (#"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, 4, "has no dtype"),
      (
        #"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#,
        4,
        "starts at data byte 2, expected 3"
      ),
      (#"{"a":1}"#, 0, "its table entry is no object"), ("[]", 0, "no JSON object"), ("", 0, "empty"),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{}}"#, 4, "duplicate JSON key \"a\""
      ),
    ])
  func malformed(_ header: String, _ dataBytes: Int, _ expected: String) throws {
    let error = try #require(throws: FileError.self) { try open(header, dataBytes: dataBytes) }
    #expect(error.description.contains(expected), "\(error)")
  }

  @Test("a header beyond 32 MiB is refused at once")
  func hugeHeader() throws {
    let header = #"{"a":["# + String(repeating: "0,", count: 17 << 20) + "0]}"
    let error = try #require(throws: FileError.self) { try open(header, dataBytes: 0) }
    #expect(
      error.problem == "header of \(header.utf8.count) bytes, expected at most 33554432 (--max-header)")
  }

  @Test("a table of exactly as many bytes as are asked for is read")
  func headerLimit() throws {
    let header = #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
    let bytes = header.utf8.count
    #expect(try open(header, dataBytes: 4, headerLimit: bytes).read("a") == [0])
    let error = try #require(throws: FileError.self) { try open(header, dataBytes: 4, headerLimit: bytes - 1) }
    #expect(error.problem == "header of \(bytes) bytes, expected at most \(bytes - 1) (--max-header)")
  }

  @Test("a header longer than the file is refused", arguments: [3, UInt64(Int64.max), .max])
  func longHeader(_ size: UInt64) throws {
    #expect(throws: FileError.self) { try open("{}", dataBytes: 0, headerSize: size) }
  }
}
