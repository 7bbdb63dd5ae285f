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

// The sine and the cosine of x. Beyond kFarthestAngle they are those of that angle, so that they
// stay between -1 and 1; an infinite angle has none, and is NaN.
template <class T> struct SineCosine {
  Vec<T> sin, cos;
};
template <class T> constexpr T kFarthestAngle = sizeof(T) == 4 ? T(1e4) : T(1e6);

// x = n pi / 2 + rest, |rest| <= pi / 4, and n modulo 4 as -2 to 2
template <class T> struct Quadrant {
  Vec<T> rest, n;
};
template <class T> DCN_INLINE Quadrant<T> reduce_angle(Vec<T> x) {
  const T far = kFarthestAngle<T>;
  const Vec<T> near = min(broadcast(far), max(broadcast(-far), x));  // in this order NaN passes
  const Vec<T> n = round_to_even(near * broadcast(T(0.63661977236758134308)));
  // pi / 2 in three parts: the first two with trailing zeros, so that n times them is exact
  const T first = sizeof(T) == 4 ? T(1.5703125) : T(1.5707963267341256);
  const T second = sizeof(T) == 4 ? T(4.837512969970703125e-4) : T(6.077100506303966e-11);
  const T third = sizeof(T) == 4 ? T(7.549790126404332e-8) : T(2.0222662487959506e-21);
  Vec<T> rest = fma(n, broadcast(-first), near);
  rest = fma(n, broadcast(-second), rest);
  rest = fma(n, broadcast(-third), rest);
  const Vec<T> turns = round_to_even(n * broadcast(T(0.25)));
  return {rest + (x - x), fma(turns, broadcast(T(-4)), n)};  // x - x is NaN for infinite x
}

// Taylor's series on |x| <= pi / 4, far enough that the rest is below half an ulp: of x^k in the
// sine (k odd) and the cosine (k even).
template <class T> struct WaveSeries {
  static constexpr int last = sizeof(T) == 4 ? 10 : 16;
  T of[last + 1] = {T(1)};

  constexpr WaveSeries() {
    double factorial = 1;
    for (int k = 1; k <= last; ++k) {
      factorial *= k;
      of[k] = static_cast<T>((k % 4 < 2 ? 1 : -1) / factorial);
    }
  }
};
template <class T> constexpr WaveSeries<T> kWaveSeries{};

template <class T> DCN_INLINE SineCosine<T> sine_cosine(Vec<T> x) {
  const Quadrant<T> at = reduce_angle(x);
  const Vec<T> zero = broadcast(T(0)), one = broadcast(T(1)), square = at.rest * at.rest;
  constexpr int last = WaveSeries<T>::last;
  Vec<T> s = broadcast(kWaveSeries<T>.of[last - 1]), c = broadcast(kWaveSeries<T>.of[last]);
  DCN_UNROLL
  for (int k = last - 2; k >= 2; k -= 2) {
    if (k > 2) s = fma(s, square, broadcast(kWaveSeries<T>.of[k - 1]));
    c = fma(c, square, broadcast(kWaveSeries<T>.of[k]));
  }
  s = fma(s * square, at.rest, at.rest);
  c = fma(c, square, one);
  // n odd swaps them; the sine of quadrants -1 and +-2 is negative, the cosine of 1 and +-2
  const Vec<T> n = at.n, odd = n * n * (broadcast(T(2)) - n * n);
  const Vec<T> sin = where_greater(odd, zero, c, s), cos = where_greater(odd, zero, s, c);
  const Vec<T> half = broadcast(T(0.5));
  return {where_greater(n * (n - half), one, zero - sin, sin),
          where_greater(n * (n + half), one, zero - cos, cos)};
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
