// Just enough CUDA for the kernels to run on the CPU: a thread per CUDA thread, one block after another. Slow, but it
// executes the code itself, so that its logic is tested where there is no GPU. Included before each .cu file.
#pragma once

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <atomic>
#include <barrier>
#include <functional>
#include <thread>
#include <vector>

#define MASKTRACK_NAMESPACE masktrack_emulated
#define MASKTRACK_CUDA_KEY CPU

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static  // blocks run one after another
#define __syncthreads() emulation::block->arrive_and_wait()

struct dim3 {
  unsigned int x = 1, y = 1, z = 1;
  dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) : x(x_), y(y_), z(z_) {}
};
using cudaStream_t = void*;
inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

inline thread_local std::barrier<>* block = nullptr;

inline void launch(dim3 grid, unsigned int threads, const std::function<void()>& kernel) {
  std::barrier<> barrier(threads);
  std::vector<std::thread> pool;
  for (unsigned int t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      threadIdx = dim3(t, 0, 0), blockDim = dim3(threads), gridDim = grid, block = &barrier;
      for (unsigned int y = 0; y < grid.y; ++y) {
        for (unsigned int x = 0; x < grid.x; ++x) {
          blockIdx = dim3(x, y, 0);
          kernel();
          barrier.arrive_and_wait();
        }
      }
    });
  }
  for (auto& thread : pool) thread.join();
}

}  // namespace emulation

template <typename T>
void atomicAdd(T* address, T value) {
  std::atomic_ref<T>(*address).fetch_add(value);
}

#define MASKTRACK_LAUNCH(kernel, blocks, threads, stream, ...) \
  (void)(stream);                                              \
  emulation::launch(blocks, threads, [=] { kernel(__VA_ARGS__); })

#define aoti_torch_get_current_cuda_stream(index, stream) (*(stream) = nullptr, 0)

namespace masktrack {
struct DeviceGuard {
  explicit DeviceGuard(int) {}
};
}  // namespace masktrack
