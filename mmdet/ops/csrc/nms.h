// Overlap of two boxes, shared by the CPU and the CUDA kernels of non-maximum suppression.
#pragma once

#include <cmath>
#include <cstdint>

#include "common.h"

namespace masktrack {

// Values are part of the operator schema, see mmdet/ops/constants.py.
enum SoftMethod : int64_t { kLinear = 0, kGaussian = 1 };

// A comparison instead of std::max: it is false for NaN, so that a box with NaN overlaps nothing, and it vectorizes.
template <typename T>
MASKTRACK_HD T larger(T a, T b) {
  return a > b ? a : b;
}

template <typename T>
MASKTRACK_HD T smaller(T a, T b) {
  return a < b ? a : b;
}

// Area in the convention of `offset`: 1 for inclusive pixels (width = x2 - x1 + 1), 0 for continuous coordinates.
template <typename T>
MASKTRACK_HD T box_area(T x1, T y1, T x2, T y2, T offset) {
  return (x2 - x1 + offset) * (y2 - y1 + offset);
}

template <typename T>
MASKTRACK_HD T intersection(T ax1, T ay1, T ax2, T ay2, T bx1, T by1, T bx2, T by2, T offset) {
  const T width = larger(smaller(ax2, bx2) - larger(ax1, bx1) + offset, T(0));
  const T height = larger(smaller(ay2, by2) - larger(ay1, by1) + offset, T(0));
  return width * height;
}

// Rank of a score: NaN comes last.
template <typename T>
MASKTRACK_HD T soft_rank(T score) {
  return score == score ? score : T(-INFINITY);
}

// Factor for the score of a box that a better box overlaps by `iou`.
template <typename T>
MASKTRACK_HD T soft_weight(T iou, T threshold, T sigma, int64_t method) {
  if (method == kGaussian) return T(std::exp(double(-(iou * iou) / sigma)));
  return iou > threshold ? T(1) - iou : T(1);
}

}  // namespace masktrack
