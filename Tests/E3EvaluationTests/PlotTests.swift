import E3TestSupport
import Foundation
import FoundationXML
import Testing
@testable import E3Evaluation
@testable import E3Host

@Suite("Plots")
struct PlotTests {
  /// Parses a document and keeps the texts of its `text` elements.
  private final class Reader: NSObject, XMLParserDelegate {
    var texts: [String] = []
    private var current: String?

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) { if name == "text" { current = "" } }

    func parser(_ parser: XMLParser, foundCharacters string: String) { current? += string }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
      if let text = current, name == "text" { texts.append(text) }
      current = nil
    }
  }

  @Test("--plots writes well-formed SVG with titles, legends and the names of the data sets, whatever these contain")
  func command() throws {
    let folder = try TemporaryFolder()
    let model = try folder.packModel(SampleConfig.ensemble, as: "ensemble")
    let images = try folder.write(idx([40, 12, 12], noise(40 * 144)), to: "t10k-images-idx3-ubyte")
    try folder.write(idx([40], (0..<40).map { $0 % 5 }), to: "t10k-labels-idx1-ubyte")
    let other = try folder.write(idx([9, 12, 12], noise(9 * 144, seed: 5)), to: "a<b>&\"c\"")
    let outcome = try BuiltCommand("e3-eval").run([
      model, images, "--ood", other, "--corruptions", "--plots", folder["plots"],
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder["plots"]).sorted()
    #expect(
      names == [
        "corruptions.svg", "histogram-disagreement.svg", "histogram-entropy.svg", "histogram-maximum-probability.svg",
        "histogram-mutual-information.svg", "reliability.svg", "risk-coverage.svg",
      ])
    for name in names {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(folder["plots"])/\(name)"))
      let text = String(decoding: bytes, as: UTF8.self)
      let notNumbers = try Regex("[\",-](nan|inf)")
      #expect(text.hasPrefix("<svg ") && !text.contains(notNumbers), "\(name)")
      if name.hasPrefix("histogram") { #expect(text.contains("a&lt;b&gt;&amp;&quot;c&quot;, AUROC "), "\(name)") }
      let reader = Reader()
      let parser = XMLParser(data: bytes)
      parser.delegate = reader
      #expect(parser.parse() && reader.texts.count > 10, "\(name)")
    }
  }

  @Test("a folder that cannot be made is one line on stderr")
  func folder() throws {
    let folder = try TemporaryFolder()
    let model = try folder.packModel(SampleConfig.dense, as: "dense")
    let images = try folder.write(idx([4, 12, 12], noise(4 * 144)), to: "t10k-images-idx3-ubyte")
    try folder.write(idx([4], [0, 1, 2, 3]), to: "t10k-labels-idx1-ubyte")
    let outcome = try BuiltCommand("e3-eval").run([model, images, "--plots", folder["none/plots"]])
    let file = try BuiltCommand("e3-eval").run([model, images, "--plots", images])
    #expect(file.status == 1 && file.output.isEmpty && file.errors == "e3-eval: \(images): Not a directory\n")
    #expect(outcome.status == 1 && outcome.errors == "e3-eval: \(folder["none/plots"]): No such file or directory\n")
  }

  @Test("ticks are round numbers inside the range, on linear and logarithmic axes")
  func ticks() {
    #expect(Axis(title: "", lower: 0, upper: 1).ticks.map(\.label) == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"])
    #expect(
      Axis(title: "", lower: 0, upper: 0.5, isShare: true).ticks.map(\.label) == ["0", "10", "20", "30", "40", "50"])
    let wide = Axis(title: "", lower: 1e-6, upper: 1, isLogarithmic: true)
    #expect(wide.ticks.map(\.label) == ["10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"])
    let narrow = Axis.logarithmic(covering: [0.28, 2.3], title: "")
    #expect(narrow.ticks.map(\.label) == ["0.2", "0.5", "1", "2", "5"])
    #expect(Axis.covering([0.89, 0.31], title: "").ticks.map(\.label).first == "0.2")
    #expect(Axis.covering([7], title: "", from: 0).upper >= 7)
    #expect(Axis.covering([], title: "").ticks.isEmpty == false)
    #expect(Axis.logarithmic(covering: [0, .nan], title: "").ticks.isEmpty == false)
  }

  @Test("numbers have the decimals that are asked for")
  func numbers() {
    #expect(decimals(0.28232, 4) == "0.2823" && decimals(-0.00004, 4) == "0.0000" && decimals(1.5, 0) == "2")
    #expect(decimals(-0.5, 2, sign: true) == "-0.50" && decimals(0.5, 2, sign: true) == "+0.50")
    #expect(decimals(nil, 2) == "–" && decimals(.nan, 2) == "–" && percent(0.8962) == "89.62 %")
    #expect(grouped(10_000) == "10,000" && grouped(999) == "999" && grouped(1_234_567) == "1,234,567")
  }
}
