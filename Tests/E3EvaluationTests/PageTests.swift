import E3TestSupport
import Foundation
import FoundationXML
import Testing
@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Evaluation

/// What `e3-eval --report` writes, as a browser would read it.
@Suite("Pages")
struct PageTests {
  let folder: TemporaryFolder
  let model: String
  /// Texts of the five classes, as somebody may have chosen them who wants the page to do something.
  static let labels = ["<script>alert(1)</script>", "\"><img src=x onerror=\"alert(2)", "a & b", "]]>-->", "</table>"]
  static let foreign = "a<b>&\"c\" http:&#x2F;"

  /// Twenty pictures of five classes and six foreign ones, with names that hold markup.
  init() throws {
    folder = try TemporaryFolder()
    let config = try folder.write(SampleConfig.ensemble, to: "ensemble.json")
    let checkpoint = folder["ensemble.safetensors"]
    try writeRandomWeights(config: config, output: checkpoint, seed: 1)
    let labels = try folder.write(Self.labels.joined(separator: "\n"), to: "labels.txt")
    model = folder["ensemble.e3"]
    try pack(checkpoint: checkpoint, config: config, output: model, options: PackOptions(labels: labels))
    let pixels = noise(26 * 144)
    for image in 0..<26 {
      let picture = Array("P5\n12 12\n255\n".utf8) + pixels[image * 144..<(image + 1) * 144]
      let place = image < 20 ? "pictures/\(image % 5)" : Self.foreign
      try folder.write(picture, to: "\(place)/<img src='y\(image)'>&amp;\u{202E}.pgm")
    }
  }

  private func evaluate(_ arguments: String...) throws -> Outcome {
    try BuiltCommand("e3-eval").run([model, folder["pictures"]] + arguments)
  }

  private func page(_ name: String = "page.html") throws -> Page {
    try Page(String(decoding: folder.bytes(name), as: UTF8.self))
  }

  private func fullPage() throws -> (page: Page, text: String) {
    let outcome = try evaluate(
      "--ood", folder[Self.foreign], "--reference", folder["ensemble.safetensors"], "--corruptions", "--report",
      folder["page.html"])
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
    return (try page(), outcome.output)
  }

  @Test("the page is well-formed, has every section, and each link leads to one")
  func sections() throws {
    let page = try fullPage().page
    let names = [
      "mistakes", "foreign", "unknown", "uncertain", "classes", "confusion", "figures", "reliability", "int8",
      "experts", "corruptions",
    ]
    #expect(page.elements.compactMap { $0.name == "section" ? $0.attributes["id"] : nil } == names)
    let targets = Set(page.elements.compactMap { $0.name == "a" ? $0.attributes["href"] : nil })
    #expect(targets == Set(names.map { "#\($0)" }))
    #expect(page.elements.filter { $0.name == "svg" }.count > 8)
    // 12 of 16 or so mistakes, 6 foreign pictures, 12 least certain, examples.
    #expect(page.elements.filter { $0.attributes["class"] == "card" }.count >= 30)
    #expect(page.markup.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"))
  }

  @Test("nothing is loaded and nothing runs: every picture is in the page, which forbids all else")
  func selfContained() throws {
    let page = try fullPage().page
    let addresses = page.elements.flatMap { element in
      element.attributes.filter { ["src", "href", "srcset", "action", "data"].contains($0.key) }.map(\.value)
    }
    #expect(addresses.count > 60)
    #expect(addresses.allSatisfy { $0.hasPrefix("data:image/png;base64,") || $0.hasPrefix("#") || $0 == "data:," })
    #expect(!page.markup.contains("http://") && !page.markup.contains("https://") && !page.markup.contains("@import"))
    #expect(page.elements.allSatisfy { element in element.attributes.keys.allSatisfy { !$0.hasPrefix("on") } })
    #expect(!page.elements.contains { ["script", "iframe", "object", "embed", "base", "form"].contains($0.name) })
    let policy = page.elements.first { $0.attributes["http-equiv"] == "Content-Security-Policy" }
    #expect(policy?.attributes["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'")
  }

  @Test("labels and names of files are text, whatever they contain")
  func hostile() throws {
    let page = try fullPage().page
    for label in Self.labels { #expect(page.text.contains(label), "\(label)") }
    #expect(page.text.contains(Self.foreign))
    #expect(page.text.contains("<img src='y20'>&amp;?.pgm"), "a character that turns the direction is replaced")
    #expect(!page.markup.unicodeScalars.contains("\u{202E}"))
    let known: Set = [
      "html", "head", "meta", "title", "link", "style", "body", "h1", "h2", "h3", "p", "br", "div", "a", "nav",
      "section", "figure", "figcaption", "img", "b", "span", "table", "tr", "th", "td", "ul", "li", "i", "details",
      "summary", "svg", "rect", "line", "polyline", "circle", "text",
    ]
    #expect(Set(page.elements.map(\.name)).subtracting(known).isEmpty)
    #expect(page.elements.allSatisfy { $0.name != "img" || $0.attributes["src"]?.hasPrefix("data:") == true })
  }

  @Test("its figures are those of the text report, line for line")
  func figures() throws {
    let (page, text) = try fullPage()
    func words(_ line: some StringProtocol) -> [Substring] { line.split(separator: " ").map { Substring($0) } }
    let rows = Set(page.rows.map { words($0.joined(separator: " ")) })
    let lines = text.split(separator: "\n").filter { $0.hasPrefix("  ") }
    #expect(lines.count > 30)
    for line in lines { #expect(rows.contains(words(line)), "\(line)") }
  }

  @Test("the same images give the same bytes, however many threads there are")
  func deterministic() throws {
    for threads in ["1", "3"] {
      let outcome = try evaluate("--threads", threads, "--report", folder["\(threads).html"])
      #expect(outcome.status == 0)
    }
    #expect(try folder.bytes("1.html") == folder.bytes("3.html"))
  }

  @Test("several models, a dense one, prepared values and a single image have a page too")
  func others() throws {
    let dense = try folder.packModel(SampleConfig.dense, as: "dense")
    let other = try folder.packModel(SampleConfig.dense, as: "other", seed: 2)
    let values = (0..<144).map { Float($0) / 144 }
    let array = try folder.write(npy([1, 12, 12, 1], values.withUnsafeBytes(Array.init), type: "<f4"), to: "one.npy")
    let labels = try folder.write("3\n", to: "label.txt")
    for models in [[dense], [dense, other]] {
      let outcome = try BuiltCommand("e3-eval").run(
        models + [array, "--labels", labels, "--report", folder["page.html"]])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let page = try page()
      #expect(page.text.contains("No foreign pictures were given") && page.text.contains("Nothing is called unknown"))
      #expect(!page.elements.contains { $0.attributes["id"] == "experts" || $0.attributes["class"] == "maps" })
    }
  }

  @Test("a page that cannot be written is refused before the work, and an old one stays until the new one is whole")
  func refusals() throws {
    let missing = try evaluate("--report", folder["none/page.html"])
    #expect(missing.status == 1 && missing.output.isEmpty)
    #expect(missing.errors == "e3-eval: \(folder["none/page.html"]): No such file or directory\n")
    let input = try evaluate("--report", model)
    #expect(input.status == 1 && input.output.isEmpty && input.errors.contains("is also an input"))
    let images = try folder.write(idx([4, 12, 12], noise(4 * 144)), to: "t10k-images-idx3-ubyte")
    let labels = try folder.write(idx([4], [0, 1, 2, 3]), to: "t10k-labels-idx1-ubyte")
    let found = try BuiltCommand("e3-eval").run([model, images, "--report", labels])
    #expect(found.status == 1 && found.output.isEmpty)
    #expect(found.errors == "e3-eval: \(labels): is also an input, expected another name for the output\n")
    try folder.write("old", to: "page.html")
    let wrong = try evaluate("--ood", folder["none"], "--report", folder["page.html"])
    let kept = try folder.bytes("page.html")
    #expect(wrong.status == 1 && kept == Array("old".utf8))
    #expect(folder.names.allSatisfy { !$0.hasSuffix(".tmp") })
  }
}

/// The elements and texts of a page that is well-formed as XML.
private struct Page {
  struct Element {
    let name: String
    let attributes: [String: String]
  }

  let markup: String
  var elements: [Element] { reader.elements }
  var text: String { reader.text }
  /// Cells of every row of every table.
  var rows: [[String]] { reader.rows }
  private let reader = Reader()

  init(_ markup: String) throws {
    self.markup = markup
    let parser = XMLParser(data: Data(markup.utf8))
    parser.delegate = reader
    try #require(parser.parse(), "\(String(describing: parser.parserError))")
  }

  private final class Reader: NSObject, XMLParserDelegate {
    var elements: [Element] = []
    var text = ""
    var rows: [[String]] = []
    private var isInCell = false

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) {
      elements.append(Element(name: name, attributes: attributes))
      if name == "tr" { rows.append([]) }
      if name == "th" || name == "td" {
        rows[rows.count - 1].append("")
        isInCell = true
      }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
      text += string
      if isInCell { rows[rows.count - 1][rows[rows.count - 1].count - 1] += string }
    }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
      if name == "th" || name == "td" { isInCell = false }
    }
  }
}
