// Non-maximum suppression on the GPU: plain, per group, and soft. It does not synchronize; results are deterministic.
#include "../nms.h"

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>

#include <optional>
#include <tuple>

#include "launch.h"

namespace masktrack {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using Word = unsigned long long;

constexpr int kWord = 64;         // boxes per word of the bit matrix
constexpr int kSweepThreads = 256;
constexpr int kSoftThreads = 512;

// Bit j of word (i, w) is set if box i suppresses box 64 w + j. Only words on and right of the diagonal are written.
template <typename T>
__global__ void suppression_kernel(const T* boxes, int64_t n, int64_t words, T threshold, T offset, Word* bits) {
  const int64_t column = blockIdx.x, row = blockIdx.y;
  if (column < row) return;
  __shared__ T x1[kWord], y1[kWord], x2[kWord], y2[kWord], area[kWord];
  const int64_t count = n - column * kWord < kWord ? n - column * kWord : kWord;
  const int64_t t = threadIdx.x;
  if (t < count) {
    const int64_t j = column * kWord + t;
    x1[t] = boxes[4 * j], y1[t] = boxes[4 * j + 1], x2[t] = boxes[4 * j + 2], y2[t] = boxes[4 * j + 3];
    area[t] = box_area(x1[t], y1[t], x2[t], y2[t], offset);
  }
  __syncthreads();
  const int64_t i = row * kWord + t;
  if (i >= n) return;
  const T a1 = boxes[4 * i], b1 = boxes[4 * i + 1], a2 = boxes[4 * i + 2], b2 = boxes[4 * i + 3];
  const T own = box_area(a1, b1, a2, b2, offset);
  Word word = 0;
  for (int64_t j = row == column ? t + 1 : 0; j < count; ++j) {
    const T inter = intersection(a1, b1, a2, b2, x1[j], y1[j], x2[j], y2[j], offset);
    if (inter / (own + area[j] - inter) > threshold) word |= Word(1) << j;
  }
  bits[i * words + column] = word;
}

// One block goes over the rows, 64 at a time: one thread decides within the diagonal, then all threads apply the rows
// of the kept boxes.
__global__ void sweep_kernel(const Word* bits, int64_t n, int64_t words, Word* removed, bool* keep) {
  __shared__ Word diagonal[kWord];
  __shared__ Word kept;
  for (int64_t w = threadIdx.x; w < words; w += blockDim.x) removed[w] = 0;
  for (int64_t block = 0; block < words; ++block) {
    const int64_t count = n - block * kWord < kWord ? n - block * kWord : kWord;
    if (threadIdx.x < count) diagonal[threadIdx.x] = bits[(block * kWord + threadIdx.x) * words + block];
    __syncthreads();
    if (threadIdx.x == 0) {
      Word dead = removed[block], alive = 0;
      for (int64_t i = 0; i < count; ++i) {
        if (dead >> i & 1) continue;
        alive |= Word(1) << i;
        dead |= diagonal[i];
      }
      kept = alive;
    }
    __syncthreads();
    if (threadIdx.x < count) keep[block * kWord + threadIdx.x] = kept >> threadIdx.x & 1;
    for (int64_t w = block + 1 + threadIdx.x; w < words; w += blockDim.x) {
      Word gone = removed[w];
      for (int64_t i = 0; i < count; ++i) {
        if (kept >> i & 1) gone |= bits[(block * kWord + i) * words + w];
      }
      removed[w] = gone;
    }
    __syncthreads();
  }
}

// The boxes of a group are neighbors. A block takes the groups that begin among its 64 boxes, one after the other: 64
// boxes at a time are decided, then the kept ones remove boxes behind them. Memory grows with the number of boxes only.
template <typename T>
__global__ void group_kernel(const T* boxes, const int64_t* groups, int64_t n, T threshold, T offset, bool* keep) {
  __shared__ T x1[kWord], y1[kWord], x2[kWord], y2[kWord], area[kWord];
  __shared__ Word overlaps[kWord];
  __shared__ bool left[kWord];
  __shared__ Word kept;
  const int64_t t = threadIdx.x;
  const int64_t skip = int64_t(gridDim.x - 1) * kWord;  // from the last of the 64 boxes to the next 64 of this block
  for (int64_t first = int64_t(blockIdx.x) * kWord; first < n; first += first % kWord == kWord - 1 ? skip + 1 : 1) {
    if (first > 0 && groups[first - 1] == groups[first]) continue;
    int64_t end = first + 1, past = n;  // the group ends in [end, past]
    while (end < past) {
      const int64_t middle = end + (past - end) / 2;
      if (groups[middle] == groups[first]) end = middle + 1;
      else past = middle;
    }
    for (int64_t j = first + t; j < end; j += blockDim.x) keep[j] = true;
    __syncthreads();
    for (int64_t begin = first; begin < end; begin += kWord) {
      const int64_t count = end - begin < kWord ? end - begin : kWord;
      if (t < count) {
        const T* box = boxes + 4 * (begin + t);
        x1[t] = box[0], y1[t] = box[1], x2[t] = box[2], y2[t] = box[3];
        area[t] = box_area(x1[t], y1[t], x2[t], y2[t], offset);
        left[t] = keep[begin + t];
      }
      __syncthreads();
      if (t < count) {
        Word word = 0;
        for (int64_t j = t + 1; j < count; ++j) {
          const T inter = intersection(x1[t], y1[t], x2[t], y2[t], x1[j], y1[j], x2[j], y2[j], offset);
          if (inter / (area[t] + area[j] - inter) > threshold) word |= Word(1) << j;
        }
        overlaps[t] = word;
      }
      __syncthreads();
      if (t == 0) {
        Word dead = 0, alive = 0;
        for (int64_t i = 0; i < count; ++i) {
          if (!left[i] || (dead >> i & 1)) continue;
          alive |= Word(1) << i;
          dead |= overlaps[i];
        }
        kept = alive;
      }
      __syncthreads();
      if (t < count) keep[begin + t] = kept >> t & 1;
      for (int64_t j = begin + kWord + t; j < end; j += blockDim.x) {
        if (!keep[j]) continue;
        const T *box = boxes + 4 * j, a1 = box[0], b1 = box[1], a2 = box[2], b2 = box[3];
        const T own = box_area(a1, b1, a2, b2, offset);
        for (int64_t i = 0; i < count; ++i) {
          if (!(kept >> i & 1)) continue;
          const T inter = intersection(x1[i], y1[i], x2[i], y2[i], a1, b1, a2, b2, offset);
          if (inter / (area[i] + own - inter) > threshold) {
            keep[j] = false;
            break;
          }
        }
      }
      __syncthreads();
    }
  }
}

// One block picks the best remaining box of all groups and lowers the scores of its group.
template <typename T>
__global__ void soft_kernel(const T* boxes, const int64_t* groups, int64_t n, T threshold, T sigma, T min_score,
                            int64_t method, T offset, T* scores, bool* left, bool* keep) {
  __shared__ T best_rank[kSoftThreads];
  __shared__ int64_t best_index[kSoftThreads];
  for (int64_t j = threadIdx.x; j < n; j += blockDim.x) left[j] = true, keep[j] = false;
  while (true) {
    T rank = T(0);
    int64_t index = -1;
    for (int64_t j = threadIdx.x; j < n; j += blockDim.x) {
      if (!left[j]) continue;
      const T mine = soft_rank(scores[j]);
      if (index < 0 || mine > rank) rank = mine, index = j;
    }
    best_rank[threadIdx.x] = rank, best_index[threadIdx.x] = index;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
      if (int(threadIdx.x) < half) {
        const int64_t other = best_index[threadIdx.x + half], own = best_index[threadIdx.x];
        const T other_rank = best_rank[threadIdx.x + half], own_rank = best_rank[threadIdx.x];
        // Equal ranks: the earlier box.
        if (other >= 0 && (own < 0 || other_rank > own_rank || (other_rank == own_rank && other < own))) {
          best_index[threadIdx.x] = other, best_rank[threadIdx.x] = other_rank;
        }
      }
      __syncthreads();
    }
    const int64_t best = best_index[0];
    if (best < 0) return;
    const T *box = boxes + 4 * best, x1 = box[0], y1 = box[1], x2 = box[2], y2 = box[3];
    const T area = box_area(x1, y1, x2, y2, offset);
    __syncthreads();  // all threads have read the winner before its memory is reused
    for (int64_t j = threadIdx.x; j < n; j += blockDim.x) {
      if (!left[j] || (groups && groups[j] != groups[best])) continue;
      if (j == best) {
        left[j] = false, keep[j] = true;
        continue;
      }
      const T* other = boxes + 4 * j;
      const T inter = intersection(x1, y1, x2, y2, other[0], other[1], other[2], other[3], offset);
      if (!(inter > T(0))) continue;
      const T iou = inter / (area + box_area(other[0], other[1], other[2], other[3], offset) - inter);
      scores[j] *= soft_weight(iou, threshold, sigma, method);
      if (scores[j] < min_score) left[j] = false;
    }
    __syncthreads();
  }
}

void check_arguments(const Tensor& boxes, const std::optional<Tensor>& groups, const char* op) {
  STD_TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4 && boxes.is_contiguous(), op,
                  ": boxes must be contiguous with shape (n, 4)");
  STD_TORCH_CHECK(boxes.scalar_type() == ScalarType::Float || boxes.scalar_type() == ScalarType::Double, op,
                  ": boxes must be float32 or float64");
  STD_TORCH_CHECK(boxes.size(0) <= int64_t(kWord) * 65535, op, ": too many boxes");
  if (!groups.has_value()) return;
  STD_TORCH_CHECK(groups->dim() == 1 && groups->size(0) == boxes.size(0) && groups->is_contiguous() &&
                      groups->scalar_type() == ScalarType::Long &&
                      groups->get_device_index() == boxes.get_device_index(),
                  op, ": groups must be contiguous int64 with one entry per box, on the device of boxes");
}

template <typename T>
void nms_mask_typed(const Tensor& boxes, const int64_t* groups, T threshold, T offset, Tensor& keep) {
  const int64_t n = boxes.size(0), words = (n + kWord - 1) / kWord;
  const auto stream = current_stream(boxes);
  if (groups) {
    MASKTRACK_LAUNCH((group_kernel<T>), blocks_for(n, kWord), kSweepThreads, stream, boxes.const_data_ptr<T>(), groups, n,
                     threshold, offset, keep.mutable_data_ptr<bool>());
    return;
  }
  Tensor bits = torch::stable::new_empty(boxes, {n, words}, ScalarType::Long);
  Tensor removed = torch::stable::new_empty(boxes, {words}, ScalarType::Long);
  auto* matrix = reinterpret_cast<Word*>(bits.mutable_data_ptr<int64_t>());
  const dim3 grid(static_cast<unsigned int>(words), static_cast<unsigned int>(words));
  MASKTRACK_LAUNCH((suppression_kernel<T>), grid, kWord, stream, boxes.const_data_ptr<T>(), n, words, threshold, offset,
                   matrix);
  MASKTRACK_LAUNCH(sweep_kernel, 1, kSweepThreads, stream, matrix, n, words,
                   reinterpret_cast<Word*>(removed.mutable_data_ptr<int64_t>()), keep.mutable_data_ptr<bool>());
}

Tensor nms_mask_cuda(Tensor boxes, std::optional<Tensor> groups, double iou_threshold, int64_t offset) {
  check_arguments(boxes, groups, "nms_mask");
  const DeviceGuard guard(boxes.get_device_index());
  Tensor keep = torch::stable::new_empty(boxes, {boxes.size(0)}, ScalarType::Bool);
  if (boxes.size(0) == 0) return keep;
  const int64_t* ids = groups.has_value() ? groups->const_data_ptr<int64_t>() : nullptr;
  const float threshold = float(iou_threshold);
  if (boxes.scalar_type() == ScalarType::Double) nms_mask_typed<double>(boxes, ids, threshold, double(offset), keep);
  else nms_mask_typed<float>(boxes, ids, threshold, float(offset), keep);
  return keep;
}

template <typename T>
void soft_nms_typed(const Tensor& boxes, const int64_t* groups, float threshold, double sigma, double min_score,
                    int64_t method, int64_t offset, Tensor& scores, Tensor& left, Tensor& keep) {
  MASKTRACK_LAUNCH((soft_kernel<T>), 1, kSoftThreads, current_stream(boxes), boxes.const_data_ptr<T>(), groups,
                   boxes.size(0), T(threshold), T(sigma), T(min_score), method, T(offset), scores.mutable_data_ptr<T>(),
                   left.mutable_data_ptr<bool>(), keep.mutable_data_ptr<bool>());
}

std::tuple<Tensor, Tensor> soft_nms_cuda(Tensor boxes, Tensor scores, std::optional<Tensor> groups,
                                         double iou_threshold, double sigma, double min_score, int64_t method,
                                         int64_t offset) {
  check_arguments(boxes, groups, "soft_nms");
  STD_TORCH_CHECK(scores.dim() == 1 && scores.size(0) == boxes.size(0) && scores.scalar_type() == boxes.scalar_type() &&
                      scores.get_device_index() == boxes.get_device_index(),
                  "soft_nms: scores must have shape (n,), the type of boxes and their device");
  const DeviceGuard guard(boxes.get_device_index());
  Tensor decayed = torch::stable::new_empty(scores, {scores.size(0)});
  torch::stable::copy_(decayed, scores);
  Tensor keep = torch::stable::new_empty(boxes, {boxes.size(0)}, ScalarType::Bool);
  if (boxes.size(0) == 0) return {decayed, keep};
  Tensor left = torch::stable::new_empty(boxes, {boxes.size(0)}, ScalarType::Bool);
  const int64_t* ids = groups.has_value() ? groups->const_data_ptr<int64_t>() : nullptr;
  const float threshold = float(iou_threshold);
  if (boxes.scalar_type() == ScalarType::Double) {
    soft_nms_typed<double>(boxes, ids, threshold, sigma, min_score, method, offset, decayed, left, keep);
  } else {
    soft_nms_typed<float>(boxes, ids, threshold, sigma, min_score, method, offset, decayed, left, keep);
  }
  return {decayed, keep};
}

}  // namespace
}  // namespace masktrack

MASKTRACK_LIBRARY_IMPL(MASKTRACK_NAMESPACE, MASKTRACK_CUDA_KEY, m) {
  m.impl("nms_mask", TORCH_BOX(&masktrack::nms_mask_cuda));
  m.impl("soft_nms", TORCH_BOX(&masktrack::soft_nms_cuda));
}
