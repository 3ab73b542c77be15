// Vector code without -march: the compiler makes one copy of a function per instruction set, and the loader selects the
// one for the processor. All copies round alike, as fused multiply-add is off for the whole library.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define MASKTRACK_X86
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

namespace masktrack {
namespace {

// Bytes of a vector register. Vectors of another size are compiled to much slower code.
inline int vector_bytes() {
#ifdef MASKTRACK_X86
  static const int bytes = __builtin_cpu_supports("avx512f") ? 64 : __builtin_cpu_supports("avx2") ? 32 : 16;
  return bytes;
#else
  return 16;
#endif
}

}  // namespace
}  // namespace masktrack
