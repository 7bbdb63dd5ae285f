// The losses against a naive loop, and all of them within their arrays.
#include <cmath>
#include <vector>

#include "check.hpp"
#include "dispatch/kinds.hpp"
#include "watched.hpp"

namespace {

template <class T> void losses(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t C) {
  using M = Watched<T>;
  M z(rows, C, M::tile, 1), y(rows, C, M::dense, 2), classes(rows, 1, M::dense);
  for (std::size_t r = 0; r < rows; ++r) classes.at(r, 0) = static_cast<T>(r % C);
  M dz(rows, C, M::tile);
  double squares = 0, coins = 0, entropy = 0;
  std::vector<double> want_squared(rows * C), want_bce(rows * C), want_softmax(rows * C);
  for (std::size_t r = 0; r < rows; ++r) {
    double total = 0;
    for (std::size_t c = 0; c < C; ++c) {
      const double logit = z.at(r, c), target = y.at(r, c);
      squares += std::pow(logit - target, 2) / static_cast<double>(C);
      coins += std::log1p(std::exp(logit)) - logit * target;
      total += std::exp(logit);
      want_squared[r * C + c] = 2 / static_cast<double>(C) * (logit - target);
      want_bce[r * C + c] = 1 / (1 + std::exp(-logit)) - target;
    }
    entropy += std::log(total) - z.at(r, r % C);
    for (std::size_t c = 0; c < C; ++c)
      want_softmax[r * C + c] = std::exp(double{z.at(r, c)}) / total - (c == r % C ? 1 : 0);
  }
  const auto& squared = k.losses[dcn::loss_named("squared_error")];
  const auto& bce = k.losses[dcn::loss_named("log_loss")];
  const auto& softmax = k.losses[dcn::loss_named("softmax")];
  const double near = tolerance<T>(C) * static_cast<double>(4 * rows + 1);
  CHECK_NEAR(squared.forward(z.data(), y.data(), nullptr, nullptr, rows, C, {}), squares, near);
  CHECK_NEAR(bce.forward(z.data(), y.data(), nullptr, nullptr, rows, C, {}), coins,
             near * static_cast<double>(C));
  CHECK_NEAR(softmax.forward(z.data(), classes.data(), nullptr, nullptr, rows, C, {}), entropy,
             near);
  const auto agrees = [&](const std::vector<double>& want) {
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < C; ++c)
        CHECK_NEAR(dz.at(r, c), want[r * C + c], tolerance<T>(C) * 4);
    CHECK(dz.intact());
  };
  squared.backward(dz.data(), z.data(), y.data(), nullptr, nullptr, rows, C, T(1), {});
  agrees(want_squared);
  bce.backward(dz.data(), z.data(), y.data(), nullptr, nullptr, rows, C, T(1), {});
  agrees(want_bce);
  softmax.backward(dz.data(), z.data(), classes.data(), nullptr, nullptr, rows, C, T(1), {});
  agrees(want_softmax);
  for (M* m : {&z, &y, &classes}) CHECK(m->intact());
}

// Constants that a kind takes, of some that may be.
std::vector<double> constants_of(const auto& kind, std::size_t C) {
  for (const std::vector<double>& some : {std::vector<double>{}, {1.5}, {0.5}})
    if (kind.takes(some.data(), some.size(), C)) return some;
  CHECK(!"no constants are taken");
  return {};
}

// All of them: nothing is written beside the outputs, and a bad number of constants is refused.
template <class T> void every_loss(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t C) {
  using M = Watched<T>;
  for (const dcn::LossKernels<T>& kind : k.losses) {
    if (kind.list != nullptr) continue;  // see every_list
    const std::vector<double> constants = constants_of(kind, C);
    const std::vector<T> own(constants.begin(), constants.end());
    const dcn::LossOptions<T> options{T(0), own.data(), own.size()};
    const std::vector<double> many(C + 2, 0.5);
    CHECK(!kind.takes(many.data(), many.size(), C));
    const std::size_t E = 3, classes = kind.n_classes(C);
    M z(E * rows, C, M::tile, 1), y(rows, kind.target_width(C, own.size()), M::dense);
    M dz(rows, C, M::tile), combined(rows, C, M::tile);
    for (std::size_t r = 0; r < rows; ++r)
      y.at(r, 0) = static_cast<T>(kind.classes ? r % classes : r % 2);
    CHECK(kind.classes == (classes > 0));
    CHECK(std::isfinite(kind.forward(z.data(), y.data(), nullptr, nullptr, rows, C, options)));
    kind.backward(dz.data(), z.data(), y.data(), nullptr, nullptr, rows, C, T(1), options);
    kind.combine(combined.data(), z.data(), rows, E, C, options);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < C; ++c)
        CHECK(std::isfinite(dz.at(r, c)) && std::isfinite(combined.at(r, c)));
    for (M* m : {&z, &y, &dz, &combined}) CHECK(m->intact());
  }
}

// Of lists: slopes that add up to 0, and nothing written behind the last whole vector.
template <class T> void every_list(const dcn::KernelTable<T>& k, std::size_t n) {
  using M = Watched<T>;
  const std::size_t width = dcn::padded<T>(n);
  for (const dcn::LossKernels<T>& kind : k.losses) {
    if (kind.list == nullptr) continue;
    CHECK(kind.forward == nullptr && kind.backward == nullptr && kind.rule != nullptr);
    const double many[] = {1, 1, 1};
    CHECK(!kind.takes(many, 3, 1));
    M slopes(1, width, M::dense), scores(1, width, M::dense, 1), gains(1, width, M::dense),
        discounts(1, width, M::dense);
    for (std::size_t i = 0; i < n; ++i) {
      gains.at(0, i) = static_cast<T>(i % 3);
      discounts.at(0, i) = T(1) / static_cast<T>(i + 2);
    }
    const double loss = kind.list(slopes.data(), scores.data(), gains.data(), discounts.data(), n);
    CHECK(std::isfinite(loss) && (loss > 0) == (n > 1));
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(slopes.at(0, i));
    CHECK_NEAR(sum, 0, tolerance<T>(n) * 4);
    for (M* m : {&slopes, &scores, &gains, &discounts}) CHECK(m->intact());
  }
}

}  // namespace

TEST(kernels_losses_of_lists_stay_within_their_arrays) {
  on_each_isa([](const auto& k) {
    for (const std::size_t n : {1, 2, 7, 8, 9, 15, 16, 17, 100}) every_list(k, n);
  });
}

TEST(kernels_losses_agree_with_a_naive_loop) {
  on_each_isa([](const auto& k) {
    for (const std::size_t rows : {0, 1, 5})
      for (const std::size_t C : {1, 7, 8, 9, 15, 16, 17, 33}) losses(k, rows, C);
  });
}

TEST(kernels_losses_stay_within_their_arrays) {
  on_each_isa([](const auto& k) {
    for (const std::size_t rows : {0, 1, 5, 17})
      for (const std::size_t C : {1, 2, 7, 8, 9, 15, 16, 17}) every_loss(k, rows, C);
  });
}
