import E3Format

extension SampleFile {
  /// A valid file of a random kind: widths that are no multiple of anything, all classifiers, one to four members, dense and
  /// sparse blocks, several networks, 4-bit weights, every form of calibration. The same for the same seed.
  ///
  /// - Parameter largest: bounds the sides of the image, widths and numbers of classes.
  package static func random(seed: UInt64, largest: Int = 70) -> SampleFile {
    var random = SplitMix(state: seed)
    var file = SampleFile(config: config(&random, largest), seed: seed)
    file.weights = random.chance(3) ? .int4 : .int8
    if random.chance(2) { file.golden = true }
    if random.chance(4) {
      for _ in 0...random.below(3) {
        var other = config(&random, largest)
        let first = file.config
        (other.image_height, other.image_width) = (first.image_height, first.image_width)
        other.channels = first.channels
        if other.patch_height > other.image_height || other.patch_width > other.image_width || random.chance(2) {
          (other.patch_height, other.patch_width) = (first.patch_height, first.patch_width)
        }
        other.class_count = first.class_count
        file.others.append(Network(random.chance(3) ? first : other, seed: random.chance(2) ? seed : random.next()))
      }
      file.shares = random.chance(2)
    }
    switch random.below(4) {
    case 0: break
    case 1: file.calibration = thresholds(hasStatistics: false)
    case 2: (file.calibration, file.hasStatistics) = (thresholds(hasStatistics: true), true)
    default:
      (file.calibration, file.hasStatistics) = (weighted.calibration, true)
      file.calibration?.rows = UInt32(random.below(2))
      file.calibration?.background_weight = [0, 0.5, 1][random.below(3)]
      file.calibration?.uncertainty = UInt32(random.below(3))
      if file.calibration?.uncertainty == 0 { file.calibration?.uncertainty_weight = 0 }
    }
    if file.hasStatistics {
      file.calibration?.class_grid = [1, 2, 4][random.below(3)]
      file.calibration?.class_agreement = (0.5, 0.6, 0.7)
    }
    if random.chance(2) {
      let counts = file.networks.map { network in
        (0..<Int(network.config.layer_count)).count { network.config.moe_layers.0 >> UInt64($0) & 1 == 1 }
          * Int(network.config.expert_count)
      }
      file.expertUses = (0..<counts.reduce(0, +)).map { _ in
        UInt32(truncatingIfNeeded: random.next() >> UInt64(random.below(60)))
      }
    }
    return file
  }

  private static func config(_ random: inout SplitMix, _ largest: Int) -> e3_file_config {
    var c = e3_file_config()
    c.channels = random.chance(2) ? 3 : 1
    (c.image_height, c.image_width) = (UInt32(1 + random.below(largest)), UInt32(1 + random.below(largest)))
    func side(_ image: UInt32) -> UInt32 { random.chance(6) ? image : UInt32(1 + random.below(Int(image))) }
    (c.patch_height, c.patch_width) = (side(c.image_height), side(c.image_width))
    // At most 200 tokens.
    while (c.image_height / c.patch_height) * (c.image_width / c.patch_width) > 200 {
      c.patch_height = min(c.patch_height * 2, c.image_height)
      c.patch_width = min(c.patch_width * 2, c.image_width)
    }
    c.head_count = UInt32(1 + random.below(4))
    c.hidden_size = c.head_count * UInt32(1 + random.below(largest / 2))
    c.layer_count = UInt32(1 + random.below(4))
    c.mlp_size = UInt32(1 + random.below(2 * largest))
    c.class_count = UInt32(1 + random.below(random.chance(2) ? largest : 5))
    c.representation_size = random.chance(2) ? UInt32(1 + random.below(largest)) : 0
    if random.chance(3) {
      c.member_count = 1
    } else {
      c.member_count = UInt32(1 + random.below(4))
      let experts = 1 + random.below(5)
      c.expert_count = c.member_count * UInt32(experts)
      c.selected_experts = UInt32(1 + random.below(experts))
      c.expert_mlp_size = UInt32(1 + random.below(2 * largest))
      c.moe_layers.0 = 1 << UInt64(random.below(Int(c.layer_count))) | random.next() % (1 << UInt64(c.layer_count))
      c.capacity_mode = UInt32(random.below(3))
      c.capacity = c.capacity_mode == 0 ? 0 : UInt32(1 + random.below(20))
    }
    c.query_key_norm = UInt32(random.below(2))
    c.activation = UInt32(random.below(2))
    c.norm_epsilon = random.chance(4) ? 1e-12 : 1e-6
    c.class_token = UInt32(random.below(2))
    c.register_count = random.chance(3) ? UInt32(1 + random.below(5)) : 0
    c.classifier = UInt32(random.below(6))
    switch c.classifier {
    case UInt32(E3_FILE_CLASSIFIER_TOKEN.rawValue), UInt32(E3_FILE_CLASSIFIER_TOKEN_GAP.rawValue): c.class_token = 1
    case UInt32(E3_FILE_CLASSIFIER_TOKEN_PAIR.rawValue):
      (c.class_token, c.register_count) = (1, max(1, c.register_count))
    case UInt32(E3_FILE_CLASSIFIER_FIRST.rawValue): (c.class_token, c.register_count) = (0, 0)
    case UInt32(E3_FILE_CLASSIFIER_GAP.rawValue): c.norm_after_pooling = UInt32(random.below(2))
    default: break
    }
    (c.value_low, c.value_high) = (-1, 1)
    return c
  }
}

extension SplitMix {
  /// Below `bound`.
  package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  /// Once in `times`.
  package mutating func chance(_ times: Int) -> Bool { below(times) == 0 }
}
