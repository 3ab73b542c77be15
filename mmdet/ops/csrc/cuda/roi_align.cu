// RoIAlign on the GPU: one thread per output element, forward and backward.
#include "../roi_align.h"

#include <torch/csrc/stable/library.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <cmath>
#include <cstdint>

#include "../roi_align_args.h"
#include "launch.h"

namespace masktrack {
namespace {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;

constexpr int kThreads = 256;

// Divisions of 32 bits are several times faster on a GPU. The loop of a kernel adds up to kThreads * 2^20 to an index.
constexpr int64_t kLargest32 = INT32_MAX - (int64_t(kThreads) << 20);

// One element of the pooled grid, and its region.
struct Element {
  int64_t k, c, p, q;
  int64_t level, image;
  bool usable;
};

// Neighboring threads access neighboring memory: columns of a contiguous map, channels of a channels-last one.
//
// A region whose indices are out of range is not usable: its output is NaN, and it has no gradient. A check on the host
// would wait for the GPU, and a device-side assertion would end all work on it.
template <typename I, typename A, typename P>
__device__ __forceinline__ Element locate(I index, const Regions<A>& regions, const P& pyramid, bool channels_last) {
  const I channels = I(pyramid.channels), height = I(regions.pooled_h), width = I(regions.pooled_w);
  Element element;
  if (channels_last) {
    element.c = index % channels, index /= channels;
    element.q = index % width, index /= width;
    element.p = index % height, index /= height;
  } else {
    element.q = index % width, index /= width;
    element.p = index % height, index /= height;
    element.c = index % channels, index /= channels;
  }
  element.k = index;
  element.level = regions.levels ? regions.levels[element.k] : 0;
  const A image = regions.rois[5 * element.k];
  element.usable = image >= A(0) && image < A(pyramid.batch) && element.level >= 0 && element.level < pyramid.levels;
  element.image = element.usable ? int64_t(image) : 0;
  return element;
}

template <typename T, typename A, typename I>
__global__ void forward_kernel(Pyramid<const T, A> pyramid, Regions<A> regions, bool channels_last, I total, T* out) {
  const I step = I(blockDim.x) * I(gridDim.x);
  for (I index = I(blockIdx.x) * I(blockDim.x) + I(threadIdx.x); index < total; index += step) {
    const auto at = locate(index, regions, pyramid, channels_last);
    if (!at.usable) {
      out[index] = T(A(NAN));
      continue;
    }
    const auto& level = pyramid.level[at.level];
    const A* roi = regions.rois + 5 * at.k;
    const auto axis_y = roi_axis(roi[2], roi[4], level.scale, regions.pooled_h, regions.sampling_ratio, regions.mode);
    const auto axis_x = roi_axis(roi[1], roi[3], level.scale, regions.pooled_w, regions.sampling_ratio, regions.mode);
    const T* plane = level.data + at.image * level.stride_n + at.c * level.stride_c;
    A sum = A(0);
    if (axis_y.grid > 0 && axis_x.grid > 0) {
      int64_t first_y, last_y, first_x, last_x;
      inside_range(axis_y, at.p, level.height, &first_y, &last_y);
      inside_range(axis_x, at.q, level.width, &first_x, &last_x);
      for (int64_t iy = first_y; iy < last_y; ++iy) {
        const Tap<A> y = make_tap(sample_coordinate(axis_y, at.p, iy), level.height);
        if (!y.inside) continue;
        const T *low = plane + y.low * level.stride_h, *high = plane + y.high * level.stride_h;
        for (int64_t ix = first_x; ix < last_x; ++ix) {
          const Tap<A> x = make_tap(sample_coordinate(axis_x, at.q, ix), level.width);
          if (!x.inside) continue;
          const int64_t left = x.low * level.stride_w, right = x.high * level.stride_w;
          sum += y.w_low * x.w_low * A(low[left]) + y.w_low * x.w_high * A(low[right]) +
                 y.w_high * x.w_low * A(high[left]) + y.w_high * x.w_high * A(high[right]);
        }
      }
    }
    out[index] = T(sum / sample_count(axis_y, axis_x, regions.mode));
  }
}

// Several bins read one pixel, so gradients are added atomically; the order, and the last bit, is not deterministic.
template <typename T, typename A, typename I>
__global__ void backward_kernel(Pyramid<A, A> pyramid, Regions<A> regions, bool channels_last, I total,
                                const T* grad, int64_t grad_k, int64_t grad_c, int64_t grad_h, int64_t grad_w) {
  const I step = I(blockDim.x) * I(gridDim.x);
  for (I index = I(blockIdx.x) * I(blockDim.x) + I(threadIdx.x); index < total; index += step) {
    const auto at = locate(index, regions, pyramid, channels_last);
    if (!at.usable) continue;
    const auto& level = pyramid.level[at.level];
    const A* roi = regions.rois + 5 * at.k;
    const auto axis_y = roi_axis(roi[2], roi[4], level.scale, regions.pooled_h, regions.sampling_ratio, regions.mode);
    const auto axis_x = roi_axis(roi[1], roi[3], level.scale, regions.pooled_w, regions.sampling_ratio, regions.mode);
    if (axis_y.grid == 0 || axis_x.grid == 0) continue;
    const A share = A(grad[at.k * grad_k + at.c * grad_c + at.p * grad_h + at.q * grad_w]) /
                    sample_count(axis_y, axis_x, regions.mode);
    A* plane = level.data + at.image * level.stride_n + at.c * level.stride_c;
    int64_t first_y, last_y, first_x, last_x;
    inside_range(axis_y, at.p, level.height, &first_y, &last_y);
    inside_range(axis_x, at.q, level.width, &first_x, &last_x);
    for (int64_t iy = first_y; iy < last_y; ++iy) {
      const Tap<A> y = make_tap(sample_coordinate(axis_y, at.p, iy), level.height);
      if (!y.inside) continue;
      A *low = plane + y.low * level.stride_h, *high = plane + y.high * level.stride_h;
      for (int64_t ix = first_x; ix < last_x; ++ix) {
        const Tap<A> x = make_tap(sample_coordinate(axis_x, at.q, ix), level.width);
        if (!x.inside) continue;
        const int64_t left = x.low * level.stride_w, right = x.high * level.stride_w;
        atomicAdd(low + left, y.w_low * x.w_low * share);
        atomicAdd(low + right, y.w_low * x.w_high * share);
        atomicAdd(high + left, y.w_high * x.w_low * share);
        atomicAdd(high + right, y.w_high * x.w_high * share);
      }
    }
  }
}

template <typename T, typename A, typename Pointer>
Pyramid<T, A> read_pyramid(const std::vector<Tensor>& maps, const std::vector<double>& scales, Pointer pointer) {
  Pyramid<T, A> pyramid;
  pyramid.levels = int64_t(maps.size());
  pyramid.batch = maps[0].size(0);
  pyramid.channels = maps[0].size(1);
  for (size_t i = 0; i < maps.size(); ++i) pyramid.level[i] = read_level<T, A>(maps[i], pointer(maps[i]), scales[i]);
  return pyramid;
}

// Call with the number of elements, in 32 bits if they suffice.
template <typename Run>
void with_index_type(int64_t total, Run run) {
  if (total <= kLargest32) run(int32_t(total));
  else run(total);
}

template <typename T, typename A>
void forward_typed(const std::vector<Tensor>& feats, const Tensor& rois, const std::optional<Tensor>& levels,
                   const std::vector<double>& scales, int64_t sampling_ratio, int64_t mode, Tensor& out) {
  const auto regions = read_regions<A>(rois, levels, out.size(2), out.size(3), sampling_ratio, mode, "roi_align");
  const auto pyramid =
      read_pyramid<const T, A>(feats, scales, [](const Tensor& map) { return map.const_data_ptr<T>(); });
  const int64_t total = out.numel();
  if (total == 0) return;
  with_index_type(total, [&](auto elements) {
    MASKTRACK_LAUNCH((forward_kernel<T, A, decltype(elements)>), blocks_for(total, kThreads), kThreads,
                     current_stream(rois), pyramid, regions, is_channels_last(feats[0]), elements,
                     out.mutable_data_ptr<T>());
  });
}

template <typename T, typename A>
void backward_typed(const Tensor& grad, const std::vector<Tensor>& maps, const Tensor& rois,
                    const std::optional<Tensor>& levels, const std::vector<double>& scales, bool channels_last,
                    int64_t sampling_ratio, int64_t mode) {
  const auto regions =
      read_regions<A>(rois, levels, grad.size(2), grad.size(3), sampling_ratio, mode, "roi_align_backward");
  const auto pyramid = read_pyramid<A, A>(maps, scales, [](const Tensor& map) { return map.mutable_data_ptr<A>(); });
  const int64_t total = grad.numel();
  if (total == 0) return;
  with_index_type(total, [&](auto elements) {
    MASKTRACK_LAUNCH((backward_kernel<T, A, decltype(elements)>), blocks_for(total, kThreads), kThreads,
                     current_stream(rois), pyramid, regions, channels_last, elements, grad.const_data_ptr<T>(),
                     grad.stride(0), grad.stride(1), grad.stride(2), grad.stride(3));
  });
}

void check_device(const Tensor& first, const Tensor& second, const char* op) {
  STD_TORCH_CHECK(first.get_device_index() == second.get_device_index() && first.is_cpu() == second.is_cpu(), op,
                  ": tensors on different devices");
}

Tensor roi_align_cuda(std::vector<Tensor> feats, Tensor rois, std::optional<Tensor> levels, std::vector<double> scales,
                      int64_t pooled_h, int64_t pooled_w, int64_t sampling_ratio, int64_t mode) {
  STD_TORCH_CHECK(!feats.empty(), "roi_align: expected at least one feature map");
  const ScalarType type = feats[0].scalar_type();
  const ScalarType sum_type = type == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
  check_maps(feats, scales, rois, sum_type, "roi_align");
  for (const Tensor& feat : feats) check_device(feat, rois, "roi_align");
  const DeviceGuard guard(rois.get_device_index());
  Tensor out = new_map(feats[0], rois.size(0), feats[0].size(1), pooled_h, pooled_w, is_channels_last(feats[0]), false,
                       type);
  auto run = [&](auto kernel) { kernel(feats, rois, levels, scales, sampling_ratio, mode, out); };
  if (type == ScalarType::Float) run(forward_typed<float, float>);
  else if (type == ScalarType::Double) run(forward_typed<double, double>);
  else if (type == ScalarType::Half) run(forward_typed<Half, float>);
  else if (type == ScalarType::BFloat16) run(forward_typed<BFloat16, float>);
  else STD_TORCH_CHECK(false, "roi_align: feature maps must be floating point");
  return out;
}

std::vector<Tensor> roi_align_backward_cuda(Tensor grad, Tensor rois, std::optional<Tensor> levels,
                                            std::vector<double> scales, std::vector<int64_t> sizes, bool channels_last,
                                            int64_t sampling_ratio, int64_t mode) {
  const char* op = "roi_align_backward";
  STD_TORCH_CHECK(grad.dim() == 4 && grad.size(0) == rois.size(0), op, ": grad must have shape (K, C, h, w)");
  check_device(grad, rois, op);
  const DeviceGuard guard(rois.get_device_index());
  const ScalarType type = grad.scalar_type();
  const ScalarType sum_type = type == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
  std::vector<Tensor> maps;
  for (size_t i = 1; i + 1 < sizes.size(); i += 2) {
    maps.push_back(new_map(grad, sizes[0], grad.size(1), sizes[i], sizes[i + 1], channels_last, true, sum_type));
  }
  check_maps(maps, scales, rois, sum_type, op);
  auto run = [&](auto kernel) { kernel(grad, maps, rois, levels, scales, channels_last, sampling_ratio, mode); };
  if (type == ScalarType::Float) run(backward_typed<float, float>);
  else if (type == ScalarType::Double) run(backward_typed<double, double>);
  else if (type == ScalarType::Half) run(backward_typed<Half, float>);
  else if (type == ScalarType::BFloat16) run(backward_typed<BFloat16, float>);
  else STD_TORCH_CHECK(false, op, ": grad must be floating point");
  if (type != sum_type) {
    for (Tensor& map : maps) map = torch::stable::to(map, type);
  }
  return maps;
}

}  // namespace
}  // namespace masktrack

MASKTRACK_LIBRARY_IMPL(MASKTRACK_NAMESPACE, MASKTRACK_CUDA_KEY, m) {
  m.impl("roi_align", TORCH_BOX(&masktrack::roi_align_cuda));
  m.impl("roi_align_backward", TORCH_BOX(&masktrack::roi_align_backward_cuda));
}
