import CE3
import E3TestSupport
import Testing

@testable import E3Runtime

@Suite("The routing record")
struct RoutingRecordTests {
  /// A session that records, with the model and image of every test here.
  private func recording(_ config: e3_file_config, threads: Int = 1) throws -> OpenSession {
    var options = sessionOptions(threads: threads)
    options.record_routing = 1
    return try OpenSession(OpenModel(config), options)
  }

  private func routing(_ session: OpenSession, _ layer: UInt32) throws -> e3_routing {
    var routing = e3_routing()
    routing.struct_size = UInt32(MemoryLayout<e3_routing>.size)
    try check(e3_session_get_routing(session.handle, layer, &routing))
    return routing
  }

  // promise: routing
  @Test("recording changes no bit of the answer and stays inside the arena", arguments: [1, 3])
  func sameAnswer(threads: Int) throws {
    for (name, config) in awkwardConfigs {
      let model = try OpenModel(config)
      let plain = try OpenSession(model, sessionOptions(threads: threads))
      let recorded = try recording(config, threads: threads)
      let image = model.image(seed: 3)
      #expect(try plain.answer(image) == recorded.answer(image), "\(name)")
      #expect(recorded.isGuardIntact, "\(name)")
    }
  }

  // promise: routing
  @Test("every block's gates are distributions, and its experts are those of the largest gates, largest first")
  func choices() throws {
    for (name, config) in awkwardConfigs where config.expert_count > 0 {
      let session = try recording(config, threads: 2)
      _ = try session.run(session.model.image(seed: 5))
      let layers = (0..<Int(config.layer_count)).filter { config.moe_layers.0 >> UInt64($0) & 1 == 1 }
      for (index, block) in layers.enumerated() {
        let routing = try routing(session, UInt32(index))
        let (perMember, selected) = (Int(routing.member_experts), Int(routing.selected_experts))
        #expect(routing.block == UInt32(block) && routing.members == config.member_count, "\(name)")
        #expect(perMember == Int(config.expert_count / config.member_count))
        for row in 0..<Int(routing.members * routing.tokens) {
          let gates = (0..<perMember).map { routing.gates[row * perMember + $0] }
          let expected = gates.indices.sorted { gates[$0] != gates[$1] ? gates[$0] > gates[$1] : $0 < $1 }
          let member = row / Int(routing.tokens)
          let chosen = (0..<selected).map { Int(routing.experts[row * selected + $0]) - member * perMember }
          #expect(chosen == Array(expected.prefix(selected)), "\(name), block \(block), row \(row)")
          #expect(abs(gates.reduce(0, +) - 1) < 1e-5)
        }
      }
    }
  }

  @Test("a last block of which only the first token is read records that token of each member")
  func lastBlock() throws {
    let config = try #require(awkwardConfigs.first { $0.name == "wide" }?.config)
    let session = try recording(config)
    _ = try session.run(session.model.image(seed: 5))
    let tokens = session.model.info.tokens
    #expect(try routing(session, 0).tokens == tokens && routing(session, 1).tokens == 1)
  }

  // promise: no-routing
  @Test("a session that does not record, a dense model and a layer that is not there have codes of their own")
  func errors() throws {
    let config = try #require(awkwardConfigs.first { $0.name == "wide" }?.config)
    let dense = try #require(awkwardConfigs.first { $0.name == "dense" }?.config)
    let noRouting = Failure(status: e3_status(E3_ERROR_NO_ROUTING))
    let plain = try OpenSession(OpenModel(config), sessionOptions())
    #expect(throws: noRouting) { try routing(plain, 0) }
    #expect(throws: noRouting) { try routing(try recording(dense), 0) }
    let session = try recording(config)
    #expect(throws: Failure(status: e3_status(E3_ERROR_INDEX_RANGE))) { try routing(session, 2) }
    #expect(try (0..<8).allSatisfy { try routing(session, 0).experts[$0] == 0 }, "zeros before the first run")
    #expect(e3_session_get_routing(session.handle, 0, nil) == E3_ERROR_NULL_ARGUMENT)
  }

  // promise: struct-size
  @Test("options of the first version of the struct, without the record, still work")
  func firstVersion() throws {
    let model = try OpenModel(awkwardConfigs[1].config)
    var options = sessionOptions()
    options.record_routing = 1
    var (bytes, recorded, alignment) = (0, 0, 0)
    try check(e3_session_query(&model.handle, &options, &recorded, &alignment))
    options.struct_size = UInt32(MemoryLayout<e3_session_options>.offset(of: \.record_routing)!)
    try check(e3_session_query(&model.handle, &options, &bytes, &alignment))
    #expect(bytes < recorded)
  }
}
