// Shared by all source files: the marker for code that runs on both devices, and the name of the library.
#pragma once

#if defined(__CUDACC__) || defined(MASKTRACK_EMULATE_CUDA)
#define MASKTRACK_HD __host__ __device__ __forceinline__
#else
#define MASKTRACK_HD inline
#endif

// Operators live in torch.ops.masktrack. tests/ops/emulation builds the CUDA kernels for the CPU under another
// name. The extra macro is needed as the macros of torch do not expand the name in every version.
#ifndef MASKTRACK_NAMESPACE
#define MASKTRACK_NAMESPACE masktrack
#define MASKTRACK_CUDA_KEY CUDA
#endif
#define MASKTRACK_LIBRARY(name, m) STABLE_TORCH_LIBRARY(name, m)
#define MASKTRACK_LIBRARY_IMPL(name, key, m) STABLE_TORCH_LIBRARY_IMPL(name, key, m)
