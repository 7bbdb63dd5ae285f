// Stage 6: losses from logits. Each forward returns the weighted sum over the tile's rows.

// mean over the C outputs of (z - y)^2
template <class T>
double squared_forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                       std::size_t Trows, std::size_t C) {
  double loss = 0;
  for (std::size_t t = 0; t < Trows; ++t) {
    const std::size_t row = row_of(rows, t);
    double squares = 0;
    for (std::size_t c = 0; c < C; ++c) {
      const T error = logits[t * ld<T>(C) + c] - target[row * C + c];
      squares += static_cast<double>(error) * static_cast<double>(error);
    }
    loss += (weight != nullptr ? static_cast<double>(weight[row]) : 1.0) * squares;
  }
  return loss / static_cast<double>(C);
}

template <class T>
void squared_backward(T* dlogits, const T* logits, const T* target, const T* weight,
                      const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale) {
  const T both = T(2) * scale / static_cast<T>(C);
  for (std::size_t t = 0; t < Trows; ++t) {
    const std::size_t row = row_of(rows, t);
    const T factor = weight != nullptr ? both * weight[row] : both;
    for (std::size_t c = 0; c < C; ++c) {
      const std::size_t at = t * ld<T>(C) + c;
      dlogits[at] = factor * (logits[at] - target[row * C + c]);
    }
  }
}

// One output of some rows of a tile, as many as a vector has lanes: side by side, or a vector would
// hold one logit and padding.
template <class T> struct Neighbours {
  std::size_t rows[kLanes<T>];  // of the table
  std::size_t first, n;

  Neighbours(const std::int64_t* numbers, std::size_t first_row, std::size_t Trows)
      : first(first_row), n(Trows - first_row < kLanes<T> ? Trows - first_row : kLanes<T>) {
    for (std::size_t i = 0; i < n; ++i) rows[i] = row_of(numbers, first + i);
  }
  Vec<T> logits(const T* z, std::size_t C, std::size_t c) const {
    T lanes[kLanes<T>] = {};
    for (std::size_t i = 0; i < n; ++i) lanes[i] = z[(first + i) * ld<T>(C) + c];
    return load(lanes);
  }
  Vec<T> targets(const T* y, std::size_t C, std::size_t c) const {
    T lanes[kLanes<T>] = {};
    for (std::size_t i = 0; i < n; ++i) lanes[i] = y[rows[i] * C + c];
    return load(lanes);
  }
};

// -log p(y) of a coin with log-odds z: max(z, 0) - z y + log(1 + exp(-|z|))
template <class T> DCN_INLINE Vec<T> cross_entropy(Vec<T> z, Vec<T> y) {
  const Vec<T> zero = broadcast(T(0)), size = max(z, zero - z);
  return max(z, zero) - z * y + log1p_small(exp(zero - size));
}

// summed over the C outputs
template <class T>
double bce_forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                   std::size_t Trows, std::size_t C) {
  double loss = 0;
  for (std::size_t first = 0; first < Trows; first += kLanes<T>) {
    const Neighbours<T> some(rows, first, Trows);
    double entropies[kLanes<T>] = {};
    for (std::size_t c = 0; c < C; ++c) {
      T lanes[kLanes<T>];
      store(lanes, cross_entropy(some.logits(logits, C, c), some.targets(target, C, c)));
      for (std::size_t i = 0; i < some.n; ++i) entropies[i] += static_cast<double>(lanes[i]);
    }
    for (std::size_t i = 0; i < some.n; ++i)
      loss += (weight != nullptr ? static_cast<double>(weight[some.rows[i]]) : 1.0) * entropies[i];
  }
  return loss;
}

// dLoss / dz = p - y
template <class T>
void bce_backward(T* dlogits, const T* logits, const T* target, const T* weight,
                  const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale) {
  for (std::size_t first = 0; first < Trows; first += kLanes<T>) {
    const Neighbours<T> some(rows, first, Trows);
    for (std::size_t c = 0; c < C; ++c) {
      T lanes[kLanes<T>];
      store(lanes, sigmoid(some.logits(logits, C, c)) - some.targets(target, C, c));
      for (std::size_t i = 0; i < some.n; ++i) {
        const T factor = weight != nullptr ? scale * weight[some.rows[i]] : scale;
        dlogits[(first + i) * ld<T>(C) + c] = factor * lanes[i];
      }
    }
  }
}

template <class T> DCN_INLINE T largest(const T* z, std::size_t C) {
  T top = z[0];
  for (std::size_t c = 1; c < C; ++c) top = z[c] > top ? z[c] : top;
  return top;
}

// exp(z - top), and their sum, one after the other in the order of the classes
template <class T> DCN_INLINE T exponentials(T* out, const T* z, T top, std::size_t C) {
  for (std::size_t c = 0; c < C; c += kLanes<T>) {
    const std::size_t n = C - c < kLanes<T> ? C - c : kLanes<T>;
    store_partial(out + c, exp(load(z + c) - broadcast(top)), n);
  }
  T total = T(0);
  for (std::size_t c = 0; c < C; ++c) total += out[c];
  return total;
}

// log of a number >= 1: powers of two are taken off exactly, the rest is log1p on [0, 1]
template <class T> DCN_INLINE T log_of_sum(T s) {
  int halvings = 0;
  for (; s > T(2); ++halvings) s *= T(0.5);
  T lanes[kLanes<T>];  // through the vector function: one series for all
  store(lanes, log1p_small(broadcast(s - T(1))));
  return lanes[0] + static_cast<T>(halvings) * T(0.69314718055994530942);
}

// -log softmax(z)[y] = log(sum_c exp(z_c - top)) - (z_y - top)
template <class T>
double softmax_forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                       std::size_t Trows, std::size_t C) {
  double loss = 0;
  for (std::size_t t = 0; t < Trows; ++t) {
    const std::size_t row = row_of(rows, t);
    const T* z = logits + t * ld<T>(C);
    const T top = largest(z, C);
    T total = T(0);
    for (std::size_t c = 0; c < C; c += kLanes<T>) {
      T part[kLanes<T>];
      const std::size_t n = C - c < kLanes<T> ? C - c : kLanes<T>;
      total += exponentials(part, z + c, top, n);
    }
    const T log_total =
        total == total && total <= T(2) * static_cast<T>(C) ? log_of_sum(total) : total;
    const T picked = z[static_cast<std::size_t>(target[row])] - top;
    loss += (weight != nullptr ? static_cast<double>(weight[row]) : 1.0) *
            static_cast<double>(log_total - picked);
  }
  return loss;
}

// dLoss / dz_c = p_c - [c = y]
template <class T>
void softmax_backward(T* dlogits, const T* logits, const T* target, const T* weight,
                      const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale) {
  for (std::size_t t = 0; t < Trows; ++t) {
    const std::size_t row = row_of(rows, t);
    const T factor = weight != nullptr ? scale * weight[row] : scale;
    const T* z = logits + t * ld<T>(C);
    T* dz = dlogits + t * ld<T>(C);
    const T total = exponentials(dz, z, largest(z, C), C);
    for (std::size_t c = 0; c < C; ++c) dz[c] = factor * (dz[c] / total);
    dz[static_cast<std::size_t>(target[row])] -= factor;
  }
}
