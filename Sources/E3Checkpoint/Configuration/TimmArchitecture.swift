import E3Host

/// What timm's name of a model says that no tensor does.
struct TimmArchitecture {
  var activation = ModelConfig.Activation.gelu
  /// Whatever width `model_args` give. Nil for a size that is not known.
  var headCount: Int?
  /// Where `model_args` give no other. Nil for a size that is not known.
  var hiddenSize: Int?
  /// The side of a patch, the same. Nil for a name without it.
  var patchSize: Int?
  /// Nil for a size that is not known.
  var layerCount: Int?
  /// Of a name like `vit_small_patch14_reg4_dinov2`, and the distillation token of a distilled model.
  var registerCount: Int
  var isDistilled: Bool
  /// Whether there is a class token; nil for a size that is not known.
  var hasClassToken: Bool?
  /// Whether class token and registers have positions; nil for a size that is not known.
  var positionsPrefix: Bool?
  /// `global_pool` where `model_args` have none; nil for a size that is not known.
  var pooling: String?
  /// Where `model_args` do not say otherwise.
  var parts: [OptionalPart: (isThere: Bool, reason: String)] = [:]

  init(_ name: String, file: String) throws(FileError) {
    func contains(_ part: String) -> Bool { "_\(name)_".holds("_\(part)_") }
    let isRead = ["vit_", "deit_", "deit3_", "flexivit_"].contains(where: name.hasPrefix)
    let foreign = Self.foreign(name, contains)
    guard isRead, foreign == nil else {
      throw FileError(
        file: file,
        problem:
          "architecture is \"\(name)\"\(foreign.map { ", a model with \($0), which is not computed here" } ?? ""); of timm's "
          + "models vit_*, deit_*, deit3_* and flexivit_* with plain blocks, learned positions and GELU are read")
    }
    let usesTanh =
      contains("siglip")
      && (contains("giantopt") || contains("so400m") && contains("patch16") || contains("base") && contains("patch32")
        || contains("large") && contains("512"))
    activation = usesTanh ? .geluTanh : .gelu
    let depths = [
      "tiny": 12, "small": 12, "base": 12, "medium": 12, "betwixt": 12, "wee": 14, "little": 14, "so150m": 18,
      "mediumd": 20, "so150m2": 21, "large": 24, "so400m": 27, "huge": 32, "giant": 40, "giantopt": 40, "gigantic": 48,
    ]
    layerCount = contains("36x1") ? 36 : name.split(separator: "_").dropFirst().first.flatMap { depths[String($0)] }
    headCount = Self.headCount(name, contains)
    hiddenSize =
      contains("plus") ? nil : name.split(separator: "_").dropFirst().first.flatMap { Self.widths[String($0)] }
    patchSize = name.split(separator: "_").lazy.compactMap { $0.hasPrefix("patch") ? Int($0.dropFirst(5)) : nil }.first
    let registers = name.split(separator: "_").lazy.compactMap { $0.hasPrefix("reg") ? Int($0.dropFirst(3)) : nil }
      .first
    isDistilled = contains("distilled")
    registerCount = registers ?? (isDistilled ? 1 : 0)
    if layerCount != nil {
      pooling = contains("gap") ? "avg" : contains("map") || contains("siglip") ? "map" : "token"
      hasClassToken = pooling == "token"
      let hasOwn =
        registers == nil ? !contains("deit3") && !contains("flexivit") : contains("so150m") || contains("so150m2")
      positionsPrefix = hasOwn
    }
    // Where the name does not say for certain that there is such a part, it may be there or not.
    let isEarlyGap = contains("gap") && registers == nil
    parts[.outputBias] = (true, "\(name) has proj_bias")
    parts[.mlpBias] = parts[.outputBias]
    if !contains("miil"), !contains("so150m2"), !(isEarlyGap && (contains("medium") || contains("betwixt"))) {
      parts[.queryBias] = (true, "\(name) has qkv_bias")
    }
    let scaled = [
      "deit3", "dinov2", "tipsv2", "plus", "wee", "little", "medium", "mediumd", "betwixt", "so150m2", "36x1",
    ]
    if scaled.contains(where: contains) { parts[.layerScale] = (true, "\(name) has LayerScale") }
    if contains("gap") {
      let hasPooledNorm = !isEarlyGap && !contains("so150m")
      parts[.pooledNorm] = (hasPooledNorm, "\(name) has \(hasPooledNorm ? "" : "no ")fc_norm")
    }
  }

  /// What makes the model of this name another one; nil where nothing is known to.
  private static func foreign(_ name: String, _ contains: (String) -> Bool) -> String? {
    let kinds: [(what: String, parts: [String])] = [
      ("rotary positions", ["dinov3", "rope", "pe", "lingbot", "sapiens2"]),
      ("relative positions", ["relpos", "srelpos"]),
      ("attention and MLP side by side", ["xp", "pwee", "dpwee"]),
      ("blocks of several attentions and MLPs side by side", ["18x2"]),
      ("differential attention", ["dwee", "dlittle"]),
      ("norms behind attention and MLP", ["rpn"]),
      ("QuickGELU", ["quickgelu"]),
      ("a layer norm before the first block", ["clip"]),
      ("no norm behind the last block", ["intern300m", "radio"]),
      ("a convolutional network before the first block", ["mci", "r", "r26", "r50", "resnet26d", "resnet50d"]),
    ]
    if contains("giant"), contains("dinov2") || contains("tipsv2") { return "MLPs with SwiGLU" }
    return kinds.first { $0.parts.contains(where: contains) }?.what
  }

  /// Source: timm/models/vision_transformer.py and deit.py, `embed_dim`.
  private static let widths = [
    "tiny": 192, "wee": 256, "little": 320, "small": 384, "medium": 512, "mediumd": 512, "betwixt": 640, "base": 768,
    "so150m2": 832, "so150m": 896, "large": 1024, "so400m": 1152, "huge": 1280, "giant": 1408, "giantopt": 1536,
    "gigantic": 1664,
  ]

  /// Source: timm/models/vision_transformer.py and deit.py, `num_heads`.
  private static func headCount(_ name: String, _ contains: (String) -> Bool) -> Int? {
    if name == "vit_base_patch16_gap_224" { return 16 }
    if contains("plus") { return 14 }
    let counts = [
      "tiny": 3, "wee": 4, "little": 5, "small": 6, "medium": 8, "mediumd": 8, "betwixt": 10,
      "base": 12, "so150m2": 13, "so150m": 14, "large": 16, "so400m": 16, "huge": 16, "giant": 16,
      "giantopt": 16, "gigantic": 16,
    ]
    return name.split(separator: "_").dropFirst().first.flatMap { counts[String($0)] }
  }
}
