import E3
import E3DataSets
import E3Format
import E3Host

/// A session of the int8 runtime on one thread, for the images of the host's tools.
///
/// A picture goes through the runtime's own preprocessing, as `e3-run` does with it, whatever its size; prepared values
/// go in as they are, as `e3-run --tensor` does. So every answer is, bit for bit, what `e3-run` gives.
package struct ModelSession: ~Copyable {
  package let model: MappedModel
  private var session: Session

  /// - Parameters:
  ///   - recordsRouting: Whether `routing(layer:)` will be asked.
  ///   - classes: Learned classes that every image is compared with.
  ///   - stopsEarly: Whether later networks are left out where the file says that the first ones suffice.
  package init(
    _ model: MappedModel, recordsRouting: Bool = false, classes: LearnedClasses? = nil, stopsEarly: Bool = false
  ) throws(FileError) {
    self.model = model
    do throws(E3Error) {
      var session = try Session(
        Model(bytes: model.bytes, owner: model),
        SessionOptions(
          recordsRouting: recordsRouting, hasLearnedClasses: classes != nil, stopsEarly: stopsEarly))
      if let classes { try session.attach(classes) }
      self.session = session
    } catch {
      throw model.fault(error)
    }
  }

  /// The answer to an image.
  ///
  /// - Parameter name: what messages call the image.
  @_lifetime(&self)
  package mutating func run(_ image: DataSetImage, name: @autoclosure () -> String) throws(FileError) -> Answer {
    try requirePixels(image, name())
    do throws(E3Error) {
      switch image {
      case .tensor(let values): return try session.run(tensor: values.span)
      case .picture(let picture): return try session.run(picture.frame)
      }
    } catch {
      throw model.fault(error, image, name())
    }
  }

  /// Takes the last image as one more picture of a class of `classes`, which are attached.
  package mutating func learn(_ index: Int, of classes: LearnedClasses) throws(FileError) {
    do throws(E3Error) {
      try classes.learn(index, from: &session)
    } catch {
      throw model.fault(error)
    }
  }

  /// The values `[height][width][channels]` that the network sees of an image.
  ///
  /// - Parameter name: what messages call the image.
  package mutating func prepared(
    _ image: DataSetImage, name: @autoclosure () -> String
  ) throws(FileError) -> [Float] {
    try requirePixels(image, name())
    do throws(E3Error) {
      switch image {
      case .tensor(let values):
        guard values.count == model.file.shape.imageValues else { throw .tensorSize }
        return values
      case .picture(let picture):
        var values = [Float](repeating: 0, count: model.file.shape.imageValues)
        var span = values.mutableSpan
        try session.preprocess(picture.frame, into: &span)
        return values
      }
    } catch {
      throw model.fault(error, image, name())
    }
  }

  /// Refuses prepared values that are no pixels of the model's range: their answers would mean nothing.
  private func requirePixels(_ image: DataSetImage, _ name: @autoclosure () -> String) throws(FileError) {
    guard case .tensor(let values) = image else { return }
    try E3Models.requirePixels(values[...], within: model.file.shape.valueBounds, of: model.path, name: name())
  }

  /// Member logits `[M][C]` of one prepared image, `[height][width][channels]` in the model's value range.
  package mutating func memberLogits(_ image: [Float]) throws(FileError) -> [[Float]] {
    do throws(E3Error) {
      return StoredAnswer(try session.run(tensor: image.span)).memberLogits
    } catch {
      throw model.fault(error)
    }
  }

  /// What the routers of the MoE layer `index` did with the last image.
  ///
  /// - Throws: a session that does not record it, a model without that layer.
  @_lifetime(borrow self)
  package func routing(layer index: Int) throws(FileError) -> Routing {
    do throws(E3Error) {
      // The compiler does not see through the stored session that the view is tied to this one.
      return _overrideLifetime(try session.routing(layer: index), borrowing: self)
    } catch {
      throw model.fault(error)
    }
  }

  /// Runs the file's golden input and compares the member logits bit for bit.
  package mutating func selfTest() throws(FileError) {
    do throws(E3Error) {
      try session.selfTest()
    } catch {
      throw model.fault(error)
    }
  }
}

/// Refuses prepared values that are no pixels of a range: most likely bytes, or values of another one.
///
/// - Parameters:
///   - bounds: What the bytes 0 and 255 become.
///   - model: What messages call the model that takes them.
///   - name: What messages call the image.
package func requirePixels(
  _ values: ArraySlice<Float>, within bounds: (low: Float, high: Float), of model: String,
  name: @autoclosure () -> String
) throws(FileError) {
  let (low, high) = bounds
  let outside = values.withUnsafeBufferPointer { PixelRange.firstOutside($0, low: low, high: high) }
  guard let value = outside else { return }
  throw FileError(file: name(), problem: "the value \(value) is no prepared pixel: \(model) takes \(low) to \(high)")
}

extension MappedModel {
  fileprivate func fault(_ error: E3Error) -> FileError { FileError(file: path, problem: error.description) }

  fileprivate func fault(_ error: E3Error, _ image: DataSetImage, _ name: String) -> FileError {
    let shape = file.shape
    var problem = error.description
    if error == .tensorSize, case .tensor(let values) = image {
      problem =
        "\(counted(values.count, "value")), but \(path) takes \(shape.imageHeight) x \(shape.imageWidth) x "
        + "\(shape.channels) = \(shape.imageValues)"
    }
    return FileError(file: name, problem: problem)
  }
}

extension Picture {
  /// The picture as a session takes it.
  fileprivate var frame: Frame {
    @_lifetime(borrow self)
    get { Frame(channels == 3 ? .rgb24 : .gray8, width: width, height: height, pixels: pixels.span.bytes) }
  }
}
