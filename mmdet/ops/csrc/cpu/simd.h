// Vector code without -march: the compiler makes one copy of a function per instruction set, and the loader selects the
// one for the processor. All copies round alike, as fused multiply-add is off for the whole library.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define MASKTRACK_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define MASKTRACK_CLONES
#endif

#if defined(__GNUC__)
// Bodies are templates; they must be inlined into the cloned function to be compiled for its instruction set.
#define MASKTRACK_INLINE inline __attribute__((always_inline))
#else
#define MASKTRACK_INLINE inline
#endif
