// Arithmetic of RoIAlign, shared by the CPU and the CUDA kernels.
//
// A region is cut into pooled_h x pooled_w bins, every bin into grid_h x grid_w cells; the feature map is read
// bilinearly at the center of each cell and a bin is the mean of its cells. Rows and columns are independent of
// each other, so everything is written for one axis. The order of operations is part of the contract: the CPU, the
// CUDA and the plain PyTorch path round alike if the compiler does not fuse multiplications and additions.
#pragma once

#include <cmath>
#include <cstdint>

#include "common.h"

namespace masktrack {

// Values are part of the operator schema, see mmdet/ops/constants.py.
enum RoIMode : int64_t {
  kLegacy = 0,     // 2019: far edge + 1 pixel, extent clamped at 0, no half-pixel shift
  kAligned = 1,    // half-pixel shift, extent not clamped
  kUnaligned = 2,  // no shift, extent at least one cell
};

// Largest number of cells per bin and axis under adaptive sampling: larger than any map, and small enough for single
// precision to distinguish the cells of a bin.
constexpr int64_t kMaxGrid = int64_t(1) << 20;

// One axis of a region in units of feature cells.
template <typename T>
struct RoIAxis {
  T start;       // where the region begins
  T bin;         // extent of one bin
  int64_t grid;  // cells of a bin; 0 if there are no samples
};

// Position of a sample between two rows (or columns).
template <typename T>
struct Tap {
  int64_t low, high;   // both inside [0, size)
  T w_low, w_high;     // they sum to 1
  bool inside;         // a sample outside contributes exactly 0
};

template <typename T>
MASKTRACK_HD RoIAxis<T> roi_axis(T low, T high, T scale, int64_t pooled, int64_t sampling_ratio, int64_t mode) {
  T start, extent;
  if (mode == kLegacy) {
    start = low * scale;
    extent = (high + T(1)) * scale - start;
    extent = extent > T(0) ? extent : T(0);
  } else {
    const T shift = mode == kAligned ? T(0.5) : T(0);
    start = low * scale - shift;
    extent = (high * scale - shift) - start;
    if (mode == kUnaligned) extent = extent > T(1) ? extent : T(1);
  }
  RoIAxis<T> axis;
  axis.start = start;
  axis.bin = extent / T(pooled);
  axis.grid = sampling_ratio;
  if (sampling_ratio <= 0) {
    // Comparisons are false for NaN: such a region has no cells.
    const T cells = std::ceil(axis.bin);
    axis.grid = cells > T(0) ? (cells < T(kMaxGrid) ? int64_t(cells) : kMaxGrid) : 0;
    if (!(cells - cells == T(0))) axis.grid = 0;
  }
  return axis;
}

// Divisor of the sum over a bin. 0 gives 0/0 = NaN, as in 2019.
template <typename T>
MASKTRACK_HD T sample_count(const RoIAxis<T>& y, const RoIAxis<T>& x, int64_t mode) {
  const T count = T(y.grid) * T(x.grid);
  return mode == kLegacy || count > T(1) ? count : T(1);
}

// Coordinate of cell `cell` of bin `p`. Non-decreasing in `cell`, also after rounding.
template <typename T>
MASKTRACK_HD T sample_coordinate(const RoIAxis<T>& axis, int64_t p, int64_t cell) {
  return (axis.start + T(p) * axis.bin) + (T(cell) + T(0.5)) * axis.bin / T(axis.grid);
}

template <typename T>
MASKTRACK_HD Tap<T> make_tap(T v, int64_t size) {
  Tap<T> tap;
  tap.inside = v >= T(-1) && v <= T(size);  // false for NaN
  if (!tap.inside) {
    tap.low = tap.high = 0;
    tap.w_low = tap.w_high = T(0);
    return tap;
  }
  if (v < T(0)) v = T(0);
  tap.low = int64_t(v);
  if (tap.low >= size - 1) {
    tap.low = tap.high = size - 1;
    v = T(tap.low);
  } else {
    tap.high = tap.low + 1;
  }
  tap.w_high = v - T(tap.low);
  tap.w_low = T(1) - tap.w_high;
  return tap;
}

// Cells of bin `p` whose coordinate can be inside the map, as [first, last). An adaptive grid over a region far larger
// than the map has up to kMaxGrid cells of which few are inside; as coordinates never decrease, bisection finds them.
template <typename T>
MASKTRACK_HD void inside_range(const RoIAxis<T>& axis, int64_t p, int64_t size, int64_t* first, int64_t* last) {
  *first = 0;
  *last = axis.grid;
  if (axis.grid <= 32 || !(axis.bin > T(0))) return;  // a reversed region has a fixed, hence short, grid
  int64_t low = 0, high = axis.grid;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (sample_coordinate(axis, p, middle) >= T(-1)) high = middle;
    else low = middle + 1;
  }
  *first = low;
  high = axis.grid;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (sample_coordinate(axis, p, middle) > T(size)) high = middle;
    else low = middle + 1;
  }
  *last = low;
}

}  // namespace masktrack
