// Stage 2, numbers: periodic embeddings, and back. Lanes are rows: a vector has the numbers of as
// many rows, so that no width and no number of frequencies leaves lanes empty. sums have the shape
// of the parameters, a vector in place of each number; their lanes are added up once a shard.

// z and the number of its lanes that are rows; those missing are 0.
template <class T> struct RowNumbers {
  T z[kLanes<T>];
  bool missing[kLanes<T>];
  std::size_t n;

  DCN_INLINE RowNumbers(const T* dense, const std::int64_t* rows, std::size_t columns,
                        std::size_t first, std::size_t Trows)
      : n(Trows - first < kLanes<T> ? Trows - first : kLanes<T>) {
    for (std::size_t i = 0; i < kLanes<T>; ++i) {
      const T* pair = dense + (i < n ? row_of(rows, first + i) * columns : 0);
      missing[i] = i < n && is_missing_place(pair[1]);
      z[i] = i < n && !missing[i] ? pair[0] : T(0);
    }
  }
};

// What a number becomes: `waves` of each frequency, of which the `n_outputs` are a linear function.
struct Periodic {  // (z, W^T cos(w z + phase) + b)
  static constexpr std::size_t waves = 1, first = 1;
  static constexpr bool relu = false;
};
struct PeriodicRelu {  // max(0, W^T (sin w z, cos w z) + b)
  static constexpr std::size_t waves = 2, first = 0;
  static constexpr bool relu = true;
};

template <class Form, class T> struct WavesOfNumber {
  Vec<T> value[Form::waves], slope[Form::waves];

  DCN_INLINE WavesOfNumber(const Waves<const T>& p, std::size_t f, Vec<T> z) {
    const Vec<T> zero = broadcast(T(0));
    const Vec<T> phase = p.phase != nullptr ? broadcast(p.phase[f]) : zero;
    const Vec<T> angle = fma(broadcast(p.w[f]), z, phase);
    const SineCosine<T> at = sine_cosine(angle);
    // beyond the farthest angle the waves stand still
    const Vec<T> far = broadcast(kFarthestAngle<T> * kFarthestAngle<T>);
    const Vec<T> moves = where_greater(angle * angle, far, zero, broadcast(T(1)));
    value[Form::waves - 1] = at.cos;
    slope[Form::waves - 1] = (zero - at.sin) * moves;
    if constexpr (Form::waves == 2) {
      value[0] = at.sin;
      slope[0] = at.cos * moves;
    }
  }
};

// The tensors of number j.
template <class Form, class T>
DCN_INLINE Waves<T> of_number(const Waves<T>& p, std::size_t j, WaveSizes s, std::size_t lanes) {
  const std::size_t O = s.K - Form::first, F = s.F * lanes;
  return {p.w + j * F, p.phase != nullptr ? p.phase + j * F : nullptr,
          p.W + j * F * Form::waves * O, p.b + j * O * lanes, p.missing + j * s.K * lanes};
}

inline constexpr std::size_t kOutputs = 16;  // at a time

template <class Form, class T>
void periodic_forward(T* x, const T* dense, const std::int64_t* rows, Waves<const T> parameters,
                      WaveSizes s, std::size_t Trows) {
  const std::size_t O = s.K - Form::first, columns = s.M + 2 * s.J;
  x += s.D - s.J * s.K;
  for (std::size_t j = 0; j < s.J; ++j, x += s.K) {
    const Waves<const T> p = of_number<Form>(parameters, j, s, 1);
    for (std::size_t t = 0; t < Trows; t += kLanes<T>) {
      const RowNumbers<T> at(dense + s.M + 2 * j, rows, columns, t, Trows);
      T* out = x + t * ld<T>(s.D);
      const Vec<T> z = load(at.z);
      for (std::size_t o = 0; o < O; o += kOutputs) {
        const std::size_t n = O - o < kOutputs ? O - o : kOutputs;
        Vec<T> sum[kOutputs];
        for (std::size_t k = 0; k < n; ++k) sum[k] = broadcast(p.b[o + k]);
        for (std::size_t f = 0; f < s.F; ++f) {
          const WavesOfNumber<Form, T> wave(p, f, z);
          for (std::size_t v = 0; v < Form::waves; ++v) {
            const T* W = p.W + (v * s.F + f) * O + o;
            for (std::size_t k = 0; k < n; ++k)
              sum[k] = fma(broadcast(W[k]), wave.value[v], sum[k]);
          }
        }
        for (std::size_t k = 0; k < n; ++k) {
          T lanes[kLanes<T>];
          store(lanes, Form::relu ? max(broadcast(T(0)), sum[k]) : sum[k]);
          for (std::size_t i = 0; i < at.n; ++i)
            out[i * ld<T>(s.D) + Form::first + o + k] = lanes[i];
        }
      }
      for (std::size_t i = 0; i < at.n; ++i) {
        T* row = out + i * ld<T>(s.D);
        if (Form::first == 1) row[0] = at.z[i];
        for (std::size_t k = 0; at.missing[i] && k < s.K; ++k) row[k] = p.missing[k];
      }
    }
  }
}

// d of kOutputs outputs, from o on: 0 where the number is missing, or the output is cut off
template <class Form, class T>
DCN_INLINE void load_outputs(Vec<T>* d, const T* dx, const T* x, const RowNumbers<T>& at,
                             std::size_t stride, std::size_t o, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) {
    T lanes[kLanes<T>] = {};
    for (std::size_t i = 0; i < at.n; ++i) {
      const std::size_t place = i * stride + Form::first + o + k;
      const bool counts = !at.missing[i] && (!Form::relu || x[place] > T(0));
      lanes[i] = counts ? dx[place] : T(0);
    }
    d[k] = load(lanes);
  }
}

template <class T> DCN_INLINE void add_to(T* sum, Vec<T> a) { store(sum, load(sum) + a); }

template <class Form, class T>
void periodic_backward(Waves<T> all, const T* dx, const T* x, const T* dense,
                       const std::int64_t* rows, Waves<const T> parameters, WaveSizes s,
                       std::size_t Trows) {
  const std::size_t O = s.K - Form::first, columns = s.M + 2 * s.J, stride = ld<T>(s.D);
  for (std::size_t j = 0; j < s.J; ++j) {
    const Waves<const T> p = of_number<Form>(parameters, j, s, 1);
    const Waves<T> sums = of_number<Form>(all, j, s, kLanes<T>);
    for (std::size_t t = 0; t < Trows; t += kLanes<T>) {
      const RowNumbers<T> at(dense + s.M + 2 * j, rows, columns, t, Trows);
      const std::size_t from = t * stride + s.D - (s.J - j) * s.K;
      const Vec<T> z = load(at.z);
      for (std::size_t i = 0; i < at.n; ++i)
        for (std::size_t k = 0; at.missing[i] && k < s.K; ++k)
          sums.missing[k * kLanes<T> + i] += dx[from + i * stride + k];
      for (std::size_t o = 0; o < O; o += kOutputs) {
        const std::size_t n = O - o < kOutputs ? O - o : kOutputs;
        Vec<T> d[kOutputs];
        load_outputs<Form>(d, dx + from, x + from, at, stride, o, n);
        for (std::size_t k = 0; k < n; ++k) add_to(sums.b + (o + k) * kLanes<T>, d[k]);
        for (std::size_t f = 0; f < s.F; ++f) {
          const WavesOfNumber<Form, T> wave(p, f, z);
          Vec<T> dphase = broadcast(T(0));
          for (std::size_t v = 0; v < Form::waves; ++v) {
            const std::size_t first = (v * s.F + f) * O + o;
            Vec<T> dwave = broadcast(T(0));
            for (std::size_t k = 0; k < n; ++k) {
              T* dW = sums.W + (first + k) * kLanes<T>;
              store(dW, fma(d[k], wave.value[v], load(dW)));
              dwave = fma(broadcast(p.W[first + k]), d[k], dwave);
            }
            dphase = fma(dwave, wave.slope[v], dphase);
          }
          T* dw = sums.w + f * kLanes<T>;
          store(dw, fma(dphase, z, load(dw)));
          if (p.phase != nullptr) add_to(sums.phase + f * kLanes<T>, dphase);
        }
      }
    }
  }
}

template <class T> void add_lanes(T* g, const T* sums, std::size_t n, T factor) {
  for (std::size_t i = 0; i < n; ++i) g[i] = g[i] + factor * sum(load(sums + i * kLanes<T>));
}
