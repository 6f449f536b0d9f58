import E3Host

/// What stands between the slashes and dots of a name.
private func components(_ name: String) -> [Substring] {
  name.utf8.split { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ".") }.map { Substring($0) }
}

/// Tensors that training leaves in a checkpoint and inference does not use.
enum UnusedTensors {
  /// Why the tensor `name` is none of the model's; nil where that is not known.
  ///
  /// - Parameter isTop: Whether the name begins at the top of the file, where the parts of a training state are.
  static func reason(_ name: String, shape: [Int] = [], isTop: Bool = true) -> String? {
    if isTop, let reason = reasonOfRoot(name) { return reason }
    let parts = components(name).map { String($0) }
    if parts.contains(where: { $0 == "rng" || $0.hasSuffix("rng_state") || $0.hasSuffix("rng_states") }) {
      return "training state"
    }
    return reasonInBlock(name, shape: shape)
  }

  /// The same where the first part of `name` tells it.
  static func reasonOfRoot(_ name: String) -> String? {
    guard let end = name.utf8.firstIndex(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ".") }) else {
      return counters.contains(name) ? roots[name] : nil
    }
    return roots[String(name[..<end])]
  }

  /// The same for a tensor in an encoder block, where hardly anything is known not to matter.
  static func reasonInBlock(_ name: String, shape: [Int]) -> String? {
    if let last = components(name).last, leaves.contains(String(last)) { return "counter" }
    return shape.contains(0) ? "empty" : nil
  }

  /// Whether the first part of `name` is that of a moving average of the weights.
  static func isMovingAverage(_ name: String) -> Bool { name.utf8.count > 0 && reasonOfRoot(name) == movingAverage }

  static let movingAverage = "moving average"
  static let optimizerState = "optimizer state"

  /// Whether the tensor `name` of a moving average, beside its model, is what averaging keeps: how often, how fast.
  static func isOfAveraging(_ name: String, shape: [Int]) -> Bool {
    guard elementCount(of: shape) == 1, let last = components(name).last else { return false }
    return ["decay", "min_decay", "max_decay", "updates", "optimization_step", "initted", "collected_params"]
      .contains(String(last)) || counters.contains(String(last))
  }

  /// Whether a part of `name` is what optimizers call the moments that they keep of every weight.
  static func isMoment(_ name: String) -> Bool { components(name).contains { moments.contains(String($0)) } }

  private static let moments: Set<String> = [
    "mu", "nu", "m", "v", "trace", "momentum", "momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "v_row",
    "v_col", "exp_avg_sq_row", "exp_avg_sq_col", "square_avg", "grad_avg", "acc_delta", "sum", "sum_of_squares",
    "grad_ema", "grad_sq_ema", "ema", "acc_grads", "inner_state", "param_states", "z",
  ]

  private static let counters: Set<String> = ["step", "steps", "global_step", "epoch", "iteration"]

  /// By the first part of the name.
  private static let roots: [String: String] = {
    var roots: [String: String] = [:]
    // `optimizer_states`, `lr_schedulers`, `loops`, `callbacks`, `hyper_parameters`: PyTorch Lightning's.
    for name in [
      "opt", "opt_state", "optimizer", "optimizer_state", "optimizer_state_dict", "optimizer_states",
      "optim", "slots",
    ] {
      roots[name] = optimizerState
    }
    for name in [
      "ema", "ema_params", "ema_state_dict", "model_ema", "module_ema", "state_dict_ema", "params_ema", "shadow",
    ] { roots[name] = movingAverage }
    for name in [
      "rngs", "rng", "chrono", "extra", "lr_scheduler", "lr_schedulers", "scheduler", "loops", "callbacks",
      "hyper_parameters", "amp_scaler", "scaler", "loss_scaler",
    ] {
      roots[name] = "training state"
    }
    for name in counters { roots[name] = "counter" }
    return roots
  }()

  /// The last parts of counters' names.
  private static let leaves: Set<String> = ["num_batches_tracked", "num_updates", "n_averaged"]
}

/// Tensors of architectures that are not computed. Without them the model would be another one.
enum ForeignTensors {
  /// What the tensor `name` belongs to; nil where it is nothing that is known.
  static func part(_ name: String) -> String? {
    // A name may have hundreds of components that are too short.
    components(name).lazy.filter { lengths.contains($0.utf8.count) }.compactMap { parts[String($0)] }.first
  }

  private static let lengths: Set<Int> = Set(parts.keys.map(\.utf8.count))

  private static let parts: [String: String] = [
    "norm_pre": "a layer norm before the first block, as CLIP has", "ln_pre": "a layer norm before the first block",
    "pre_layrnorm": "a layer norm before the first block, as CLIP has",
    "q_norm": "norms of queries and keys of another kind than V-MoE's",
    "k_norm": "norms of queries and keys of another kind than V-MoE's",
    "relative_position_bias_table": "relative positions", "relative_position_bias": "relative positions",
    "rel_pos_bias": "relative positions", "rel_pos": "relative positions", "rope": "rotary positions",
    "rope_embed": "rotary positions", "freqs": "rotary positions", "weights_in": "MLPs with SwiGLU",
    "weights_out": "MLPs with SwiGLU", "w12": "MLPs with SwiGLU", "fc1_g": "MLPs with SwiGLU",
    "fc1_x": "MLPs with SwiGLU", "lambda_q1": "differential attention", "sub_norm": "a norm inside attention or MLP",
    "attns": "blocks of several attentions and MLPs side by side",
    "ffns": "blocks of several attentions and MLPs side by side",
    "attn_out_proj": "blocks with attention and MLP side by side",
    "mlp_out_proj": "blocks with attention and MLP side by side",
    "conv_root": "a ResNet before the transformer",
    "gn_root": "a ResNet before the transformer",
  ]
}
