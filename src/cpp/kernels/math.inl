// Elementary functions on vectors: our own, so that every instruction set computes the same
// numbers.

// expm1(r) = r + r^2 q(r) on |r| <= ln2 / 2, Taylor, far enough that the rest is below half an ulp
template <class T> constexpr int kExpTerms = sizeof(T) == 4 ? 6 : 12;

template <class T> struct Reduced {
  Vec<T> expm1, power;  // exp(x) = power * (1 + expm1)
};

template <class T> DCN_INLINE Reduced<T> reduce_exponent(Vec<T> x) {
  // beyond these exp is 0 or infinity to the format, or would leave the normal powers of two
  const T lowest = sizeof(T) == 4 ? T(-87.0) : T(-708.0);
  const T highest = sizeof(T) == 4 ? T(88.0) : T(709.0);
  x = min(broadcast(highest), max(broadcast(lowest), x));  // in this order NaN passes through
  const Vec<T> n = round_to_even(x * broadcast(T(1.4426950408889634074)));
  // ln2 in two parts: the first with trailing zeros, so that n * first is exact
  const T first = sizeof(T) == 4 ? T(0.693359375) : T(0.693147180369123816490);
  const T second = sizeof(T) == 4 ? T(-2.12194440054690583e-4) : T(1.90821492927058770002e-10);
  const Vec<T> r = fma(n, broadcast(-second), fma(n, broadcast(-first), x));
  T factorial = T(1);
  for (int k = 2; k <= kExpTerms<T> + 1; ++k) factorial *= T(k);
  Vec<T> q = broadcast(T(1) / factorial);
  for (int k = kExpTerms<T> + 1; k > 2; --k) {
    factorial /= T(k);
    q = fma(q, r, broadcast(T(1) / factorial));
  }
  return {fma(r * r, q, r), power_of_2(n)};
}

template <class T> DCN_INLINE Vec<T> exp(Vec<T> x) {
  const Reduced<T> e = reduce_exponent(x);
  return fma(e.power, e.expm1, e.power);
}

template <class T> DCN_INLINE Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> one = broadcast(T(1));
  return one / (one + exp(broadcast(T(0)) - x));
}

// by expm1, so that small arguments keep their digits
template <class T> DCN_INLINE Vec<T> tanh(Vec<T> x) {
  const T limit = sizeof(T) == 4 ? T(10) : T(20);  // beyond it tanh is 1 to the format
  const Vec<T> one = broadcast(T(1));
  const Vec<T> clipped = min(broadcast(limit), max(broadcast(-limit), x));
  const Reduced<T> e = reduce_exponent(clipped + clipped);
  const Vec<T> em1 = fma(e.power, e.expm1, e.power - one);
  return em1 / (em1 + broadcast(T(2)));
}

// GELU in its tanh form (Hendrycks and Gimpel, 2016): x (1 + tanh u) / 2, u = c (x + k x^3)
template <class T> constexpr T kGeluC = T(0.79788456080286535588);  // sqrt(2 / pi)
template <class T> constexpr T kGeluK = T(0.044715);

template <class T> DCN_INLINE Vec<T> gelu_tanh(Vec<T> x) {
  const Vec<T> cubic = fma(broadcast(kGeluK<T>) * x, x, broadcast(T(1)));
  return tanh(broadcast(kGeluC<T>) * x * cubic);
}
template <class T> DCN_INLINE Vec<T> gelu(Vec<T> x) {
  return broadcast(T(0.5)) * x * (broadcast(T(1)) + gelu_tanh(x));
}
template <class T> DCN_INLINE Vec<T> gelu_slope(Vec<T> x) {
  const Vec<T> one = broadcast(T(1)), half = broadcast(T(0.5));
  const Vec<T> t = gelu_tanh(x);
  const Vec<T> du = broadcast(kGeluC<T>) * fma(broadcast(3 * kGeluK<T>) * x, x, one);
  // where tanh is flat the product would be 0 * infinity for huge x
  const Vec<T> flat = fma(broadcast(T(0)) - t, t, one);
  const Vec<T> bent = where_greater(flat, broadcast(T(0)), half * x * flat * du, broadcast(T(0)));
  return fma(half, t, half) + bent;
}

// log(1 + u) for 0 <= u <= 1, by 2 atanh(u / (2 + u)): the series runs in s^2 <= 1/9
template <class T> DCN_INLINE Vec<T> log1p_small(Vec<T> u) {
  const Vec<T> two = broadcast(T(2));
  const Vec<T> s = u / (two + u);
  const Vec<T> square = s * s;
  constexpr int terms = sizeof(T) == 4 ? 8 : 17;
  Vec<T> series = broadcast(T(1) / T(2 * terms + 1));
  for (int k = terms - 1; k >= 0; --k) series = series * square + broadcast(T(1) / T(2 * k + 1));
  return two * s * series;
}
