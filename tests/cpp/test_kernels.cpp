// Each instruction set's kernels against a naive double loop, on sizes with tails.
#include "base/bits.hpp"
#include "dispatch/kinds.hpp"
#include "network/packed.hpp"
#include "training/optimizer.hpp"
#include "watched.hpp"

namespace {

const dcn::Activation kRelu = dcn::activation_named("relu");

template <class T> struct Weights {
  Watched<T> W, b;
  dcn::Buffer<T> by_output, by_input, bias;

  Weights(const dcn::KernelTable<T>& k, std::size_t O, std::size_t I, std::size_t seed)
      : W(O, I, Watched<T>::dense, seed), b(1, O, Watched<T>::dense, seed + 1),
        by_output(dcn::packed_size<T>(I, O)), by_input(dcn::packed_size<T>(O, I)),
        bias(padded<T>(O)) {
    k.pack_weights(by_output.data(), by_input.data(), W.data(), I, O, I);
    std::copy_n(b.data(), O, bias.data());
  }
  dcn::Packed<T> view() const { return {by_output.data(), by_input.data(), bias.data()}; }
};

template <class T>
void dense_layer(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t I, std::size_t O) {
  using M = Watched<T>;
  Weights<T> layer(k, O, I, 3);
  M h(rows, I, M::tile, 1), dhn(rows, O, M::tile, 2), hn(rows, O, M::tile), z(rows, O, M::tile);
  M dh(rows, I, M::tile), dz(rows, O, M::tile), scratch(rows, O, M::tile), dW(O, I, M::dense),
      db(1, O, M::dense);
  k.dense_forward(hn.data(), z.data(), h.data(), layer.view(), rows, I, O, kRelu);
  k.dense_backward(dh.data(), dW.data(), db.data(), dz.data(), scratch.data(), dhn.data(),
                   hn.data(), z.data(), h.data(), layer.view(), rows, I, O, kRelu, false);
  std::vector<double> want_dW(O * I), want_db(O), want_dz(rows * O);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t o = 0; o < O; ++o) {
      double sum = layer.b.at(0, o);
      for (std::size_t i = 0; i < I; ++i) sum += double{h.at(r, i)} * layer.W.at(o, i);
      CHECK_NEAR(hn.at(r, o), std::max(sum, 0.0), tolerance<T>(I) * static_cast<double>(I + 1));
      const double slope = hn.at(r, o) > T(0) ? double{dhn.at(r, o)} : 0.0;
      want_dz[r * O + o] = slope;
      want_db[o] += slope;
      for (std::size_t i = 0; i < I; ++i) want_dW[o * I + i] += slope * h.at(r, i);
    }
  const double over_rows = tolerance<T>(rows) * static_cast<double>(rows + 1);
  for (std::size_t o = 0; o < O; ++o) {
    CHECK_NEAR(db.at(0, o), want_db[o], over_rows);
    for (std::size_t i = 0; i < I; ++i) CHECK_NEAR(dW.at(o, i), want_dW[o * I + i], over_rows);
  }
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < I; ++i) {
      double sum = 0;
      for (std::size_t o = 0; o < O; ++o) sum += want_dz[r * O + o] * layer.W.at(o, i);
      CHECK_NEAR(dh.at(r, i), sum, tolerance<T>(O) * static_cast<double>(O + 1));
    }
  for (M* m : {&h, &dhn, &hn, &z, &dh, &dz, &scratch, &dW, &db}) CHECK(m->intact());
}

// A row alone, with weights in bfloat16: the bits are those of the same numbers, wherever they lie.
template <class T> void row_of_halves(const dcn::KernelTable<T>& k, std::size_t I, std::size_t O) {
  using M = Watched<T>;
  Weights<T> layer(k, O, I, 7);
  dcn::Buffer<dcn::Bfloat16> halves(layer.by_output.size());
  CHECK(!dcn::to_bfloat16(halves.data(), layer.by_output.data(), halves.size()));
  for (std::size_t i = 0; i < halves.size(); ++i)
    layer.by_output.data()[i] =
        static_cast<T>(std::bit_cast<float>(static_cast<std::uint32_t>(halves.data()[i]) << 16));
  CHECK(dcn::to_bfloat16(halves.data(), layer.by_output.data(), halves.size()));
  const dcn::Buffer<T> nothing(halves.size());
  M h(1, I, M::tile, 1), hn(1, O, M::tile), z(1, O, M::tile), want(1, O, M::tile);
  const std::vector<dcn::Span> left = {{0, I / 2}, {I / 2 + I / 4, I}};
  const dcn::Shared<T> some{left.data(), left.size(), nullptr, layer.bias.data(), nullptr};
  for (const dcn::Shared<T>* shared : {static_cast<const dcn::Shared<T>*>(nullptr), &some}) {
    dcn::Packed<T> W = layer.view();
    W.shared = shared;
    k.dense_forward(want.data(), z.data(), h.data(), W, 1, I, O, kRelu);
    W.by_output = nothing.data();
    W.halves = halves.data();
    k.dense_forward(hn.data(), z.data(), h.data(), W, 1, I, O, kRelu);
    for (std::size_t o = 0; o < O; ++o) CHECK(hn.at(0, o) == want.at(0, o));
  }
  CHECK(h.intact() && hn.intact() && want.intact());
}

template <class T>
void matrix_layer(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t D) {
  using M = Watched<T>;
  const T diag = T(0.25);
  Weights<T> layer(k, D, D, 5);
  M x0(rows, D, M::tile, 1), x(rows, D, M::tile, 2), dxn(rows, D, M::tile, 4);
  M xn(rows, D, M::tile), z(rows, D, M::tile), dx(rows, D, M::tile), dx0(rows, D, M::tile);
  M dz(rows, D, M::tile), dW(D, D, M::dense), db(1, D, M::dense), dx0_first(rows, D, M::tile);
  M z_below(rows, D, M::tile, 6), dz_below(rows, D, M::tile), scratch(rows, D, M::tile);
  k.cross_matrix_forward(xn.data(), z.data(), x0.data(), x.data(), layer.view(), rows, D, diag);
  k.cross_start_backward(dz.data(), dx0.data(), dxn.data(), z.data(), x0.data(), rows, D);
  k.cross_start_backward(dz.data(), dx0_first.data(), dxn.data(), z.data(), x0.data(), rows, D);
  k.cross_matrix_backward(dx.data(), dW.data(), db.data(), scratch.data(), dz.data(), dxn.data(),
                          x.data(), layer.view(),
                          {z_below.data(), x0.data(), dz_below.data(), dx0.data()}, rows, D, diag);
  M unwanted_dW(D, D, M::dense), unwanted_db(1, D, M::dense);
  k.cross_matrix_backward(dx0_first.data(), unwanted_dW.data(), unwanted_db.data(), scratch.data(),
                          dz.data(), dxn.data(), x.data(), layer.view(), {}, rows, D, diag);
  const double over_D = tolerance<T>(D) * static_cast<double>(D + 2);
  const double over_rows = tolerance<T>(rows) * static_cast<double>(rows + 1);
  std::vector<double> want_dW(D * D), want_db(D), want_dx(rows * D), want_dx0(rows * D);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t o = 0; o < D; ++o) {
      double sum = double{layer.b.at(0, o)} + double{diag} * x.at(r, o);
      for (std::size_t i = 0; i < D; ++i) sum += double{x.at(r, i)} * layer.W.at(o, i);
      CHECK_NEAR(z.at(r, o), sum, over_D);
      CHECK_NEAR(xn.at(r, o), x0.at(r, o) * sum + x.at(r, o), over_D);
      want_dx0[r * D + o] = dxn.at(r, o) * sum;
      const double slope = double{dxn.at(r, o)} * x0.at(r, o);
      want_db[o] += slope;
      want_dx[r * D + o] += slope * diag + dxn.at(r, o);
      for (std::size_t i = 0; i < D; ++i) {
        want_dW[o * D + i] += slope * x.at(r, i);
        want_dx[r * D + i] += slope * layer.W.at(o, i);
      }
    }
  for (std::size_t o = 0; o < D; ++o) {
    CHECK_NEAR(db.at(0, o), want_db[o], over_rows);
    for (std::size_t i = 0; i < D; ++i) CHECK_NEAR(dW.at(o, i), want_dW[o * D + i], over_rows);
  }
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t d = 0; d < D; ++d) {
      const double want = want_dx[r * D + d], start = want_dx0[r * D + d];
      CHECK_NEAR(dx.at(r, d), want, over_D);
      CHECK_NEAR(dx0_first.at(r, d), start + want, over_D);
      CHECK_NEAR(dx0.at(r, d), start + want * z_below.at(r, d), over_D);
      CHECK_NEAR(dz_below.at(r, d), want * x0.at(r, d), over_D);
    }
  for (M* m : {&x0, &x, &dxn, &xn, &z, &dx, &dx0, &dx0_first, &dz, &dz_below, &scratch, &dW, &db})
    CHECK(m->intact());
}

// The backward of the vector form, layer by layer.
template <class T>
void check_vector_gradients(Watched<T>& dx0, Watched<T>& dw, Watched<T>& db, Watched<T>& dxL,
                            Watched<T>& x0, Watched<T>& w, Watched<T>& b, std::size_t rows,
                            std::size_t L, std::size_t D) {
  std::vector<double> want_dw(L * D), want_db(L * D);
  const double near = tolerance<T>(L * (D + 4) + rows) * std::pow(3.0, L);
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<double> x((L + 1) * D), dx(D), want(D), dots(L);
    for (std::size_t d = 0; d < D; ++d) x[d] = x0.at(r, d), dx[d] = dxL.at(r, d);
    for (std::size_t l = 0; l < L; ++l) {
      for (std::size_t d = 0; d < D; ++d) dots[l] += x[l * D + d] * w.at(l, d);
      for (std::size_t d = 0; d < D; ++d)
        x[(l + 1) * D + d] = x[l * D + d] + x0.at(r, d) * dots[l] + b.at(l, d);
    }
    for (std::size_t l = L; l-- > 0;) {
      double ds = 0;
      for (std::size_t d = 0; d < D; ++d) ds += dx[d] * x0.at(r, d);
      for (std::size_t d = 0; d < D; ++d) {
        want[d] += dx[d] * dots[l];
        want_dw[l * D + d] += ds * x[l * D + d];
        want_db[l * D + d] += dx[d];
        dx[d] += ds * w.at(l, d);
      }
    }
    for (std::size_t d = 0; d < D; ++d)
      CHECK_NEAR(dx0.at(r, d), want[d] + dx[d], near * static_cast<double>(D));
  }
  for (std::size_t l = 0; l < L; ++l)
    for (std::size_t d = 0; d < D; ++d) {
      CHECK_NEAR(dw.at(l, d), want_dw[l * D + d], near * static_cast<double>(D * rows));
      CHECK_NEAR(db.at(l, d), want_db[l * D + d], near * static_cast<double>(rows));
    }
}

template <class T>
void vector_layers(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t D, std::size_t L) {
  using M = Watched<T>;
  M w(L, D, M::dense, 3), b(L, D, M::dense, 4), x0(rows, D, M::tile, 1), xL(rows, D, M::tile);
  M c(1, (L + 1) * padded<T>(D), M::dense), q(1, L, M::dense), p(1, L * rows, M::dense);
  M a(1, (L + 1) * rows, M::dense);
  for (std::size_t l = 0; l < L; ++l)  // so that no layer doubles the size of x
    for (std::size_t d = 0; d < D; ++d) w.at(l, d) /= static_cast<T>(D);
  k.cross_vector_prepare(c.data(), q.data(), w.data(), b.data(), L, D);
  k.cross_vector_forward(xL.data(), p.data(), a.data(), x0.data(), w.data(), c.data(), q.data(),
                         rows, L, D, dcn::ld<T>(D), D % dcn::kLanes<T> == 0);
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<double> x(D);
    for (std::size_t d = 0; d < D; ++d) x[d] = x0.at(r, d);
    for (std::size_t l = 0; l < L; ++l) {
      double dot = 0;
      for (std::size_t d = 0; d < D; ++d) dot += x[d] * w.at(l, d);
      for (std::size_t d = 0; d < D; ++d) x[d] += x0.at(r, d) * dot + b.at(l, d);
    }
    for (std::size_t d = 0; d < D; ++d)
      CHECK_NEAR(xL.at(r, d), x[d], tolerance<T>(L * (D + 4)) * std::pow(3.0, L));
  }
  M dxL(rows, D, M::tile, 5), dx0(rows, D, M::tile), dw(L, D, M::dense), db(L, D, M::dense);
  M dp(1, L * rows, M::dense), dq(1, L, M::dense), dc(1, D, M::dense);
  k.cross_vector_backward(dx0.data(), dw.data(), db.data(), dp.data(), dq.data(), dc.data(),
                          dxL.data(), p.data(), a.data(), x0.data(), w.data(), c.data(), rows, L, D,
                          dcn::ld<T>(D));
  M both_dx0(rows, D, M::tile), both_dw(L, D, M::dense), both_db(L, D, M::dense);
  k.cross_vector_gradients(both_dx0.data(), both_dw.data(), both_db.data(), p.data(), a.data(),
                           dp.data(), dq.data(), dc.data(), dxL.data(), x0.data(), w.data(),
                           c.data(), q.data(), rows, L, D, dcn::ld<T>(D), D % dcn::kLanes<T> == 0);
  for (std::size_t d = 0; d < D; ++d) {
    for (std::size_t r = 0; r < rows; ++r) CHECK(both_dx0.at(r, d) == dx0.at(r, d));
    for (std::size_t l = 0; l < L; ++l)
      CHECK(both_dw.at(l, d) == dw.at(l, d) && both_db.at(l, d) == db.at(l, d));
  }
  check_vector_gradients<T>(dx0, dw, db, dxL, x0, w, b, rows, L, D);
  for (M* m : {&w, &b, &x0, &xL, &c, &q, &p, &a, &dxL, &dx0, &dw, &db, &dp, &dq, &dc, &both_dx0,
               &both_dw, &both_db})
    CHECK(m->intact());
}

template <class T> void parametric(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t O) {
  using M = Watched<T>;
  M z(rows, O, M::tile, 1), dh(rows, O, M::tile, 2), a(1, O, M::dense, 3);
  M h(rows, O, M::tile), dz(rows, O, M::tile), da(1, O, M::dense);
  k.parametric_forward(h.data(), z.data(), a.data(), rows, O, kRelu);
  k.parametric_backward(dz.data(), da.data(), dh.data(), z.data(), a.data(), rows, O, kRelu);
  const double near = tolerance<T>(4) * 8;
  for (std::size_t o = 0; o < O; ++o) {
    const double share = a.at(0, o);
    double want_da = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const double x = z.at(r, o), d = dh.at(r, o), bent = std::max(x, 0.0);
      CHECK_NEAR(h.at(r, o), (1 - share) * x + share * bent, near);
      CHECK_NEAR(dz.at(r, o), d * (1 - share + (x > 0 ? share : 0)), near);
      want_da += d * (bent - x);
    }
    CHECK_NEAR(da.at(0, o), want_da, tolerance<T>(rows) * static_cast<double>(rows + 1));
  }
  for (M* m : {&z, &dh, &a, &h, &dz, &da}) CHECK(m->intact());
}

template <class T> void layer_norm(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t O) {
  using M = Watched<T>;
  M z(rows, O, M::tile, 1), dhn(rows, O, M::tile, 2), scale(1, O, M::dense, 3);
  M shift(1, O, M::dense, 4), hn(rows, O, M::tile), y(rows, O, M::tile), xhat(rows, O, M::tile);
  M inv(1, rows, M::dense), dz(rows, O, M::tile), dscale(1, O, M::dense), dshift(1, O, M::dense);
  k.layer_norm_forward(hn.data(), y.data(), xhat.data(), inv.data(), z.data(), scale.data(),
                       shift.data(), rows, O, kRelu);
  k.layer_norm_backward(dz.data(), dscale.data(), dshift.data(), dhn.data(), hn.data(), y.data(),
                        xhat.data(), inv.data(), scale.data(), rows, O, kRelu);
  const auto size = static_cast<double>(O);
  std::vector<double> want_dscale(O), want_dshift(O), s(O);
  const double over_rows = tolerance<T>(rows) * static_cast<double>(rows + 1);
  double furthest = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    double mean = 0, variance = 0, mean_s = 0, mean_sx = 0;
    for (std::size_t o = 0; o < O; ++o) mean += double{z.at(r, o)} / size;
    for (std::size_t o = 0; o < O; ++o) variance += std::pow(z.at(r, o) - mean, 2) / size;
    const double root = std::sqrt(variance + 1e-5);
    // of one column: z - mean is 0 but for its rounding, which the root of 1e-5 enlarges
    const double near = tolerance<T>(O) * 4 / std::min(root, 1.0);
    CHECK_NEAR(inv.at(0, r), 1 / root, near / root);
    furthest += near;  // that much xhat may be off, and dscale adds it up
    for (std::size_t o = 0; o < O; ++o) {
      const double x = (z.at(r, o) - mean) / root;
      CHECK_NEAR(xhat.at(r, o), x, near);
      CHECK_NEAR(hn.at(r, o), std::max(x * scale.at(0, o) + shift.at(0, o), 0.0), near);
      const double dy = hn.at(r, o) > T(0) ? double{dhn.at(r, o)} : 0.0;
      want_dscale[o] += dy * x;
      want_dshift[o] += dy;
      s[o] = dy * scale.at(0, o);
      mean_s += s[o] / size;
      mean_sx += s[o] * x / size;
    }
    for (std::size_t o = 0; o < O; ++o) {
      const double x = (z.at(r, o) - mean) / root;
      CHECK_NEAR(dz.at(r, o), (s[o] - mean_s - x * mean_sx) / root, 4 * near / root);
    }
  }
  for (std::size_t o = 0; o < O; ++o) {
    CHECK_NEAR(dscale.at(0, o), want_dscale[o], over_rows * 3 + furthest);
    CHECK_NEAR(dshift.at(0, o), want_dshift[o], over_rows);
  }
  for (M* m : {&z, &dhn, &scale, &shift, &hn, &y, &xhat, &inv, &dz, &dscale, &dshift})
    CHECK(m->intact());
}

// A unit's fate is in its own sixteen bits, wherever its tile begins.
template <class T> void dropout(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t width) {
  using M = Watched<T>;
  constexpr std::uint64_t stream = 0xDEADBEEF12345678u;
  // that of the first unit of row 5, which is just kept
  const auto threshold = static_cast<std::uint32_t>(
      dcn::mix_bits(stream + (std::uint64_t{5} << 32) * dcn::kGolden) & 0xFFFF);
  M h(rows, width, M::tile, 1), out(rows, width, M::tile);
  for (const std::size_t first : {0, 5, 70000}) {
    k.dropout(out.data(), h.data(), stream, threshold, first, rows, width);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < width; ++c) {
        const std::uint64_t counter = static_cast<std::uint64_t>(first + r) << 32 | c / 4;
        const std::uint64_t bits = dcn::mix_bits(stream + counter * dcn::kGolden) >> (16 * (c % 4));
        const double factor = (bits & 0xFFFF) < threshold ? 0 : 65536.0 / (65536 - threshold);
        CHECK_NEAR(out.at(r, c), factor * h.at(r, c), 2 * tolerance<T>(0));
      }
  }
  CHECK(h.intact() && out.intact());
}

template <class T> void adam(const dcn::KernelTable<T>& k, std::size_t n) {
  using M = Watched<T>;
  M p(1, n, M::dense, 1), m(1, n, M::dense), v(1, n, M::dense), g(1, n, M::dense);
  M lanes(3, n, M::dense, 2);
  k.reduce_shards(g.data(), lanes.data(), n, 3, n);
  std::vector<double> before(p.data(), p.data() + n);
  k.optimizers[dcn::Optimizer{}].update(
      p.data(), m.data(), v.data(), g.data(), n,
      dcn::OptimizerOptions{.learning_rate = 0.01}.step<T>(1, 0.1));
  const double step_size = 0.01 * std::sqrt(0.001) / 0.1;
  for (std::size_t i = 0; i < n; ++i) {
    const double sum = double{lanes.at(0, i)} + lanes.at(1, i) + lanes.at(2, i);
    CHECK_NEAR(g.at(0, i), sum, tolerance<T>(3) * 3);
    const double gradient = sum + 0.1 * before[i];
    CHECK_NEAR(m.at(0, i), 0.1 * gradient, tolerance<T>(4) * 4);
    CHECK_NEAR(v.at(0, i), 0.001 * gradient * gradient, 1e-3 * tolerance<T>(4) * 1000);
    const double move = step_size * m.at(0, i) / (std::sqrt(double{v.at(0, i)}) + 1e-7);
    CHECK_NEAR(p.at(0, i), before[i] - move, tolerance<T>(8) * 2);
  }
  for (M* each : {&p, &m, &v, &g, &lanes}) CHECK(each->intact());
}

template <class T> void all_sizes(const dcn::KernelTable<T>& k) {
  const std::size_t lanes = dcn::kLanes<T>;
  for (const std::size_t rows : {0, 1, 2, 11, 12, 13, 25})
    for (const std::size_t width : {std::size_t{1}, lanes - 1, lanes, lanes + 1, 2 * lanes + 1}) {
      dense_layer<T>(k, rows, width, 5);
      dense_layer<T>(k, rows, 5, width);
      matrix_layer<T>(k, rows, width);
      layer_norm<T>(k, rows, width);
      parametric<T>(k, rows, width);
      dropout<T>(k, rows, width);
      if (rows == 1)
        for (const std::size_t vectors : {0, 1, 2, 3, 7})
          row_of_halves<T>(k, 2 * width + 120, vectors * lanes + width);
      if (rows > 0)
        for (const std::size_t L : {0, 1, 2, 3, 4}) vector_layers<T>(k, rows, width, L);
    }
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, lanes - 1, lanes, lanes + 1})
    adam<T>(k, n);
}

}  // namespace

TEST(kernels_agree_with_a_naive_loop) {
  on_each_isa([](const auto& k) { all_sizes(k); });
}
