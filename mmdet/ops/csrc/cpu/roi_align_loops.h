// Loops of RoIAlign on the CPU: sums over samples, and the backward pass.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "roi_align_windows.h"
#include "simd.h"

namespace masktrack {
namespace {

// Sum of the samples of each bin where channels are innermost: sums (bins, channels).
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
          const int64_t left = x.low * level.stride_w, right = x.high * level.stride_w;
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

// 1 / x for a power of two, by which multiplying rounds like dividing by x, and is faster; otherwise 0.
template <typename A>
A exact_inverse(A x) {
  int exponent;
  return std::frexp(x, &exponent) == A(0.5) ? A(1) / x : A(0);
}

// Mean of the samples of each bin in a window: means (bins, kLanes). The sums stay in registers, of kBytes.
template <int kBytes, typename A>
MASKTRACK_INLINE void average_window(const A* data, const Window& window, const Grid<A>& grid, A* means) {
  typedef A Pack __attribute__((vector_size(kBytes)));
  constexpr int64_t kPack = sizeof(Pack) / sizeof(A), kPacks = kLanes / kPack;
  const int64_t pooled_h = grid.y.used.size(), pooled_w = grid.x.used.size();
  const A inverse = exact_inverse(grid.count);
  for (int64_t p = 0; p < pooled_h; ++p) {
    for (int64_t q = 0; q < pooled_w; ++q, means += kLanes) {
      Pack sums[kPacks];
      for (int64_t i = 0; i < kPacks; ++i) sums[i] = Pack{};
      for (int64_t iy = 0; iy < grid.y.used[p]; ++iy) {
        const Tap<A>& y = grid.y.taps[p * grid.y.stride + iy];
        const A *low = data + window.offset(y.low, window.left), *high = data + window.offset(y.high, window.left);
        const Pack y_low = y.w_low - Pack{}, y_high = y.w_high - Pack{};
        for (int64_t ix = 0; ix < grid.x.used[q]; ++ix) {
          const Tap<A>& x = grid.x.taps[q * grid.x.stride + ix];
          const int64_t left = (x.low - window.left) * kLanes, right = (x.high - window.left) * kLanes;
          const Pack x_low = x.w_low - Pack{}, x_high = x.w_high - Pack{};
          const Pack w0 = y_low * x_low, w1 = y_low * x_high, w2 = y_high * x_low, w3 = y_high * x_high;
          for (int64_t i = 0; i < kPacks; ++i) {
            Pack p0, p1, p2, p3;
            std::memcpy(&p0, low + left + i * kPack, sizeof(Pack));
            std::memcpy(&p1, low + right + i * kPack, sizeof(Pack));
            std::memcpy(&p2, high + left + i * kPack, sizeof(Pack));
            std::memcpy(&p3, high + right + i * kPack, sizeof(Pack));
            sums[i] += w0 * p0 + w1 * p1 + w2 * p2 + w3 * p3;
          }
        }
      }
      for (int64_t i = 0; i < kPacks; ++i) {
        sums[i] = inverse > A(0) ? sums[i] * inverse : sums[i] / grid.count;
        std::memcpy(means + i * kPack, &sums[i], sizeof(Pack));
      }
    }
  }
}

// Sum of the samples of each bin where channels are far apart: sums (channels, bins).
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

// Add each bin's share to the four pixels of its samples: shares (bins, channels). `image` begins at row y0, column x0.
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

// The same where channels are far apart: shares (channels, bins).
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
