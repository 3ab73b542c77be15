// Vector code without -march: it is compiled once per instruction set, and chosen when it runs. All copies round alike,
// as fused multiply-add is off for the whole library.
#pragma once

#include <type_traits>

#if defined(__x86_64__) && defined(__GNUC__)
#define MASKTRACK_X86
#endif

// Functions, and lambdas after their parameters, that are compiled for the instruction set of their caller.
#if defined(__GNUC__)
#define MASKTRACK_INLINED __attribute__((always_inline))
#else
#define MASKTRACK_INLINED
#endif
#define MASKTRACK_INLINE inline MASKTRACK_INLINED

namespace masktrack {
namespace {

#ifdef MASKTRACK_X86
template <typename F>
__attribute__((target("avx512f"))) void with_avx512(F& function) {
  function(std::integral_constant<int, 64>());
}

template <typename F>
__attribute__((target("avx2"))) void with_avx2(F& function) {
  function(std::integral_constant<int, 32>());
}
#endif

// Call an inlined lambda for the processor, with the bytes of its vector registers as a constant: vectors of another
// size are compiled to much slower code.
template <typename F>
void with_vectors(F function) {
#ifdef MASKTRACK_X86
  static const bool avx512 = __builtin_cpu_supports("avx512f"), avx2 = __builtin_cpu_supports("avx2");
  if (avx512) return with_avx512(function);
  if (avx2) return with_avx2(function);
#endif
  function(std::integral_constant<int, 16>());
}

}  // namespace
}  // namespace masktrack
