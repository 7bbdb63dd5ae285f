// What a kind of loss gives the engine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dcn {

// What a loss is given beside its rows.
template <class T> struct LossOptions {
  T smoothing = T(0);  // share of the target that goes to all classes alike, if it has any
  const T* constants = nullptr;  // (n) numbers of the kind, such as the levels of quantiles
  std::size_t n = 0;
};

// How a loss that ranks sees a list, by its constants.
struct ListRule {
  bool exponential = false;  // a row is worth 2^target - 1, not its target
  bool relative = false;     // what rows are worth is in any unit: they have the largest as theirs
  bool discounts = false;    // whether ranks by score count
  std::size_t k = 0;         // so many from the top; 0 is all
};

template <class T> struct LossKernels {
  const char* name;
  const char* function;   // what dcnfast.ops calls it
  bool classes;           // the target is a class number a row, not numbers
  const char* constants;  // what they are, for messages
  bool (*takes)(const double* constants, std::size_t n, std::size_t C);
  std::size_t (*n_classes)(std::size_t C);                    // 0 without classes
  std::size_t (*target_width)(std::size_t C, std::size_t n);  // Y, with n constants
  // Sum over the tile, weighted. target (N,Y); weight (N) or null; rows as in stack_forward
  double (*forward)(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                    std::size_t Trows, std::size_t C, LossOptions<T> options);
  // -> dlogits (T,C), times `scale`
  void (*backward)(T* dlogits, const T* logits, const T* target, const T* weight,
                   const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                   LossOptions<T> options);
  // logits (E,T,C) of members -> out (T,C), the logits of the mean of what they predict
  void (*combine)(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                  LossOptions<T> options);
  // Of a loss that ranks; else null, and of one that does `forward` and `backward` are. The mean
  // loss of a list of n rows -> slopes (n); scores, gains and, where the rule has them, discounts
  // of the ranks (n). All have room for whole vectors, with finite numbers in it.
  double (*list)(T* slopes, const T* scores, const T* gains, const T* discounts, std::size_t n);
  ListRule (*rule)(const T* constants, std::size_t n);
};

}  // namespace dcn
