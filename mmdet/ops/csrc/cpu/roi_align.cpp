// RoIAlign on the CPU, forward and backward.
//
// Forward splits the regions among threads, backward the channels: no two threads write to one place, so the result
// does not depend on their number. Channels-last maps are vectorised over channels, others over bins.
#include "../roi_align.h"

#include <torch/csrc/stable/library.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <algorithm>
#include <limits>

#include "../roi_align_args.h"
#include "simd.h"

namespace masktrack {
namespace {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;

// Samples of one axis, bin after bin, without those outside the map.
template <typename A>
struct AxisTable {
  std::vector<Tap<A>> taps;
  std::vector<int64_t> used;  // samples of each bin
  int64_t stride = 0;         // places between two bins
  int64_t width = 0;          // most samples in any bin

  void fill(const RoIAxis<A>& axis, int64_t pooled, int64_t size) {
    stride = width = 0;
    used.assign(pooled, 0);
    for (int64_t p = 0; p < pooled; ++p) {
      int64_t first, last;
      inside_range(axis, p, size, &first, &last);
      stride = std::max(stride, last - first);
    }
    taps.resize(pooled * stride);
    for (int64_t p = 0; p < pooled; ++p) {
      int64_t first, last;
      inside_range(axis, p, size, &first, &last);
      for (int64_t cell = first; cell < last; ++cell) {
        const Tap<A> tap = make_tap(sample_coordinate(axis, p, cell), size);
        if (tap.inside) taps[p * stride + used[p]++] = tap;
      }
      width = std::max(width, used[p]);
    }
  }
};

template <typename A>
struct Grid {
  AxisTable<A> y, x;
  A count;

  void fill(const Regions<A>& regions, int64_t k, A scale, int64_t height, int64_t width) {
    const A* roi = regions.rois + 5 * k;
    const auto axis_y = roi_axis(roi[2], roi[4], scale, regions.pooled_h, regions.sampling_ratio, regions.mode);
    const auto axis_x = roi_axis(roi[1], roi[3], scale, regions.pooled_w, regions.sampling_ratio, regions.mode);
    count = sample_count(axis_y, axis_x, regions.mode);
    // Nothing to sample across one axis: nothing to look up along the other, however long it is.
    const bool empty = axis_y.grid == 0 || axis_x.grid == 0;
    y.fill(axis_y, regions.pooled_h, empty ? 0 : height);
    x.fill(axis_x, regions.pooled_w, empty ? 0 : width);
    if (empty) y.width = x.width = 0, std::fill(y.used.begin(), y.used.end(), 0);
  }
};

// Offsets and weights of one sample in every bin, so that the loop over bins is a plain one.
template <typename A, typename Index>
struct TapBlock {
  std::vector<Index> offset[4];
  std::vector<A> weight[4];
  std::vector<Index> inside;

  void resize(int64_t n) {
    for (int i = 0; i < 4; ++i) offset[i].resize(n), weight[i].resize(n);
    inside.resize(n);
  }

  void set(int64_t at, const Tap<A>& y, const Tap<A>& x, int64_t stride_h, int64_t stride_w) {
    offset[0][at] = Index(y.low * stride_h + x.low * stride_w), weight[0][at] = y.w_low * x.w_low;
    offset[1][at] = Index(y.low * stride_h + x.high * stride_w), weight[1][at] = y.w_low * x.w_high;
    offset[2][at] = Index(y.high * stride_h + x.low * stride_w), weight[2][at] = y.w_high * x.w_low;
    offset[3][at] = Index(y.high * stride_h + x.high * stride_w), weight[3][at] = y.w_high * x.w_high;
    inside[at] = 1;
  }

  void set_outside(int64_t at) {
    for (int i = 0; i < 4; ++i) offset[i][at] = 0, weight[i][at] = A(0);
    inside[at] = 0;
  }
};

// sums: (channels, bins), one channel after another.
template <typename T, typename A, typename Index>
MASKTRACK_INLINE void sum_planes(const T* image, const Level<const T, A>& level, int64_t channels, const Grid<A>& grid,
                                 TapBlock<A, Index>& block, A* sums) {
  const int64_t pooled_h = grid.y.used.size(), pooled_w = grid.x.used.size(), bins = pooled_h * pooled_w;
  const int64_t samples = grid.y.width * grid.x.width;
  const int64_t chunk = std::max<int64_t>(1, 2048 / bins);  // the block should stay in the first-level cache
  std::fill(sums, sums + channels * bins, A(0));
  for (int64_t first = 0; first < samples; first += chunk) {
    const int64_t last = std::min(first + chunk, samples);
    block.resize((last - first) * bins);
    for (int64_t s = first, at = 0; s < last; ++s) {
      const int64_t iy = s / grid.x.width, ix = s % grid.x.width;
      for (int64_t p = 0; p < pooled_h; ++p) {
        for (int64_t q = 0; q < pooled_w; ++q, ++at) {
          if (iy < grid.y.used[p] && ix < grid.x.used[q]) {
            block.set(at, grid.y.taps[p * grid.y.stride + iy], grid.x.taps[q * grid.x.stride + ix], level.stride_h,
                      level.stride_w);
          } else {
            block.set_outside(at);
          }
        }
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      const T* plane = image + c * level.stride_c;
      A* __restrict__ out = sums + c * bins;
      for (int64_t s = 0; s < last - first; ++s) {
        const int64_t at = s * bins;
        const Index *o0 = &block.offset[0][at], *o1 = &block.offset[1][at], *o2 = &block.offset[2][at],
                    *o3 = &block.offset[3][at], *inside = &block.inside[at];
        const A *w0 = &block.weight[0][at], *w1 = &block.weight[1][at], *w2 = &block.weight[2][at],
                *w3 = &block.weight[3][at];
        for (int64_t b = 0; b < bins; ++b) {
          const A value = w0[b] * A(plane[o0[b]]) + w1[b] * A(plane[o1[b]]) + w2[b] * A(plane[o2[b]]) +
                          w3[b] * A(plane[o3[b]]);
          out[b] += inside[b] ? value : A(0);
        }
      }
    }
  }
}

// sums: (bins, channels), one bin after another.
template <typename T, typename A>
MASKTRACK_INLINE void sum_pixels(const T* image, const Level<const T, A>& level, int64_t channels, const Grid<A>& grid,
                                 A* sums) {
  const int64_t pooled_h = grid.y.used.size(), pooled_w = grid.x.used.size();
  std::fill(sums, sums + channels * pooled_h * pooled_w, A(0));
  for (int64_t p = 0; p < pooled_h; ++p) {
    for (int64_t q = 0; q < pooled_w; ++q) {
      A* __restrict__ out = sums + (p * pooled_w + q) * channels;
      for (int64_t iy = 0; iy < grid.y.used[p]; ++iy) {
        const Tap<A>& y = grid.y.taps[p * grid.y.stride + iy];
        const T *low = image + y.low * level.stride_h, *high = image + y.high * level.stride_h;
        for (int64_t ix = 0; ix < grid.x.used[q]; ++ix) {
          const Tap<A>& x = grid.x.taps[q * grid.x.stride + ix];
          const T *p0 = low + x.low * level.stride_w, *p1 = low + x.high * level.stride_w;
          const T *p2 = high + x.low * level.stride_w, *p3 = high + x.high * level.stride_w;
          const A w0 = y.w_low * x.w_low, w1 = y.w_low * x.w_high, w2 = y.w_high * x.w_low, w3 = y.w_high * x.w_high;
          for (int64_t c = 0; c < channels; ++c) {
            out[c] += w0 * A(p0[c]) + w1 * A(p1[c]) + w2 * A(p2[c]) + w3 * A(p3[c]);
          }
        }
      }
    }
  }
}

// Add `weight * grad` to the four pixels of every sample. maps: (H, W, channels); grads: (bins, channels).
template <typename A>
MASKTRACK_INLINE void spread_pixels(A* image, const Level<A, A>& level, int64_t channels, const Grid<A>& grid,
                                    const A* grads) {
  const int64_t pooled_h = grid.y.used.size(), pooled_w = grid.x.used.size();
  for (int64_t p = 0; p < pooled_h; ++p) {
    for (int64_t q = 0; q < pooled_w; ++q) {
      const A* __restrict__ grad = grads + (p * pooled_w + q) * channels;
      for (int64_t iy = 0; iy < grid.y.used[p]; ++iy) {
        const Tap<A>& y = grid.y.taps[p * grid.y.stride + iy];
        for (int64_t ix = 0; ix < grid.x.used[q]; ++ix) {
          const Tap<A>& x = grid.x.taps[q * grid.x.stride + ix];
          // One corner after another: at the border of the map corners coincide.
          for (int corner = 0; corner < 4; ++corner) {
            const A weight = (corner < 2 ? y.w_low : y.w_high) * (corner % 2 == 0 ? x.w_low : x.w_high);
            A* __restrict__ pixel = image + (corner < 2 ? y.low : y.high) * level.stride_h +
                                    (corner % 2 == 0 ? x.low : x.high) * level.stride_w;
            for (int64_t c = 0; c < channels; ++c) pixel[c] += weight * grad[c];
          }
        }
      }
    }
  }
}

// The same for maps whose memory runs over columns. grads: (channels, bins).
template <typename A>
void spread_planes(A* image, const Level<A, A>& level, int64_t channels, const Grid<A>& grid, const A* grads) {
  const int64_t pooled_h = grid.y.used.size(), pooled_w = grid.x.used.size();
  for (int64_t c = 0; c < channels; ++c) {
    A* plane = image + c * level.stride_c;
    for (int64_t p = 0; p < pooled_h; ++p) {
      for (int64_t q = 0; q < pooled_w; ++q) {
        const A grad = grads[(c * pooled_h + p) * pooled_w + q];
        for (int64_t iy = 0; iy < grid.y.used[p]; ++iy) {
          const Tap<A>& y = grid.y.taps[p * grid.y.stride + iy];
          A *low = plane + y.low * level.stride_h, *high = plane + y.high * level.stride_h;
          for (int64_t ix = 0; ix < grid.x.used[q]; ++ix) {
            const Tap<A>& x = grid.x.taps[q * grid.x.stride + ix];
            low[x.low * level.stride_w] += y.w_low * x.w_low * grad;
            low[x.high * level.stride_w] += y.w_low * x.w_high * grad;
            high[x.low * level.stride_w] += y.w_high * x.w_low * grad;
            high[x.high * level.stride_w] += y.w_high * x.w_high * grad;
          }
        }
      }
    }
  }
}

// The vectorised loops once per instruction set. Half types have no vector arithmetic of their own; one copy will do.
#define MASKTRACK_FORWARD(T, A, CLONES)                                                                              \
  CLONES void sums_of_planes(const T* image, const Level<const T, A>& level, int64_t channels, const Grid<A>& grid,  \
                             TapBlock<A, int32_t>& block, A* sums) {                                                 \
    sum_planes<T, A, int32_t>(image, level, channels, grid, block, sums);                                            \
  }                                                                                                                  \
  CLONES void sums_of_pixels(const T* image, const Level<const T, A>& level, int64_t channels, const Grid<A>& grid,  \
                             A* sums) {                                                                              \
    sum_pixels<T, A>(image, level, channels, grid, sums);                                                            \
  }
MASKTRACK_FORWARD(float, float, MASKTRACK_CLONES)
MASKTRACK_FORWARD(double, double, MASKTRACK_CLONES)
MASKTRACK_FORWARD(Half, float, )
MASKTRACK_FORWARD(BFloat16, float, MASKTRACK_CLONES)
#undef MASKTRACK_FORWARD

MASKTRACK_CLONES void spread_over_pixels(float* image, const Level<float, float>& level, int64_t channels,
                                         const Grid<float>& grid, const float* grads) {
  spread_pixels(image, level, channels, grid, grads);
}
MASKTRACK_CLONES void spread_over_pixels(double* image, const Level<double, double>& level, int64_t channels,
                                         const Grid<double>& grid, const double* grads) {
  spread_pixels(image, level, channels, grid, grads);
}

// A region that names a level or an image that is not there would read foreign memory.
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

template <typename T, typename A>
void forward_typed(const std::vector<Tensor>& feats, const std::vector<double>& scales, const Regions<A>& regions,
                   Tensor& out) {
  std::vector<Level<const T, A>> pyramid;
  for (size_t i = 0; i < feats.size(); ++i) {
    pyramid.push_back(read_level<const T, A>(feats[i], feats[i].const_data_ptr<T>(), scales[i]));
    const auto& level = pyramid.back();
    STD_TORCH_CHECK(level.height * level.stride_h + level.width * level.stride_w < std::numeric_limits<int32_t>::max(),
                    "roi_align: a feature map of more than 2^31 elements per channel");
  }
  check_indices(regions, int64_t(pyramid.size()), feats[0].size(0), "roi_align");
  const int64_t channels = feats[0].size(1), bins = regions.pooled_h * regions.pooled_w;
  T* result = out.mutable_data_ptr<T>();
  const int64_t out_k = out.stride(0), out_c = out.stride(1), out_b = out.stride(3);
  torch::stable::parallel_for(0, regions.count, 1, [&](int64_t first, int64_t last) {
    Grid<A> grid;
    TapBlock<A, int32_t> block;
    std::vector<A> sums(channels * bins);
    for (int64_t k = first; k < last; ++k) {
      const auto& level = pyramid[regions.levels ? regions.levels[k] : 0];
      grid.fill(regions, k, level.scale, level.height, level.width);
      const T* image = level.data + int64_t(regions.rois[5 * k]) * level.stride_n;
      const bool pixels = level.stride_c == 1 && channels > 1;
      if (pixels) sums_of_pixels(image, level, channels, grid, sums.data());
      else sums_of_planes(image, level, channels, grid, block, sums.data());
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
    std::vector<A> shares(channels * bins);
    for (int64_t k = 0; k < regions.count; ++k) {
      const auto& level = pyramid[regions.levels ? regions.levels[k] : 0];
      grid.fill(regions, k, level.scale, level.height, level.width);
      if (grid.y.width == 0 || grid.x.width == 0) continue;
      const bool pixels = level.stride_c == 1 && grad.size(1) > 1;
      const int64_t share_c = pixels ? 1 : bins, share_b = pixels ? channels : 1;
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t b = 0; b < bins; ++b) {
          const T* one = source + k * grad_k + (first + c) * grad_c + (b / regions.pooled_w) * grad_h +
                         (b % regions.pooled_w) * grad_w;
          shares[c * share_c + b * share_b] = A(*one) / grid.count;
        }
      }
      A* image = level.data + int64_t(regions.rois[5 * k]) * level.stride_n + first * level.stride_c;
      if (pixels) spread_over_pixels(image, level, channels, grid, shares.data());
      else spread_planes(image, level, channels, grid, shares.data());
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
