import CE3Board

extension Model {
  /// Loads the model of a command line. With `--trust`, nothing of the file is believed before its signature is found right.
  init(of options: Options, _ path: UnsafePointer<CChar>) throws(Failure) {
    let file = try MappedFile(model: path, options.session.load)
    if let key = options.trust {
      file.readOn()
      var name = InlineArray<4200, CChar>(repeating: 0)
      var span = name.mutableSpan
      let failed: Failure? = span.withUnsafeMutableBufferPointer { name in
        guard let what = e3c_distrust(path, file.bytes.baseAddress, file.bytes.count, key, name.baseAddress)
        else { return nil }
        return .report(name.baseAddress, cString: what)
      }
      if let failed { throw failed }
    }
    try self.init(path, file, options.session, deadline: options.deadline)
  }
}
