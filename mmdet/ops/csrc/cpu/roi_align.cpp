// RoIAlign on the CPU, forward and backward.
//
// The forward pass splits regions among threads, the backward pass channels: no two threads write to the same element,
// so the result does not depend on the number of threads. The inner loop runs over channels in all layouts. If channels
// are not innermost in memory, it works on a copy of the patch that a region reads or, in the forward pass with many
// regions, on a copy of the whole map.
#include "../roi_align.h"

#include <torch/csrc/stable/library.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <algorithm>

#include "../roi_align_args.h"
#include "roi_align_loops.h"
#include "simd.h"

namespace masktrack {
namespace {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;

// The vectorized loops once per instruction set.
#define MASKTRACK_FORWARD(T, A, CLONES)                                                                              \
  CLONES void patch_sums(const T* image, const Level<const T, A>& level, int64_t channels, const Grid<A>& grid,      \
                         A* work, A* sums) {                                                                         \
    sum_patch<T, A>(image, level, channels, grid, work, sums);                                                       \
  }                                                                                                                  \
  CLONES void move_inside(const T* source, int64_t stride_c, int64_t pixels, int64_t channels, T* target) {          \
    channels_inside<T>(source, stride_c, pixels, channels, target);                                                  \
  }                                                                                                                  \
  CLONES void pixel_sums(const T* image, const Level<const T, A>& level, int64_t channels, const Grid<A>& grid,      \
                         A* sums) {                                                                                  \
    sum_pixels<T, A>(image, level.stride_h, level.stride_w, 0, 0, channels, grid, sums);                             \
  }
MASKTRACK_FORWARD(float, float, MASKTRACK_CLONES)
MASKTRACK_FORWARD(double, double, MASKTRACK_CLONES)
MASKTRACK_FORWARD(Half, float, MASKTRACK_CLONES)
MASKTRACK_FORWARD(BFloat16, float, MASKTRACK_CLONES)
#undef MASKTRACK_FORWARD

#define MASKTRACK_BACKWARD(A)                                                                                        \
  MASKTRACK_CLONES void patch_spread(A* image, const Level<A, A>& level, int64_t channels, const Grid<A>& grid,      \
                                     A* work, const A* shares) {                                                     \
    spread_patch<A>(image, level, channels, grid, work, shares);                                                     \
  }                                                                                                                  \
  MASKTRACK_CLONES void pixel_spread(A* image, const Level<A, A>& level, int64_t channels, const Grid<A>& grid,      \
                                     const A* shares) {                                                              \
    spread_pixels<A>(image, level.stride_h, level.stride_w, 0, 0, channels, grid, shares);                           \
  }
MASKTRACK_BACKWARD(float)
MASKTRACK_BACKWARD(double)
#undef MASKTRACK_BACKWARD

// Copying a whole map is faster if the patches of its regions have more than this many times its spatial positions. In
// measurements the two cost the same between 1 and 2, depending on caches and type.
constexpr double kMovePays = 1.5;

// A region with an invalid level or image would read out of bounds.
template <typename A>
void check_indices(const Regions<A>& regions, int64_t levels, int64_t batch, const char* op) {
  for (int64_t k = 0; k < regions.count; ++k) {
    const A image = regions.rois[5 * k];
    STD_TORCH_CHECK(image >= A(0) && image < A(batch), op, ": batch index ", image, " of roi ", k,
                    " is out of range for a batch of ", batch);
    const int64_t level = regions.levels ? regions.levels[k] : 0;
    STD_TORCH_CHECK(level >= 0 && level < levels, op, ": level ", level, " of roi ", k, " is out of range for ",
                    levels, " feature maps");
  }
}

// Copy maps that are not channels-last to that layout, if the regions would copy more in patches. The sums are the
// same, in the same order.
template <typename T, typename A>
void move_channels_inside(const std::vector<Tensor>& feats, const Regions<A>& regions,
                          std::vector<Level<const T, A>>& pyramid, std::vector<Tensor>& kept) {
  const int64_t batch = feats[0].size(0), channels = feats[0].size(1);
  if (channels < kLanes) return;
  std::vector<double> read(pyramid.size(), 0.0);
  for (int64_t k = 0; k < regions.count; ++k) {
    const int64_t i = regions.levels ? regions.levels[k] : 0;
    read[i] += double(patch_positions(regions, k, pyramid[i].scale, pyramid[i].height, pyramid[i].width));
  }
  for (size_t i = 0; i < pyramid.size(); ++i) {
    Level<const T, A>& level = pyramid[i];
    const int64_t width = level.width, positions = level.height * width;
    const bool planes = level.stride_w == 1 && level.stride_h == width && level.stride_c >= positions;
    if (!planes || read[i] <= kMovePays * double(batch * positions)) continue;
    kept.push_back(torch::stable::new_empty(feats[i], {batch, level.height, width, channels}));
    T* target = kept.back().mutable_data_ptr<T>();
    const int64_t tiles = (positions + kTilePositions - 1) / kTilePositions;
    torch::stable::parallel_for(0, batch * tiles, 1, [&](int64_t first, int64_t last) {
      for (int64_t tile = first; tile < last; ++tile) {
        const int64_t image = tile / tiles, start = tile % tiles * kTilePositions;
        move_inside(level.data + image * level.stride_n + start, level.stride_c,
                    std::min(kTilePositions, positions - start), channels,
                    target + (image * positions + start) * channels);
      }
    });
    level = Level<const T, A>{target, level.height, width, positions * channels, 1, width * channels, channels,
                              level.scale};
  }
}

template <typename T, typename A>
void forward_typed(const std::vector<Tensor>& feats, const std::vector<double>& scales, const Regions<A>& regions,
                   Tensor& out) {
  std::vector<Level<const T, A>> pyramid;
  for (size_t i = 0; i < feats.size(); ++i) {
    pyramid.push_back(read_level<const T, A>(feats[i], feats[i].const_data_ptr<T>(), scales[i]));
  }
  check_indices(regions, int64_t(pyramid.size()), feats[0].size(0), "roi_align");
  std::vector<Tensor> kept;
  move_channels_inside(feats, regions, pyramid, kept);
  const int64_t channels = feats[0].size(1), bins = regions.pooled_h * regions.pooled_w;
  T* result = out.mutable_data_ptr<T>();
  const int64_t out_k = out.stride(0), out_c = out.stride(1), out_b = out.stride(3);
  torch::stable::parallel_for(0, regions.count, 1, [&](int64_t first, int64_t last) {
    Grid<A> grid;
    std::vector<A> work, sums(channels * bins);
    for (int64_t k = first; k < last; ++k) {
      const auto& level = pyramid[regions.levels ? regions.levels[k] : 0];
      const T* image = level.data + int64_t(regions.rois[5 * k]) * level.stride_n;
      const bool pixels = level.stride_c == 1 && channels > 1;
      if (!grid.fill(regions, k, level.scale, level.height, level.width)) {
        std::fill(sums.begin(), sums.end(), A(0));
      } else if (pixels) {
        pixel_sums(image, level, channels, grid, sums.data());
      } else if (grid.copy_pays()) {
        work.resize((grid.y.extent * grid.x.extent + bins) * kLanes);
        patch_sums(image, level, channels, grid, work.data(), sums.data());
      } else {
        sum_planes(image, level, channels, grid, sums.data());
      }
      const int64_t sum_c = pixels ? 1 : bins, sum_b = pixels ? channels : 1;
      T* target = result + k * out_k;
      if (sum_c == out_c && sum_b == out_b) {
        for (int64_t i = 0; i < channels * bins; ++i) target[i] = T(sums[i] / grid.count);
        continue;
      }
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t b = 0; b < bins; ++b) target[c * out_c + b * out_b] = T(sums[c * sum_c + b * sum_b] / grid.count);
      }
    }
  });
}

template <typename T, typename A>
void backward_typed(const Tensor& grad, const std::vector<Tensor>& maps, const std::vector<double>& scales,
                    const Regions<A>& regions) {
  std::vector<Level<A, A>> pyramid;
  for (size_t i = 0; i < maps.size(); ++i) {
    pyramid.push_back(read_level<A, A>(maps[i], maps[i].mutable_data_ptr<A>(), scales[i]));
  }
  check_indices(regions, int64_t(pyramid.size()), maps[0].size(0), "roi_align_backward");
  const int64_t bins = regions.pooled_h * regions.pooled_w;
  const T* source = grad.const_data_ptr<T>();
  const int64_t grad_k = grad.stride(0), grad_c = grad.stride(1), grad_h = grad.stride(2), grad_w = grad.stride(3);
  torch::stable::parallel_for(0, grad.size(1), 16, [&](int64_t first, int64_t last) {
    const int64_t channels = last - first;
    Grid<A> grid;
    std::vector<A> work, shares(channels * bins);
    for (int64_t k = 0; k < regions.count; ++k) {
      const auto& level = pyramid[regions.levels ? regions.levels[k] : 0];
      if (!grid.fill(regions, k, level.scale, level.height, level.width)) continue;
      const bool pixels = level.stride_c == 1 && grad.size(1) > 1;
      const int64_t share_c = pixels ? 1 : bins, share_b = pixels ? channels : 1;
      for (int64_t c = 0; c < channels; ++c) {
        A* share = shares.data() + c * share_c;
        for (int64_t p = 0; p < regions.pooled_h; ++p) {
          const T* row = source + k * grad_k + (first + c) * grad_c + p * grad_h;
          for (int64_t q = 0; q < regions.pooled_w; ++q, share += share_b) *share = A(row[q * grad_w]) / grid.count;
        }
      }
      A* image = level.data + int64_t(regions.rois[5 * k]) * level.stride_n + first * level.stride_c;
      if (pixels) {
        pixel_spread(image, level, channels, grid, shares.data());
      } else if (grid.copy_pays()) {
        work.resize((grid.y.extent * grid.x.extent + bins) * kLanes);
        patch_spread(image, level, channels, grid, work.data(), shares.data());
      } else {
        spread_planes(image, level, channels, grid, shares.data());
      }
    }
  });
}

Tensor roi_align_cpu(std::vector<Tensor> feats, Tensor rois, std::optional<Tensor> levels, std::vector<double> scales,
                     int64_t pooled_h, int64_t pooled_w, int64_t sampling_ratio, int64_t mode) {
  STD_TORCH_CHECK(!feats.empty(), "roi_align: expected at least one feature map");
  const ScalarType type = feats[0].scalar_type();
  const bool wide = type == ScalarType::Double;
  check_maps(feats, scales, rois, wide ? ScalarType::Double : ScalarType::Float, "roi_align");
  Tensor out = new_map(feats[0], rois.size(0), feats[0].size(1), pooled_h, pooled_w, is_channels_last(feats[0]), false,
                       type);
  if (wide) {
    forward_typed<double, double>(
        feats, scales, read_regions<double>(rois, levels, pooled_h, pooled_w, sampling_ratio, mode, "roi_align"), out);
    return out;
  }
  const auto regions = read_regions<float>(rois, levels, pooled_h, pooled_w, sampling_ratio, mode, "roi_align");
  if (type == ScalarType::Float) forward_typed<float, float>(feats, scales, regions, out);
  else if (type == ScalarType::Half) forward_typed<Half, float>(feats, scales, regions, out);
  else if (type == ScalarType::BFloat16) forward_typed<BFloat16, float>(feats, scales, regions, out);
  else STD_TORCH_CHECK(false, "roi_align: feature maps must be floating point");
  return out;
}

std::vector<Tensor> roi_align_backward_cpu(Tensor grad, Tensor rois, std::optional<Tensor> levels,
                                           std::vector<double> scales, std::vector<int64_t> sizes, bool channels_last,
                                           int64_t sampling_ratio, int64_t mode) {
  const char* op = "roi_align_backward";
  STD_TORCH_CHECK(grad.dim() == 4 && grad.size(0) == rois.size(0), op, ": grad must have shape (K, C, h, w)");
  const ScalarType type = grad.scalar_type();
  const ScalarType sum_type = type == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
  std::vector<Tensor> maps;
  for (size_t i = 1; i + 1 < sizes.size(); i += 2) {
    maps.push_back(new_map(grad, sizes[0], grad.size(1), sizes[i], sizes[i + 1], channels_last, true, sum_type));
  }
  check_maps(maps, scales, rois, sum_type, op);
  if (type == ScalarType::Double) {
    backward_typed<double, double>(
        grad, maps, scales, read_regions<double>(rois, levels, grad.size(2), grad.size(3), sampling_ratio, mode, op));
    return maps;
  }
  const auto regions = read_regions<float>(rois, levels, grad.size(2), grad.size(3), sampling_ratio, mode, op);
  if (type == ScalarType::Float) backward_typed<float, float>(grad, maps, scales, regions);
  else if (type == ScalarType::Half) backward_typed<Half, float>(grad, maps, scales, regions);
  else if (type == ScalarType::BFloat16) backward_typed<BFloat16, float>(grad, maps, scales, regions);
  else STD_TORCH_CHECK(false, op, ": grad must be floating point");
  if (type != sum_type) {
    for (Tensor& map : maps) map = torch::stable::to(map, type);
  }
  return maps;
}

}  // namespace
}  // namespace masktrack

STABLE_TORCH_LIBRARY_IMPL(masktrack, CPU, m) {
  m.impl("roi_align", TORCH_BOX(&masktrack::roi_align_cpu));
  m.impl("roi_align_backward", TORCH_BOX(&masktrack::roi_align_backward_cpu));
}
