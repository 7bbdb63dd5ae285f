// What is done to numbers, read from a model file: the counterpart of dcnfast/encode/scaling.py.
#pragma once

#include <string>
#include <vector>

#include "capi/state.hpp"
#include "serving/scale.hpp"

namespace dcn {

struct Scales {
  ColumnScales columns;
  bool logarithm = false;               // sign(x) log(1 + |x|) comes first
  std::vector<double> lowest, highest;  // of the results, in the training rows

  // Of a scaler of M columns. "" stands for no scaling; `largest` is that of the results' type.
  static Scales read(State state, std::size_t M, const std::string& scaling, bool clips,
                     double largest);
  // Brings a scaled row into the range of the training rows; missing numbers stay missing.
  template <class T> void clip(T* row) const noexcept;
};

extern template void Scales::clip(float*) const noexcept;
extern template void Scales::clip(double*) const noexcept;

}  // namespace dcn
