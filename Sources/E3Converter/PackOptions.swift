import E3Checkpoint
import E3Format
import E3Host

/// How frames become the model's input: the recipe that the file carries.
public struct Preprocessing: Equatable, Sendable {
  /// How a frame is brought to the model's image size.
  public enum Resize: Equatable, Sendable {
    /// Bilinear, truncated to bytes: V-MoE's `resize`.
    case stretch
    /// Bilinear, not truncated: vit_jax.
    case stretchFloat
    /// Area average that brings the smaller side to `side`, then the central crop: V-MoE's `resize_small` and
    /// `central_crop`. Nil: 8/7 of the image's larger side (256 for 224 pixels).
    case smallCrop(side: Int?)
    /// Pillow's `Image.resize`, equal to the byte, then the central crop of the image size: torchvision, timm, Hugging
    /// Face.
    case pillow(SourcePreprocessing.Resize, SourcePreprocessing.Filter, SourcePreprocessing.CropRounding)
  }

  /// How a byte of a pixel becomes a value.
  public enum Value: Equatable, Sendable {
    /// `low + (x / 255) * (high - low)`.
    case range(low: Float, high: Float)
    /// `(x - mean[c]) / deviation[c]`, one value per channel or one for all.
    case norm(mean: [Float], deviation: [Float])
  }

  public var resize: Resize
  public var value: Value

  public init(resize: Resize, value: Value) {
    self.resize = resize
    self.value = value
  }

  /// What models of a form were trained with: `resize` and -1...1 for V-MoE, `(x - 127.5) / 127.5` for vit_jax.
  public static func standard(for form: Checkpoint.Form) -> Preprocessing {
    switch form {
    case .npz: Preprocessing(resize: .stretchFloat, value: .norm(mean: [127.5], deviation: [127.5]))
    case .vmoe, .safetensors, .pytorch: Preprocessing(resize: .stretch, value: .range(low: -1, high: 1))
    }
  }
}

extension Preprocessing {
  /// The recipe of a model: what the caller asks for, else what the checkpoint's metadata say, else what models of its
  /// form were trained with.
  ///
  /// - Throws: a recipe of the metadata that model files cannot express.
  init(of model: SourceModel, options: PackOptions) throws(FileError) {
    let checkpoint = model.checkpoint
    self = Preprocessing.standard(for: checkpoint.form)
    if let source = model.preprocessing {
      if options.value == nil { try model.requireUsable(source) }
      value = source.value
      resize = .pillow(source.resize, source.filter, source.cropRounding)
      let (height, width) = (model.config.imageHeight, model.config.imageWidth)
      guard options.resize != nil || (source.crop.height == height && source.crop.width == width) else {
        throw FileError(
          file: model.configPath ?? checkpoint.path,
          problem: "its recipe crops \(source.crop.height) x \(source.crop.width) pixels, but the image size is "
            + "\(height) x \(width): give --resize")
      }
    }
    resize = options.resize ?? resize
    value = options.value ?? value
  }

  /// What the bytes 0 and 255 become, over all channels.
  fileprivate var valueBounds: (low: Float, high: Float) {
    switch value {
    case .range(let low, let high): return (low, high)
    case .norm(let mean, let deviation):
      let channels = (0..<max(mean.count, deviation.count)).map { channel in
        (mean[min(channel, mean.count - 1)], deviation[min(channel, deviation.count - 1)])
      }
      return (channels.map { -$0 / $1 }.min() ?? 0, channels.map { (255 - $0) / $1 }.max() ?? 0)
    }
  }

  /// What was taken for granted about the images of `models`, in a line; nil where all of them, or the caller, say it.
  static func assumption(of models: [SourceModel], options: PackOptions) -> String? {
    guard options.resize == nil || options.value == nil else { return nil }
    let silent = models.filter { $0.preprocessing == nil && $0.checkpoint.usualRecipe != nil }
    guard let first = silent.first, let usual = first.checkpoint.usualRecipe else { return nil }
    let others = silent.count > 1 ? " and \(silent.count - 1) more" : ""
    return "\(first.checkpoint.path)\(others): nothing says how the training prepared its images: they are stretched, "
      + "and bytes become values of -1...1; --resize and --value-norm say otherwise (\(usual)"
  }
}

extension SourceModel {
  /// What the bytes 0 and 255 become: as the metadata say, where they can be used, or as models of its form were trained.
  package var valueBounds: (low: Float, high: Float) {
    var recipe = Preprocessing.standard(for: checkpoint.form)
    if let preprocessing, (try? requireUsable(preprocessing)) != nil { recipe.value = preprocessing.value }
    return recipe.valueBounds
  }

  /// - Throws: means and deviations of a recipe, of which another number or another unit than the library's is given.
  package func requireUsable(_ source: SourcePreprocessing) throws(FileError) {
    let fields = processorPath.map { "image_mean and image_std of \(fileName($0))" } ?? "mean and std"
    func fault(_ problem: String) -> FileError {
      FileError(file: configPath ?? checkpoint.path, problem: "\(fields) \(problem)")
    }
    let (channels, counts) = (config.channels, [source.mean.count, source.deviation.count])
    guard counts.allSatisfy({ $0 == 1 || $0 == channels }) else {
      // The libraries would refuse such images, or make three channels of one: there is no recipe to repeat.
      throw fault(
        "have \(counted(counts.max() ?? 0, "value")), but the model has "
          + (channels == 1 ? "1 channel: give --value-norm MEAN,STD" : "\(channels) channels: give --value-norm"))
    }
    // The libraries bring pixels to 0...1 first, and would make one value of nearly every picture.
    guard PixelUnit.largest(mean: source.mean, deviation: source.deviation) == 1 else {
      let largest = Int(exactly: source.largest).map(String.init) ?? "\(source.largest)"
      guard source.normalises else {
        throw FileError(
          file: processorPath ?? configPath ?? checkpoint.path,
          problem: "it neither brings pixels to 0...1 nor normalises them: values of 0...\(largest) are not served. "
            + "Multiply the weights of the patch embedding, not its bias, by \(largest), and take \"do_rescale\": true and "
            + "\"rescale_factor\": \(1 / 255.0) here: the answers stay the same")
      }
      let written = [source.mean, source.deviation].map { values in values.map { $0 * source.largest } }
      throw fault(
        "are \(written[0]) and \(written[1]), expected those of pixels in 0...\(largest): give --value-norm, which takes "
          + "those of pixels in 0...1 and in 0...255")
    }
  }
}

extension SourcePreprocessing {
  fileprivate var value: Preprocessing.Value {
    .norm(mean: mean.map { $0 * 255 }, deviation: deviation.map { $0 * 255 })
  }
}

extension Checkpoint {
  /// How models of its naming often prepare their images, and where that may be said; nil for models that were trained
  /// with the standard recipe.
  ///
  /// Sources: timm/data/constants.py; transformers, image_processing_vit.py; torchvision, ViT_B_16_Weights.
  fileprivate var usualRecipe: String? {
    let imageNet = "--value-norm 0.485,0.456,0.406,0.229,0.224,0.225"
    return switch naming {
    case .timm: "of many timm models: --resize bicubic:248 \(imageNet)), or timm's config.json beside it"
    case .huggingFace:
      "of Hugging Face's ViT: --resize bilinear:224x224 --value-norm 0.5,0.5), or its config.json and "
        + "preprocessor_config.json beside it"
    case .torchvision: "of torchvision's ViT-B/16: --resize bilinear:256 \(imageNet))"
    case .vmoe, .bigVision, nil: nil
    }
  }
}

/// Bits of the weights of a packed model: 8, or 4 for the experts or for the MLPs of dense blocks and of the pooling.
public struct WeightBits: Equatable, Sendable {
  public enum Width: Int, Sendable { case four = 4, eight = 8 }

  public var experts: Width
  public var mlp: Width

  public init(experts: Width = .eight, mlp: Width = .eight) {
    self.experts = experts
    self.mlp = mlp
  }

  /// The encoding of an extent that the plan has in 8 bits.
  func encoding(of entry: ExtentPlan.Entry) -> ExtentEncoding {
    switch entry.kind {
    case .expert: experts == .four ? .int4 : entry.encoding
    case .mlp, .mapMLP: mlp == .four ? .int4 : entry.encoding
    default: entry.encoding
    }
  }
}

/// How weights become whole multiples of their scale.
public enum Rounding: Equatable, Sendable {
  /// `drawn` for networks of at most 100 million parameters, which takes them a minute or two, else `nearest`.
  case automatic
  /// Every weight to the nearest step.
  case nearest
  /// So that a layer's answers to pictures that the converter draws stay nearest to the float ones.
  case drawn
  /// The same with the caller's images: a data set, of which at most `count` are taken, spread evenly.
  case images(path: String, count: Int)
}

/// What the caller of `pack` asks for beyond checkpoint and configuration.
public struct PackOptions: Sendable {
  /// Image size, members and capacity.
  public var model: ModelOptions
  /// File with one label per line; nil: none.
  public var labels: String?
  /// Parts that differ from what the checkpoint's metadata say, or from ``Preprocessing/standard(for:)``.
  public var resize: Preprocessing.Resize?
  public var value: Preprocessing.Value?
  /// Bits of the weights.
  public var weights: WeightBits
  /// What weights are rounded against.
  public var rounding: Rounding

  public init(
    model: ModelOptions = ModelOptions(), labels: String? = nil,
    resize: Preprocessing.Resize? = nil, value: Preprocessing.Value? = nil, weights: WeightBits = WeightBits(),
    rounding: Rounding = .nearest
  ) {
    self.model = model
    self.labels = labels
    self.weights = weights
    self.resize = resize
    self.value = value
    self.rounding = rounding
  }
}
