// RoIAlign on the CPU, forward and backward.
//
// The inner loop runs over channels in all layouts, see roi_align_windows.h for maps where they are not innermost. The
// forward pass splits regions or channels among threads, the backward pass channels: no two threads write to the same
// element, so the result does not depend on the number of threads.
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

template <typename T, typename A>
void forward_typed(const std::vector<Tensor>& feats, const std::vector<double>& scales, const Regions<A>& regions,
                   Tensor& out) {
  std::vector<Level<const T, A>> pyramid;
  for (size_t i = 0; i < feats.size(); ++i) {
    pyramid.push_back(read_level<const T, A>(feats[i], feats[i].const_data_ptr<T>(), scales[i]));
  }
  const int64_t batch = feats[0].size(0), channels = feats[0].size(1), bins = regions.pooled_h * regions.pooled_w;
  check_indices(regions, int64_t(pyramid.size()), batch, "roi_align");
  const Plan<A> plan = make_plan(regions, pyramid, batch, channels);
  T* result = out.mutable_data_ptr<T>();
  const int64_t out_k = out.stride(0), out_c = out.stride(1), out_b = out.stride(3);

  const int64_t blocks = (channels + kLanes - 1) / kLanes, windows = int64_t(plan.windows.size());
  torch::stable::parallel_for(0, windows * blocks, 1, [&](int64_t first, int64_t last) {
    std::vector<Lanes<A>> data, means(bins);
    for (int64_t task = first; task < last; ++task) {
      const Window& window = plan.windows[task / blocks];
      const auto& level = pyramid[window.level];
      const int64_t channel = task % blocks * kLanes, lanes = std::min(kLanes, channels - channel);
      data.resize(window.positions());
      const T* image = level.data + window.image * level.stride_n + channel * level.stride_c;
      with_vectors([&](auto bytes) MASKTRACK_INLINED {
        read_window<bytes>(image, level, lanes, window, data[0].channel);
        for (int64_t k : window.regions) {
          average_window<bytes>(data[0].channel, window, plan.grids[k], means[0].channel);
          transpose<bytes>(Matrix<const A>{means[0].channel, kLanes, 1}, bins, lanes,
                           Matrix<T>{result + k * out_k + channel * out_c, out_c, out_b});
        }
      });
    }
  });

  torch::stable::parallel_for(0, int64_t(plan.direct.size()), 1, [&](int64_t first, int64_t last) {
    std::vector<A> sums(channels * bins);
    for (int64_t i = first; i < last; ++i) {
      const int64_t k = plan.direct[i];
      const Grid<A>& grid = plan.grids[k];
      const auto& level = pyramid[regions.level(k)];
      const T* image = level.data + regions.image(k) * level.stride_n;
      const bool inside = channels_inside(level, channels);
      A* sum = sums.data();
      if (grid.empty()) std::fill(sums.begin(), sums.end(), A(0));
      else if (inside) with_vectors([&](auto) MASKTRACK_INLINED { sum_pixels(image, level, channels, grid, sum); });
      else sum_planes(image, level, channels, grid, sum);
      const int64_t sum_c = inside ? 1 : bins, sum_b = inside ? channels : 1;
      T* target = result + k * out_k;
      if (sum_c == out_c && sum_b == out_b) {
        for (int64_t j = 0; j < channels * bins; ++j) target[j] = T(sums[j] / grid.count);
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
  const int64_t batch = maps[0].size(0), all = grad.size(1), bins = regions.pooled_h * regions.pooled_w;
  check_indices(regions, int64_t(pyramid.size()), batch, "roi_align_backward");
  const Plan<A> plan = make_plan(regions, pyramid, batch, all);
  const T* source = grad.const_data_ptr<T>();
  const int64_t grad_k = grad.stride(0), grad_c = grad.stride(1), grad_h = grad.stride(2), grad_w = grad.stride(3);
  // What each sample of a bin gets of its gradient: shares (bins, channels) or (channels, bins).
  const auto read_shares = [&](int64_t k, int64_t first, int64_t channels, A* shares, int64_t share_c,
                               int64_t share_b) {
    const A count = plan.grids[k].count;
    for (int64_t c = 0; c < channels; ++c) {
      A* share = shares + c * share_c;
      for (int64_t p = 0; p < regions.pooled_h; ++p) {
        const T* row = source + k * grad_k + (first + c) * grad_c + p * grad_h;
        for (int64_t q = 0; q < regions.pooled_w; ++q, share += share_b) *share = A(row[q * grad_w]) / count;
      }
    }
  };
  torch::stable::parallel_for(0, all, kLanes, [&](int64_t first, int64_t last) {
    std::vector<Lanes<A>> data, lane_shares(bins);
    std::vector<A> shares((last - first) * bins);
    for (const Window& window : plan.windows) {
      const auto& level = pyramid[window.level];
      for (int64_t channel = first; channel < last; channel += kLanes) {
        const int64_t lanes = std::min(kLanes, last - channel);
        data.assign(window.positions(), Lanes<A>{});
        A* image = level.data + window.image * level.stride_n + channel * level.stride_c;
        with_vectors([&](auto bytes) MASKTRACK_INLINED {
          for (int64_t k : window.regions) {
            read_shares(k, channel, lanes, lane_shares[0].channel, 1, kLanes);
            spread_pixels(data[0].channel, window.width * kLanes, kLanes, window.top, window.left, kLanes,
                          plan.grids[k], lane_shares[0].channel);
          }
          add_window<bytes>(data[0].channel, window, lanes, level, image);
        });
      }
    }
    for (int64_t k : plan.direct) {
      const Grid<A>& grid = plan.grids[k];
      if (grid.empty()) continue;
      const auto& level = pyramid[regions.level(k)];
      const bool inside = channels_inside(level, all);
      const int64_t channels = last - first;
      read_shares(k, first, channels, shares.data(), inside ? 1 : bins, inside ? channels : 1);
      A* image = level.data + regions.image(k) * level.stride_n + first * level.stride_c;
      if (!inside) {
        spread_planes(image, level, channels, grid, shares.data());
        continue;
      }
      with_vectors([&](auto) MASKTRACK_INLINED {
        spread_pixels(image, level.stride_h, level.stride_w, 0, 0, channels, grid, shares.data());
      });
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
