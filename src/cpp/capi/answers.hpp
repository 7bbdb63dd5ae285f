// What logits become: the counterpart of dcnfast/estimators/targets.py and those beside it.
#pragma once

#include <string>
#include <vector>

#include "capi/state.hpp"

namespace dcn {

// A line from bin to bin behind a logit; see dcnfast/estimators/isotonic.py.
class IsotonicLayer {
 public:
  explicit IsotonicLayer(State state);
  double operator()(double logit) const noexcept;

 private:
  std::vector<double> edges_, slopes_, starts_;
};

class Answers {
 public:
  explicit Answers(State state);

  const std::string& loss() const noexcept { return loss_; }
  std::size_t n_logits() const noexcept { return C_; }
  std::size_t size() const noexcept { return names_.size(); }
  const std::string& name(std::size_t c) const noexcept { return names_[c]; }

  // logits (C) of a row, finite -> numbers (size)
  void operator()(double* out, const double* logits) const noexcept;

 private:
  enum class Kind { numbers, two_classes, classes, labels };
  enum class Link { identity, rates, means, quantiles };

  void read_classes(State state);
  void read_numbers(State& state);
  void read_layers(State& state, std::size_t n);
  void numbers(double* out, const double* logits) const noexcept;
  void classes(double* out, const double* logits) const noexcept;

  std::string loss_;
  std::size_t C_ = 0, Q_ = 1;  // logits, and those of a target
  Kind kind_ = Kind::numbers;
  Link link_ = Link::identity;
  bool ordinal_ = false, flushes_ = true;
  std::vector<std::string> names_;
  std::vector<IsotonicLayer> layers_;
  std::vector<double> scale_, mean_, factor_, least_, largest_;  // by target; or none
};

}  // namespace dcn
