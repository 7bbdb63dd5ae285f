// Tables of embeddings: looked up, their gradients added up, and moved a row at a time.
#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <vector>

#include "training/optimizer.hpp"
#include "training/coalesced_ids.hpp"
#include "watched.hpp"

namespace {

using Ids = std::vector<std::int32_t>;

// ids (N,F), of field f below rows[f]; the last one is drawn for every other row
Ids draw_ids(std::size_t N, const std::vector<std::size_t>& rows) {
  Ids ids;
  for (std::size_t i = 0; i < N; ++i)
    for (std::size_t f = 0; f < rows.size(); ++f) {
      const std::size_t drawn = (i * 2654435761U + f * 40503U) >> 9;
      ids.push_back(static_cast<std::int32_t>(i % 2 == 1 ? rows[f] - 1 : drawn % rows[f]));
    }
  return ids;
}

std::vector<std::int64_t> backwards(std::size_t N) {
  std::vector<std::int64_t> numbers(N);
  std::iota(numbers.rbegin(), numbers.rend(), 0);
  return numbers;
}

// Two fields that share a table of rows of width K, and one that has its own in between.
template <class T>
void embedding(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t K, std::size_t N) {
  using M = Watched<T>;
  const std::vector<std::size_t> V{3, 5, 60};
  const std::size_t F = 3, M_dense = 4, D = 2 * K + 1 + M_dense;
  M shared(V[0] + V[2], K, M::dense, 1), own(V[1], 1, M::dense, 2), x0(rows, D, M::tile);
  M dense(N, M_dense, M::dense, 3), dx0(rows, D, M::dense, 4);
  const std::vector<dcn::Field<T>> fields{
      {shared.data(), K, 0}, {own.data(), 1, K}, {&shared.at(V[0], 0), K, K + 1}};
  const Ids ids = draw_ids(N, V);
  const std::vector<std::int64_t> numbers = backwards(N);
  k.embedding_forward(x0.data(), fields.data(), ids.data(), numbers.data(), rows, F, D);
  k.stack_forward(x0.data(), dense.data(), M_dense, numbers.data(), rows, M_dense, D - M_dense, D);

  dcn::TouchedRows touched;
  touched.sort({{0, 0, V[0]}, {2, V[0], V[2]}}, ids.data(), F, numbers.data(), rows, 1);
  const std::size_t U = touched.rows.size(), columns[] = {0, K + 1};
  M g(U, K, M::dense, 5);  // not zero: it is overwritten
  k.embedding_backward(g.data(), dx0.data(), D, columns, touched.occurrences.data(),
                       touched.starts.data(), U, 2, K);

  std::vector<double> want((V[0] + V[2]) * K);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int32_t* id = ids.data() + static_cast<std::size_t>(numbers[r]) * F;
    const std::size_t first = id[0], third = V[0] + id[2];
    for (std::size_t c = 0; c < K; ++c) {
      CHECK(x0.at(r, c) == shared.at(first, c) && x0.at(r, K + 1 + c) == shared.at(third, c));
      want[first * K + c] += dx0.at(r, c);
      want[third * K + c] += dx0.at(r, K + 1 + c);
    }
    CHECK(x0.at(r, K) == own.at(id[1], 0));
    for (std::size_t c = 0; c < M_dense; ++c)
      CHECK(x0.at(r, D - M_dense + c) == dense.at(N - 1 - r, c));
  }
  for (std::size_t u = 0; u < U; ++u)
    for (std::size_t c = 0; c < K; ++c) {
      double& sum = want[touched.rows[u] * K + c];
      CHECK_NEAR(g.at(u, c), sum, tolerance<T>(rows) * static_cast<double>(touched.counts[u]));
      sum = 0;
    }
  CHECK(std::count(want.begin(), want.end(), 0.0) == static_cast<std::ptrdiff_t>(want.size()));
  for (M* m : {&shared, &own, &x0, &dense, &dx0, &g}) CHECK(m->intact());
}

template <class T> void wide(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t C) {
  using M = Watched<T>;
  M table(8, C, M::dense, 1), logits(rows, C, M::tile, 2), before(rows, C, M::tile, 2);
  const dcn::Field<T> fields[] = {{table.data(), C, 0}, {&table.at(3, 0), C, 0}};
  const Ids ids = draw_ids(rows, {3, 5});
  k.wide_forward(logits.data(), fields, ids.data(), nullptr, rows, 2, C);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < C; ++c) {
      const double sum = double{table.at(ids[2 * r], c)} + table.at(3 + ids[2 * r + 1], c);
      CHECK_NEAR(logits.at(r, c), before.at(r, c) + sum, 3 * tolerance<T>(3));
    }
  CHECK(table.intact() && logits.intact());
}

// Number c of a stored row.
template <class T> T expanded(const unsigned char* row, dcn::RowCode code, std::size_t c) {
  if (code == dcn::RowCode::bfloat16) {
    std::uint16_t half;
    std::memcpy(&half, row + 2 * c, sizeof(half));
    return std::bit_cast<float>(std::uint32_t{half} << 16);
  }
  std::uint32_t bits = 0;
  for (std::size_t i = 4; i-- > 0;) bits = bits << 8 | row[i];
  return static_cast<T>(std::bit_cast<float>(bits)) *
         static_cast<T>(static_cast<signed char>(row[4 + c]));
}

// Lists of 0 to 2 items of a field of stored rows, which are the last ones of its table.
template <class T>
void stored_lists(const dcn::KernelTable<T>& k, std::size_t rows, const dcn::StoredField& field) {
  const std::size_t K = field.K, D = field.column + K;
  std::vector<std::int64_t> offsets{0};
  for (std::size_t i = 0; i < rows; ++i)
    offsets.push_back(offsets.back() + static_cast<std::int64_t>(i % 3));
  const Ids ids = draw_ids(2 * rows, {3});
  std::vector<T> weights;
  for (std::size_t i = 0; i < ids.size(); ++i) weights.push_back(static_cast<T>(1 + drawn(i)));
  const dcn::Lists<T> lists{offsets.data(), ids.data(), weights.data()};
  const dcn::Lists<T> plain{offsets.data(), ids.data(), nullptr};
  const std::vector<std::int64_t> numbers = backwards(rows);
  Watched<T> sum(rows, D, Watched<T>::tile, 3), added(rows, D, Watched<T>::tile, 4);
  Watched<T> before(rows, D, Watched<T>::tile, 4), most(rows, D, Watched<T>::tile, 5);
  k.stored_sum_forward(sum.data(), field, lists, numbers.data(), rows, ld<T>(D), false);
  k.stored_sum_forward(added.data(), field, plain, numbers.data(), rows, ld<T>(D), true);
  k.stored_max_forward(most.data(), field, plain, numbers.data(), rows, ld<T>(D), false);
  for (std::size_t r = 0; r < rows; ++r) {
    const auto row = static_cast<std::size_t>(numbers[r]);
    const auto first = static_cast<std::size_t>(offsets[row]);
    const auto last = static_cast<std::size_t>(offsets[row + 1]);
    for (std::size_t c = 0; c < K; ++c) {
      double of_weights = 0, of_all = 0, greatest = 0;
      for (std::size_t i = first; i < last; ++i) {
        const unsigned char* at = field.rows + static_cast<std::size_t>(ids[i]) * field.stride;
        const double number = expanded<T>(at, field.code, c);
        of_weights += static_cast<double>(weights[i]) * number;
        of_all += number;
        greatest = i == first ? number : std::max(greatest, number);
      }
      const std::size_t column = field.column + c;
      CHECK_NEAR(sum.at(r, column), of_weights, tolerance<T>(3) * 20);
      CHECK_NEAR(added.at(r, column), before.at(r, column) + of_all, tolerance<T>(3) * 20);
      CHECK(most.at(r, column) == static_cast<T>(greatest));
    }
  }
  CHECK(sum.intact() && added.intact() && most.intact());
}

// Rows of a table that are stored in fewer bytes, from an odd address to the end of its memory: a
// sanitizer sees what is read beyond it.
template <class T>
void stored(const dcn::KernelTable<T>& k, std::size_t rows, std::size_t K, dcn::RowCode code) {
  constexpr std::size_t V = 5;
  const std::size_t stride = dcn::row_bytes(code, K), D = 2 * K;
  std::vector<unsigned char> table(1 + V * stride);
  for (std::size_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<unsigned char>(i * 2654435761U >> 11);
  for (std::size_t r = 0; r < V; ++r) {  // exponents near that of 1
    unsigned char* row = table.data() + 1 + r * stride;
    if (code == dcn::RowCode::int8) row[3] = 0x3D;
    for (std::size_t c = 0; c < K && code == dcn::RowCode::bfloat16; ++c)
      row[2 * c + 1] = static_cast<unsigned char>(0x3F | (row[2 * c + 1] & 0x80));
  }
  const dcn::StoredField fields[] = {{table.data() + 1, stride, K, 0, code},
                                     {table.data() + 1 + 2 * stride, stride, K, K, code}};
  const Ids ids = draw_ids(rows, {2, 3});
  const std::vector<std::int64_t> numbers = backwards(rows);
  Watched<T> x0(rows, D, Watched<T>::tile), logits(rows, K, Watched<T>::tile, 2);
  Watched<T> before(rows, K, Watched<T>::tile, 2);
  k.stored_forward(x0.data(), fields, ids.data(), numbers.data(), rows, 2, D);
  k.stored_wide_forward(logits.data(), fields, ids.data(), numbers.data(), rows, 2, K);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int32_t* id = ids.data() + 2 * static_cast<std::size_t>(numbers[r]);
    for (std::size_t c = 0; c < K; ++c) {
      double sum = before.at(r, c);
      for (std::size_t f = 0; f < 2; ++f) {
        const double number =
            expanded<T>(fields[f].rows + static_cast<std::size_t>(id[f]) * stride, code, c);
        CHECK(x0.at(r, f * K + c) == static_cast<T>(number));
        sum += number;
      }
      CHECK_NEAR(logits.at(r, c), sum, tolerance<T>(3) * 10);
    }
  }
  CHECK(x0.intact() && logits.intact());
  stored_lists<T>(k, rows, fields[1]);
}

// A table with its moments, as drawn by the seed.
template <class T> struct State {
  Watched<T> p, m, v, average;

  State(std::size_t V, std::size_t K)
      : p(V, K, Watched<T>::dense, 1), m(V, K, Watched<T>::dense, 2), v(V, K, Watched<T>::dense, 3),
        average(V, K, Watched<T>::dense, 4) {
    for (std::size_t r = 0; r < V; ++r)
      for (std::size_t c = 0; c < K; ++c) v.at(r, c) *= v.at(r, c);
  }
  bool intact() { return p.intact() && m.intact() && v.intact() && average.intact(); }
};

constexpr dcn::OptimizerOptions kAdam{.learning_rate = 0.01, .beta_2 = 0.99};

template <class T> void update_rows(const dcn::KernelTable<T>& k, std::size_t K) {
  constexpr std::size_t V = 7;
  constexpr double kL2 = 0.05;
  State<T> got(V, K), start(V, K);
  Watched<T> g(3, K, Watched<T>::dense, 5);
  const std::uint32_t rows[] = {0, 3, 6}, counts[] = {1, 4, 2};
  const double squares =
      k.optimizers[dcn::Optimizer{}].update_rows(got.p.data(), got.m.data(), got.v.data(), g.data(),
                                                 rows, counts, 3, K, kAdam.step<T>(5, kL2));
  double want_squares = 0;
  for (std::size_t r = 0, u = 0; r < V; ++r) {
    const bool moves = u < 3 && rows[u] == r;
    for (std::size_t c = 0; c < K; ++c) {
      double p = start.p.at(r, c), m = start.m.at(r, c), v = start.v.at(r, c);
      if (moves) {
        want_squares += counts[u] * p * p;
        const double gradient = g.at(u, c) + kL2 * counts[u] * p;
        m = 0.9 * m + 0.1 * gradient;
        v = 0.99 * v + 0.01 * gradient * gradient;
        p -= kAdam.step_size(5) * m / (std::sqrt(v) + 1e-7);
      }
      const double near = moves ? 4 * tolerance<T>(8) : 0;
      CHECK_NEAR(got.p.at(r, c), p, 4 * near);  // v may be small
      CHECK_NEAR(got.m.at(r, c), m, near);
      CHECK_NEAR(got.v.at(r, c), v, near);
    }
    u += moves;
  }
  CHECK_NEAR(squares, want_squares, tolerance<T>(K) * 7 * static_cast<double>(K));
  CHECK(got.intact() && g.intact());
}

// Rows at different steps are brought to one, step by step with gradient 0; null means all rows.
template <class T>
void catch_up(const dcn::KernelTable<T>& k, std::size_t K, std::uint64_t now, bool exact,
              double decay, bool all) {
  constexpr std::size_t V = 5;
  constexpr std::uint64_t kFirst = 2;  // the epoch began after this step
  State<T> got(V, K), want(V, K);
  std::vector<double> step_sizes;
  for (std::uint64_t t = kFirst + 1; t <= now; ++t) step_sizes.push_back(kAdam.step_size(t));
  std::vector<std::uint32_t> last{2, 3, 9, static_cast<std::uint32_t>(now), 2};
  const std::vector<std::uint32_t> before = last, rows{0, 2, 3};
  k.optimizers[dcn::Optimizer{}].catch_up_rows(
      got.p.data(), got.m.data(), got.v.data(), decay > 0 ? got.average.data() : nullptr,
      last.data(), all ? nullptr : rows.data(), all ? V : rows.size(), K,
      {step_sizes.data(), nullptr, kFirst, now, 0.9, 0.99, 1e-7, exact, decay});
  for (std::size_t r = 0; r < V; ++r) {
    const bool chosen = all || std::count(rows.begin(), rows.end(), r) > 0;
    CHECK(last[r] == (chosen ? now : before[r]));
    for (std::size_t c = 0; c < K; ++c) {
      double p = want.p.at(r, c), m = want.m.at(r, c), v = want.v.at(r, c);
      double average = want.average.at(r, c);
      for (std::uint64_t t = before[r] + 1; chosen && t <= now; ++t) {
        if (exact) {
          m *= 0.9;
          v *= 0.99;
          p -= kAdam.step_size(t) * m / (std::sqrt(v) + 1e-7);
        }
        if (decay > 0) average += (1 - dcn::average_share(decay, t)) * (p - average);
      }
      const double near = 8 * tolerance<T>(now);
      CHECK_NEAR(got.p.at(r, c), p, near);
      // to their last digits, also where the row itself has settled
      CHECK_NEAR(got.m.at(r, c), m, near * std::abs(m) + 1e-37);
      CHECK_NEAR(got.v.at(r, c), v, near * v + 1e-37);
      CHECK_NEAR(got.average.at(r, c), average, near);
    }
  }
  CHECK(got.intact());
}

// The same with the gradient of a penalty in each of the steps.
template <class T>
void replay(const dcn::KernelTable<T>& k, std::size_t K, std::uint64_t now, double decay,
            bool all) {
  constexpr std::size_t V = 37;  // groups of rows that go together, and a part of one
  constexpr std::uint64_t kFirst = 2;
  constexpr double kL2 = 0.05;
  State<T> got(V, K), want(V, K);
  Watched<T> zeros(1, K, Watched<T>::dense, 5);
  for (std::size_t c = 0; c < K; ++c) zeros.at(0, c) = 0;
  std::vector<double> step_sizes, kept, counts;
  for (std::uint64_t t = kFirst + 1; t <= now; ++t) {
    step_sizes.push_back(kAdam.step_size(t));
    kept.push_back(1);
    counts.push_back(static_cast<double>(t % 3));
  }
  std::vector<std::uint32_t> last(V), rows{0, 2, 3, 36};
  for (std::size_t r = 0; r < V; ++r)
    last[r] = static_cast<std::uint32_t>(std::min<std::uint64_t>(kFirst + r % 5, now));
  const std::vector<std::uint32_t> before = last;
  const double squares = k.optimizers[dcn::Optimizer{}].replay_rows(
      got.p.data(), got.m.data(), got.v.data(), decay > 0 ? got.average.data() : nullptr,
      last.data(), all ? nullptr : rows.data(), zeros.data(), all ? V : rows.size(), K,
      {.step_sizes = step_sizes.data(),
       .kept = kept.data(),
       .first_step = kFirst,
       .now = now,
       .beta_1 = 0.9,
       .beta_2 = 0.99,
       .epsilon = 1e-7,
       .exact = true,
       .ema_decay = decay,
       .l2 = kL2,
       .counts = counts.data()});
  double want_squares = 0;
  for (std::size_t r = 0; r < V; ++r) {
    const bool chosen = all || std::count(rows.begin(), rows.end(), r) > 0;
    CHECK(last[r] == (chosen ? now : before[r]));
    for (std::size_t c = 0; c < K; ++c) {
      double p = want.p.at(r, c), m = want.m.at(r, c), v = want.v.at(r, c);
      double average = want.average.at(r, c);
      for (std::uint64_t t = before[r] + 1; chosen && t <= now; ++t) {
        want_squares += counts[t - kFirst - 1] * p * p;
        m = 0.9 * m + 0.1 * kL2 * p;
        v = 0.99 * v + 0.01 * (kL2 * p) * (kL2 * p);
        p -= kAdam.step_size(t) * m / (std::sqrt(v) + 1e-7);
        if (decay > 0) average += (1 - dcn::average_share(decay, t)) * (p - average);
      }
      const double near = 32 * tolerance<T>(now);
      CHECK_NEAR(got.p.at(r, c), p, near);
      CHECK_NEAR(got.m.at(r, c), m, near);
      CHECK_NEAR(got.v.at(r, c), v, near);
      CHECK_NEAR(got.average.at(r, c), average, near);
    }
  }
  CHECK_NEAR(squares, want_squares, 32 * tolerance<T>(now) * (1 + want_squares));
  CHECK(got.intact() && zeros.intact());
}

template <class T> void all_widths(const dcn::KernelTable<T>& k) {
  const std::size_t lanes = dcn::kLanes<T>;
  for (const std::size_t K : {std::size_t{1}, lanes - 1, lanes, lanes + 1, 2 * lanes + 1}) {
    for (const std::size_t rows : {0, 1, 2, 13, 25}) {
      embedding<T>(k, rows, K, 25);
      wide<T>(k, rows, K);
      stored<T>(k, rows, K, dcn::RowCode::bfloat16);
      stored<T>(k, rows, K, dcn::RowCode::int8);
    }
    update_rows<T>(k, K);
    for (const std::uint64_t now : {9, 40, 900})  // 900: long settled
      for (const double decay : {0.0, 0.1, 0.9, 0.999})
        for (const bool exact : {false, true})
          for (const bool all : {false, true}) catch_up<T>(k, K, now, exact, decay, all);
    for (const std::uint64_t now : {2, 9, 40})
      for (const double decay : {0.0, 0.9})
        for (const bool all : {false, true}) replay<T>(k, K, now, decay, all);
  }
}

}  // namespace

TEST(tables_agree_with_a_naive_loop) {
  on_each_isa([](const auto& k) { all_widths(k); });
}

// Up to more rows than two digits of the sort hold, few and enough for threads: each run in the
// order of the batch.
TEST(tables_touched_rows_are_sorted_and_complete) {
  dcn::TouchedRows touched;  // one, again and again: nothing stays from the last batch
  for (const std::size_t V : {std::size_t{1}, std::size_t{2}, std::size_t{2048}, std::size_t{2049},
                              std::size_t{1} << 22, (std::size_t{1} << 31) - 8})
    for (const std::size_t n : {0, 1, 2, 1000, 9000}) {
      const Ids ids = draw_ids(9000, {V, 4, 7});
      const std::vector<std::int64_t> numbers = backwards(9000);
      touched.sort({{2, 0, 7}, {0, 7, V}}, ids.data(), 3, numbers.data(), n, 2);
      CHECK(std::is_sorted(touched.rows.begin(), touched.rows.end(), std::less_equal<>()));
      CHECK(touched.occurrences.size() == 2 * n && touched.starts.front() == 0);
      CHECK(touched.starts.size() == touched.rows.size() + 1 && touched.starts.back() == 2 * n);
      CHECK(touched.counts.size() == touched.rows.size());
      for (std::size_t u = 0; u < touched.rows.size(); ++u) {
        CHECK(touched.counts[u] > 0);
        CHECK(touched.starts[u + 1] - touched.starts[u] == touched.counts[u]);
        for (std::uint32_t i = touched.starts[u]; i < touched.starts[u + 1]; ++i) {
          const std::uint32_t at = touched.occurrences[i];
          CHECK(i == touched.starts[u] || touched.occurrences[i - 1] < at);
          const std::int32_t* id = &ids[static_cast<std::size_t>(numbers[at / 2]) * 3];
          CHECK(touched.rows[u] == static_cast<std::uint32_t>(at % 2 == 0 ? id[2] : id[0] + 7));
        }
      }
    }
}
