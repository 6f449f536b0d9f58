import E3Runtime
import E3TestSupport
import Glibc

// Small valid files of every kind, for the targets `model` and `classes` to begin with: `E3FuzzSeeds FOLDER` writes
// FOLDER/model/*.e3, FOLDER/classes/*.e3c and the models that these are of, FOLDER/small.e3 and FOLDER/wide.e3.

let folder = CommandLine.arguments.count == 2 ? CommandLine.arguments[1] : "."

func write(_ bytes: [UInt8], _ name: String) {
  guard let file = fopen("\(folder)/\(name)", "w"), fwrite(bytes, 1, bytes.count, file) == bytes.count,
    fclose(file) == 0
  else { fatalError("\(folder)/\(name) is not written") }
}

/// A file like ``SampleFile/full``, with another configuration.
func sample(_ edit: (inout e3_file_config) -> Void) -> SampleFile {
  var file = SampleFile.full
  edit(&file.config)
  return file
}

func classifier(_ value: e3_file_classifier) -> UInt32 { UInt32(value.rawValue) }

func makeDense(_ config: inout e3_file_config) {
  (config.member_count, config.expert_count, config.selected_experts) = (1, 0, 0)
  (config.moe_layers.0, config.expert_mlp_size) = (0, 0)
}

/// With a calibration that also says how alike images of a class are.
var calibrated = SampleFile.calibrated
calibrated.calibration?.class_grid = 2
calibrated.calibration?.class_agreement = (0.5, 0.6, 0.7)

/// Experts before the last block, so that learned classes have a row for each member; several panels of statistics.
var wide = calibrated
wide.config.moe_layers.0 = 0b01
(wide.config.hidden_size, wide.config.representation_size) = (18, 21)

/// Accepts whatever is put before it, and may stop after either of the first networks.
var early = SampleFile.ensemble
early.calibration = SampleFile.thresholds(hasStatistics: false)
early.calibration?.accept_threshold = 0
early.earlyStops = [0.75, 0].map {
  e3_file_early_stop(probability: $0, unknown_score: 0, stopped: 0.5, differing: 0)
}

let models: [(name: String, file: SampleFile)] = [
  ("full", .full), ("int4", .int4), ("map", .map), ("ensemble", .ensemble), ("twins", .twins), ("early", early),
  ("calibrated", calibrated), ("wide", wide),
  ("dense", sample(makeDense)),
  (
    "thresholds",
    {
      var file = sample(makeDense)
      file.calibration = SampleFile.thresholds(hasStatistics: false)
      return file
    }()
  ),
  (
    "gap",
    sample {
      ($0.classifier, $0.class_token, $0.query_key_norm) = (classifier(E3_FILE_CLASSIFIER_GAP), 0, 1)
    }
  ),
  (
    "patches",
    sample {
      ($0.classifier, $0.register_count, $0.norm_after_pooling) = (classifier(E3_FILE_CLASSIFIER_GAP), 2, 1)
    }
  ),
  ("first", sample { ($0.classifier, $0.class_token) = (classifier(E3_FILE_CLASSIFIER_FIRST), 0) }),
  ("token-gap", sample { ($0.classifier, $0.register_count) = (classifier(E3_FILE_CLASSIFIER_TOKEN_GAP), 1) }),
  (
    "token-pair",
    sample {
      ($0.classifier, $0.register_count) = (classifier(E3_FILE_CLASSIFIER_TOKEN_PAIR), 1)
      $0.representation_size = 0
    }
  ),
  (
    "last-dense-erf",
    sample { ($0.moe_layers.0, $0.activation) = (0b01, UInt32(E3_FILE_ACTIVATION_GELU_ERF.rawValue)) }
  ),
  (
    "two-experts",
    sample {
      ($0.member_count, $0.selected_experts) = (1, 2)
      ($0.capacity_mode, $0.capacity) = (UInt32(E3_FILE_CAPACITY_VANILLA.rawValue), 2)
    }
  ),
  (
    "small-crop",
    sample {
      makeDense(&$0)
      ($0.resize, $0.resize_height, $0.resize_width) = (UInt32(E3_FILE_RESIZE_SMALL_CROP.rawValue), 11, 11)
    }
  ),
  (
    "pillow",
    sample {
      makeDense(&$0)
      ($0.resize, $0.resize_height, $0.resize_width) = (UInt32(E3_FILE_RESIZE_PILLOW.rawValue), 9, 12)
      $0.resize_fit = UInt32(E3_FILE_FIT_COVER.rawValue)
      $0.resize_filter = UInt32(E3_FILE_FILTER_BICUBIC.rawValue)
      $0.resize_crop = UInt32(E3_FILE_CROP_HALF_EVEN.rawValue)
      $0.value = UInt32(E3_FILE_VALUE_NORM.rawValue)
      ($0.value_low, $0.value_high) = (0, 0)
      ($0.value_mean, $0.value_deviation) = ((120, 110, 100), (60, 50, 40))
    }
  ),
  (
    "grey",
    sample {
      makeDense(&$0)
      ($0.channels, $0.resize) = (1, UInt32(E3_FILE_RESIZE_STRETCH_FLOAT.rawValue))
    }
  ),
]

guard mkdir("\(folder)/model", 0o777) == 0, mkdir("\(folder)/classes", 0o777) == 0 else {
  fatalError("\(folder) is no empty folder")
}
for (name, file) in models { write(try file.bytes, "model/\(name).e3") }

// MARK: Learned classes

func check(_ status: e3_status) {
  guard status == E3_OK else { fatalError(String(cString: e3_status_text(status))) }
}

/// Learns `counts` pictures of as many classes, the last of which is what they are unlike, and writes them.
func learn(_ bytes: [UInt8], capacity: UInt32, grid: UInt32, counts: [Int], _ name: String) {
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 4096)
  memory.copyBytes(from: bytes)
  var model = e3_model()
  check(e3_model_open(memory.baseAddress, memory.count, &model))
  var info = e3_model_info()
  info.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
  check(e3_model_get_info(&model, &info))

  var options = e3_session_options()
  options.struct_size = UInt32(MemoryLayout<e3_session_options>.size)
  options.learned_classes = 1
  var (size, alignment) = (0, 0)
  var session: OpaquePointer?
  check(e3_session_query(&model, &options, &size, &alignment))
  let arena = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: alignment)
  check(e3_session_create(&model, &options, arena, size, &session))

  var classes: OpaquePointer?
  check(e3_classes_query(&model, capacity, grid, &size, &alignment))
  let file = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: alignment)
  check(e3_classes_create(&model, capacity, grid, file.baseAddress, size, &classes))
  check(e3_session_attach_classes(session, classes))
  var random = SplitMix(state: 5)
  for (index, count) in counts.enumerated() {
    var added: UInt32 = 0
    let isUnlike = index > 0 && index == counts.count - 1
    check(e3_classes_add(classes, "Ventil é \(index)", e3_class_kind(isUnlike ? E3_CLASS_UNLIKE : 0), &added))
    for _ in 0..<count {
      let image = (0..<Int(info.image_height * info.image_width * info.channels)).map { _ in random.float }
      var result = e3_result()
      result.struct_size = UInt32(MemoryLayout<e3_result>.size)
      check(e3_session_run_tensor(session, image, image.count, &result))
      check(e3_classes_learn(classes, added, session))
    }
  }
  write(Array(file), "classes/\(name).e3c")
}

for (model, file) in [("small", calibrated), ("wide", wide)] {
  let bytes = try file.bytes
  write(bytes, "\(model).e3")
  learn(bytes, capacity: 1, grid: 1, counts: [], "\(model)-empty")
  learn(bytes, capacity: 2, grid: 0, counts: [1], "\(model)-one")
  learn(bytes, capacity: 3, grid: 4, counts: [3, 2, 2], "\(model)-three")
  learn(bytes, capacity: 20, grid: 2, counts: [4, 0, 1], "\(model)-twenty")
}
