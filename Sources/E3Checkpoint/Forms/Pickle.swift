import E3Host

/// What a pickle holds. Objects are numbers into ``Pickle/objects``: whatever refers to whatever, nothing nests in
/// memory.
enum PickleValue: Hashable {
  case none
  case bool(Bool)
  case integer(Int)
  case real(Double)
  case text(String)
  case object(Int)
}

enum PickleObject {
  case tuple([PickleValue])
  /// Number in ``Pickle/lists``.
  case list(Int)
  /// Number in ``Pickle/dictionaries``.
  case dictionary(Int)
  /// A class or function by its name.
  case global(String)
  /// What a persistent number of the pickle stands for, as its tuple.
  case persistent([PickleValue])
  /// A function of `torch._utils` with its arguments: it is not called, its result is described by them.
  case built(String, [PickleValue])
  /// An instance of a class that holds no tensors. Nothing of it is made.
  case inert
}

/// Reads a pickle as data. Nothing in it is run: names of classes and functions are compared with a short list, and a
/// pickle that names another is refused.
///
/// Source: https://github.com/python/cpython/blob/main/Lib/pickletools.py.
struct Pickle {
  private(set) var objects: [PickleObject] = []
  // What grows stands here alone, so that it grows in place.
  private(set) var lists: [[PickleValue]] = []
  private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
  private(set) var root = PickleValue.none
  /// Whether it has arrays of NumPy, which are no tensors.
  private(set) var hasArrays = false

  private let bytes: UnsafeRawBufferPointer
  private let file: String
  private var position = 0
  private var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  /// Pairs of lists that became dictionaries.
  private var copiedPairs = 0

  /// Reads all of `bytes`, `limit` at most. `file` names them in errors.
  init(_ bytes: UnsafeRawBufferPointer, limit: Int, file: String) throws(FileError) {
    (self.bytes, self.file) = (bytes, file)
    guard bytes.count <= limit else {
      throw FileError(
        file: file, problem: "a pickle of \(bytes.count) bytes, expected at most \(limit) (--max-header)")
    }
    while try step() {}
  }

  /// The object `value` stands for; nil for a plain value.
  func object(_ value: PickleValue) -> PickleObject? {
    if case .object(let index) = value { objects[index] } else { nil }
  }

  func tuple(_ value: PickleValue) -> [PickleValue]? {
    if case .tuple(let elements)? = object(value) { elements } else { nil }
  }

  /// Whether `value` is a tensor or may lead to one.
  func mayHoldTensors(_ value: PickleValue) -> Bool {
    switch object(value) {
    case .tuple?, .list?, .dictionary?, .built?: true
    case .global?, .persistent?, .inert?, nil: false
    }
  }

  /// A tuple of at most 8 whole numbers, the most axes that a tensor has.
  func integers(_ value: PickleValue) -> [Int]? {
    guard let elements = tuple(value), elements.count <= 8 else { return nil }
    let integers = elements.compactMap { if case .integer(let number) = $0 { number } else { nil as Int? } }
    return integers.count == elements.count ? integers : nil
  }

  func global(_ value: PickleValue) -> String? {
    if case .global(let name)? = object(value) { name } else { nil }
  }

  private func fault(_ problem: String) -> FileError {
    FileError(file: file, problem: "\(problem) at byte \(position) of its pickle")
  }

  /// Runs one opcode; false after the last.
  private mutating func step() throws(FileError) -> Bool {
    let code = try byte()
    switch code {
    case UInt8(ascii: "."):
      root = try pop()
      return false
    case 0x80: _ = try byte()  // PROTO
    case 0x95: _ = try number(8)  // FRAME
    case UInt8(ascii: "N"): stack.append(.none)
    case 0x88, 0x89: stack.append(.bool(code == 0x88))
    case UInt8(ascii: "K"): stack.append(.integer(try number(1)))
    case UInt8(ascii: "M"): stack.append(.integer(try number(2)))
    case UInt8(ascii: "J"): stack.append(.integer(Int(Int32(truncatingIfNeeded: try number(4)))))
    case 0x8A: stack.append(try long(try number(1)))
    case 0x8B: stack.append(try long(try number(4)))
    case UInt8(ascii: "G"): stack.append(.real(Double(bitPattern: UInt64(bitPattern: try raw(8)).byteSwapped)))
    case UInt8(ascii: "X"): stack.append(try text(try number(4)))
    case 0x8C: stack.append(try text(try number(1)))
    case 0x8D: stack.append(try text(try number(8)))
    case UInt8(ascii: "U"), UInt8(ascii: "C"): try pass(try number(1))
    case UInt8(ascii: "T"), UInt8(ascii: "B"): try pass(try number(4))
    case 0x8E, 0x96: try pass(try number(8))
    case UInt8(ascii: "("): marks.append(stack.count)
    case UInt8(ascii: "0"): _ = try pop()
    case UInt8(ascii: "1"): _ = try popMark()
    case UInt8(ascii: "2"):
      let top = try pop()
      stack += [top, top]
    case UInt8(ascii: ")"): push(.tuple([]))
    case 0x85, 0x86, 0x87:
      let elements = try pop(Int(code) - 0x84)
      push(.tuple(elements))
    case UInt8(ascii: "t"): push(.tuple(try popMark()))
    case UInt8(ascii: "]"): pushList([])
    case UInt8(ascii: "l"): pushList(try popMark())
    case UInt8(ascii: "}"): pushDictionary()
    case UInt8(ascii: "d"):
      let values = try popMark()
      pushDictionary()
      try setItems(values)
    case 0x8F: push(.inert)  // EMPTY_SET
    case 0x90: _ = try popMark()  // ADDITEMS
    case 0x91:  // FROZENSET
      _ = try popMark()
      push(.inert)
    case UInt8(ascii: "a"): try append([try pop()])
    case UInt8(ascii: "e"): try append(try popMark())
    case UInt8(ascii: "s"): try setItems(try pop(2))
    case UInt8(ascii: "u"): try setItems(try popMark())
    case UInt8(ascii: "q"): memo[try number(1)] = try top()
    case UInt8(ascii: "r"): memo[try number(4)] = try top()
    case 0x94: memo[memo.count] = try top()
    case UInt8(ascii: "h"): stack.append(try recall(try number(1)))
    case UInt8(ascii: "j"): stack.append(try recall(try number(4)))
    case UInt8(ascii: "c"): try pushGlobal(module: try line(), name: try line())
    case 0x93:
      let names = try pop(2)
      guard case .text(let module) = names[0], case .text(let name) = names[1] else {
        throw fault("a class without name")
      }
      try pushGlobal(module: module, name: name)
    case UInt8(ascii: "Q"):
      guard let elements = tuple(try pop()) else { throw fault("a persistent number that is no tuple") }
      push(.persistent(elements))
    case UInt8(ascii: "R"), 0x81:
      let parts = try pop(2)
      try call(parts[0], parts[1])
    case 0x92:
      let parts = try pop(3)
      try call(parts[0], parts[1])
    case UInt8(ascii: "b"): _ = try pop()  // BUILD: attributes, which no tensor needs
    default: throw fault("opcode \(code), which no tensor file needs,")
    }
    return true
  }

  // MARK: Objects

  private mutating func push(_ object: PickleObject) {
    stack.append(.object(objects.count))
    objects.append(object)
  }

  private mutating func pushList(_ elements: [PickleValue]) {
    push(.list(lists.count))
    lists.append(elements)
  }

  private mutating func pushDictionary() {
    push(.dictionary(dictionaries.count))
    dictionaries.append([])
  }

  private mutating func pushGlobal(module: String, name: String) throws(FileError) {
    let path = "\(module).\(name)"
    if path.hasSuffix(".multiarray._reconstruct") { hasArrays = true }
    guard path != "torch._utils._rebuild_meta_tensor_no_storage" else {
      throw FileError(
        file: file, problem: "its tensors are on the device \"meta\", without values: load the weights, then save them")
    }
    guard !PickleNames.isQuantised(path) else {
      throw FileError(
        file: file,
        problem: "its pickle names \(path): its weights are quantised; give those of the model before that, "
          + "torch.save(model.state_dict(), FILE)")
    }
    guard PickleNames.isKnown(path) else {
      throw FileError(
        file: file,
        problem:
          "its pickle names \(path), which no file of tensors needs; nothing of it is run. Save the weights alone: "
          + "torch.save(model.state_dict(), FILE)")
    }
    push(.global(path))
  }

  private mutating func call(_ function: PickleValue, _ arguments: PickleValue) throws(FileError) {
    guard let name = global(function), let arguments = tuple(arguments) else { throw fault("a call of no function") }
    if PickleNames.tensorBuilders.contains(name) { return push(.built(name, arguments)) }
    switch name {
    case "collections.OrderedDict", "collections.defaultdict":
      pushDictionary()
      guard case .list(let number)? = arguments.first.flatMap(object) else { return }
      let pairs = lists[number]
      copiedPairs += pairs.count
      // Each pair takes a byte at least. Only one list for many dictionaries takes less.
      guard copiedPairs <= bytes.count else { throw fault("one list for too many dictionaries") }
      for pair in pairs {
        guard let pair = tuple(pair), pair.count == 2 else { throw fault("a dictionary of other things than pairs") }
        try setItems(pair)
      }
    default: push(.inert)
    }
  }

  private mutating func append(_ elements: [PickleValue]) throws(FileError) {
    guard case .object(let index) = try top() else { throw fault("no list to append to") }
    switch objects[index] {
    case .list(let number): lists[number] += elements
    case .inert: break
    default: throw fault("no list to append to")
    }
  }

  private mutating func setItems(_ items: [PickleValue]) throws(FileError) {
    guard items.count.isMultiple(of: 2), case .object(let index) = try top() else {
      throw fault("no dictionary to fill")
    }
    switch objects[index] {
    case .dictionary(let number):
      for i in stride(from: 0, to: items.count, by: 2) { dictionaries[number].append((items[i], items[i + 1])) }
    case .inert: break
    default: throw fault("no dictionary to fill")
    }
  }

  private func recall(_ number: Int) throws(FileError) -> PickleValue {
    guard let value = memo[number] else { throw fault("memo \(number), which was never written,") }
    return value
  }

  // MARK: Stack

  private func top() throws(FileError) -> PickleValue {
    guard let last = stack.last, stack.count > marks.last ?? 0 else { throw fault("an empty stack") }
    return last
  }

  private mutating func pop() throws(FileError) -> PickleValue {
    let value = try top()
    stack.removeLast()
    return value
  }

  private mutating func pop(_ count: Int) throws(FileError) -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else { throw fault("an empty stack") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popMark() throws(FileError) -> [PickleValue] {
    guard let mark = marks.popLast() else { throw fault("no mark") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  // MARK: Bytes

  private mutating func byte() throws(FileError) -> UInt8 {
    guard position < bytes.count else { throw fault("the end") }
    defer { position += 1 }
    return bytes[position]
  }

  /// `size` bytes, little-endian, as they are.
  private mutating func raw(_ size: Int) throws(FileError) -> Int64 {
    guard bytes.count - position >= size else { throw fault("the end") }
    var value: UInt64 = 0
    for i in (0..<size).reversed() { value = value << 8 | UInt64(bytes[position + i]) }
    position += size
    return Int64(bitPattern: value)
  }

  private mutating func number(_ size: Int) throws(FileError) -> Int {
    let value = Int(try raw(size))
    guard value >= 0 else { throw fault("a negative length") }
    return value
  }

  private mutating func range(_ count: Int) throws(FileError) -> Range<Int> {
    guard count <= bytes.count - position else { throw fault("\(count) bytes announced") }
    defer { position += count }
    return position..<position + count
  }

  private mutating func text(_ count: Int) throws(FileError) -> PickleValue {
    guard let text = readableText(bytes[try range(count)]) else {
      throw fault("text that is not UTF-8")
    }
    return .text(text)
  }

  /// Passes over bytes that no tensor's description needs.
  private mutating func pass(_ count: Int) throws(FileError) {
    _ = try range(count)
    push(.inert)
  }

  /// A whole number in two's complement; one beyond 64 bits, as random states have, is passed over.
  private mutating func long(_ count: Int) throws(FileError) -> PickleValue {
    let digits = bytes[try range(count)]
    guard digits.count <= 8 else {
      objects.append(.inert)
      return .object(objects.count - 1)
    }
    var value: Int64 = digits.last.map { $0 >= 0x80 ? -1 : 0 } ?? 0
    for digit in digits.reversed() { value = value << 8 | Int64(digit) }
    return .integer(Int(value))
  }

  private mutating func line() throws(FileError) -> String {
    let start = position
    while try byte() != 0x0A {}
    guard position - start <= 1024, let text = readableText(bytes[start..<position - 1]) else {
      throw fault("a name that is too long or not UTF-8")
    }
    return text
  }
}

/// Names of classes and functions that a file of tensors may hold.
private enum PickleNames {
  static let tensorBuilders: Set<String> = [
    "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3", "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state", "torch._tensor._rebuild_from_type_v2",
  ]

  /// Classes beside the tensors in training states: nothing of them is made.
  private static let inert: Set<String> = [
    "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "torch.Size", "torch.device",
    "torch.Tensor", "torch.nn.parameter.Parameter", "torch.storage.UntypedStorage", "argparse.Namespace",
    "types.SimpleNamespace", "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.WindowsPath",
    "pathlib._local.PosixPath", "datetime.datetime", "datetime.timedelta", "_codecs.encode", "numpy.dtype",
    "numpy.ndarray", "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct", "builtins.set", "builtins.frozenset",
    "builtins.dict", "builtins.list", "builtins.int", "builtins.float", "builtins.bool", "builtins.str",
    "builtins.bytes", "builtins.complex", "builtins.slice", "builtins.range", "builtins.bytearray", "__builtin__.set",
    "__builtin__.dict", "__builtin__.list", "__builtin__.int", "__builtin__.float",
  ]

  /// Whether `path` is of the tensors of torch.ao.quantization or torchao.
  static func isQuantised(_ path: String) -> Bool {
    [
      "torch.qint8", "torch.quint8", "torch.qint32", "torch.quint4x2", "torch.quint2x4",
      "torch._utils._rebuild_qtensor", "torch.per_tensor_affine", "torch.per_channel_affine",
      "torch.per_channel_affine_float_qparams",
    ].contains(path) || path.hasPrefix("torchao.")
  }

  static func isKnown(_ path: String) -> Bool {
    if tensorBuilders.contains(path) || inert.contains(path) { return true }
    // torch.FloatStorage, torch.float32: element types, which are no functions.
    guard path.hasPrefix("torch.") else { return false }
    let name = path.dropFirst(6)
    return !name.contains(".") && (name.hasSuffix("Storage") || torchTypes[String(name)] != nil)
  }
}

/// PyTorch's element types by the name of their class of storage and by their own; nil for one that no weights have.
let torchTypes: [String: ElementType?] = [
  "FloatStorage": .float32, "HalfStorage": .float16, "BFloat16Storage": .bfloat16, "DoubleStorage": .float64,
  "ByteStorage": .uint8, "CharStorage": .int8, "ShortStorage": .int16, "IntStorage": .int32, "LongStorage": .int64,
  "float32": .float32, "float16": .float16, "bfloat16": .bfloat16, "float64": .float64, "uint8": .uint8, "int8": .int8,
  "int16": .int16, "int32": .int32, "int64": .int64, "uint16": .uint16, "uint32": .uint32, "uint64": .uint64,
  "float": .float32, "half": .float16, "double": .float64, "long": .int64, "int": .int32, "bool": nil,
  "float8_e4m3fn": nil, "float8_e4m3fnuz": nil, "float8_e5m2": nil, "float8_e5m2fnuz": nil, "float8_e8m0fnu": nil,
  "complex32": nil, "complex64": nil, "complex128": nil,
]
