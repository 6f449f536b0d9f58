#if !hasFeature(Embedded)
  import CE3
  import CE3Files
  import E3Format
  import Glibc

  /// A model file that cannot be used, and why.
  public struct ModelFileError: Error, Equatable, CustomStringConvertible {
    /// What is wrong with a file.
    public enum Cause: Equatable, Sendable {
      /// The system could not open or map it; the value is an `errno`.
      case system(Int32)
      /// The path names something that is not a regular file.
      case notAFile
      /// The bytes are not a model that this library can run.
      case model(E3Error)
    }

    /// The path as it was given.
    public let path: String
    /// What is wrong.
    public let cause: Cause
    /// What the file is instead, as its first bytes tell, and what makes a model of it.
    fileprivate var otherFile: StaticString?

    fileprivate init(path: String, cause: Cause) { (self.path, self.cause) = (path, cause) }

    public static func == (one: ModelFileError, other: ModelFileError) -> Bool {
      one.path == other.path && one.cause == other.cause
    }

    /// One line: `PATH: what is wrong`; of a file that is no model also what makes one of it.
    public var description: String {
      switch cause {
      case .system(let number): "\(path): \(String(cString: strerror(number)))"
      case .notAFile: "\(path): not a regular file"
      case .model(.fileMagic):
        "\(path): \(otherFile.map { "\($0)" } ?? "\(E3Error.fileMagic): e3-convert pack makes one of a checkpoint")"
      case .model(let error): "\(path): \(error)"
      }
    }
  }

  extension Model {
    /// Maps and validates the .e3 file at a path. The pages stay mapped as long as the model or a session of it is
    /// used.
    ///
    /// As with every mapping, nobody may shorten the file meanwhile.
    public init(contentsOf path: String) throws(ModelFileError) {
      let file = try Mapping(path)
      do throws(E3Error) {
        try self.init(bytes: file.bytes, owner: file)
      } catch {
        var fault = ModelFileError(path: path, cause: .model(error))
        fault.otherFile = otherFileText(file.bytes)
        throw fault
      }
    }

    /// Copies the bytes of a whole .e3 file and validates the copy.
    ///
    /// - Throws: the `file…` errors.
    public init(copying bytes: RawSpan) throws(E3Error) {
      let copy = AlignedCopy(bytes)
      try self.init(bytes: UnsafeRawBufferPointer(copy.bytes), owner: copy)
    }

    /// The texts of the classes, in their order; empty when the file has none.
    public var labels: [String] {
      (0..<labelCount).map { label($0) ?? "" }
    }

    /// Where the model comes from: a JSON object; empty when the file says nothing.
    public var provenance: String { String(copying: utf8Provenance) }

    /// The text of a class; nil when the file has none for it.
    public func label(_ index: Int) -> String? {
      guard let text = try? utf8Label(index) else { return nil }
      return String(copying: text)
    }
  }

  /// A file mapped read-only, and open.
  final class Mapping {
    private let file: ce3_file
    let descriptor: Int32

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: file.bytes, count: file.size) }

    init(_ path: String) throws(ModelFileError) {
      var descriptor: Int32
      // Opening does not wait for a pipe's writer.
      repeat { descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) } while descriptor < 0 && errno == EINTR
      guard descriptor >= 0 else { throw ModelFileError(path: path, cause: .system(errno)) }
      var file = ce3_file()
      let error = ce3_map_descriptor(descriptor, path, Int32(CE3_MAP_READ), &file)
      guard error == 0 else {
        close(descriptor)
        throw ModelFileError(path: path, cause: error == CE3_NOT_A_FILE ? .notAFile : .system(error))
      }
      (self.file, self.descriptor) = (file, descriptor)
    }

    deinit {
      withUnsafePointer(to: file) { ce3_unmap_file($0) }
      close(descriptor)
    }
  }

  /// Bytes as a model file's must be aligned.
  private final class AlignedCopy {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ source: RawSpan) {
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: source.byteCount, alignment: 64)
      source.withUnsafeBytes { bytes.copyMemory(from: $0) }
      self.bytes = bytes
    }

    deinit { bytes.deallocate() }
  }
#endif
