// Transposing matrices whose rows may lie anywhere in memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

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
// Exchange the upper right and the lower left quarter of all blocks of 2 * kHalf rows and columns.
template <int kHalf, typename V, int... kColumn>
MASKTRACK_INLINE void exchange(V& upper, V& lower, std::integer_sequence<int, kColumn...>) {
  constexpr int n = sizeof...(kColumn);
  const V left = __builtin_shufflevector(upper, lower, (kColumn & kHalf ? n + kColumn - kHalf : kColumn)...);
  lower = __builtin_shufflevector(upper, lower, (kColumn & kHalf ? n + kColumn : kColumn + kHalf)...);
  upper = left;
}

template <int kHalf, int kSize, typename V>
MASKTRACK_INLINE void exchange_all(V* rows) {
#pragma GCC unroll 16
  for (int i = 0; i < kSize; ++i) {
    if (!(i & kHalf)) exchange<kHalf>(rows[i], rows[i + kHalf], std::make_integer_sequence<int, kSize>());
  }
  if constexpr (kHalf > 1) exchange_all<kHalf / 2, kSize>(rows);
}

// kSize rows of kSize neighbors, a vector register each. The other types are rare on a CPU, and go element by element.
template <int kSize>
MASKTRACK_INLINE void transpose_square(const float* source, int64_t source_row, float* target, int64_t target_row) {
  typedef float Row __attribute__((vector_size(kSize * sizeof(float))));
  Row rows[kSize];
#pragma GCC unroll 16
  for (int i = 0; i < kSize; ++i) std::memcpy(&rows[i], source + i * source_row, sizeof(Row));
  exchange_all<kSize / 2, kSize>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kSize; ++i) std::memcpy(target + i * target_row, &rows[i], sizeof(Row));
}
#endif

// Row i of the source becomes column i of the target. Vector registers have kBytes.
template <int kBytes, typename T, typename A>
MASKTRACK_INLINE void transpose(Matrix<const T> source, int64_t rows, int64_t columns, Matrix<A> target) {
#ifdef MASKTRACK_SHUFFLES
  if constexpr (kBytes >= 16 && std::is_same_v<T, float> && std::is_same_v<A, float>) {
    if (source.column == 1 && target.column == 1) {
      constexpr int kSize = kBytes / sizeof(float);
      const int64_t whole_rows = rows / kSize * kSize, whole_columns = columns / kSize * kSize;
      for (int64_t i = 0; i < whole_rows; i += kSize) {
        for (int64_t j = 0; j < whole_columns; j += kSize) {
          transpose_square<kSize>(source.data + i * source.row + j, source.row, target.data + j * target.row + i,
                                  target.row);
        }
      }
      if (whole_columns < columns) {
        transpose<kBytes / 2>(Matrix<const T>{source.data + whole_columns, source.row, 1}, whole_rows,
                              columns - whole_columns,
                              Matrix<A>{target.data + whole_columns * target.row, target.row, 1});
      }
      if (whole_rows < rows) {
        transpose<kBytes / 2>(Matrix<const T>{source.data + whole_rows * source.row, source.row, 1},
                              rows - whole_rows, columns, Matrix<A>{target.data + whole_rows, target.row, 1});
      }
      return;
    }
  }
#endif
  for (int64_t i = 0; i < rows; ++i) {
    const T* from = source.data + i * source.row;
    A* to = target.data + i * target.column;
    for (int64_t j = 0; j < columns; ++j) to[j * target.row] = A(from[j * source.column]);
  }
}

}  // namespace
}  // namespace masktrack
