import E3Checkpoint
import E3Format

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
    case .vmoe, .safetensors: Preprocessing(resize: .stretch, value: .range(low: -1, high: 1))
    }
  }
}

/// What the caller of `pack` asks for beyond checkpoint and configuration.
public struct PackOptions: Sendable {
  /// Image size, members and capacity.
  public var model: ModelOptions
  /// File with one label per line; nil: none.
  public var labels: String?
  /// Parts that differ from ``Preprocessing/standard(for:)``.
  public var resize: Preprocessing.Resize?
  public var value: Preprocessing.Value?

  public init(
    model: ModelOptions = ModelOptions(), labels: String? = nil, resize: Preprocessing.Resize? = nil,
    value: Preprocessing.Value? = nil
  ) {
    self.model = model
    self.labels = labels
    self.resize = resize
    self.value = value
  }
}
