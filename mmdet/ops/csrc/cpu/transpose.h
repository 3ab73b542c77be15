// Transposing matrices whose rows may lie anywhere in memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "simd.h"

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define MASKTRACK_SHUFFLES
#endif
#endif

namespace masktrack {
namespace {

// A matrix: its first element, and the distance between two rows and between two columns.
template <typename T>
struct Matrix {
  T* data;
  int64_t row, column;
};

#ifdef MASKTRACK_SHUFFLES
// Four rows of four neighbors. The other types are rare on a CPU, and go element by element.
MASKTRACK_INLINE void transpose_four(const float* source, int64_t source_row, float* target, int64_t target_row) {
  typedef float Four __attribute__((vector_size(16)));
  Four a, b, c, d;
  std::memcpy(&a, source, sizeof(Four));
  std::memcpy(&b, source + source_row, sizeof(Four));
  std::memcpy(&c, source + 2 * source_row, sizeof(Four));
  std::memcpy(&d, source + 3 * source_row, sizeof(Four));
  const Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  a = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5), b = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
  c = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5), d = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
  std::memcpy(target, &a, sizeof(Four));
  std::memcpy(target + target_row, &b, sizeof(Four));
  std::memcpy(target + 2 * target_row, &c, sizeof(Four));
  std::memcpy(target + 3 * target_row, &d, sizeof(Four));
}
#endif

// Row i of the source becomes column i of the target.
template <typename T, typename A>
MASKTRACK_INLINE void transpose(Matrix<const T> source, int64_t rows, int64_t columns, Matrix<A> target) {
  int64_t i = 0;
#ifdef MASKTRACK_SHUFFLES
  if constexpr (std::is_same_v<T, float> && std::is_same_v<A, float>) {
    const int64_t whole = source.column == 1 && target.column == 1 ? columns / 4 * 4 : 0;
    for (; whole > 0 && i + 4 <= rows; i += 4) {
      const float* from = source.data + i * source.row;
      float* to = target.data + i;
      for (int64_t j = 0; j < whole; j += 4) transpose_four(from + j, source.row, to + j * target.row, target.row);
      for (int64_t j = whole; j < columns; ++j) {
        for (int64_t k = 0; k < 4; ++k) to[j * target.row + k] = from[k * source.row + j];
      }
    }
  }
#endif
  for (; i < rows; ++i) {
    const T* from = source.data + i * source.row;
    A* to = target.data + i * target.column;
    for (int64_t j = 0; j < columns; ++j) to[j * target.row] = A(from[j * source.column]);
  }
}

}  // namespace
}  // namespace masktrack
