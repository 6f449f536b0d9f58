import CE3
import CE3Kernels
import E3Format
import E3TestSupport
import Testing

@Suite("Panels")
struct PanelTests {
  @Test("a layer has as many bytes in a file as the kernels step over", arguments: awkwardConfigs.map(\.config))
  func layout(config: e3_file_config) throws {
    let shape = try ModelShape(validating: config)
    let kinds: [(ExtentKind, contract: Bool)] = [
      (.patchEmbedding, false), (.queryKeyValue, false), (.attentionOutput, false), (.mlp, false), (.mlp, true),
    ]
    for (kind, contract) in kinds {
      let layer = LinearLayout(shape, kind, contract: contract)
      #expect(layer.panelBytes == e3k_panel_bytes(layer.inputs))
      #expect(layer.panelCount * Int(E3K_PANEL_CHANNELS) >= layer.outputs)
      #expect(layer.paddedInputs.isMultiple(of: Int(E3K_PANEL_GROUP)) && layer.panelBytes.isMultiple(of: 64))
    }
  }

  @Test("the tail of a panel holds a scale, a bias and a compensation for each of its outputs")
  func tail() {
    let bytes = 2 * MemoryLayout<Float>.size + MemoryLayout<Int32>.size
    #expect(LinearLayout.tailBytes == Int(E3K_PANEL_CHANNELS) * bytes)
  }
}
