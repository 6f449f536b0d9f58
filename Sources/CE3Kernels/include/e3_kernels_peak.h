/*
 * e3_kernels_peak.h - what a core can do at best, measured with loops that do nothing else. For benchmarks.
 */
#ifndef E3_KERNELS_PEAK_H
#define E3_KERNELS_PEAK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Runs `rounds` rounds of the tier's int8 multiply-accumulate on registers only: independent accumulators, no loads.
 * On AVX2 and NEON, which have no instruction that adds byte products to int32, it is the shortest exact sequence; AVX2
 * has two, loops 0 and 1, and the peak is the faster one's. Other tiers have loop 0.
 * Returns the multiply-accumulates done; 0 when the tier has no such loop or the CPU lacks it. */
uint64_t e3k_peak_macs(uint32_t isa, uint32_t loop, uint64_t rounds);

/* Reads `bytes` bytes (a multiple of 512, 64-byte aligned) once, in order, and returns a value that depends on all of
 * them: the read bandwidth of one core. */
uint64_t e3k_read_all(const void *memory, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
