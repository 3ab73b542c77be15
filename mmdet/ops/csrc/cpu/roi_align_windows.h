// Windows: parts of feature maps that RoIAlign copies with channels innermost.
//
// Vector code runs over channels. Where those are not innermost in memory, a window holds kLanes of them at a time: of
// all positions that the regions of a map read, if the regions overlap enough, otherwise of those that one region reads.
// Sums are the same, in the same order.
#pragma once

#include <algorithm>
#include <vector>

#include "../roi_align_args.h"
#include "roi_align_tables.h"
#include "transpose.h"

namespace masktrack {
namespace {

// Channels of a window. Of 8, 16 and 32, 16 was fastest: a window stays in the cache, and fills cache lines.
constexpr int64_t kLanes = 16;

// The channels of one position or bin. Aligned, so that a vector register does not read two cache lines.
template <typename A>
struct alignas(64) Lanes {
  A channel[kLanes];
};

// Positions that are transposed at once.
constexpr int64_t kTile = 64;

// Neighbors of which all are copied if one is read: the floats of a cache line.
constexpr int64_t kNeighbors = 16;

// One window for all regions of a map is faster if those together read more than this many times its positions.
constexpr double kSharingPays = 1.5;

// Whether channels are neighbors in memory.
template <typename T, typename A>
bool channels_inside(const Level<T, A>& level, int64_t channels) {
  return level.stride_c == 1 && channels > 1;
}

// Neighboring positions in a row.
struct Run {
  int64_t y, x, length;
};

// Data of a window: (height, width, kLanes).
struct Window {
  int64_t level = 0, image = 0;
  int64_t top = 0, left = 0, height = 0, width = 0;
  std::vector<Run> runs;  // what its regions read; the rest of its data is undefined
  std::vector<int64_t> regions;

  int64_t positions() const { return height * width; }

  // Index of the first channel at a position of the map.
  int64_t offset(int64_t y, int64_t x) const { return ((y - top) * width + x - left) * kLanes; }

  int64_t positions_read() const {
    int64_t sum = 0;
    for (const Run& run : runs) sum += run.length;
    return sum;
  }
};

// How each region is computed.
template <typename A>
struct Plan {
  std::vector<Grid<A>> grids;    // of all regions
  std::vector<Window> windows;
  std::vector<int64_t> direct;   // regions without a window
};

// The smallest window that holds what the regions read.
template <typename A>
Window window_of(int64_t level, int64_t image, std::vector<int64_t> regions, const std::vector<Grid<A>>& grids) {
  int64_t top = grids[regions[0]].y.lowest, left = grids[regions[0]].x.lowest, bottom = top, right = left;
  for (int64_t k : regions) {
    const auto &y = grids[k].y, &x = grids[k].x;
    top = std::min(top, y.lowest), bottom = std::max(bottom, y.lowest + y.extent);
    left = std::min(left, x.lowest), right = std::max(right, x.lowest + x.extent);
  }
  Window window{level, image, top, left, bottom - top, right - left, {}, std::move(regions)};
  const int64_t pieces = (window.width + kNeighbors - 1) / kNeighbors;  // of a row
  std::vector<char> read(window.height * pieces, 0);
  for (int64_t k : window.regions) {
    const auto &y = grids[k].y, &x = grids[k].x;
    const int64_t first = (x.lowest - left) / kNeighbors, last = (x.lowest + x.extent - 1 - left) / kNeighbors;
    for (int64_t row = y.lowest - top; row < y.lowest + y.extent - top; ++row) {
      std::fill_n(read.begin() + row * pieces + first, last + 1 - first, char(1));
    }
  }
  for (int64_t row = 0; row < window.height; ++row) {
    for (int64_t i = 0; i < pieces; ++i) {
      if (!read[row * pieces + i]) continue;
      const int64_t start = i * kNeighbors, length = std::min(kNeighbors, window.width - start);
      if (i > 0 && read[row * pieces + i - 1]) window.runs.back().length += length;
      else window.runs.push_back({top + row, left + start, length});
    }
  }
  return window;
}

// Regions are chosen by what copying costs: see Grid::worth.
template <typename T, typename A>
Plan<A> make_plan(const Regions<A>& regions, const std::vector<Level<T, A>>& pyramid, int64_t batch,
                  int64_t channels) {
  Plan<A> plan;
  plan.grids.resize(regions.count);
  torch::stable::parallel_for(0, regions.count, 16, [&](int64_t first, int64_t last) {
    for (int64_t k = first; k < last; ++k) {
      const auto& level = pyramid[regions.level(k)];
      plan.grids[k].fill(regions, k, level.scale, level.height, level.width);
    }
  });
  std::vector<std::vector<int64_t>> maps(pyramid.size() * batch);
  for (int64_t k = 0; k < regions.count; ++k) {
    const bool copied = !plan.grids[k].empty() && !channels_inside(pyramid[regions.level(k)], channels);
    (copied ? maps[regions.level(k) * batch + regions.image(k)] : plan.direct).push_back(k);
  }
  for (size_t map = 0; map < maps.size(); ++map) {
    if (maps[map].empty()) continue;
    const int64_t level = map / batch, image = map % batch;
    int64_t alone = 0;
    for (int64_t k : maps[map]) alone += std::min(plan.grids[k].extent(), plan.grids[k].worth());
    Window shared = window_of(level, image, maps[map], plan.grids);
    if (double(alone) > kSharingPays * double(shared.positions_read())) {
      plan.windows.push_back(std::move(shared));
      continue;
    }
    for (int64_t k : maps[map]) {
      if (plan.grids[k].extent() > plan.grids[k].worth()) plan.direct.push_back(k);
      else plan.windows.push_back(window_of(level, image, {k}, plan.grids));
    }
  }
  return plan;
}

// Copy `lanes` channels of a map, of which `image` is the first, to a window.
template <int kBytes, typename T, typename A>
MASKTRACK_INLINE void read_window(const T* image, const Level<const T, A>& level, int64_t lanes, const Window& window,
                                  A* data) {
  for (const Run& run : window.runs) {
    const T* source = image + run.y * level.stride_h + run.x * level.stride_w;
    A* target = data + window.offset(run.y, run.x);
    for (int64_t i = 0; i < run.length; i += kTile) {
      transpose<kBytes>(Matrix<const T>{source + i * level.stride_w, level.stride_c, level.stride_w}, lanes,
                std::min(kTile, run.length - i), Matrix<A>{target + i * kLanes, kLanes, 1});
    }
  }
}

// Add a window to `lanes` channels of a map.
template <int kBytes, typename A>
MASKTRACK_INLINE void add_window(const A* data, const Window& window, int64_t lanes, const Level<A, A>& level,
                                 A* image) {
  A tile[kLanes * kTile];
  for (const Run& run : window.runs) {
    const A* source = data + window.offset(run.y, run.x);
    A* target = image + run.y * level.stride_h + run.x * level.stride_w;
    for (int64_t i = 0; i < run.length; i += kTile) {
      const int64_t length = std::min(kTile, run.length - i);
      transpose<kBytes>(Matrix<const A>{source + i * kLanes, kLanes, 1}, length, lanes, Matrix<A>{tile, kTile, 1});
      for (int64_t lane = 0; lane < lanes; ++lane) {
        A* __restrict__ plane = target + lane * level.stride_c + i * level.stride_w;
        for (int64_t j = 0; j < length; ++j) plane[j * level.stride_w] += tile[lane * kTile + j];
      }
    }
  }
}

}  // namespace
}  // namespace masktrack
