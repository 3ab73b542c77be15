// Loops of RoIAlign on the CPU: tables of samples, sums over them, and the backward pass.
#pragma once

#include <algorithm>
#include <vector>

#include "../roi_align_args.h"
#include "simd.h"

namespace masktrack {
namespace {

// Samples of one axis, bin after bin, without those outside the map.
template <typename A>
struct AxisTable {
  std::vector<Tap<A>> taps;
  std::vector<int64_t> used;       // samples of each bin
  int64_t stride = 0;              // positions between two bins
  int64_t total = 0;               // samples of all bins
  int64_t lowest = 0, extent = 0;  // part of the map that they read

  void fill(const RoIAxis<A>& axis, int64_t pooled, int64_t size) {
    stride = total = extent = 0;
    used.assign(pooled, 0);
    for (int64_t p = 0; p < pooled; ++p) {
      int64_t first, last;
      inside_range(axis, p, size, &first, &last);
      stride = std::max(stride, last - first);
    }
    taps.resize(pooled * stride);
    int64_t highest = -1;
    lowest = size;
    for (int64_t p = 0; p < pooled; ++p) {
      int64_t first, last;
      inside_range(axis, p, size, &first, &last);
      for (int64_t cell = first; cell < last; ++cell) {
        const Tap<A> tap = make_tap(sample_coordinate(axis, p, cell), size);
        if (!tap.inside) continue;
        taps[p * stride + used[p]++] = tap;
        lowest = std::min(lowest, tap.low), highest = std::max(highest, tap.high);
      }
      total += used[p];
    }
    extent = highest + 1 - lowest;
  }
};

template <typename A>
struct Grid {
  AxisTable<A> y, x;
  A count;

  // False if there is nothing to read.
  bool fill(const Regions<A>& regions, int64_t k, A scale, int64_t height, int64_t width) {
    const A* roi = regions.rois + 5 * k;
    const auto axis_y = roi_axis(roi[2], roi[4], scale, regions.pooled_h, regions.sampling_ratio, regions.mode);
    const auto axis_x = roi_axis(roi[1], roi[3], scale, regions.pooled_w, regions.sampling_ratio, regions.mode);
    count = sample_count(axis_y, axis_x, regions.mode);
    if (axis_y.grid == 0 || axis_x.grid == 0) return false;
    y.fill(axis_y, regions.pooled_h, height);
    x.fill(axis_x, regions.pooled_w, width);
    return y.total > 0 && x.total > 0;
  }

  // Copying the part of the map that a region reads, channels innermost, is faster if it is read often enough.
  bool copy_pays() const { return y.extent * x.extent <= 8 * y.total * x.total; }
};

// Channels that are adjacent in a copied patch.
constexpr int64_t kLanes = 32;

// Spatial positions and channels that are copied at once.
constexpr int64_t kTilePositions = 256, kTileChannels = 16;

// Copy at most kTilePositions neighboring positions of `channels` planes so that the channels of a position are
// adjacent: target (positions, channels). The copy goes through a tile, which reads long runs of each plane and writes
// whole cache lines. Planes are often a multiple of 4 KiB apart; reading across them would evict one another from the
// cache. For the same reason the tile has an odd width.
template <typename T>
MASKTRACK_INLINE void channels_inside(const T* source, int64_t stride_c, int64_t positions, int64_t channels,
                                      T* target) {
  T tile[kTileChannels][kTilePositions + 1];
  for (int64_t first = 0; first < channels; first += kTileChannels) {
    const int64_t depth = std::min(kTileChannels, channels - first);
    for (int64_t c = 0; c < depth; ++c) {
      const T* plane = source + (first + c) * stride_c;
      for (int64_t p = 0; p < positions; ++p) tile[c][p] = plane[p];
    }
    for (int64_t p = 0; p < positions; ++p) {
      T* __restrict__ position = target + p * channels + first;
      if (depth == kTileChannels) {  // a fixed length becomes whole vectors
        for (int64_t c = 0; c < kTileChannels; ++c) position[c] = tile[c][p];
      } else {
        for (int64_t c = 0; c < depth; ++c) position[c] = tile[c][p];
      }
    }
  }
}

// Approximate number of positions of a map that a region reads through a patch.
template <typename A>
int64_t patch_positions(const Regions<A>& regions, int64_t k, A scale, int64_t height, int64_t width) {
  const A* roi = regions.rois + 5 * k;
  A positions = A(1);
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t pooled = axis ? regions.pooled_h : regions.pooled_w, size = axis ? height : width;
    const auto range = roi_axis(roi[1 + axis], roi[3 + axis], scale, pooled, regions.sampling_ratio, regions.mode);
    const A low = std::max(range.start, A(0)), high = std::min(range.start + range.bin * A(pooled), A(size));
    positions *= high > low ? std::min(high - low + A(1), A(size)) : A(0);  // a comparison with NaN is false
  }
  return int64_t(positions);
}

// Sum of the samples of each bin, channels innermost: sums (bins, channels). `image` starts at row y0, column x0.
template <typename T, typename A>
MASKTRACK_INLINE void sum_pixels(const T* image, int64_t stride_h, int64_t stride_w, int64_t y0, int64_t x0,
                                 int64_t channels, const Grid<A>& grid, A* sums) {
  const int64_t pooled_h = grid.y.used.size(), pooled_w = grid.x.used.size();
  std::fill(sums, sums + channels * pooled_h * pooled_w, A(0));
  for (int64_t p = 0; p < pooled_h; ++p) {
    for (int64_t q = 0; q < pooled_w; ++q) {
      A* __restrict__ out = sums + (p * pooled_w + q) * channels;
      for (int64_t iy = 0; iy < grid.y.used[p]; ++iy) {
        const Tap<A>& y = grid.y.taps[p * grid.y.stride + iy];
        const T *low = image + (y.low - y0) * stride_h, *high = image + (y.high - y0) * stride_h;
        for (int64_t ix = 0; ix < grid.x.used[q]; ++ix) {
          const Tap<A>& x = grid.x.taps[q * grid.x.stride + ix];
          const int64_t left = (x.low - x0) * stride_w, right = (x.high - x0) * stride_w;
          const T *p0 = low + left, *p1 = low + right, *p2 = high + left, *p3 = high + right;
          const A w0 = y.w_low * x.w_low, w1 = y.w_low * x.w_high, w2 = y.w_high * x.w_low, w3 = y.w_high * x.w_high;
          for (int64_t c = 0; c < channels; ++c) {
            out[c] += w0 * A(p0[c]) + w1 * A(p1[c]) + w2 * A(p2[c]) + w3 * A(p3[c]);
          }
        }
      }
    }
  }
}

// The same for maps whose memory runs over columns, through a patch: sums (channels, bins).
// work: (patch + bins) * kLanes.
template <typename T, typename A>
MASKTRACK_INLINE void sum_patch(const T* image, const Level<const T, A>& level, int64_t channels, const Grid<A>& grid,
                                A* work, A* sums) {
  const int64_t rows = grid.y.extent, columns = grid.x.extent;
  const int64_t bins = int64_t(grid.y.used.size() * grid.x.used.size());
  A *patch = work, *block_sums = work + rows * columns * kLanes;
  const T* corner = image + grid.y.lowest * level.stride_h + grid.x.lowest * level.stride_w;
  for (int64_t first = 0; first < channels; first += kLanes) {
    const int64_t lanes = std::min(kLanes, channels - first);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const T* source = corner + (first + lane) * level.stride_c + row * level.stride_h;
        A* __restrict__ target = patch + row * columns * kLanes + lane;
        for (int64_t column = 0; column < columns; ++column) {
          target[column * kLanes] = A(source[column * level.stride_w]);
        }
      }
    }
    sum_pixels<A, A>(patch, columns * kLanes, kLanes, grid.y.lowest, grid.x.lowest, kLanes, grid, block_sums);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      for (int64_t b = 0; b < bins; ++b) sums[(first + lane) * bins + b] = block_sums[b * kLanes + lane];
    }
  }
}

// The same without a copy, for regions that read a large part of the map at few positions: sums (channels, bins).
template <typename T, typename A>
void sum_planes(const T* image, const Level<const T, A>& level, int64_t channels, const Grid<A>& grid, A* sums) {
  const int64_t pooled_h = grid.y.used.size(), pooled_w = grid.x.used.size();
  for (int64_t c = 0; c < channels; ++c) {
    const T* plane = image + c * level.stride_c;
    for (int64_t p = 0; p < pooled_h; ++p) {
      for (int64_t q = 0; q < pooled_w; ++q) {
        A sum = A(0);
        for (int64_t iy = 0; iy < grid.y.used[p]; ++iy) {
          const Tap<A>& y = grid.y.taps[p * grid.y.stride + iy];
          const T *low = plane + y.low * level.stride_h, *high = plane + y.high * level.stride_h;
          for (int64_t ix = 0; ix < grid.x.used[q]; ++ix) {
            const Tap<A>& x = grid.x.taps[q * grid.x.stride + ix];
            const int64_t left = x.low * level.stride_w, right = x.high * level.stride_w;
            sum += y.w_low * x.w_low * A(low[left]) + y.w_low * x.w_high * A(low[right]) +
                   y.w_high * x.w_low * A(high[left]) + y.w_high * x.w_high * A(high[right]);
          }
        }
        sums[(c * pooled_h + p) * pooled_w + q] = sum;
      }
    }
  }
}

// Add each bin's share to the four pixels of its samples: shares (bins, channels).
template <typename A>
MASKTRACK_INLINE void spread_pixels(A* image, int64_t stride_h, int64_t stride_w, int64_t y0, int64_t x0,
                                    int64_t channels, const Grid<A>& grid, const A* shares) {
  const int64_t pooled_h = grid.y.used.size(), pooled_w = grid.x.used.size();
  for (int64_t p = 0; p < pooled_h; ++p) {
    for (int64_t q = 0; q < pooled_w; ++q) {
      const A* __restrict__ share = shares + (p * pooled_w + q) * channels;
      for (int64_t iy = 0; iy < grid.y.used[p]; ++iy) {
        const Tap<A>& y = grid.y.taps[p * grid.y.stride + iy];
        for (int64_t ix = 0; ix < grid.x.used[q]; ++ix) {
          const Tap<A>& x = grid.x.taps[q * grid.x.stride + ix];
          // One corner after another: at the border of the map corners coincide.
          for (int corner = 0; corner < 4; ++corner) {
            const A weight = (corner < 2 ? y.w_low : y.w_high) * (corner % 2 == 0 ? x.w_low : x.w_high);
            A* __restrict__ pixel = image + ((corner < 2 ? y.low : y.high) - y0) * stride_h +
                                    ((corner % 2 == 0 ? x.low : x.high) - x0) * stride_w;
            for (int64_t c = 0; c < channels; ++c) pixel[c] += weight * share[c];
          }
        }
      }
    }
  }
}

// The same for maps whose memory runs over columns, through a patch: shares (channels, bins).
template <typename A>
MASKTRACK_INLINE void spread_patch(A* image, const Level<A, A>& level, int64_t channels, const Grid<A>& grid, A* work,
                                   const A* shares) {
  const int64_t rows = grid.y.extent, columns = grid.x.extent;
  const int64_t bins = int64_t(grid.y.used.size() * grid.x.used.size());
  A *patch = work, *block_shares = work + rows * columns * kLanes;
  A* corner = image + grid.y.lowest * level.stride_h + grid.x.lowest * level.stride_w;
  std::fill(block_shares, block_shares + bins * kLanes, A(0));
  for (int64_t first = 0; first < channels; first += kLanes) {
    const int64_t lanes = std::min(kLanes, channels - first);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      for (int64_t b = 0; b < bins; ++b) block_shares[b * kLanes + lane] = shares[(first + lane) * bins + b];
    }
    std::fill(patch, patch + rows * columns * kLanes, A(0));
    spread_pixels(patch, columns * kLanes, kLanes, grid.y.lowest, grid.x.lowest, kLanes, grid, block_shares);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t lane = 0; lane < lanes; ++lane) {
        A* target = corner + (first + lane) * level.stride_c + row * level.stride_h;
        const A* source = patch + row * columns * kLanes + lane;
        for (int64_t column = 0; column < columns; ++column) {
          target[column * level.stride_w] += source[column * kLanes];
        }
      }
    }
  }
}

// The same without a copy: shares (channels, bins).
template <typename A>
void spread_planes(A* image, const Level<A, A>& level, int64_t channels, const Grid<A>& grid, const A* shares) {
  const int64_t pooled_h = grid.y.used.size(), pooled_w = grid.x.used.size();
  for (int64_t c = 0; c < channels; ++c) {
    A* plane = image + c * level.stride_c;
    for (int64_t p = 0; p < pooled_h; ++p) {
      for (int64_t q = 0; q < pooled_w; ++q) {
        const A share = shares[(c * pooled_h + p) * pooled_w + q];
        for (int64_t iy = 0; iy < grid.y.used[p]; ++iy) {
          const Tap<A>& y = grid.y.taps[p * grid.y.stride + iy];
          A *low = plane + y.low * level.stride_h, *high = plane + y.high * level.stride_h;
          for (int64_t ix = 0; ix < grid.x.used[q]; ++ix) {
            const Tap<A>& x = grid.x.taps[q * grid.x.stride + ix];
            low[x.low * level.stride_w] += y.w_low * x.w_low * share;
            low[x.high * level.stride_w] += y.w_low * x.w_high * share;
            high[x.low * level.stride_w] += y.w_high * x.w_low * share;
            high[x.high * level.stride_w] += y.w_high * x.w_high * share;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace masktrack
