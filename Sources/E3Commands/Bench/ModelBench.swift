import CE3
import CE3Board
import CE3Threads
import E3Format

/// Measures one model: latency, stages, memory, cold start, worst-case routing.
struct ModelBench: ~Copyable {
  private let options: BenchOptions
  private let path: UnsafePointer<CChar>

  init(_ options: BenchOptions) throws(Failure) {
    self.options = options
    guard let path = options.path else { throw .usage("a MODEL.e3 is missing") }
    self.path = path
  }

  func run() throws(Failure) {
    let cold = try ColdStart(path, options)
    var layers = LayerResidencies()
    var report = try options.withSetup { (setup) throws(Failure) in
      let model = try Model(path, setup)
      let report = try measure(model, of: ModelCosts(fileAt: path))
      layers = try LayerResidencies(of: model)
      return report
    }
    report.coldStart = cold
    // That is measured with routers of zeros in memory, which no file has.
    if report.costs.hasExperts, options.resident == nil {
      report.worstRouting = try options.withSetup { (setup) throws(Failure) in
        let file = try MappedFile.routingEverythingToFewExperts(path)
        return try latencies(of: Model(path, file, setup), seconds: 1).samples.fastest
      }
    }
    report.peak = Peak(isa: report.isa)
    if options.json { report.writeJSON(path, layers) } else { report.writeText(path, layers) }
  }

  /// Answers one frame and tells the parent when.
  static func answerFirstFrame(_ options: BenchOptions) throws(Failure) {
    guard let path = options.path else { throw .usage("a MODEL.e3 is missing") }
    try options.withSetup { (setup) throws(Failure) in
      let model = try Model(path, setup)
      let image = try BenchImage(model.info, path)
      try image.classify(with: model)
    }
    let error = e3c_report_now()
    if error != 0 { throw .report(nil, errno: error) }
  }

  private func measure(_ model: borrowing Model, of costs: ModelCosts) throws(Failure) -> BenchReport {
    let image = try BenchImage(model.info, path)
    try image.classify(with: model)
    var report = BenchReport(costs: costs, isa: model.isa, threads: model.threads, arenaBytes: model.arenaBytes)
    let error = e3c_resident_bytes(&report.residentOfFiles, &report.residentOwn)
    if error != 0 { throw .report(nil, errno: error) }
    let measured = try latencies(of: model, seconds: options.seconds)
    report.samples = measured.samples
    report.profile = measured.profile
    return report
  }

  /// Repeats one image for `seconds`, at least 20 times, after three runs that are not counted.
  private func latencies(
    of model: borrowing Model, seconds: Int
  ) throws(Failure) -> (samples: LatencySummary, profile: e3_profile) {
    let image = try BenchImage(model.info, path)
    for _ in 0..<3 { try image.classify(with: model) }
    guard let memory = Memory(count: 8 * LatencySummary.limit) else { throw .report(nil, "out of memory") }
    let samples = memory.start.bindMemory(to: UInt64.self, capacity: LatencySummary.limit)
    var count = 0
    var fastest = UInt64.max
    var profile = model.profile
    let end = ce3_clock_ns() + UInt64(seconds) * 1_000_000_000
    while count < 20 || (ce3_clock_ns() < end && count < LatencySummary.limit) {
      let start = ce3_clock_ns()
      try image.classify(with: model)
      samples[count] = ce3_clock_ns() - start
      if samples[count] < fastest {
        fastest = samples[count]
        profile = model.profile
      }
      count += 1
    }
    e3c_sort(samples, count)
    return (LatencySummary(sorted: samples, count: count), profile)
  }
}

/// An image to answer: reproducible values in -1...1.
struct BenchImage: ~Copyable {
  private let values: Memory
  private let count: Int

  init(_ info: e3_model_info, _ path: UnsafePointer<CChar>) throws(Failure) {
    count = Int(info.image_height) * Int(info.image_width) * Int(info.channels)
    guard let values = Memory(count: 4 * count) else { throw .report(path, "out of memory for an image") }
    var state: UInt32 = 1
    let floats = values.start.bindMemory(to: Float.self, capacity: count)
    for index in 0..<count {
      state = state &* 1_664_525 &+ 1_013_904_223
      floats[index] = Float(Int32(bitPattern: state) >> 8) / Float(1 << 23)
    }
    self.values = values
  }

  func classify(with model: borrowing Model) throws(Failure) {
    switch model.classify(UnsafePointer(values.start.assumingMemoryBound(to: Float.self)), count: count) {
    case .success: return
    case .failure(let error): throw .report(model.path, status: error.status)
    }
  }
}

/// What a frame costs, in all networks of a file.
struct ModelCosts {
  private(set) var stages = StageCosts()
  /// Whether a network has experts.
  private(set) var hasExperts = false
  private(set) var networks = 0

  /// Of the model file at `path`.
  fileprivate init(fileAt path: UnsafePointer<CChar>) throws(Failure) {
    let file = try MappedFile(path)
    do throws(E3Error) {
      try ModelFile(validating: file.bytes).forEachNetwork { network in
        networks += 1
        stages.add(network.shape.stageCosts)
        if network.shape.firstMoEBlock != nil { hasExperts = true }
      }
    } catch {
      throw .report(path, status: error.rawValue)
    }
  }
}

extension MappedFile {
  /// A model file whose routers, in memory only, are zero: all gates tie, so every token of a member goes to the
  /// member's first K experts. Their weights are then all that is read, and their rows are as many as they can get.
  fileprivate static func routingEverythingToFewExperts(_ path: UnsafePointer<CChar>) throws(Failure) -> MappedFile {
    let file = try MappedFile(path, writable: true)
    do throws(E3Error) {
      let model = try ModelFile(validating: file.bytes)
      for index in 0..<model.extentCount where model.extent(at: index).kind == UInt32(ExtentKind.router.rawValue) {
        let router = UnsafeMutableRawBufferPointer(mutating: model.bytes(at: index))
        router.baseAddress?.initializeMemory(as: UInt8.self, repeating: 0, count: router.count)
      }
    } catch {
      throw .report(path, status: error.rawValue)
    }
    return file
  }
}
