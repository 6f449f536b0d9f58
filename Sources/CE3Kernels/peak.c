/*
 * peak.c - loops that only multiply, and one that only reads. See e3_kernels_peak.h.
 */
#include "e3_kernels_peak.h"

#include "tiers.h"

#if E3K_X86
#include <immintrin.h>
#elif E3K_ARM
#include <arm_neon.h>
#endif

/* Twelve accumulators hide the latency of two multipliers of up to six cycles. The empty assembly makes each value one
 * that the compiler knows nothing about. */
enum { ACCUMULATORS = 12 };

/* A loop of one instruction, DOT(sums, x, w): byte products, four to each 32-bit sum. */
#define PEAK_OF_DOT(NAME, TARGET, SUMS, BYTES, SPLAT, OPAQUE, DOT) \
  __attribute__((target(TARGET))) static void NAME(uint64_t rounds) { \
    BYTES x = SPLAT(3), w = SPLAT(5); \
    SUMS sums[ACCUMULATORS] = {0}; \
    OPAQUE(x); \
    OPAQUE(w); \
    for (uint64_t round = 0; round < rounds; round++) { \
      for (int i = 0; i < ACCUMULATORS; i++) sums[i] = DOT(sums[i], x, w); \
      for (int i = 0; i < ACCUMULATORS; i++) OPAQUE(sums[i]); \
    } \
  }

#if E3K_X86
#define OPAQUE(value) __asm__ __volatile__("" : "+v"(value))
#define OPAQUE_VEX(value) __asm__ __volatile__("" : "+x"(value))

PEAK_OF_DOT(peak_avx512vnni, "avx512f,avx512bw,avx512vl,avx512vnni", __m512i, __m512i, _mm512_set1_epi8, OPAQUE,
            _mm512_dpbusd_epi32)
PEAK_OF_DOT(peak_avxvnni, "avx2,avxvnni", __m256i, __m256i, _mm256_set1_epi8, OPAQUE_VEX, _mm256_dpbusd_avx_epi32)

/* Bytes already widened to 16 bits: products of pairs, sums. */
__attribute__((target("avx2"))) static void peak_avx2_wide(uint64_t rounds) {
  __m256i x = _mm256_set1_epi16(3), w = _mm256_set1_epi16(5), sums[ACCUMULATORS];
  for (int i = 0; i < ACCUMULATORS; i++) sums[i] = _mm256_setzero_si256();
  OPAQUE_VEX(x);
  for (uint64_t round = 0; round < rounds; round++) {
    for (int i = 0; i < ACCUMULATORS; i++) {
      OPAQUE_VEX(w);
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(x, w));
    }
    for (int i = 0; i < ACCUMULATORS; i++) OPAQUE_VEX(sums[i]);
  }
}

/* Bytes, as x86/split_weights.inc.h multiplies them: x with the signs of w, products of pairs, sums of pairs, sums. Four
 * of each side by side, in the order of the source, because the processor's choice of a unit for an instruction depends
 * on its neighbours: Zen 3 takes 1.00 cycles for 32 products so, and 1.06 for one chain after the other. */
enum { BYTE_ACCUMULATORS = 8 };
__attribute__((target("avx2"))) static void peak_avx2_bytes(uint64_t rounds) {
  const __m256i x = _mm256_set1_epi8(3), w = _mm256_set1_epi8(5), ones = _mm256_set1_epi16(1);
  __m256i sums[BYTE_ACCUMULATORS], products[4];
  for (int i = 0; i < BYTE_ACCUMULATORS; i++) sums[i] = _mm256_setzero_si256();
#define FOUR(INSTRUCTION, OUT, ...) \
  E3K_UNROLL for (int i = 0; i < 4; i++) __asm__ __volatile__(INSTRUCTION : OUT : __VA_ARGS__)
  for (uint64_t round = 0; round < rounds; round++) {
    E3K_UNROLL for (int from = 0; from < BYTE_ACCUMULATORS; from += 4) {
      FOUR("vpxor %1, %2, %0", "=x"(products[i]), "x"(x), "x"(w));
      FOUR("vpmaddubsw %0, %1, %0", "+x"(products[i]), "x"(w));
      FOUR("vpmaddwd %1, %0, %0", "+x"(products[i]), "x"(ones));
      FOUR("vpaddd %1, %0, %0", "+x"(sums[from + i]), "x"(products[i]));
    }
  }
#undef FOUR
}

uint64_t e3k_peak_macs(uint32_t isa, uint32_t loop, uint64_t rounds) {
  if (!e3k_select(isa) || loop > (isa == E3_ISA_AVX2)) return 0;
  switch (isa) {
    case E3_ISA_AVX512VNNI: peak_avx512vnni(rounds); return rounds * ACCUMULATORS * 64;
    case E3_ISA_AVXVNNI: peak_avxvnni(rounds); return rounds * ACCUMULATORS * 32;
    case E3_ISA_AVX2:
      if (loop == 1) {
        peak_avx2_wide(rounds);
        return rounds * ACCUMULATORS * 16;
      }
      peak_avx2_bytes(rounds);
      return rounds * BYTE_ACCUMULATORS * 32;
    default: return 0;
  }
}

#elif E3K_ARM
#define OPAQUE(value) __asm__ __volatile__("" : "+w"(value))

static void peak_neon(uint64_t rounds) {
  int8x8_t x = vdup_n_s8(3), w = vdup_n_s8(5);
  int32x4_t sums[ACCUMULATORS];
  for (int i = 0; i < ACCUMULATORS; i++) sums[i] = vdupq_n_s32(0);
  for (uint64_t round = 0; round < rounds; round++) {
    /* Two products fit 16 bits: smull, smlal, and one pairwise addition into 32. */
    for (int i = 0; i < ACCUMULATORS; i++) {
      OPAQUE(x);
      OPAQUE(w);
      sums[i] = vpadalq_s16(sums[i], vmlal_s8(vmull_s8(x, w), x, w));
    }
    for (int i = 0; i < ACCUMULATORS; i++) OPAQUE(sums[i]);
  }
}

#if defined(__aarch64__)
PEAK_OF_DOT(peak_dotprod, "dotprod", int32x4_t, int8x16_t, vdupq_n_s8, OPAQUE, vdotq_s32)
PEAK_OF_DOT(peak_i8mm, "i8mm", int32x4_t, int8x16_t, vdupq_n_s8, OPAQUE, vmmlaq_s32)
#endif

uint64_t e3k_peak_macs(uint32_t isa, uint32_t loop, uint64_t rounds) {
  if (!e3k_select(isa) || loop > 0) return 0;
  switch (isa) {
    case E3_ISA_NEON: peak_neon(rounds); return rounds * ACCUMULATORS * 16;
#if defined(__aarch64__)
    case E3_ISA_DOTPROD: peak_dotprod(rounds); return rounds * ACCUMULATORS * 16;
    case E3_ISA_I8MM: peak_i8mm(rounds); return rounds * ACCUMULATORS * 32;
#endif
    default: return 0;
  }
}

#else

uint64_t e3k_peak_macs(uint32_t isa, uint32_t loop, uint64_t rounds) {
  (void)isa;
  (void)loop;
  (void)rounds;
  return 0;
}
#endif

/* Plain vectors, eight of them side by side: wide enough to wait for memory only. */
#if E3K_X86
__attribute__((target("avx2"))) static uint64_t read_avx2(const uint8_t *bytes, size_t count) {
  __m256i sums[8];
  for (int i = 0; i < 8; i++) sums[i] = _mm256_setzero_si256();
  for (size_t at = 0; at < count; at += 256) {
    for (int i = 0; i < 8; i++) {
      sums[i] = _mm256_xor_si256(sums[i], _mm256_load_si256((const __m256i *)(bytes + at + 32 * i)));
    }
  }
  for (int i = 1; i < 8; i++) sums[0] = _mm256_xor_si256(sums[0], sums[i]);
  uint64_t parts[4];
  _mm256_storeu_si256((__m256i *)parts, sums[0]);
  return parts[0] ^ parts[1] ^ parts[2] ^ parts[3];
}
#endif

uint64_t e3k_read_all(const void *memory, size_t bytes) {
#if E3K_X86
  if (e3k_select(E3_ISA_AVX2)) return read_avx2(memory, bytes);
#endif
  const uint64_t *words = memory;
  uint64_t sums[8] = {0};
  for (size_t at = 0; at < bytes / sizeof *words; at += 8) {
    for (int i = 0; i < 8; i++) sums[i] ^= words[at + i];
  }
  uint64_t all = 0;
  for (int i = 0; i < 8; i++) all ^= sums[i];
  return all;
}
