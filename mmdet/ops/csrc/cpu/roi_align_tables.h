// Where each region of RoIAlign reads a map: its samples, axis by axis.
#pragma once

#include <algorithm>
#include <vector>

#include "../roi_align_args.h"

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

  void fill(const Regions<A>& regions, int64_t k, A scale, int64_t height, int64_t width) {
    const A* roi = regions.rois + 5 * k;
    const auto axis_y = roi_axis(roi[2], roi[4], scale, regions.pooled_h, regions.sampling_ratio, regions.mode);
    const auto axis_x = roi_axis(roi[1], roi[3], scale, regions.pooled_w, regions.sampling_ratio, regions.mode);
    count = sample_count(axis_y, axis_x, regions.mode);
    y.fill(axis_y, regions.pooled_h, height);
    x.fill(axis_x, regions.pooled_w, width);
  }

  bool empty() const { return y.total == 0 || x.total == 0; }

  // Positions between the first and the last that are read.
  int64_t extent() const { return y.extent * x.extent; }

  // Reading these samples one by one takes as long as copying so many positions with channels innermost.
  int64_t worth() const { return 8 * y.total * x.total; }
};

}  // namespace
}  // namespace masktrack
