// Launches kernels on the stream and device of a tensor.
#pragma once

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/macros.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/shim_utils.h>

#include <algorithm>
#include <cstdint>

#ifndef MASKTRACK_EMULATE_CUDA
#include <cuda_runtime.h>

namespace masktrack {
using torch::stable::accelerator::DeviceGuard;
}

#define MASKTRACK_LAUNCH(kernel, blocks, threads, stream, ...) \
  kernel<<<blocks, threads, 0, stream>>>(__VA_ARGS__);         \
  STD_CUDA_KERNEL_LAUNCH_CHECK()
#endif

namespace masktrack {

inline cudaStream_t current_stream(const torch::stable::Tensor& tensor) {
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream));
  return static_cast<cudaStream_t>(stream);
}

// Blocks for `total` independent elements; kernels loop over the elements above the limit.
inline unsigned int blocks_for(int64_t total, int64_t threads) {
  return static_cast<unsigned int>(std::min<int64_t>((total + threads - 1) / threads, 1 << 20));
}

}  // namespace masktrack
