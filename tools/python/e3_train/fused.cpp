// The parts of a transformer block around its matrix products, each as one pass over the data, with their gradients.
//
// Shapes: R rows of H hidden values; S sequences of T tokens; A heads of D = H/A values. Activations between products
// are bfloat16, residual streams and parameters of the layer normalisation float32, and all arithmetic float32.
// Sums have a fixed order: the same inputs give the same bits.

#include <torch/extension.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

using torch::Tensor;

namespace {

using bf16 = c10::BFloat16;

inline float load(bf16 value) {
  uint32_t bits = uint32_t(value.x) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

// Rounds to nearest, ties to even. No value here is a NaN.
inline bf16 store(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bf16(uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16), bf16::from_bits());
}

void load_row(const bf16 *from, float *to, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = load(from[i]);
}

} // namespace

// x [R, H] float32 + y [R, H] bfloat16 (or none) -> the sum, its layer normalisation in bfloat16, and the inverse
// standard deviations [R] and means [R].
std::vector<Tensor> add_norm(Tensor x, std::optional<Tensor> y, Tensor scale, Tensor bias) {
  int64_t rows = x.size(0), width = x.size(1);
  Tensor sum = y ? torch::empty_like(x) : x, normal = torch::empty({rows, width}, torch::kBFloat16);
  Tensor mean = torch::empty({rows}), inverse = torch::empty({rows});
  const float *in = x.data_ptr<float>(), *s = scale.data_ptr<float>(), *b = bias.data_ptr<float>();
  const bf16 *add = y ? y->data_ptr<bf16>() : nullptr;
  float *out = sum.data_ptr<float>(), *means = mean.data_ptr<float>(), *inverses = inverse.data_ptr<float>();
  bf16 *n = normal.data_ptr<bf16>();
  for (int64_t row = 0; row < rows; row++, in += width, out += width, n += width) {
    if (add) {
      for (int64_t i = 0; i < width; i++) out[i] = in[i] + load(add[i]);
      add += width;
    }
    float total = 0, squares = 0;
    for (int64_t i = 0; i < width; i++) total += out[i];
    float m = total / width;
    for (int64_t i = 0; i < width; i++) squares += (out[i] - m) * (out[i] - m);
    float r = 1 / std::sqrt(squares / width + 1e-6f);
    for (int64_t i = 0; i < width; i++) n[i] = store((out[i] - m) * r * s[i] + b[i]);
    means[row] = m, inverses[row] = r;
  }
  return {sum, normal, mean, inverse};
}

// The gradient of add_norm: d_sum and d_normal -> that of x (and, rounded, of y), of scale and of bias.
std::vector<Tensor> add_norm_backward(Tensor d_sum, Tensor d_normal, Tensor sum, Tensor mean, Tensor inverse,
                                      Tensor scale, bool has_y) {
  int64_t rows = sum.size(0), width = sum.size(1);
  Tensor dx = torch::empty_like(sum), dy, d_scale = torch::zeros({width}), d_bias = torch::zeros({width});
  if (has_y) dy = torch::empty({rows, width}, torch::kBFloat16);
  const float *ds = d_sum.defined() ? d_sum.data_ptr<float>() : nullptr, *x = sum.data_ptr<float>();
  const float *means = mean.data_ptr<float>(), *inverses = inverse.data_ptr<float>(), *s = scale.data_ptr<float>();
  const bf16 *dn = d_normal.data_ptr<bf16>();
  float *out = dx.data_ptr<float>(), *gs = d_scale.data_ptr<float>(), *gb = d_bias.data_ptr<float>();
  bf16 *rounded = has_y ? dy.data_ptr<bf16>() : nullptr;
  std::vector<float> gradient(width), unit(width);
  float *g = gradient.data(), *u = unit.data();
  for (int64_t row = 0; row < rows; row++, x += width, dn += width, out += width) {
    float m = means[row], r = inverses[row], total = 0, along = 0;
    for (int64_t i = 0; i < width; i++) {
      float d = load(dn[i]);
      u[i] = (x[i] - m) * r;
      gs[i] += d * u[i];
      gb[i] += d;
      g[i] = d * s[i];
      total += g[i];
      along += g[i] * u[i];
    }
    total /= width, along /= width;
    for (int64_t i = 0; i < width; i++) out[i] = r * (g[i] - total - u[i] * along);
    if (ds) {
      for (int64_t i = 0; i < width; i++) out[i] += ds[i];
      ds += width;
    }
    if (rounded) {
      for (int64_t i = 0; i < width; i++) rounded[i] = store(out[i]);
      rounded += width;
    }
  }
  return {dx, dy, d_scale, d_bias};
}

namespace {

constexpr float kRoot = 0.7978845608028654f, kCube = 0.044715f;

// GELU is v / (1 + odds(v)). Bounded, as fast division by infinity gives NaN.
float odds(float v) { return std::exp(std::min(80.0f, -2 * kRoot * (v + kCube * v * v * v))); }

} // namespace

// The tanh form of GELU; x is kept for the gradient.
Tensor gelu(Tensor x) {
  Tensor y = torch::empty_like(x);
  const bf16 *in = x.data_ptr<bf16>();
  bf16 *out = y.data_ptr<bf16>();
  int64_t count = x.numel();
  for (int64_t i = 0; i < count; i++) {
    float v = load(in[i]);
    out[i] = store(v / (1 + odds(v)));
  }
  return y;
}

Tensor gelu_backward(Tensor gradient, Tensor x) {
  Tensor dx = torch::empty_like(x);
  const bf16 *in = x.data_ptr<bf16>(), *g = gradient.data_ptr<bf16>();
  bf16 *out = dx.data_ptr<bf16>();
  int64_t count = x.numel();
  for (int64_t i = 0; i < count; i++) {
    float v = load(in[i]);
    float against = odds(v), share = 1 / (1 + against);
    float slope = share * (1 + v * against * share * 2 * kRoot * (1 + 3 * kCube * v * v));
    out[i] = store(load(g[i]) * slope);
  }
  return dx;
}

namespace {

// Sixteen values that are computed with at once.
typedef float Lanes __attribute__((vector_size(64), aligned(4), may_alias));

const Lanes *lanes(const float *values) { return reinterpret_cast<const Lanes *>(values); }

// Work on one head of D values, its tokens padded to L. All sizes but the number of tokens are known to the compiler.
template <int L, int D> struct Head {
  int64_t tokens;
  alignas(64) float q[L][D], k[L][D], v[L][D], p[L][L];

  // One head's part of [T, stride] values as float32.
  void load_part(const bf16 *from, int64_t stride, float (*to)[D]) const {
    for (int64_t t = 0; t < tokens; t++)
      for (int d = 0; d < D; d++) to[t][d] = load(from[t * stride + d]);
  }

  void store_part(const float (*from)[D], bf16 *to, int64_t stride) const {
    for (int64_t t = 0; t < tokens; t++)
      for (int d = 0; d < D; d++) to[t * stride + d] = store(from[t][d]);
  }

  // c [T, L] = a [T, D] x b^T, for b [T, D].
  void outer(const float (*a)[D], const float (*b)[D], float (*c)[L]) const {
    alignas(64) float bt[D][L] = {};
    for (int64_t u = 0; u < tokens; u++)
      for (int d = 0; d < D; d++) bt[d][u] = b[u][d];
    for (int64_t t = 0; t < tokens; t += 4) {
      Lanes lines[4][L / 16] = {};
#pragma GCC unroll 4
      for (int d = 0; d < D; d++)
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
#pragma GCC unroll 4
          for (int u = 0; u < L / 16; u++) lines[r][u] += a[t + r][d] * lanes(bt[d])[u];
      std::memcpy(c[t], lines, sizeof lines);
    }
  }

  // c [T, D] = a x b for a [T, T], or with a transposed.
  template <bool Transposed> void inner(const float (*a)[L], const float (*b)[D], float (*c)[D]) const {
    for (int64_t t = 0; t < tokens; t += 4) {
      Lanes lines[4][D / 16] = {};
      for (int64_t u = 0; u < tokens; u++)
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
          float share = Transposed ? a[u][t + r] : a[t + r][u];
#pragma GCC unroll 4
          for (int d = 0; d < D / 16; d++) lines[r][d] += share * lanes(b[u])[d];
        }
      std::memcpy(c[t], lines, sizeof lines);
    }
  }

  // Loads queries, keys and values; p = softmax(q k^T / sqrt(D)), zero in the padding.
  void attend(const bf16 *qkv, int64_t width) {
    load_part(qkv, 3 * width, q);
    load_part(qkv + width, 3 * width, k);
    load_part(qkv + 2 * width, 3 * width, v);
    outer(q, k, p);
    const float scale = 1 / std::sqrt(float(D));
    for (int64_t t = 0; t < tokens; t++) {
      float top = p[t][0], total = 0;
      for (int64_t u = 1; u < tokens; u++) top = std::max(top, p[t][u]);
      for (int u = 0; u < L; u++) p[t][u] = u < tokens ? std::exp((p[t][u] - top) * scale) : 0;
      for (int u = 0; u < L; u++) total += p[t][u];
      for (int u = 0; u < L; u++) p[t][u] /= total;
    }
  }
};

template <int L, int D> void attend(const bf16 *qkv, bf16 *out, int64_t sequences, int64_t tokens, int64_t width) {
  auto head = std::make_unique<Head<L, D>>();
  head->tokens = tokens;
  float mixed[L][D];
  for (int64_t s = 0; s < sequences; s++, qkv += 3 * tokens * width, out += tokens * width)
    for (int64_t first = 0; first < width; first += D) {
      head->attend(qkv + first, width);
      head->template inner<false>(head->p, head->v, mixed);
      head->store_part(mixed, out + first, width);
    }
}

template <int L, int D>
void attend_backward(const bf16 *gradient, const bf16 *qkv, bf16 *out, int64_t sequences, int64_t tokens, int64_t width) {
  auto head = std::make_unique<Head<L, D>>();
  head->tokens = tokens;
  const float scale = 1 / std::sqrt(float(D));
  alignas(64) float g[L][D], ds[L][L], d[L][D];
  for (int64_t s = 0; s < sequences; s++) {
    for (int64_t first = 0; first < width; first += D) {
      head->attend(qkv + first, width);
      head->load_part(gradient + first, width, g);
      head->outer(g, head->v, ds);
      for (int64_t t = 0; t < tokens; t++) {
        float along = 0;
        for (int u = 0; u < L; u++) along += ds[t][u] * head->p[t][u];
        for (int u = 0; u < L; u++) ds[t][u] = head->p[t][u] * (ds[t][u] - along) * scale;
      }
      head->template inner<false>(ds, head->k, d);
      head->store_part(d, out + first, 3 * width);
      head->template inner<true>(ds, head->q, d);
      head->store_part(d, out + width + first, 3 * width);
      head->template inner<true>(head->p, g, d);
      head->store_part(d, out + 2 * width + first, 3 * width);
    }
    qkv += 3 * tokens * width, out += 3 * tokens * width, gradient += tokens * width;
  }
}

} // namespace

// Self-attention with heads of 32 values: qkv [S*T, 3H] (queries, keys, values side by side) -> [S*T, H]. At most 64
// tokens.
Tensor attention(Tensor qkv, int64_t tokens) {
  int64_t width = qkv.size(1) / 3, sequences = qkv.size(0) / tokens;
  TORCH_CHECK(tokens <= 64 && width % 32 == 0, "attention for heads of 32 values and at most 64 tokens");
  Tensor out = torch::empty({qkv.size(0), width}, qkv.options());
  auto run = tokens <= 16 ? attend<16, 32> : tokens <= 32 ? attend<32, 32> : attend<64, 32>;
  run(qkv.data_ptr<bf16>(), out.data_ptr<bf16>(), sequences, tokens, width);
  return out;
}

Tensor attention_backward(Tensor gradient, Tensor qkv, int64_t tokens) {
  int64_t width = qkv.size(1) / 3, sequences = qkv.size(0) / tokens;
  Tensor out = torch::empty_like(qkv);
  auto run = tokens <= 16 ? attend_backward<16, 32> : tokens <= 32 ? attend_backward<32, 32> : attend_backward<64, 32>;
  run(gradient.data_ptr<bf16>(), qkv.data_ptr<bf16>(), out.data_ptr<bf16>(), sequences, tokens, width);
  return out;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("add_norm", &add_norm);
  module.def("add_norm_backward", &add_norm_backward);
  module.def("gelu", &gelu);
  module.def("gelu_backward", &gelu_backward);
  module.def("attention", &attention);
  module.def("attention_backward", &attention_backward);
}
