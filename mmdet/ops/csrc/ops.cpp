// Operator schemas. Kernels register themselves in cpu/ and cuda/; gradients and fake kernels come from Python.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/tensor.h>

#include "common.h"

MASKTRACK_LIBRARY(MASKTRACK_NAMESPACE, m) {
  // Raised when a schema below changes, so that an outdated library is recognized (mmdet/ops/_library.py).
  m.def("api_version() -> int");
  m.def("has_cuda() -> bool");
  // feats: L maps (N, C, H_l, W_l); rois: (K, 5) as batch index, x1, y1, x2, y2; levels: (K,) or None for all 0.
  m.def(
      "roi_align(Tensor[] feats, Tensor rois, Tensor? levels, float[] scales, int pooled_h, int pooled_w, "
      "int sampling_ratio, int mode) -> Tensor");
  // sizes: N, H_0, W_0, H_1, W_1, ...
  m.def(
      "roi_align_backward(Tensor grad, Tensor rois, Tensor? levels, float[] scales, int[] sizes, "
      "bool channels_last, int sampling_ratio, int mode) -> Tensor[]");
  // boxes: (n, 4) in the order of descending score; groups: (n,) or None. True where a box stays. On a GPU the boxes
  // of a group must be neighbors, in the order of descending score within the group.
  m.def("nms_mask(Tensor boxes, Tensor? groups, float iou_threshold, int offset) -> Tensor");
  // Scores (n,) after decay, and True where a box stays.
  m.def(
      "soft_nms(Tensor boxes, Tensor scores, Tensor? groups, float iou_threshold, float sigma, float min_score, "
      "int method, int offset) -> (Tensor, Tensor)");
}

namespace {

int64_t api_version() { return 1; }

bool has_cuda() {
#ifdef USE_CUDA
  return true;
#else
  return false;
#endif
}

}  // namespace

MASKTRACK_LIBRARY_IMPL(MASKTRACK_NAMESPACE, CompositeExplicitAutograd, m) {
  m.impl("api_version", TORCH_BOX(&api_version));
  m.impl("has_cuda", TORCH_BOX(&has_cuda));
}
