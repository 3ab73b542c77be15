// Arguments of the RoIAlign operators, read and checked alike for every device.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <optional>
#include <vector>

#include "roi_align.h"

namespace masktrack {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t kMaxLevels = 8;

// One map of a pyramid; strides in elements, so that contiguous, channels-last and sliced maps need no copy.
template <typename T, typename A>
struct Level {
  T* data;
  int64_t height, width;
  int64_t stride_n, stride_c, stride_h, stride_w;
  A scale;
};

// All levels by value: the struct is a kernel argument on the GPU.
template <typename T, typename A>
struct Pyramid {
  Level<T, A> level[kMaxLevels];
  int64_t levels, batch, channels;
};

// Regions with the pyramid level of each; `levels` is null if all are on level 0.
template <typename A>
struct Regions {
  const A* rois;
  const int64_t* levels;
  int64_t count, pooled_h, pooled_w, sampling_ratio, mode;

  MASKTRACK_HD int64_t level(int64_t k) const { return levels ? levels[k] : 0; }

  // For an index that was checked.
  MASKTRACK_HD int64_t image(int64_t k) const { return int64_t(rois[5 * k]); }
};

// Whether channels are innermost in memory. Python uses the same rule (mmdet/ops/_plain.py).
inline bool is_channels_last(const Tensor& map) {
  return map.size(1) > 1 && map.stride(1) == 1 && !map.is_contiguous();
}

// Uninitialized (or zero) map of shape (n, c, h, w) in the given memory order.
inline Tensor new_map(const Tensor& like, int64_t n, int64_t c, int64_t h, int64_t w, bool channels_last, bool zero,
                      ScalarType type) {
  std::vector<int64_t> shape = channels_last ? std::vector<int64_t>{n, h, w, c} : std::vector<int64_t>{n, c, h, w};
  Tensor map = zero ? torch::stable::new_zeros(like, shape, type) : torch::stable::new_empty(like, shape, type);
  if (!channels_last) return map;
  return torch::stable::transpose(torch::stable::transpose(map, 1, 3), 2, 3);
}

template <typename T, typename A>
Level<T, A> read_level(const Tensor& map, T* data, double scale) {
  return Level<T, A>{data,          map.size(2),   map.size(3),   map.stride(0),
                     map.stride(1), map.stride(2), map.stride(3), A(scale)};
}

// `maps` are the features in the forward pass and the new gradients in the backward pass.
inline void check_maps(const std::vector<Tensor>& maps, const std::vector<double>& scales, const Tensor& rois,
                       ScalarType rois_type, const char* op) {
  STD_TORCH_CHECK(!maps.empty() && int64_t(maps.size()) <= kMaxLevels, op, ": expected 1 to ", kMaxLevels,
                  " feature maps, got ", maps.size());
  STD_TORCH_CHECK(scales.size() == maps.size(), op, ": expected ", maps.size(), " scales, got ", scales.size());
  const bool empty = rois.size(0) == 0;
  for (const Tensor& map : maps) {
    STD_TORCH_CHECK(map.dim() == 4, op, ": feature maps must have shape (N, C, H, W)");
    STD_TORCH_CHECK(map.size(0) == maps[0].size(0) && map.size(1) == maps[0].size(1), op,
                    ": feature maps must agree in batch size and channels");
    STD_TORCH_CHECK(map.scalar_type() == maps[0].scalar_type(), op, ": feature maps must share one dtype");
    STD_TORCH_CHECK(empty || (map.size(2) > 0 && map.size(3) > 0), op, ": feature maps must not be empty");
  }
  STD_TORCH_CHECK(rois.scalar_type() == rois_type, op,
                  ": rois must be float64 for float64 feature maps and float32 for all others");
}

template <typename A>
Regions<A> read_regions(const Tensor& rois, const std::optional<Tensor>& levels, int64_t pooled_h, int64_t pooled_w,
                        int64_t sampling_ratio, int64_t mode, const char* op) {
  STD_TORCH_CHECK(rois.dim() == 2 && rois.size(1) == 5 && rois.is_contiguous(), op,
                  ": rois must be contiguous with shape (K, 5)");
  STD_TORCH_CHECK(pooled_h > 0 && pooled_w > 0, op, ": the output size must be positive");
  STD_TORCH_CHECK(mode == kLegacy || mode == kAligned || mode == kUnaligned, op, ": unknown mode ", mode);
  Regions<A> regions{rois.const_data_ptr<A>(), nullptr, rois.size(0), pooled_h, pooled_w, sampling_ratio, mode};
  if (levels.has_value()) {
    STD_TORCH_CHECK(levels->dim() == 1 && levels->size(0) == rois.size(0) && levels->is_contiguous() &&
                        levels->scalar_type() == ScalarType::Long && levels->is_cpu() == rois.is_cpu(),
                    op, ": levels must be contiguous int64 with one entry per roi, on the device of rois");
    regions.levels = levels->const_data_ptr<int64_t>();
  }
  return regions;
}

}  // namespace masktrack
