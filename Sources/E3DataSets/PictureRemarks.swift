import CE3Pictures

/// Whether a file holds more pictures than the first, which is the one that is read: pictures one after the other, or an
/// animation. What a JPEG has as its preview, or lists as its own, is none of them.
func holdsSeveral(_ bytes: UnsafeRawBufferPointer) -> Bool {
  let found = e3p_look_behind(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, 0)
  return found == E3P_WITH_OTHERS || found == E3P_ANIMATED
}

/// What is said of the pictures that were read of `sets`: that files hold several; that they are transparent, unless
/// somebody said what transparent pixels show.
///
/// - Parameter hasOption: Whether the command takes `--alpha`.
public func pictureRemarks(on sets: [DataSet], hasOption: Bool = true) -> [String] {
  [severalRemark(sets.reduce(0) { $0 + $1.severalCount }), transparencyRemark(on: sets, hasOption: hasOption)]
    .compactMap(\.self)
}

private func severalRemark(_ count: Int) -> String? {
  guard count > 0 else { return nil }
  return count == 1
    ? "1 file holds several pictures, or an animation: only its first one is taken"
    : "\(count) files hold several pictures, or animations: only their first ones are taken"
}

private func transparencyRemark(on sets: [DataSet], hasOption: Bool) -> String? {
  let count = sets.reduce(0) { $0 + $1.transparentCount }
  guard count > 0 else { return nil }
  let shown = "\(count == 1 ? "1 picture is" : "\(count) pictures are") transparent and shown on white"
  return hasOption
    ? "\(shown): --alpha ignore shows the pixels' own colours, as a training does that drops transparency (Pillow's "
      + "convert(\"RGB\"))"
    : "\(shown): where the training dropped transparency (Pillow's convert(\"RGB\")), give them opaque"
}
