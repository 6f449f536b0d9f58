@_exported import CE3

// Swift spellings of the enumerations in e3_file.h, where each constant has its one definition.

/// What an extent of the file holds.
public typealias ExtentKind = e3_file_kind

extension e3_file_kind {
  public static var patchEmbedding: Self { E3_FILE_PATCH_EMBEDDING }
  public static var positionEmbedding: Self { E3_FILE_POSITION_EMBEDDING }
  public static var norm0: Self { E3_FILE_NORM_0 }
  public static var queryKeyValue: Self { E3_FILE_QUERY_KEY_VALUE }
  public static var queryKeyNorm: Self { E3_FILE_QUERY_KEY_NORM }
  public static var attentionOutput: Self { E3_FILE_ATTENTION_OUTPUT }
  public static var norm1: Self { E3_FILE_NORM_1 }
  public static var mlp: Self { E3_FILE_MLP }
  public static var router: Self { E3_FILE_ROUTER }
  public static var expert: Self { E3_FILE_EXPERT }
  public static var encoderNorm: Self { E3_FILE_ENCODER_NORM }
  public static var mapQuery: Self { E3_FILE_MAP_QUERY }
  public static var mapKeyValue: Self { E3_FILE_MAP_KEY_VALUE }
  public static var mapKeyNorm: Self { E3_FILE_MAP_KEY_NORM }
  public static var mapOutput: Self { E3_FILE_MAP_OUTPUT }
  public static var mapNorm: Self { E3_FILE_MAP_NORM }
  public static var mapMLP: Self { E3_FILE_MAP_MLP }
  public static var preLogits: Self { E3_FILE_PRE_LOGITS }
  public static var head: Self { E3_FILE_HEAD }
  public static var labels: Self { E3_FILE_LABELS }
  public static var provenance: Self { E3_FILE_PROVENANCE }
  public static var golden: Self { E3_FILE_GOLDEN }
  public static var calibration: Self { E3_FILE_CALIBRATION }
  public static var statistics: Self { E3_FILE_STATISTICS }
  public static var setThresholds: Self { E3_FILE_SET_THRESHOLDS }
  public static var expertUses: Self { E3_FILE_EXPERT_USES }
  public static var earlyStops: Self { E3_FILE_EARLY_STOPS }

  /// The name that FORMAT.md and `e3-convert inspect` use.
  public var name: StaticString {
    switch self {
    case .patchEmbedding: "patch_embedding"
    case .positionEmbedding: "position_embedding"
    case .norm0: "norm_0"
    case .queryKeyValue: "query_key_value"
    case .queryKeyNorm: "query_key_norm"
    case .attentionOutput: "attention_output"
    case .norm1: "norm_1"
    case .mlp: "mlp"
    case .router: "router"
    case .expert: "expert"
    case .encoderNorm: "encoder_norm"
    case .mapQuery: "map_query"
    case .mapKeyValue: "map_key_value"
    case .mapKeyNorm: "map_key_norm"
    case .mapOutput: "map_output"
    case .mapNorm: "map_norm"
    case .mapMLP: "map_mlp"
    case .preLogits: "pre_logits"
    case .head: "head"
    case .labels: "labels"
    case .provenance: "provenance"
    case .golden: "golden"
    case .calibration: "calibration"
    case .statistics: "statistics"
    case .setThresholds: "set_thresholds"
    case .expertUses: "expert_uses"
    case .earlyStops: "early_stops"
    default: "unknown"
    }
  }
}

/// How the bytes of an extent are to be read.
public typealias ExtentEncoding = e3_file_encoding

extension e3_file_encoding {
  public static var int8: Self { E3_FILE_ENCODING_INT8 }
  public static var float: Self { E3_FILE_ENCODING_FLOAT }
  public static var bytes: Self { E3_FILE_ENCODING_BYTES }
  public static var int4: Self { E3_FILE_ENCODING_INT4 }

  /// The name that FORMAT.md and `e3-convert inspect` use.
  public var name: StaticString {
    switch self {
    case .int8: "int8"
    case .float: "float"
    case .bytes: "bytes"
    case .int4: "int4"
    default: "unknown"
    }
  }
}

/// How the encoder's output becomes one vector.
public typealias Classifier = e3_file_classifier

extension e3_file_classifier {
  public static var token: Self { E3_FILE_CLASSIFIER_TOKEN }
  public static var first: Self { E3_FILE_CLASSIFIER_FIRST }
  public static var gap: Self { E3_FILE_CLASSIFIER_GAP }
  public static var map: Self { E3_FILE_CLASSIFIER_MAP }
  public static var tokenGap: Self { E3_FILE_CLASSIFIER_TOKEN_GAP }
  public static var tokenPair: Self { E3_FILE_CLASSIFIER_TOKEN_PAIR }
}

/// GELU's form.
public typealias Activation = e3_file_activation

extension e3_file_activation {
  public static var geluTanh: Self { E3_FILE_ACTIVATION_GELU_TANH }
  public static var geluErf: Self { E3_FILE_ACTIVATION_GELU_ERF }
}

/// How many tokens an expert may take, and who goes first.
public typealias CapacityMode = e3_file_capacity

extension e3_file_capacity {
  public static var none: Self { E3_FILE_CAPACITY_NONE }
  public static var vanilla: Self { E3_FILE_CAPACITY_VANILLA }
  public static var priority: Self { E3_FILE_CAPACITY_PRIORITY }
}

/// How a frame is brought to the model's image size.
public typealias ResizeMethod = e3_file_resize

extension e3_file_resize {
  public static var stretch: Self { E3_FILE_RESIZE_STRETCH }
  public static var smallCrop: Self { E3_FILE_RESIZE_SMALL_CROP }
  public static var stretchFloat: Self { E3_FILE_RESIZE_STRETCH_FLOAT }
  public static var pillow: Self { E3_FILE_RESIZE_PILLOW }
}

/// Size that Pillow resizes a frame to.
public typealias ResizeFit = e3_file_fit

extension e3_file_fit {
  public static var exact: Self { E3_FILE_FIT_EXACT }
  public static var shorter: Self { E3_FILE_FIT_SHORTER }
  public static var cover: Self { E3_FILE_FIT_COVER }
}

/// A filter of Pillow's resize.
public typealias ResizeFilter = e3_file_filter

extension e3_file_filter {
  public static var nearest: Self { E3_FILE_FILTER_NEAREST }
  public static var lanczos: Self { E3_FILE_FILTER_LANCZOS }
  public static var bilinear: Self { E3_FILE_FILTER_BILINEAR }
  public static var bicubic: Self { E3_FILE_FILTER_BICUBIC }
  public static var box: Self { E3_FILE_FILTER_BOX }
  public static var hamming: Self { E3_FILE_FILTER_HAMMING }
}

/// Order of Pillow's two passes.
public typealias ResizeOrder = e3_file_order

extension e3_file_order {
  public static var across: Self { E3_FILE_ORDER_ACROSS }
  public static var pillow13: Self { E3_FILE_ORDER_PILLOW_13 }
}

/// How the offset of the centre crop is rounded.
public typealias CropRounding = e3_file_crop

extension e3_file_crop {
  public static var down: Self { E3_FILE_CROP_DOWN }
  public static var halfEven: Self { E3_FILE_CROP_HALF_EVEN }
}

/// How a byte of a pixel becomes a value.
public typealias ValueMapping = e3_file_value

extension e3_file_value {
  public static var range: Self { E3_FILE_VALUE_RANGE }
  public static var norm: Self { E3_FILE_VALUE_NORM }
}
