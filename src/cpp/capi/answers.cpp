#include "capi/answers.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "capi/values.hpp"

namespace dcn {
namespace {

constexpr double kLargestLogit = 1e150, kSteepest = 1e6;  // as isotonic.py has them
constexpr double kLargest = std::numeric_limits<double>::max();

double sigmoid(double z) noexcept { return 1 / (1 + std::exp(-z)); }

// log(1 + exp(z))
double softplus(double z) noexcept { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); }

double flushed(double number) noexcept {
  return std::abs(number) < std::numeric_limits<double>::min() ? 0 : number;
}

void softmax(double* p, std::size_t n) noexcept {
  const double most = *std::max_element(p, p + n);
  double sum = 0;
  for (std::size_t c = 0; c < n; ++c) sum += p[c] = std::exp(p[c] - most);
  for (std::size_t c = 0; c < n; ++c) p[c] = flushed(p[c] / sum);
}

// logits (C) -> logarithms of probabilities (C + 1)
void ordinal(double* log_p, const double* logits, std::size_t C) noexcept {
  double above = logits[0];  // log-odds of a class above
  log_p[0] = -softplus(above);
  for (std::size_t c = 1; c < C; ++c) {
    const double before = above;
    above -= softplus(logits[c]);
    log_p[c] = -softplus(-before) - softplus(above) - softplus(-logits[c]);
  }
  log_p[C] = -softplus(-above);
}

}  // namespace

IsotonicLayer::IsotonicLayer(State state)
    : edges_(state.vector<double>("edges")), slopes_(state.vector<double>("slopes")) {
  const double intercept = state.number("intercept");
  state.done();
  const auto is_logit = [](double z) { return std::abs(z) <= kLargestLogit; };
  if (edges_.size() < 2 || slopes_.size() != edges_.size() - 1 || !is_logit(intercept) ||
      !std::all_of(edges_.begin(), edges_.end(), is_logit) ||
      std::adjacent_find(edges_.begin(), edges_.end(), std::greater_equal<>()) != edges_.end() ||
      !std::all_of(slopes_.begin(), slopes_.end(),
                   [](double slope) { return slope >= 0 && slope <= kSteepest; }))
    state.refuse("edges that go upwards, with a slope between each two");
  starts_.push_back(intercept);
  for (std::size_t k = 0; k + 1 < slopes_.size(); ++k)
    starts_.push_back(starts_.back() + slopes_[k] * (edges_[k + 1] - edges_[k]));
}

double IsotonicLayer::operator()(double logit) const noexcept {
  const double z = std::clamp(logit, -kLargestLogit, kLargestLogit);
  const auto inner = edges_.begin() + 1;  // up to the last but one
  const auto k = static_cast<std::size_t>(std::upper_bound(inner, edges_.end() - 1, z) - inner);
  return starts_[k] + slopes_[k] * (z - edges_[k]);
}

Answers::Answers(State state) : loss_(state.text("loss")) {
  C_ = static_cast<std::size_t>(state.integer("n_outputs", 1, (std::int64_t{1} << 31) - 1));
  std::size_t n_constants = 0;
  if (state.names("loss_constants")) n_constants = state.numbers("loss_constants").size();
  if (state.has("classes")) {
    read_classes(state.part("classes"));
    read_layers(state, 1);
  } else if (loss_ == "multi_label") {
    kind_ = Kind::labels;
    names_.resize(C_);
    for (std::size_t c = 0; c < C_; ++c) names_[c] = std::to_string(c);
    read_layers(state, C_);
  } else if (loss_ == "pairwise" || loss_ == "listwise" || loss_ == "lambda") {
    if (C_ != 1) state.refuse("one output of a ranker");
    names_.resize(1);
  } else {
    if (loss_ == "quantile") Q_ = std::max<std::size_t>(1, n_constants);
    if (C_ % Q_ != 0) state.refuse("as many outputs of each target");
    read_numbers(state);
  }
  state.done();
}

void Answers::read_classes(State state) {
  state.skip({"dtype"});
  read_values(state.part("labels"), &names_);
  state.done();
  ordinal_ = loss_ == "ordinal";
  kind_ = names_.size() == 2 ? Kind::two_classes : Kind::classes;
  const std::size_t wanted = ordinal_ ? names_.size() - 1 : names_.size();
  const bool fits = C_ == wanted || (kind_ == Kind::two_classes && C_ == 1);
  const bool known = ordinal_ || loss_ == "log_loss" || loss_ == "softmax" || loss_ == "focal";
  if (!known)
    throw Failure(DCNFAST_UNSUPPORTED, "the loss '" + loss_ + "' is not known to the C API");
  if (names_.size() < 2 || !fits)
    state.refuse("outputs for " + std::to_string(names_.size()) + " classes");
}

void Answers::read_layers(State& state, std::size_t n) {
  if (!state.names("calibration")) return;
  for (State& layer : state.parts("calibration")) layers_.emplace_back(layer);
  if (layers_.size() != n || kind_ == Kind::classes) state.refuse("a layer for each logit");
}

void Answers::read_numbers(State& state) {
  if (loss_ == "log_loss")
    link_ = Link::rates;
  else if (loss_ == "poisson" || loss_ == "gamma" || loss_ == "tweedie")
    link_ = Link::means;
  else if (loss_ == "quantile")
    link_ = Link::quantiles;
  else if (loss_ != "squared_error" && loss_ != "absolute_error" && loss_ != "huber")
    throw Failure(DCNFAST_UNSUPPORTED, "the loss '" + loss_ + "' is not known to the C API");
  state.skip({"one_column"});
  names_.resize(C_);
  const std::size_t Y = C_ / Q_;
  if (state.has("scaler")) {
    State scaler = state.part("scaler");
    scale_ = scaler.vector<double>("scale", Y);
    mean_ = scaler.vector<double>("mean", Y);
    factor_ = scaler.vector<double>("factor", Y);
    const std::vector<bool> constant = scaler.vector<bool>("constant", Y);
    scaler.skip({"low", "high", "lowest", "highest"});
    scaler.done();
    for (std::size_t y = 0; y < Y; ++y) {
      if (!(scale_[y] > 0 && factor_[y] > 0)) scaler.refuse("scales and factors above 0");
      if (constant[y]) scale_[y] = 0;
    }
    flushes_ = link_ == Link::means;  // others may be centred anywhere
  }
  state.skip({"scaler", "bounds"});
  if (state.flag("clips") && state.has("bounds")) {
    const std::vector<double> bounds = state.matrix<double>("bounds", Y);
    if (bounds.size() != 2 * Y) state.refuse("two bounds of each target");
    const auto middle = bounds.begin() + static_cast<std::ptrdiff_t>(Y);
    least_.assign(bounds.begin(), middle);
    largest_.assign(middle, bounds.end());
    for (std::size_t y = 0; y < Y; ++y)
      if (!(least_[y] <= largest_[y])) state.refuse("bounds that go upwards");
  }
}

void Answers::numbers(double* out, const double* logits) const noexcept {
  static const double kMostLogarithm = std::log(kLargest);
  for (std::size_t c = 0; c < C_; ++c) {
    const double z = logits[c];
    switch (link_) {
      case Link::identity:
        out[c] = z;
        break;
      case Link::rates:
        out[c] = sigmoid(z);
        break;
      case Link::means:
        out[c] = std::exp(std::min(z, kMostLogarithm));
        break;
      case Link::quantiles:  // the first, and distances from the one before
        out[c] = c % Q_ == 0 ? z : out[c - 1] + softplus(z);
    }
  }
  for (std::size_t c = 0; c < C_; ++c) {
    const std::size_t y = c / Q_;
    if (!scale_.empty())
      out[c] = std::clamp(((scale_[y] == 0 ? 0 : out[c]) * scale_[y] + mean_[y]) / factor_[y],
                          -kLargest, kLargest);
    if (flushes_) out[c] = flushed(out[c]);
    if (!least_.empty()) out[c] = std::clamp(out[c], least_[y], largest_[y]);
  }
}

void Answers::classes(double* out, const double* logits) const noexcept {
  if (ordinal_)
    ordinal(out, logits, C_);
  else
    std::copy_n(logits, C_, out);
  softmax(out, size());
}

void Answers::operator()(double* out, const double* logits) const noexcept {
  switch (kind_) {
    case Kind::numbers:
      return numbers(out, logits);
    case Kind::classes:
      return classes(out, logits);
    case Kind::two_classes: {
      double z = C_ == 1 ? logits[0] : logits[1] - logits[0];
      if (!layers_.empty()) z = layers_[0](z);
      out[0] = flushed(sigmoid(-z));
      out[1] = flushed(sigmoid(z));
      return;
    }
    case Kind::labels:
      for (std::size_t c = 0; c < C_; ++c)
        out[c] = flushed(sigmoid(layers_.empty() ? logits[c] : layers_[c](logits[c])));
  }
}

}  // namespace dcn
