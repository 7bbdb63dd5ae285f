// AVX2 and FMA: one vector is two ymm registers. Included inside dcn::avx2.
constexpr int kTileRows = 6, kTileRowsSmall = 2,
              kTileVectors = 1;     // 12 accumulators of 16 registers
constexpr int kTileRowsWide = 0;    // none
constexpr int kTileRowsMiddle = 4;  // of a gradient of weights, 2 would wait for their own sums
constexpr int kStepsAsItLies = 1;   // two at a time need more registers than there are

template <class T> struct Vec;

template <> struct Vec<float> {
  __m256 lo, hi;
};
template <> struct Vec<double> {
  __m256d lo, hi;
};

// ones in front, zeros behind: a mask of the first n is the window that starts n before the border
alignas(64) constexpr std::int32_t kMask32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
alignas(64) constexpr std::int64_t kMask64[8] = {-1, -1, -1, -1};
DCN_INLINE __m256i first8(std::size_t n) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask32 + 8 - (n < 8 ? n : 8)));
}
DCN_INLINE __m256i first4(std::size_t n) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask64 + 4 - (n < 4 ? n : 4)));
}

DCN_INLINE Vec<float> load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
DCN_INLINE Vec<double> load(const double* p) {
  return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)};
}
DCN_INLINE Vec<float> load_partial(const float* p, std::size_t n) {
  const __m256 none = _mm256_setzero_ps();
  return {_mm256_maskload_ps(p, first8(n)),
          n > 8 ? _mm256_maskload_ps(p + 8, first8(n - 8)) : none};
}
DCN_INLINE Vec<double> load_partial(const double* p, std::size_t n) {
  const __m256d none = _mm256_setzero_pd();
  return {_mm256_maskload_pd(p, first4(n)),
          n > 4 ? _mm256_maskload_pd(p + 4, first4(n - 4)) : none};
}
// the first n of 16 bytes, 0 behind them; none is read that is not asked for
DCN_INLINE __m128i load_bytes(const unsigned char* p, std::size_t n) {
  if (n >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  std::uint64_t low = 0, high = 0;
  if (n >= 8) {  // the last eight, shifted down by those that are in low: two shifts, n may be 8
    ::memcpy(&low, p, 8);
    ::memcpy(&high, p + n - 8, 8);
    high = high >> 4 * (16 - n) >> 4 * (16 - n);
  } else if (n >= 4) {  // two times four that overlap
    std::uint32_t begin, end;
    ::memcpy(&begin, p, 4);
    ::memcpy(&end, p + n - 4, 4);
    low = begin | static_cast<std::uint64_t>(end) << 8 * (n - 4);
  } else {
    for (std::size_t i = 0; i < n; ++i) low |= static_cast<std::uint64_t>(p[i]) << 8 * i;
  }
  return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}
DCN_INLINE __m256 widen_bfloat16(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
// n numbers of bfloat16, of int8, as vectors of the type of the last argument; lanes behind are 0
DCN_INLINE Vec<float> load_bfloat16(const unsigned char* p, std::size_t n, float) {
  return {widen_bfloat16(load_bytes(p, 2 * n)),
          n > 8 ? widen_bfloat16(load_bytes(p + 16, 2 * n - 16)) : _mm256_setzero_ps()};
}
DCN_INLINE Vec<double> load_bfloat16(const unsigned char* p, std::size_t n, double) {
  const __m256 eight = widen_bfloat16(load_bytes(p, 2 * n));
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(eight)),
          _mm256_cvtps_pd(_mm256_extractf128_ps(eight, 1))};
}
DCN_INLINE Vec<float> load_int8(const unsigned char* p, std::size_t n, float) {
  const __m128i bytes = load_bytes(p, n);
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}
DCN_INLINE Vec<double> load_int8(const unsigned char* p, std::size_t n, double) {
  const __m256i eight = _mm256_cvtepi8_epi32(load_bytes(p, n));
  return {_mm256_cvtepi32_pd(_mm256_castsi256_si128(eight)),
          _mm256_cvtepi32_pd(_mm256_extracti128_si256(eight, 1))};
}
// whole numbers of 16 bits, as vectors of the type of the last argument
DCN_INLINE Vec<float> load_uint16(const std::uint16_t* p, float) {
  const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  const auto widened = [](__m128i eight) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(eight));
  };
  return {widened(_mm256_castsi256_si128(all)), widened(_mm256_extracti128_si256(all, 1))};
}
DCN_INLINE Vec<double> load_uint16(const std::uint16_t* p, double) {
  const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_pd(_mm_cvtepu16_epi32(all)),
          _mm256_cvtepi32_pd(_mm_cvtepu16_epi32(_mm_srli_si128(all, 8)))};
}
DCN_INLINE void store(float* p, Vec<float> a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
DCN_INLINE void store(double* p, Vec<double> a) {
  _mm256_storeu_pd(p, a.lo);
  _mm256_storeu_pd(p + 4, a.hi);
}
// a streaming store: p is aligned, and nobody reads it soon
DCN_INLINE void stream_store(float* p, Vec<float> a) {
  _mm256_stream_ps(p, a.lo);
  _mm256_stream_ps(p + 8, a.hi);
}
DCN_INLINE void stream_store(double* p, Vec<double> a) {
  _mm256_stream_pd(p, a.lo);
  _mm256_stream_pd(p + 4, a.hi);
}
DCN_INLINE void stream_fence() { _mm_sfence(); }
// in halves, not masked: a masked store is tens of micro-operations on AMD's CPUs
DCN_INLINE void store_partial(float* p, Vec<float> a, std::size_t n) {
  if (n >= 16) return store(p, a);
  __m256 eight = a.lo;
  if (n & 8) {
    _mm256_storeu_ps(p, eight);
    eight = a.hi;
    p += 8;
  }
  __m128 four = _mm256_castps256_ps128(eight);
  if (n & 4) {
    _mm_storeu_ps(p, four);
    four = _mm256_extractf128_ps(eight, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), four);
    four = _mm_movehl_ps(four, four);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, four);
}
DCN_INLINE void store_partial(double* p, Vec<double> a, std::size_t n) {
  if (n >= 8) return store(p, a);
  __m256d four = a.lo;
  if (n & 4) {
    _mm256_storeu_pd(p, four);
    four = a.hi;
    p += 4;
  }
  __m128d two = _mm256_castpd256_pd128(four);
  if (n & 2) {
    _mm_storeu_pd(p, two);
    two = _mm256_extractf128_pd(four, 1);
    p += 2;
  }
  if (n & 1) _mm_store_sd(p, two);
}
DCN_INLINE Vec<float> broadcast(float a) {
  const __m256 v = _mm256_set1_ps(a);
  return {v, v};
}
DCN_INLINE Vec<double> broadcast(double a) {
  const __m256d v = _mm256_set1_pd(a);
  return {v, v};
}

DCN_INLINE Vec<float> operator+(Vec<float> a, Vec<float> b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
DCN_INLINE Vec<double> operator+(Vec<double> a, Vec<double> b) {
  return {_mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi)};
}
DCN_INLINE Vec<float> operator-(Vec<float> a, Vec<float> b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
DCN_INLINE Vec<double> operator-(Vec<double> a, Vec<double> b) {
  return {_mm256_sub_pd(a.lo, b.lo), _mm256_sub_pd(a.hi, b.hi)};
}
DCN_INLINE Vec<float> operator*(Vec<float> a, Vec<float> b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
DCN_INLINE Vec<double> operator*(Vec<double> a, Vec<double> b) {
  return {_mm256_mul_pd(a.lo, b.lo), _mm256_mul_pd(a.hi, b.hi)};
}
DCN_INLINE Vec<float> operator/(Vec<float> a, Vec<float> b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
DCN_INLINE Vec<double> operator/(Vec<double> a, Vec<double> b) {
  return {_mm256_div_pd(a.lo, b.lo), _mm256_div_pd(a.hi, b.hi)};
}
DCN_INLINE Vec<float> sqrt(Vec<float> a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
DCN_INLINE Vec<double> sqrt(Vec<double> a) { return {_mm256_sqrt_pd(a.lo), _mm256_sqrt_pd(a.hi)}; }
// a * b + c, rounded once
DCN_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
DCN_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {_mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi)};
}
// b where a is NaN, as the hardware's max and min
DCN_INLINE Vec<float> max(Vec<float> a, Vec<float> b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
DCN_INLINE Vec<double> max(Vec<double> a, Vec<double> b) {
  return {_mm256_max_pd(a.lo, b.lo), _mm256_max_pd(a.hi, b.hi)};
}
DCN_INLINE Vec<float> min(Vec<float> a, Vec<float> b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
DCN_INLINE Vec<double> min(Vec<double> a, Vec<double> b) {
  return {_mm256_min_pd(a.lo, b.lo), _mm256_min_pd(a.hi, b.hi)};
}
// a > b ? yes : no
DCN_INLINE Vec<float> where_greater(Vec<float> a, Vec<float> b, Vec<float> yes, Vec<float> no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_GT_OQ)),
          _mm256_blendv_ps(no.hi, yes.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_GT_OQ))};
}
DCN_INLINE Vec<double> where_greater(Vec<double> a, Vec<double> b, Vec<double> yes,
                                     Vec<double> no) {
  return {_mm256_blendv_pd(no.lo, yes.lo, _mm256_cmp_pd(a.lo, b.lo, _CMP_GT_OQ)),
          _mm256_blendv_pd(no.hi, yes.hi, _mm256_cmp_pd(a.hi, b.hi, _CMP_GT_OQ))};
}
DCN_INLINE Vec<float> round_to_even(Vec<float> a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, mode), _mm256_round_ps(a.hi, mode)};
}
DCN_INLINE Vec<double> round_to_even(Vec<double> a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_pd(a.lo, mode), _mm256_round_pd(a.hi, mode)};
}
// 2^n for whole n within the normal range: n lands in the exponent bits
DCN_INLINE __m256 power_of_2(__m256 n) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
DCN_INLINE __m256d power_of_2(__m256d n) {
  // adding 1.5 * 2^52 puts a whole number into the low bits of the mantissa
  const __m256d shifted = _mm256_add_pd(n, _mm256_set1_pd(6755399441055744.0 + 1023.0));
  return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(shifted), 52));
}
DCN_INLINE Vec<float> power_of_2(Vec<float> n) { return {power_of_2(n.lo), power_of_2(n.hi)}; }
DCN_INLINE Vec<double> power_of_2(Vec<double> n) { return {power_of_2(n.lo), power_of_2(n.hi)}; }
// sum of the lanes, folding halves: i + (i + 8), then + 4, + 2, + 1
DCN_INLINE float sum(Vec<float> a) {
  const __m256 s8 = _mm256_add_ps(a.lo, a.hi);
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
DCN_INLINE double sum(Vec<double> a) {
  const __m256d s4 = _mm256_add_pd(a.lo, a.hi);
  const __m128d s2 = _mm_add_pd(_mm256_castpd256_pd128(s4), _mm256_extractf128_pd(s4, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s2, _mm_unpackhi_pd(s2, s2)));
}
DCN_INLINE void prefetch_to_L2(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
}
DCN_INLINE void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
