import E3DataSets
import E3Host
import E3TestSupport
import Testing

@Suite("Labels of a data set")
struct LabelTests {
  let folder: TemporaryFolder
  private let neither = "the folder is neither the label nor the number of a class of the model"

  init() throws { folder = try TemporaryFolder() }

  @Test("labels are read from IDX, .npy and text")
  func forms() throws {
    let forms = [
      idx([3], [4, 0, 255]), gzip(idx([3], [4, 0, 255])),
      idx([3], [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 255], type: 12),
      idx([3], [0, 4, 0, 0, 0, 255], type: 11),
      npy([3], [4, 0, 0, 0, 255, 0], type: "<i2"), npy([3], [4, 0, 255]), Array("4\n0\r\n255\n".utf8),
    ]
    for bytes in forms { #expect(try readClassLabels(path: folder.write(bytes, to: "labels")) == [4, 0, 255]) }
  }

  @Test("a text of labels may begin with a byte-order mark and hold spaces and empty lines, which count in messages")
  func textForms() throws {
    let text = try folder.write(Array("\u{FEFF}4 \n\t0\r\n\n255\n\n".utf8), to: "labels.txt")
    #expect(try readClassLabels(path: text) == [4, 0, 255])
    let wrong = try folder.write(Array("4\n\n0 1\n".utf8), to: "wrong.txt")
    #expect(problem { _ = try readClassLabels(path: wrong) } == "line 3 is not an integer")
  }

  @Test("labels that are no classes are refused with the cause")
  func malformed() throws {
    let cases: [(String, [UInt8])] = [
      ("label 1 is -1", idx([2], [1, 255], type: 9)), ("expected [N] labels", idx([1, 2], [0, 0])),
      ("expected integers", npy([1], [0, 0, 0, 0], type: "<f4")), ("line 2 is not an integer", Array("1\nx\n".utf8)),
      ("class index", npy([1], [255, 255, 255, 255], type: "<u4")), ("neither IDX", [0xFF, 0xFE, 0xFD]),
      ("expected [N] labels", npy([1, 1], [0])),
    ]
    for (text, bytes) in cases {
      let path = try folder.write(bytes, to: "labels")
      let found = problem { _ = try readClassLabels(path: path) }
      #expect(found?.contains(text) == true, "\(text): \(found ?? "accepted")")
    }
  }

  @Test("there must be as many labels as images")
  func count() throws {
    let images = try folder.write(idx([2, 1, 1], [0, 0]), to: "images")
    let labels = try folder.write(idx([3], [0, 0, 0]), to: "labels")
    #expect(problem { _ = try DataSet(path: images, labels: labels) }?.hasPrefix("3 labels for the 2 images") == true)
    // Of a compressed file before it is inflated: this one is cut.
    let many = try folder.write(gzip(idx([30_000_000], noise(40_000))), to: "many")
    let found = problem { _ = try DataSet(path: images, labels: many) }
    #expect(found?.hasPrefix("30000000 labels for the 2 images") == true, "\(found ?? "accepted")")
  }

  @Test("labels of a folder's pictures are refused where numbers of several lengths make their order doubtful")
  func order() throws {
    func problem(_ names: [String]) throws -> String? {
      let folder = try TemporaryFolder()
      for name in names { try folder.write(pnm(height: 1, width: 1, channels: 1, value: 7), to: "d/\(name)") }
      let labels = try folder.write(idx([UInt32(names.count)], [UInt8](repeating: 0, count: names.count)), to: "labels")
      #expect(try DataSet(path: folder["d"]).count == names.count)
      return E3DataSetsTests.problem { _ = try DataSet(path: folder["d"], labels: labels) }
    }
    for names in [
      ["2.pgm", "10.pgm"], ["a9.pgm", "a10.pgm", "b1.pgm"], ["x1-9.pgm", "x1-10.pgm"], ["19.pgm", "109.pgm"],
    ] {
      #expect(try problem(names)?.contains("comes before") == true, "\(names)")
    }
    for names in [["02.pgm", "10.pgm"], ["a.pgm", "b10.pgm", "c9.pgm"], ["1.pgm", "2.pgm"], ["9.pgm", "a10.pgm"]] {
      #expect(try problem(names) == nil, "\(names)")
    }
  }

  @Test("folders of classes take the model's class of the same name, or the number that they are called")
  func classesOfFolders() throws {
    for name in ["dress", "bag"] {
      try folder.write(pnm(height: 1, width: 1, channels: 1, value: 0), to: "named/\(name)/0.pgm")
    }
    let named = try DataSet(path: folder["named"])
    #expect(named.folderMatching(modelLabels: ["bag", "coat", "dress"]) == .label)
    #expect(named.folderMatching(modelLabels: ["bag"]) == .number)
    #expect(try named.classes(classCount: 3, modelLabels: ["coat", "dress", "bag"]) == [2, 1])
    #expect(
      problem { _ = try named.classes(classCount: 2, modelLabels: ["coat", "dress"]) }?.contains("neither") == true)
    for name in ["10", "9"] {
      try folder.write(pnm(height: 1, width: 1, channels: 1, value: 0), to: "numbered/\(name)/0.pgm")
    }
    let numbered = try DataSet(path: folder["numbered"])
    #expect(try numbered.classes(classCount: 11, modelLabels: []) == [10, 9])
    #expect(problem { _ = try numbered.classes(classCount: 10, modelLabels: []) } != nil)
    let files = folder["named"]
    #expect(throws: FileError(file: "\(files)/dress", problem: neither + ", which has bag")) {
      try named.classes(classCount: 9, modelLabels: ["bag"])
    }
    #expect(throws: FileError(file: "\(files)/bag", problem: neither + ", which has a, b, c, d, …")) {
      try named.classes(classCount: 5, modelLabels: ["a", "b", "c", "d", "e"])
    }
    let nameless = neither + ", whose classes have no labels (e3-convert pack --labels)"
    #expect(throws: FileError(file: "\(files)/bag", problem: nameless)) {
      try named.classes(classCount: 5, modelLabels: [])
    }
    for name in ["8", "bag"] {
      try folder.write(pnm(height: 1, width: 1, channels: 1, value: 0), to: "mixed/\(name)/0.pgm")
    }
    let mixed = problem { _ = try DataSet(path: folder["mixed"]).classes(classCount: 9, modelLabels: ["bag"]) }
    #expect(
      mixed == "labels and numbers of classes are mixed, as in the folders bag and 8: use one of the two",
      "\(mixed ?? "")")
    try folder.write(idx([1], [0]), to: "labels")
    #expect(
      problem { _ = try DataSet(path: folder["named"], labels: folder["labels"]) }?.contains(
        "folders are")
        == true)
  }

  @Test("folders of numbers are refused where some are labels of classes of other numbers and some are no labels")
  func numbersAsLabels() throws {
    func classes(_ names: [String], _ labels: [String]) throws -> [Int]? {
      let folder = try TemporaryFolder()
      for name in names { try folder.write(pnm(height: 1, width: 1, channels: 1, value: 0), to: "d/\(name)/0.pgm") }
      return try DataSet(path: folder["d"]).classes(classCount: 4, modelLabels: labels)
    }
    // As torchvision's ImageFolder numbers classes.
    let sorted = ["0", "1", "10", "2"]
    #expect(try classes(["0", "1", "10", "2"], sorted) == [0, 1, 2, 3])
    #expect(try classes(["1", "2"], sorted) == [1, 3])
    #expect(
      problem { _ = try classes(["0", "1", "2", "3"], sorted) }
        == "the folder 2 is the label of class 3, and 3 is no label but the number of a class: call every folder by its "
        + "class's label")
    #expect(try classes(["0", "3"], ["0", "1", "2", "x"]) == [0, 3], "both ways give the same")
    #expect(try classes(["0", "3"], ["a", "b", "c", "d"]) == [0, 3])
  }

  @Test("folders of numbers that ImageFolder has in another order are said where the model has no labels")
  func numberOrder() throws {
    func remark(_ names: [String], _ labels: [String] = []) throws -> String? {
      let folder = try TemporaryFolder()
      for name in names { try folder.write(pnm(height: 1, width: 1, channels: 1, value: 0), to: "d/\(name)/0.pgm") }
      return try DataSet(path: folder["d"]).numberRemark(modelLabels: labels)?.replacing(folder["d"], with: "d")
    }
    let eleven = (0...10).map { "\($0)" }
    #expect(
      try remark(eleven)
        == "d: its folders are classes by their numbers (0, 1, 2, …); torchvision's ImageFolder has them in the order of the "
        + "texts (… 10, 2, …): if the training had that one, give pack the names in it with --labels")
    #expect(try remark(eleven, ["a"]) == nil)
    #expect(try remark(Array(eleven.prefix(10))) == nil)
    #expect(try remark((0...10).map { $0 < 10 ? "0\($0)" : "\($0)" }) == nil)
    #expect(try remark(["a", "b"]) == nil)
  }

  @Test("folders are compared with labels byte by byte, and one that is the same to Unicode alone is named")
  func normalisation() throws {
    let (composed, decomposed) = ("\u{E9}", "e\u{301}")
    for name in [composed, decomposed] {
      try folder.write(pnm(height: 1, width: 1, channels: 1, value: 0), to: "two/\(name)/0.pgm")
    }
    let two = try DataSet(path: folder["two"])
    #expect(try two.classes(classCount: 2, modelLabels: [composed, decomposed]) == [1, 0])
    let text = problem { _ = try two.classes(classCount: 1, modelLabels: [composed]) }
    #expect(text == "the folder is the label of a class of the model, written with other bytes: rename it")
  }

  @Test("a label must be a class of the model")
  func classesOfNumbers() throws {
    let images = try folder.write(idx([2, 1, 1], [0, 0]), to: "images")
    let labels = try folder.write(idx([2], [0, 7]), to: "labels")
    let data = try DataSet(path: images, labels: labels)
    #expect(try data.classes(classCount: 8, modelLabels: []) == [0, 7])
    #expect(problem { _ = try data.classes(classCount: 7, modelLabels: []) }?.hasPrefix("label 1 is 7") == true)
    #expect(throws: FileError(file: labels, problem: "label 1 is 7, but the model has 7 classes")) {
      try data[1..<2].classes(classCount: 7, modelLabels: [])
    }
    #expect(try DataSet(path: images).classes(classCount: 1, modelLabels: []) == nil)
  }
}
