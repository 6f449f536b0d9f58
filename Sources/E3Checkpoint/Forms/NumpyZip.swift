import E3Host

/// Reads a `.npz`: a zip file of `.npy` arrays, each named as its member is.
func readNumpyZip(_ file: MappedFile, _ archive: ZipArchive) throws(FileError) -> [String: any TensorSource] {
  var tensors: [String: any TensorSource] = [:]
  for member in archive.members {
    guard member.name.hasSuffix(".npy") else {
      throw FileError(file: file.path, tensor: member.name, problem: "not a .npy array, as every member of a .npz is")
    }
    tensors[String(member.name.dropLast(4))] = try tensor(member, in: file)
  }
  return tensors
}

private func tensor(_ member: ZipArchive.Member, in file: MappedFile) throws(FileError) -> any TensorSource {
  let start = try prefix(of: member, in: file)
  let header: NumpyHeader
  do throws(FileError) {
    header = try start.withUnsafeBytes { bytes in
      Result { () throws(FileError) in try NumpyHeader(bytes, file: file.path, tensor: member.name) }
    }.get()
  } catch {
    // An array of another kind is no fault of the file unless the model needs it.
    guard start.starts(with: [0x93] + Array("NUMPY".utf8)) else { throw error }
    return UnreadableTensor(shape: [], problem: error.problem)
  }
  guard header.totalSize == member.size else {
    throw FileError(
      file: file.path, tensor: member.name,
      problem: "\(member.size) bytes, expected \(header.totalSize) for shape \(header.shape)")
  }
  if !member.isDeflated { try member.requireChecksum(in: file) }
  guard member.isDeflated else { return numpyTensor(header, at: member.stored.lowerBound, in: file) }
  guard !header.isFortranOrder else {
    return UnreadableTensor(
      shape: header.shape, problem: "deflated in Fortran order, expected C order (numpy.save of a C array)")
  }
  return DeflatedTensor(header: header, source: InflatingMember(file: file, member: member))
}

/// As many bytes of a member as the longest header has.
private func prefix(of member: ZipArchive.Member, in file: MappedFile) throws(FileError) -> [UInt8] {
  let limit = NumpyHeader.sizeLimit + 12
  guard member.isDeflated else { return Array(file.bytes[member.stored].prefix(limit)) }
  var start: [UInt8] = []
  try InflatingMember(file: file, member: member).read { (block) throws(FileError) in
    start += block.prefix(limit - start.count)
    return start.count < limit
  }
  return start
}
