// Non-maximum suppression on the CPU: plain, per group, and soft.
#include "../nms.h"

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "simd.h"

namespace masktrack {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// Boxes as one array per coordinate, group after group; inside a group in the order of the input.
template <typename T>
struct BoxTable {
  // As wide as the coordinates, so that comparing and marking use the same vector registers.
  using Flag = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
  std::vector<T> x1, y1, x2, y2, area;
  std::vector<Flag> removed;
  std::vector<int64_t> row;    // index in the input
  std::vector<int64_t> start;  // first index of each group, and the end
};

template <typename T>
BoxTable<T> read_boxes(const Tensor& boxes, const std::optional<Tensor>& groups, T offset) {
  const int64_t n = boxes.size(0);
  BoxTable<T> table;
  table.row.resize(n);
  std::iota(table.row.begin(), table.row.end(), int64_t(0));
  table.start.push_back(0);
  if (groups.has_value()) {
    const int64_t* ids = groups->const_data_ptr<int64_t>();
    const int64_t step = groups->stride(0);
    std::stable_sort(table.row.begin(), table.row.end(),
                     [=](int64_t a, int64_t b) { return ids[a * step] < ids[b * step]; });
    for (int64_t k = 1; k < n; ++k) {
      if (ids[table.row[k] * step] != ids[table.row[k - 1] * step]) table.start.push_back(k);
    }
  }
  table.start.push_back(n);
  for (auto* column : {&table.x1, &table.y1, &table.x2, &table.y2, &table.area}) column->resize(n);
  table.removed.assign(n, 0);
  const T* data = boxes.const_data_ptr<T>();
  const int64_t row_step = boxes.stride(0), step = boxes.stride(1);
  for (int64_t k = 0; k < n; ++k) {
    const T* box = data + table.row[k] * row_step;
    table.x1[k] = box[0];
    table.y1[k] = box[step];
    table.x2[k] = box[2 * step];
    table.y2[k] = box[3 * step];
    table.area[k] = box_area(table.x1[k], table.y1[k], table.x2[k], table.y2[k], offset);
  }
  return table;
}

// Mark the boxes of [begin, end) that box i suppresses.
template <typename T>
MASKTRACK_INLINE void suppress(BoxTable<T>& table, int64_t i, int64_t begin, int64_t end, T threshold, T offset) {
  const T *px1 = table.x1.data(), *py1 = table.y1.data(), *px2 = table.x2.data(), *py2 = table.y2.data();
  const T* areas = table.area.data();
  auto* __restrict__ removed = table.removed.data();
  const T x1 = px1[i], y1 = py1[i], x2 = px2[i], y2 = py2[i], area = areas[i];
  for (int64_t j = begin; j < end; ++j) {
    const T inter = intersection(x1, y1, x2, y2, px1[j], py1[j], px2[j], py2[j], offset);
    const T iou = inter / (area + areas[j] - inter);
    removed[j] |= iou > threshold ? 1 : 0;
  }
}

// Boxes of a block are decided one after another; the kept ones then suppress the rest, split among threads. Marks do
// not depend on the order, so the result does not depend on the number of threads.
template <typename T>
void suppress_group(BoxTable<T>& table, int64_t begin, int64_t end, T threshold, T offset) {
  constexpr int64_t kBlock = 256, kGrain = 2048;
  std::vector<int64_t> kept;
  for (int64_t block = begin; block < end; block += kBlock) {
    const int64_t stop = std::min(block + kBlock, end);
    kept.clear();
    for (int64_t i = block; i < stop; ++i) {
      if (table.removed[i]) continue;
      kept.push_back(i);
      with_vectors([&](auto) MASKTRACK_INLINED { suppress(table, i, i + 1, stop, threshold, offset); });
    }
    torch::stable::parallel_for(stop, end, kGrain, [&](int64_t first, int64_t last) {
      with_vectors([&](auto) MASKTRACK_INLINED {
        for (int64_t i : kept) suppress(table, i, first, last, threshold, offset);
      });
    });
  }
}

template <typename T>
void nms_mask_typed(const Tensor& boxes, const std::optional<Tensor>& groups, T threshold, T offset, bool* keep) {
  BoxTable<T> table = read_boxes<T>(boxes, groups, offset);
  const int64_t count = int64_t(table.start.size()) - 1;
  if (count == 1) {
    suppress_group(table, table.start[0], table.start[1], threshold, offset);
  } else {
    torch::stable::parallel_for(0, count, 1, [&](int64_t first, int64_t last) {
      for (int64_t g = first; g < last; ++g) {
        suppress_group(table, table.start[g], table.start[g + 1], threshold, offset);
      }
    });
  }
  for (size_t k = 0; k < table.row.size(); ++k) keep[table.row[k]] = !table.removed[k];
}

// Remaining boxes, packed, in the order of the input.
template <typename T>
struct SoftRace {
  std::vector<T> x1, y1, x2, y2, area, score, iou;
  std::vector<int64_t> row;
};

// Overlap of box `best` with all other remaining boxes.
template <typename T>
MASKTRACK_INLINE void overlaps(SoftRace<T>& race, int64_t best, int64_t n, T offset) {
  const T *px1 = race.x1.data(), *py1 = race.y1.data(), *px2 = race.x2.data(), *py2 = race.y2.data();
  const T* areas = race.area.data();
  T* __restrict__ iou = race.iou.data();
  const T x1 = px1[best], y1 = py1[best], x2 = px2[best], y2 = py2[best], area = areas[best];
  for (int64_t j = 0; j < n; ++j) {
    const T inter = intersection(x1, y1, x2, y2, px1[j], py1[j], px2[j], py2[j], offset);
    iou[j] = inter > T(0) ? inter / (area + areas[j] - inter) : T(-1);
  }
}

template <typename T>
void soft_group(const BoxTable<T>& table, int64_t begin, int64_t end, T* scores, bool* keep, T threshold, T sigma,
                T min_score, int64_t method, T offset) {
  SoftRace<T> race;
  auto slice = [&](const std::vector<T>& column) { return std::vector<T>(column.begin() + begin, column.begin() + end); };
  race.x1 = slice(table.x1), race.y1 = slice(table.y1), race.x2 = slice(table.x2), race.y2 = slice(table.y2);
  race.area = slice(table.area);
  race.row.assign(table.row.begin() + begin, table.row.begin() + end);
  race.iou.resize(end - begin);
  for (int64_t row : race.row) race.score.push_back(scores[row]);
  for (int64_t n = end - begin; n > 0;) {
    int64_t best = 0;
    for (int64_t j = 1; j < n; ++j) best = soft_rank(race.score[j]) > soft_rank(race.score[best]) ? j : best;
    keep[race.row[best]] = true;
    scores[race.row[best]] = race.score[best];
    with_vectors([&](auto) MASKTRACK_INLINED { overlaps(race, best, n, offset); });
    int64_t left = 0;
    for (int64_t j = 0; j < n; ++j) {
      if (j == best) continue;
      T score = race.score[j];
      // A box is dropped only when a better one touches it, as in 2019.
      if (!(race.iou[j] < T(0))) {
        score *= soft_weight(race.iou[j], threshold, sigma, method);
        scores[race.row[j]] = score;
        if (score < min_score) continue;
      }
      race.x1[left] = race.x1[j], race.y1[left] = race.y1[j], race.x2[left] = race.x2[j], race.y2[left] = race.y2[j];
      race.area[left] = race.area[j], race.score[left] = score, race.row[left] = race.row[j];
      ++left;
    }
    n = left;
  }
}

template <typename T>
void soft_nms_typed(const Tensor& boxes, const std::optional<Tensor>& groups, T* scores, bool* keep, T threshold,
                    T sigma, T min_score, int64_t method, T offset) {
  const BoxTable<T> table = read_boxes<T>(boxes, groups, offset);
  std::fill(keep, keep + boxes.size(0), false);
  torch::stable::parallel_for(0, int64_t(table.start.size()) - 1, 1, [&](int64_t first, int64_t last) {
    for (int64_t g = first; g < last; ++g) {
      soft_group(table, table.start[g], table.start[g + 1], scores, keep, threshold, sigma, min_score, method, offset);
    }
  });
}

void check_arguments(const Tensor& boxes, const std::optional<Tensor>& groups, const char* op) {
  STD_TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4, op, ": boxes must have shape (n, 4)");
  STD_TORCH_CHECK(boxes.scalar_type() == ScalarType::Float || boxes.scalar_type() == ScalarType::Double, op,
                  ": boxes must be float32 or float64");
  if (!groups.has_value()) return;
  STD_TORCH_CHECK(groups->dim() == 1 && groups->size(0) == boxes.size(0) && groups->is_cpu() &&
                      groups->scalar_type() == ScalarType::Long,
                  op, ": groups must be an int64 CPU tensor with one entry per box");
}

Tensor nms_mask_cpu(Tensor boxes, std::optional<Tensor> groups, double iou_threshold, int64_t offset) {
  check_arguments(boxes, groups, "nms_mask");
  Tensor keep = torch::stable::new_empty(boxes, {boxes.size(0)}, ScalarType::Bool);
  bool* out = keep.mutable_data_ptr<bool>();
  // The threshold is float32 in both precisions, as in 2019.
  const float threshold = float(iou_threshold);
  if (boxes.scalar_type() == ScalarType::Double) {
    nms_mask_typed<double>(boxes, groups, threshold, double(offset), out);
  } else {
    nms_mask_typed<float>(boxes, groups, threshold, float(offset), out);
  }
  return keep;
}

std::tuple<Tensor, Tensor> soft_nms_cpu(Tensor boxes, Tensor scores, std::optional<Tensor> groups,
                                        double iou_threshold, double sigma, double min_score, int64_t method,
                                        int64_t offset) {
  check_arguments(boxes, groups, "soft_nms");
  STD_TORCH_CHECK(scores.dim() == 1 && scores.size(0) == boxes.size(0) && scores.scalar_type() == boxes.scalar_type(),
                  "soft_nms: scores must have shape (n,) and the type of boxes");
  // A new tensor, also if the scores are a strided view, as it is changed in place.
  Tensor decayed = torch::stable::new_empty(scores, {scores.size(0)});
  torch::stable::copy_(decayed, scores);
  Tensor keep = torch::stable::new_empty(boxes, {boxes.size(0)}, ScalarType::Bool);
  bool* out = keep.mutable_data_ptr<bool>();
  const float threshold = float(iou_threshold);
  if (boxes.scalar_type() == ScalarType::Double) {
    soft_nms_typed<double>(boxes, groups, decayed.mutable_data_ptr<double>(), out, threshold, sigma, min_score, method,
                           double(offset));
  } else {
    soft_nms_typed<float>(boxes, groups, decayed.mutable_data_ptr<float>(), out, threshold, float(sigma),
                          float(min_score), method, float(offset));
  }
  return {decayed, keep};
}

}  // namespace
}  // namespace masktrack

STABLE_TORCH_LIBRARY_IMPL(masktrack, CPU, m) {
  m.impl("nms_mask", TORCH_BOX(&masktrack::nms_mask_cpu));
  m.impl("soft_nms", TORCH_BOX(&masktrack::soft_nms_cpu));
}
