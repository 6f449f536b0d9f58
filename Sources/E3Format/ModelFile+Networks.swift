import CE3

// A deep ensemble: several networks in one file. A view is of one of them, and goes on to the next.

extension ModelFile {
  /// The view of the next network; nil after the last.
  ///
  /// - Throws: `fileChanged` when its configuration no longer is one.
  @inline(never)  // its size, once for each loop over networks
  public func nextNetwork() throws(E3Error) -> ModelFile? {
    guard network + 1 < networkCount else { return nil }
    // Read once: what lies in the file may change.
    let config = configs[network + 1]
    guard ModelShape.problem(in: config) == nil, shape.difference(from: config) == nil else { throw .fileChanged }
    var next = self
    next.shape = try ModelShape(validating: config)
    next.network += 1
    next.firstFloat += plan.floatCount
    next.firstLinear += plan.count - plan.floatCount
    next.firstMember += shape.memberCount
    next.statisticsOffset += CalibrationLayout(shape).statisticsBytes
    next.firstMoEBlock += Int32(shape.moeBlockCount)
    next.firstExpert &+= Int32(truncatingIfNeeded: shape.moeBlockCount * shape.expertCount)
    // What all networks have together was counted when the file was validated; this leaves the rest to the last ones.
    guard next.firstFloat + next.plan.floatCount <= sections.lowerBound,
      next.firstLinear + next.plan.count - next.plan.floatCount <= extentCount,
      next.firstMember + next.shape.memberCount <= memberCount
    else { throw .fileChanged }
    return next
  }

  /// Calls `body` with the view of each network from this one on.
  ///
  /// - Throws: `fileChanged`, and what `body` throws.
  public func forEachNetwork(_ body: (ModelFile) throws(E3Error) -> Void) throws(E3Error) {
    var view = self
    try body(view)
    while let next = try view.nextNetwork() {
      view = next
      try body(view)
    }
  }

  /// The view of the network that owns the extent at `index` of the table; nil for an optional section. `self` is the
  /// view of the first network.
  ///
  /// - Throws: `fileChanged`.
  @inline(never)
  public func network(ofTable index: Int) throws(E3Error) -> ModelFile? {
    if sections.contains(index) { return nil }
    var view = self
    while view.plannedIndex(ofTable: index) == nil {
      guard let next = try view.nextNetwork() else { throw .fileChanged }
      view = next
    }
    return view
  }

  /// The entry of the table whose bytes are those of the extent at `index`: its own, or the first one that it is shared
  /// with. `self` is the view of the first network.
  ///
  /// - Throws: `fileChanged`.
  @inline(never)
  public func storedIndex(of index: Int) throws(E3Error) -> Int {
    guard networkCount > 1, let owner = try network(ofTable: index), let planned = owner.plannedIndex(ofTable: index)
    else { return index }
    let entry = owner.plan.entry(at: planned)
    var view = self
    while view.network < owner.network {
      if let counterpart = view.plan.index(ofCounterpart: entry) {
        let other = view.tableIndex(ofPlanned: counterpart)
        if extents[other].offset == extents[index].offset { return other }
      }
      guard let next = try view.nextNetwork() else { throw .fileChanged }
      view = next
    }
    return index
  }

  /// Place in the table of the extent that the network's plan numbers `index`.
  public func tableIndex(ofPlanned index: Int) -> Int {
    index < plan.floatCount ? firstFloat + index : firstLinear + index - plan.floatCount
  }

  /// Number in the network's plan of the extent at `index` of the table; nil for another network's, and for an optional
  /// section.
  public func plannedIndex(ofTable index: Int) -> Int? {
    let plan = plan
    if index >= firstFloat, index < firstFloat + plan.floatCount { return index - firstFloat }
    let linear = index - firstLinear
    return linear >= 0 && linear < plan.count - plan.floatCount ? plan.floatCount + linear : nil
  }
}

// MARK: Sharing

extension ModelFile {
  /// Whether the extent at `index` of the table is stored once with that of the same kind, block and index in an earlier
  /// network: nothing of the file is this entry's own. `self` is the view of the first network.
  ///
  /// - Throws: `fileChanged`.
  public func isShared(_ index: Int) throws(E3Error) -> Bool {
    guard networkCount > 1, let owner = try network(ofTable: index), owner.network > 0,
      let planned = owner.plannedIndex(ofTable: index)
    else { return false }
    return try isShared(extent(at: index), owner.plan.entry(at: planned), before: owner.network)
  }

  /// Whether `extent`, which the plan of network `network` calls `entry`, is that of an earlier network.
  func isShared(
    _ extent: e3_file_extent, _ entry: ExtentPlan.Entry, before network: Int
  ) throws(E3Error) -> Bool {
    var view = self
    while true {
      if let counterpart = view.plan.index(ofCounterpart: entry) {
        let other = extents[view.tableIndex(ofPlanned: counterpart)]
        if other.offset == extent.offset {
          return other.length == extent.length && other.encoding == extent.encoding && other.checksum == extent.checksum
        }
      }
      guard view.network + 1 < network, let next = try view.nextNetwork() else { return false }
      view = next
    }
  }
}

// MARK: Validation

extension ModelFile {
  /// Checks the configurations after the first, and counts what the networks have together.
  mutating func validateNetworks(newer: Bool) throws(E3Error) {
    var (floats, linears) = (0, 0)
    for index in 0..<networkCount {
      let config = configs[index]
      guard ModelShape.problem(in: config) == nil, shape.difference(from: config) == nil else {
        throw newer ? .fileVersion : .fileConfig
      }
      let other = try ModelShape(validating: config)
      let plan = ExtentPlan(other)
      floats += plan.floatCount
      linears += plan.count - plan.floatCount
      memberCount += other.memberCount
      // At most 64 networks of 2^25 extents and 2^16 members each: nothing overflows.
    }
    guard UInt64(memberCount) * UInt64(shape.classCount) <= ModelLimits.memberClasses else {
      throw newer ? .fileVersion : .fileConfig
    }
    guard floats + linears <= extentCount else { throw .fileTable }
    (sectionsStart, sectionsEnd) = (floats, extentCount - linears)
    firstLinear = sectionsEnd
  }
}

extension ModelShape {
  /// What of `config`, a valid one, cannot stand in one file with this network: networks of a file see one image and
  /// know the same classes. Nil when they agree.
  public func difference(from other: e3_file_config) -> StaticString? {
    let mine = config
    if mine.image_height != other.image_height || mine.image_width != other.image_width { return "image size" }
    if mine.channels != other.channels { return "channels" }
    if mine.class_count != other.class_count { return "number of classes" }
    if mine.resize != other.resize || mine.resize_height != other.resize_height
      || mine.resize_width != other.resize_width || mine.resize_fit != other.resize_fit
      || mine.resize_filter != other.resize_filter || mine.resize_order != other.resize_order
      || mine.resize_crop != other.resize_crop
    {
      return "resize"
    }
    if mine.value != other.value || mine.value_low != other.value_low || mine.value_high != other.value_high
      || mine.value_mean != other.value_mean || mine.value_deviation != other.value_deviation
    {
      return "pixel values"
    }
    return nil
  }
}
