// What every kernel file shares: the marker for code that runs on both devices, and reading of arguments.
#pragma once

#if defined(__CUDACC__) || defined(MASKTRACK_EMULATE_CUDA)
#define MASKTRACK_HD __host__ __device__ __forceinline__
#else
#define MASKTRACK_HD inline
#endif

namespace masktrack {

// Coordinates, weights and sums of half-precision features are kept in single precision.
template <typename T>
struct Accumulate {
  using type = float;
};
template <>
struct Accumulate<double> {
  using type = double;
};

}  // namespace masktrack
