// Portable C++, no intrinsics: one vector is an array that the compiler may keep in whatever the
// baseline has (SSE2, NEON). Included inside dcn::scalar.
constexpr int kTileRows = 3, kTileRowsSmall = 1, kTileVectors = 1;
constexpr int kTileRowsWide = 0, kTileRowsMiddle = 0;  // none
constexpr int kStepsAsItLies = 1;

template <class T> struct Vec {
  T v[kLanes<T>];
};

template <class T, class F> DCN_INLINE Vec<T> each(F f) {
  Vec<T> out;
  for (std::size_t i = 0; i < kLanes<T>; ++i) out.v[i] = f(i);
  return out;
}

template <class T> DCN_INLINE Vec<T> load(const T* p) {
  return each<T>([=](std::size_t i) { return p[i]; });
}
template <class T> DCN_INLINE Vec<T> load_partial(const T* p, std::size_t n) {
  return each<T>([=](std::size_t i) { return i < n ? p[i] : T(0); });
}
template <class T> DCN_INLINE void store(T* p, const Vec<T>& a) {
  for (std::size_t i = 0; i < kLanes<T>; ++i) p[i] = a.v[i];
}
template <class T> DCN_INLINE void store_past(T* p, const Vec<T>& a) { store(p, a); }
DCN_INLINE void fence_past() {}
template <class T> DCN_INLINE void store_partial(T* p, const Vec<T>& a, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) p[i] = a.v[i];
}
DCN_INLINE Vec<float> broadcast(float a) {
  return each<float>([=](std::size_t) { return a; });
}
DCN_INLINE Vec<double> broadcast(double a) {
  return each<double>([=](std::size_t) { return a; });
}

template <class T> DCN_INLINE Vec<T> operator+(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.v[i] + b.v[i]; });
}
template <class T> DCN_INLINE Vec<T> operator-(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.v[i] - b.v[i]; });
}
template <class T> DCN_INLINE Vec<T> operator*(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.v[i] * b.v[i]; });
}
template <class T> DCN_INLINE Vec<T> operator/(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.v[i] / b.v[i]; });
}
// the C functions by their own names: std's overloads are inline and would be exported
DCN_INLINE float root(float a) { return ::sqrtf(a); }
DCN_INLINE double root(double a) { return ::sqrt(a); }
template <class T> DCN_INLINE Vec<T> sqrt(const Vec<T>& a) {
  return each<T>([&](std::size_t i) { return root(a.v[i]); });
}
#if defined(DCN_FUSED) || defined(__FP_FAST_FMAF)
// a * b + c, rounded once
DCN_INLINE float multiply_add(float a, float b, float c) { return ::fmaf(a, b, c); }
DCN_INLINE double multiply_add(double a, double b, double c) { return ::fma(a, b, c); }
#else
// rounded twice: a baseline CPU has no fused instruction and the library's is slow
template <class T> DCN_INLINE T multiply_add(T a, T b, T c) { return a * b + c; }
#endif
template <class T> DCN_INLINE Vec<T> fma(const Vec<T>& a, const Vec<T>& b, const Vec<T>& c) {
  return each<T>([&](std::size_t i) { return multiply_add(a.v[i], b.v[i], c.v[i]); });
}
// b where a is NaN, as the hardware's max and min
template <class T> DCN_INLINE Vec<T> max(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
template <class T> DCN_INLINE Vec<T> min(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
// a > b ? yes : no
template <class T>
DCN_INLINE Vec<T> where_greater(const Vec<T>& a, const Vec<T>& b, const Vec<T>& yes,
                                const Vec<T>& no) {
  return each<T>([&](std::size_t i) { return a.v[i] > b.v[i] ? yes.v[i] : no.v[i]; });
}
// exact below 2^22 (2^51), which is all the kernels ask: adding 1.5 * 2^23 (2^52) rounds to a whole
template <class T> DCN_INLINE Vec<T> round_to_even(const Vec<T>& a) {
  constexpr T magic = sizeof(T) == 4 ? T(12582912) : T(6755399441055744);
  return each<T>([&](std::size_t i) {
    volatile T shifted = a.v[i] + magic;  // volatile: no compiler may cancel the two additions
    return shifted - magic;
  });
}
// 2^n for whole n within the normal range
template <class T> DCN_INLINE Vec<T> power_of_2(const Vec<T>& n) {
  return each<T>(
      [&](std::size_t i) { return static_cast<T>(::ldexp(1.0, static_cast<int>(n.v[i]))); });
}
// sum of the lanes, folding halves: i + (i + 8), then + 4, + 2, + 1
template <class T> DCN_INLINE T sum(Vec<T> a) {
  for (std::size_t half = kLanes<T> / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) a.v[i] = a.v[i] + a.v[i + half];
  return a.v[0];
}
DCN_INLINE void prefetch_to_L2(const void*) {}
DCN_INLINE void prefetch(const void*) {}
