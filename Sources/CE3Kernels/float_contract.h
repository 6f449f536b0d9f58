/*
 * float_contract.h - one float operation is one rounding: the compiler must not fuse a multiply with an add. Included first
 * by every file that has float arithmetic, before the headers of the instruction sets. Private to this module.
 *
 * It stands in the sources and not among the flags of the build, because SwiftPM refuses such flags from a dependency.
 * tools/cross/kernel-check looks for fused instructions.
 */
#ifndef E3K_FLOAT_CONTRACT_H
#define E3K_FLOAT_CONTRACT_H

#ifndef __clang__
#error "compile with clang: other compilers may not keep to the pragma, and every bit depends on it"
#endif
#pragma STDC FP_CONTRACT OFF

#endif
