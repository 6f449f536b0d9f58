/// Fields under a wrong name: that of another library, or a misspelt one.
enum FieldSpelling {
  /// What libraries call the same.
  private static let synonyms: [[String]] = [
    [
      "hidden_size", "embed_dim", "num_features", "hidden_dim", "embedding_dim", "embed_dims", "d_model", "width",
      "dim",
    ],
    ["num_hidden_layers", "num_layers", "depth", "n_layers", "n_layer", "layers", "num_blocks"],
    ["num_attention_heads", "num_heads", "n_heads", "n_head", "heads"],
    ["intermediate_size", "mlp_dim", "mlp_size", "mlp_hidden_dim", "ffn_dim", "d_ff", "mlp_ratio"],
    ["num_channels", "channels", "in_chans", "in_channels", "input_channels"],
    ["image_size", "img_size", "input_size", "image_resolution", "input_resolution"],
    ["patch_size", "patches", "patch"],
    ["num_classes", "num_labels", "id2label", "n_classes", "classes"],
    ["id2label", "label_names", "labels", "class_names", "names"],
    ["hidden_act", "activation", "act_layer", "act", "hidden_activation", "activation_function"],
    ["layer_norm_eps", "layer_norm_epsilon", "norm_eps", "ln_eps", "epsilon", "eps"],
    ["num_register_tokens", "register_tokens", "reg_tokens", "num_registers", "num_reg_tokens", "registers"],
    ["global_pool", "classifier", "pool", "pool_type", "pooling"],
    ["class_token", "use_class_token", "cls_token"],
    ["init_values", "layerscale_value", "layer_scale_init_value", "layer_scale"],
    ["qkv_bias", "attention_bias", "use_bias"],
    ["position_emb", "pos_embed", "position_embedding", "posemb"],
    ["num_experts", "n_experts", "experts"],
    ["ensemble_size", "num_members", "members"],
    ["num_selected_experts", "top_k", "k"],
    ["mean", "image_mean"], ["std", "image_std"], ["resample", "interpolation"],
  ]

  /// Which of `names`, fields or paths to them, `field` probably means; nil where none is like it.
  static func meant(by field: String, among names: [String]) -> String? {
    func last(_ name: String) -> String { name.split(separator: ".").last.map(String.init) ?? name }
    if let name = names.first(where: { last($0) == field }) { return name }
    for group in synonyms where group.contains(field) {
      for synonym in group {
        if let name = names.first(where: { last($0) == synonym }) { return name }
      }
    }
    let close = names.map { (name: $0, distance: distance(Array(field.utf8), Array(last($0).utf8))) }
      .filter { $0.distance <= max(1, min(2, field.utf8.count / 5)) && $0.distance < field.utf8.count / 2 }
    return close.min { ($0.distance, $0.name) < ($1.distance, $1.name) }?.name
  }

  /// Letters to insert, remove or replace.
  private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    guard abs(a.count - b.count) <= 2 else { return 3 }
    var row = Array(0...b.count)
    for i in a.indices {
      var corner = row[0]
      row[0] = i + 1
      for j in b.indices {
        let change = a[i] == b[j] ? corner : 1 + min(corner, row[j], row[j + 1])
        (corner, row[j + 1]) = (row[j + 1], change)
      }
    }
    return row[b.count]
  }
}
