import E3DataSets
import E3TestSupport
import Glibc
import Testing

@Suite("Images of a data set")
struct ImageTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("an IDX file gives grey and colour pictures, compressed in one or more members or not")
  func idxImages() throws {
    let pixels = (0..<24).map { UInt8($0) }
    let grey = idx([2, 3, 4], pixels)
    for bytes in [grey, gzip(grey), gzip(Array(grey[..<5])) + gzip(Array(grey[5...]))] {
      let images = try DataSet(path: folder.write(bytes, to: "images"))
      #expect(images.count == 2 && images.labels == nil && images.classNames == nil)
      let second = Picture(height: 3, width: 4, channels: 1, pixels: Array(pixels[12...]))
      #expect(try images.image(at: 1) == .picture(second))
    }
    let colour = try DataSet(path: folder.write(idx([2, 2, 2, 3], pixels), to: "colour"))
    #expect(
      try colour.image(at: 0) == .picture(Picture(height: 2, width: 2, channels: 3, pixels: Array(pixels[..<12]))))
  }

  @Test("a .npy array of bytes gives pictures, one of floats prepared values")
  func numpyImages() throws {
    let bytes = try DataSet(path: folder.write(npy([2, 1, 3], [0, 1, 2, 253, 254, 255]), to: "bytes.npy"))
    #expect(
      try bytes.image(at: 1) == .picture(Picture(height: 1, width: 3, channels: 1, pixels: [253, 254, 255])))
    let values: [Float] = [-1, 0.5, 1, -0.25]
    let floats = npy([2, 1, 2, 1], values.withUnsafeBytes { Array($0) }, type: "<f4")
    let tensors = try DataSet(path: folder.write(floats, to: "floats.npy"))
    #expect(try tensors.image(at: 0) == .tensor([-1, 0.5]))
    #expect(try tensors.image(at: 1) == .tensor([1, -0.25]))
  }

  @Test("a folder of pictures is read in the order of the names; other and hidden files are passed over")
  func folderOfPictures() throws {
    try folder.write(pnm(height: 2, width: 1, channels: 3, value: 7), to: "p/b.ppm")
    try folder.write(pnm(height: 1, width: 1, channels: 1, value: 9), to: "p/a.PGM")
    try folder.write([1], to: "p/notes.txt")
    try folder.write([1], to: "p/.c.png")
    let images = try DataSet(path: folder["p"])
    #expect(images.count == 2 && images.labels == nil)
    #expect(try images.image(at: 0) == .picture(Picture(height: 1, width: 1, channels: 1, pixels: [9])))
    #expect(images.name(ofImage: 1) == folder["p/b.ppm"])
  }

  @Test("pictures are known by every ending that they have, and WebP is refused")
  func endings() throws {
    for name in [
      "a.jfif", "a.JPE", "a.mpo", "a.jpg", "a.jpeg", "a.jif", "a.JFI", "a.pjpeg", "a.pjp", "a.pbm", "a.pnm", "a.PNG",
    ] {
      let folder = try TemporaryFolder()
      try folder.write(pnm(height: 1, width: 1, channels: 1, value: 5), to: "d/class/\(name)")
      try folder.write(pnm(height: 1, width: 1, channels: 1, value: 6), to: "d/class/b.pgm")
      let images = try DataSet(path: folder["d"])
      #expect(images.count == 2, "\(name)")
      #expect(try images.image(at: 0) == .picture(Picture(height: 1, width: 1, channels: 1, pixels: [5])))
    }
  }

  @Test("transparent pixels show what the data set was told")
  func alpha() throws {
    try folder.write(transparentPNG, to: "t/a.png")
    for (alpha, pixels) in [(.white, [255, 255, 255]), (.black, [0, 0, 0]), (.ignore, [200, 100, 50])]
      as [(PictureAlpha, [UInt8])]
    {
      let image = try DataSet(path: folder["t"], alpha: alpha).image(at: 0)
      #expect(image == .picture(Picture(height: 1, width: 1, channels: 3, pixels: pixels)))
    }
  }

  @Test("files that hold several pictures are counted once each, and said")
  func several() throws {
    let picture = pnm(height: 1, width: 1, channels: 3, value: 7)
    for (name, bytes) in [("a.ppm", picture), ("b.ppm", picture + picture), ("c.ppm", picture + [10] + picture)] {
      try folder.write(bytes, to: "s/\(name)")
    }
    let images = try DataSet(path: folder["s"])
    for _ in 0..<2 { for index in 0..<2 { _ = try images.image(at: index) } }
    #expect(
      pictureRemarks(on: [images]) == ["1 file holds several pictures, or an animation: only its first one is taken"])
    _ = try images.image(at: 2)
    #expect(
      pictureRemarks(on: [images]) == ["2 files hold several pictures, or animations: only their first ones are taken"])
  }

  @Test("pictures whose transparent pixels are shown on white are counted once each, opaque ones are not")
  func transparency() throws {
    for name in ["a.png", "c.png"] { try folder.write(transparentPNG, to: "t/\(name)") }
    try folder.write(pnm(height: 1, width: 1, channels: 3, value: 7), to: "t/b.ppm")
    let images = try DataSet(path: folder["t"])
    #expect(images.transparentCount == 0 && pictureRemarks(on: [images]).isEmpty)
    for _ in 0..<2 { for index in 0..<2 { _ = try images.image(at: index) } }
    #expect(images.transparentCount == 1)
    #expect(pictureRemarks(on: [images])[0].hasPrefix("1 picture is transparent and shown on white: --alpha"))
    _ = try images[2..<3].image(at: 0)
    #expect(images.transparentCount == 2)
    // Somebody said what they show.
    for alpha in [PictureAlpha.black, .ignore] {
      let told = try DataSet(path: folder["t"], alpha: alpha)
      _ = try told.image(at: 0)
      #expect(told.transparentCount == 0)
    }
  }

  @Test("folders of classes are labels, in the order of their names")
  func folderOfClasses() throws {
    for (name, value) in [("shirt/1.pgm", 1), ("bag/1.pgm", 2), ("bag/0.pgm", 3)] {
      try folder.write(pnm(height: 1, width: 1, channels: 1, value: UInt8(value)), to: "d/\(name)")
    }
    let images = try DataSet(path: folder["d"])
    #expect(images.classNames == ["bag", "shirt"])
    #expect(images.labels == [0, 0, 1])
    #expect(try images.image(at: 0) == .picture(Picture(height: 1, width: 1, channels: 1, pixels: [3])))
  }

  @Test("folders that operating systems leave are no classes, wherever they lie")
  func litter() throws {
    let litter = ["__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", ".Trashes"]
    let picture = pnm(height: 1, width: 1, channels: 1, value: 1)
    for name in ["shirt/1.pgm", "bag/1.pgm"] { try folder.write(picture, to: "d/\(name)") }
    try folder.write(picture, to: "p/1.pgm")
    for name in litter {
      for place in ["d", "d/bag", "p"] { try folder.write(picture, to: "\(place)/\(name)/2.pgm") }
    }
    let images = try DataSet(path: folder["d"])
    #expect(images.classNames == ["bag", "shirt"] && images.labels == [0, 1])
    let pictures = try DataSet(path: folder["p"])
    #expect(pictures.count == 1 && pictures.labels == nil)
    try folder.write(picture, to: "d/bag/more/2.pgm")
    #expect(problem { _ = try DataSet(path: folder["d"]) }?.contains("a folder within a class") == true)
  }

  @Test("a slice has its own images and labels, and so has a slice of it")
  func slices() throws {
    let images = try folder.write(idx([5, 1, 1], [10, 11, 12, 13, 14]), to: "images")
    let labels = try folder.write(idx([5], [0, 1, 2, 3, 4]), to: "labels")
    let slice = try DataSet(path: images, labels: labels)[1..<5][2..<3]
    #expect(slice.count == 1 && slice.labels == [3])
    #expect(try slice.image(at: 0) == .picture(Picture(height: 1, width: 1, channels: 1, pixels: [13])))
    #expect(slice.name(ofImage: 0) == "\(images): image 3")
  }

  @Test("malformed files are refused with the cause")
  func malformed() throws {
    let good = idx([2, 3, 4], [UInt8](repeating: 0, count: 24))
    let cases: [(String, [UInt8])] = [
      ("39 bytes", Array(good[..<39])), ("truncated IDX header", [0, 0, 8, 3, 0]),
      ("IDX type 13", idx([1], [], type: 13)),
      ("0 IDX axes", [0, 0, 8, 0]), ("9 IDX axes", [0, 0, 8, 9]),
      ("too large", idx([UInt32.max, .max, .max], [])), ("truncated gzip", Array(gzip(good).dropLast(9))),
      ("damaged gzip", Array(gzip(good).dropLast(6)) + [1, 2, 3, 4, 5, 6]), ("no images", idx([0, 3, 4], [])),
      ("more than 40 bytes", gzip(good + [1])), ("expected 40", gzip(Array(good.dropLast()))),
      ("expected [N, height, width]", idx([24], [UInt8](repeating: 0, count: 24))),
      ("another type", idx([1, 1, 1], [0], type: 9)), ("0 x 4", idx([1, 0, 4], [])),
      ("neither an IDX file", Array("hello".utf8)), ("type int16", npy([1, 1, 1], [0, 0], type: "<i2")),
      ("of floats", npy([1, 1, 1], [0, 0, 0, 0], type: "<f4")),
    ]
    for (text, bytes) in cases {
      let path = try folder.write(bytes, to: "bad")
      let found = problem { _ = try DataSet(path: path) }
      #expect(found?.contains(text) == true, "\(text): \(found ?? "accepted")")
    }
    let nan = npy([1, 1, 1, 1], [0, 0, 0xC0, 0x7F], type: "<f4")
    let images = try DataSet(path: folder.write(nan, to: "nan.npy"))
    #expect(problem { _ = try images.image(at: 0) }?.contains("not finite") == true)
  }

  @Test("compressed images that would take much more memory than their file are refused before they are inflated")
  func bombs() throws {
    // Bytes that hardly shrink, behind a header that claims more than follows.
    let large = try folder.write(gzip(idx([40_000, 28, 28], noise(40_000))), to: "large")
    let found = problem { _ = try DataSet(path: large) }
    #expect(found?.hasPrefix("40000 images of 784 bytes from ") == true, "\(found ?? "accepted")")
    #expect(found?.hasSuffix("decompress the file first (gunzip)") == true)
    // Small images count too: each has a label and an answer.
    let many = try folder.write(gzip(idx([400_000, 1, 1], [UInt8](repeating: 0, count: 400_000))), to: "many")
    #expect(problem { _ = try DataSet(path: many) }?.contains("than is held in memory") == true)
    let some = try folder.write(gzip(idx([20_000, 28, 28], [UInt8](repeating: 0, count: 15_680_000))), to: "some")
    #expect(try DataSet(path: some).count == 20_000)
  }

  @Test("every truncation and every single-byte change of a compressed file is read or refused, never a trap")
  func mutations() throws {
    let good = gzip(idx([2, 3, 4], (0..<24).map { UInt8($0) }))
    for length in 1..<good.count {
      let path = try folder.write(good[..<length], to: "cut")
      #expect(throws: (any Error).self) { try DataSet(path: path) }
    }
    for index in good.indices {
      var bytes = good
      bytes[index] ^= 0x41
      _ = try? DataSet(path: folder.write(bytes, to: "changed")).image(at: 1)
    }
  }

  @Test("folders that are no data set are refused")
  func badFolders() throws {
    try folder.write([1], to: "mixed/a.png")
    try folder.write([1], to: "mixed/class/a.png")
    #expect(problem { _ = try DataSet(path: folder["mixed"]) }?.contains("beside folders") == true)
    try folder.write([1], to: "text/readme.txt")
    #expect(problem { _ = try DataSet(path: folder["text"]) }?.contains("no pictures") == true)
    #expect(problem { _ = try DataSet(path: folder["none"]) } == "No such file or directory")
    try folder.write([1], to: "deep/class/a.png")
    try folder.write([1], to: "deep/class/more/b.png")
    #expect(problem { _ = try DataSet(path: folder["deep"]) }?.contains("a folder within a class") == true)
    for name in [
      "flat/b.GIF", "classes/class/b.webp", "beside/b.tiff", "targa/class/b.tga", "raw/class/b.CR2", "film/class/b.mp4",
    ] {
      let root = String(name.prefix { $0 != "/" })
      try folder.write([1], to: "\(root)/\(root == "flat" ? "" : "class/")a.png")
      try folder.write([1], to: name)
      #expect(problem { _ = try DataSet(path: folder[root]) } == "expected JPEG, PNG or PNM pictures", "\(name)")
    }
    try folder.write([1], to: "names/a.png")
    let odd = [UInt8]("\(folder["names"])/".utf8) + [0xFF, 0]
    #expect(odd.withUnsafeBytes { mkdir($0.baseAddress!.assumingMemoryBound(to: CChar.self), 0o700) } == 0)
    #expect(problem { _ = try DataSet(path: folder["names"]) } == "holds a name that is not UTF-8")
    // What may be a class, or a picture, is not left out.
    for link in ["disk/class", "inner/class/a.png"] {
      let root = String(link.prefix { $0 != "/" })
      try folder.write([1], to: "\(root)/kept/a.png")
      try folder.write([1], to: "\(root)/class2/a.png")
      if root == "inner" { try folder.write([1], to: "inner/class/b.png") }
      #expect(symlink("/nowhere/\(root)", folder[link]) == 0)
      let said = "a link to what is not there: mount or copy it, or remove the link"
      #expect(problem { _ = try DataSet(path: folder[root]) } == said)
    }
    try folder.write([1], to: "loop/kept/a.png")
    #expect(symlink("class", folder["loop/class"]) == 0)
    #expect(problem { _ = try DataSet(path: folder["loop"]) } == "Too many levels of symbolic links")
    try folder.write([1, 2, 3], to: "damaged/a.png")
    let damaged = try DataSet(path: folder["damaged"])
    #expect(problem { _ = try damaged.image(at: 0) } != nil)
  }
}
