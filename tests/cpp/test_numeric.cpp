// Periodic embeddings against a naive loop, and the memory around what they write.
#include <cmath>

#include "watched.hpp"

namespace {

constexpr std::size_t J = 2, F = 3, M = 1;

template <class T> struct Numbers {
  using W = Watched<T>;
  dcn::WaveSizes sizes;
  std::size_t waves, O;
  W w, phase, weights, b, missing, dense, x, dx;

  Numbers(bool relu, std::size_t K, std::size_t rows)
      : sizes{J, F, K, M, M + J * K}, waves(relu ? 2 : 1), O(relu ? K : K - 1),
        w(J, F, W::dense, 1), phase(J, F, W::dense, 2), weights(J * waves * F, O, W::dense, 3),
        b(J, O, W::dense, 4), missing(J, K, W::dense, 5), dense(rows, M + 2 * J, W::dense, 6),
        x(rows, sizes.D, W::tile), dx(rows, sizes.D, W::tile, 7) {
    for (std::size_t r = 0; r < rows; r += 3) dense.at(r, M + 1) = T(dcn::kMissingPlace);
  }
  dcn::Waves<const T> tensors() {
    return {w.data(), waves == 2 ? nullptr : phase.data(), weights.data(), b.data(),
            missing.data()};
  }
  double output(std::size_t r, std::size_t j, std::size_t o) {
    double sum = b.at(j, o);
    for (std::size_t f = 0; f < F; ++f) {
      const double angle = double{w.at(j, f)} * double{dense.at(r, M + 2 * j)};
      const std::size_t row = j * waves * F + f;
      if (waves == 2)
        sum += std::sin(angle) * weights.at(row, o) + std::cos(angle) * weights.at(row + F, o);
      else
        sum += std::cos(angle + phase.at(j, f)) * weights.at(row, o);
    }
    return waves == 2 ? std::max(sum, 0.0) : sum;
  }
  double expected(std::size_t r, std::size_t j, std::size_t k) {
    if (dense.at(r, M + 2 * j + 1) < -1e8) return missing.at(j, k);
    if (waves == 2) return output(r, j, k);
    return k == 0 ? double{dense.at(r, M + 2 * j)} : output(r, j, k - 1);
  }
};

template <class T>
void periodic(const dcn::KernelTable<T>& k, bool relu, std::size_t K, std::size_t rows) {
  using W = Watched<T>;
  Numbers<T> n(relu, K, rows);
  const std::size_t lanes = dcn::kLanes<T>;
  W dw(J * F, lanes, W::dense), dphase(J * F, lanes, W::dense), db(J * n.O, lanes, W::dense),
      dW(J * n.waves * F * n.O, lanes, W::dense), dmissing(J * K, lanes, W::dense);
  const dcn::Waves<T> sums{dw.data(), relu ? nullptr : dphase.data(), dW.data(), db.data(),
                           dmissing.data()};
  (relu ? k.periodic_relu_forward : k.periodic_forward)(n.x.data(), n.dense.data(), nullptr,
                                                        n.tensors(), n.sizes, rows);
  (relu ? k.periodic_relu_backward : k.periodic_backward)(
      sums, n.dx.data(), n.x.data(), n.dense.data(), nullptr, n.tensors(), n.sizes, rows);
  for (std::size_t r = 0; r < rows; ++r) {
    CHECK(n.x.at(r, 0) == T(0));  // of other columns
    for (std::size_t j = 0; j < J; ++j)
      for (std::size_t o = 0; o < K; ++o)
        CHECK_NEAR(n.x.at(r, M + j * K + o), n.expected(r, j, o), tolerance<T>(8 * F));
  }
  W g(J, n.O, W::dense);
  k.add_lanes(g.data(), db.data(), J * n.O, T(1));
  for (std::size_t j = 0; j < J; ++j)
    for (std::size_t o = 0; o < n.O; ++o) {
      double want = 0;
      for (std::size_t r = 0; r < rows; ++r)
        if (n.dense.at(r, M + 2 * j + 1) >= -1e8 && (!relu || n.x.at(r, M + j * K + o) > 0))
          want += n.dx.at(r, M + (j + 1) * K - n.O + o);
      CHECK_NEAR(g.at(j, o), want, tolerance<T>(rows) * static_cast<double>(rows + 1));
    }
  for (W* memory : {&n.x, &n.dx, &n.dense, &dw, &dphase, &dW, &db, &dmissing, &g})
    CHECK(memory->intact());
}

}  // namespace

TEST(periodic_embeddings_agree_with_a_naive_loop) {
  on_each_isa([](const auto& k) {
    for (const bool relu : {false, true})
      for (const std::size_t K : {2, 5, 17, 33})
        for (const std::size_t rows : {0, 1, 7, 16, 35}) periodic(k, relu, K, rows);
  });
}
