// Portable C++, no intrinsics: one vector is an array of pieces of 16 bytes, for which the compiler
// takes what the baseline has (SSE2, NEON). Included inside dcn::scalar.
constexpr int kTileRows = 3, kTileRowsSmall = 1, kTileVectors = 1;
constexpr int kTileRowsWide = 0, kTileRowsMiddle = 0;  // none
constexpr int kStepsAsItLies = 1;

// What the baseline adds or multiplies at once, by the compiler's own vectors: as arrays of single
// numbers the kernels take several times longer to compile.
#if defined(__GNUC__)
template <class T> struct PieceOf {
  typedef T type __attribute__((vector_size(16)));
};
#else
template <class T> struct PieceOf {
  typedef T type;
};
#endif
template <class T> using Piece = typename PieceOf<T>::type;
template <class T> inline constexpr std::size_t kPieces = 64 / sizeof(Piece<T>);

template <class T> struct Vec {
  Piece<T> piece[kPieces<T>];
};

// out's pieces are f(number)
template <class T, class F> DCN_INLINE Vec<T> each(F f) {
  Vec<T> out;
  DCN_UNROLL
  for (std::size_t i = 0; i < kPieces<T>; ++i) out.piece[i] = f(i);
  return out;
}

template <class T> DCN_INLINE Vec<T> load(const T* p) {
  constexpr std::size_t n = kLanes<T> / kPieces<T>;
  return each<T>([=](std::size_t i) {
    Piece<T> piece;
    ::memcpy(&piece, p + i * n, sizeof(piece));
    return piece;
  });
}
template <class T> DCN_INLINE void store(T* p, const Vec<T>& a) {
  constexpr std::size_t n = kLanes<T> / kPieces<T>;
  DCN_UNROLL
  for (std::size_t i = 0; i < kPieces<T>; ++i) ::memcpy(p + i * n, &a.piece[i], sizeof(a.piece[i]));
}
template <class T> DCN_INLINE void stream_store(T* p, const Vec<T>& a) { store(p, a); }
DCN_INLINE void stream_fence() {}

// what has no instruction, number by number: out's are f(number of the lane)
template <class T, class F> DCN_INLINE Vec<T> each_lane(F f) {
  T lanes[kLanes<T>];
  for (std::size_t i = 0; i < kLanes<T>; ++i) lanes[i] = f(i);
  return load(lanes);
}
template <class T> struct Lanes {
  T v[kLanes<T>];

  DCN_INLINE explicit Lanes(const Vec<T>& a) { store(v, a); }
};

template <class T> DCN_INLINE Vec<T> load_partial(const T* p, std::size_t n) {
  if (n >= kLanes<T>) return load(p);
  return each_lane<T>([=](std::size_t i) { return i < n ? p[i] : T(0); });
}
// n numbers of bfloat16, of int8, as vectors of the type of the last argument; lanes behind are 0
template <class T> DCN_INLINE Vec<T> load_bfloat16(const unsigned char* p, std::size_t n, T) {
  return each_lane<T>([=](std::size_t i) {
    std::uint16_t half = 0;
    if (i < n) ::memcpy(&half, p + 2 * i, sizeof(half));
    const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
    float number;
    ::memcpy(&number, &bits, sizeof(number));
    return static_cast<T>(number);
  });
}
template <class T> DCN_INLINE Vec<T> load_int8(const unsigned char* p, std::size_t n, T) {
  return each_lane<T>(
      [=](std::size_t i) { return i < n ? static_cast<T>(static_cast<signed char>(p[i])) : T(0); });
}
// whole numbers of 16 bits, as vectors of the type of the last argument
template <class T> DCN_INLINE Vec<T> load_uint16(const std::uint16_t* p, T) {
  return each_lane<T>([=](std::size_t i) { return static_cast<T>(p[i]); });
}
template <class T> DCN_INLINE void store_partial(T* p, const Vec<T>& a, std::size_t n) {
  if (n >= kLanes<T>) return store(p, a);
  const Lanes<T> lanes(a);
  for (std::size_t i = 0; i < n; ++i) p[i] = lanes.v[i];
}
DCN_INLINE Vec<float> broadcast(float a) {
  return each<float>([=](std::size_t) { return Piece<float>{} + a; });
}
DCN_INLINE Vec<double> broadcast(double a) {
  return each<double>([=](std::size_t) { return Piece<double>{} + a; });
}

template <class T> DCN_INLINE Vec<T> operator+(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.piece[i] + b.piece[i]; });
}
template <class T> DCN_INLINE Vec<T> operator-(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.piece[i] - b.piece[i]; });
}
template <class T> DCN_INLINE Vec<T> operator*(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.piece[i] * b.piece[i]; });
}
template <class T> DCN_INLINE Vec<T> operator/(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.piece[i] / b.piece[i]; });
}
// the C functions by their own names: std's overloads are inline and would be exported
DCN_INLINE float root(float a) { return ::sqrtf(a); }
DCN_INLINE double root(double a) { return ::sqrt(a); }
template <class T> DCN_INLINE Vec<T> sqrt(const Vec<T>& a) {
  const Lanes<T> lanes(a);
  return each_lane<T>([&](std::size_t i) { return root(lanes.v[i]); });
}
#if defined(DCN_FUSED) || defined(__FP_FAST_FMAF)
// a * b + c, rounded once
DCN_INLINE float multiply_add(float a, float b, float c) { return ::fmaf(a, b, c); }
DCN_INLINE double multiply_add(double a, double b, double c) { return ::fma(a, b, c); }
template <class T> DCN_INLINE Vec<T> fma(const Vec<T>& a, const Vec<T>& b, const Vec<T>& c) {
  const Lanes<T> x(a), y(b), z(c);
  T lanes[kLanes<T>];
  DCN_UNROLL
  for (std::size_t i = 0; i < kLanes<T>; ++i) lanes[i] = multiply_add(x.v[i], y.v[i], z.v[i]);
  return load(lanes);
}
#else
// rounded twice: a baseline CPU has no fused instruction and the library's is slow
template <class T> DCN_INLINE Vec<T> fma(const Vec<T>& a, const Vec<T>& b, const Vec<T>& c) {
  return a * b + c;
}
#endif
// b where a is NaN, as the hardware's max and min
template <class T> DCN_INLINE Vec<T> max(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.piece[i] > b.piece[i] ? a.piece[i] : b.piece[i]; });
}
template <class T> DCN_INLINE Vec<T> min(const Vec<T>& a, const Vec<T>& b) {
  return each<T>([&](std::size_t i) { return a.piece[i] < b.piece[i] ? a.piece[i] : b.piece[i]; });
}
// a > b ? yes : no
template <class T>
DCN_INLINE Vec<T> where_greater(const Vec<T>& a, const Vec<T>& b, const Vec<T>& yes,
                                const Vec<T>& no) {
  return each<T>(
      [&](std::size_t i) { return a.piece[i] > b.piece[i] ? yes.piece[i] : no.piece[i]; });
}
// exact below 2^22 (2^51), which is all the kernels ask: adding 1.5 * 2^23 (2^52) rounds to a whole
template <class T> DCN_INLINE Vec<T> round_to_even(const Vec<T>& a) {
  constexpr T magic = sizeof(T) == 4 ? T(12582912) : T(6755399441055744);
  const Lanes<T> lanes(a);
  return each_lane<T>([&](std::size_t i) {
    volatile T shifted = lanes.v[i] + magic;  // volatile: no compiler may cancel the two additions
    return shifted - magic;
  });
}
// 2^n for whole n within the normal range
template <class T> DCN_INLINE Vec<T> power_of_2(const Vec<T>& n) {
  const Lanes<T> lanes(n);
  return each_lane<T>(
      [&](std::size_t i) { return static_cast<T>(::ldexp(1.0, static_cast<int>(lanes.v[i]))); });
}
// sum of the lanes, folding halves: i + (i + 8), then + 4, + 2, + 1
template <class T> DCN_INLINE T sum(const Vec<T>& a) {
  Lanes<T> lanes(a);
  for (std::size_t half = kLanes<T> / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) lanes.v[i] = lanes.v[i] + lanes.v[i + half];
  return lanes.v[0];
}
DCN_INLINE void prefetch_to_L2(const void*) {}
DCN_INLINE void prefetch(const void*) {}
