// AVX-512 (F, DQ, BW, VL): one vector is one zmm register. Included inside dcn::avx512.
constexpr int kTileRows = 12, kTileRowsSmall = 4,
              kTileVectors = 2;     // 24 accumulators of 32 registers
constexpr int kTileRowsWide = 8;    // of a tile of 3 vectors, for the end of an odd number of them
constexpr int kTileRowsMiddle = 0;  // none
constexpr int kStepsAsItLies = 2;   // of a product that reads its columns a row apart

template <class T> struct Vec;

template <> struct Vec<float> {
  __m512 v;
};
template <> struct Vec<double> {
  __m512d v;
};

DCN_INLINE __mmask16 first(std::size_t n, float) { return static_cast<__mmask16>((1u << n) - 1u); }
DCN_INLINE __mmask8 first(std::size_t n, double) { return static_cast<__mmask8>((1u << n) - 1u); }

DCN_INLINE Vec<float> load(const float* p) { return {_mm512_loadu_ps(p)}; }
DCN_INLINE Vec<double> load(const double* p) { return {_mm512_loadu_pd(p)}; }
DCN_INLINE Vec<float> load_partial(const float* p, std::size_t n) {
  return {_mm512_maskz_loadu_ps(first(n, 0.0F), p)};
}
DCN_INLINE Vec<double> load_partial(const double* p, std::size_t n) {
  return {_mm512_maskz_loadu_pd(first(n, 0.0), p)};
}
// n numbers of bfloat16, of int8, as vectors of the type of the last argument; lanes behind are 0
DCN_INLINE Vec<float> load_bfloat16(const unsigned char* p, std::size_t n, float) {
  const __m512i halves = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first(n, 0.0F), p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(halves, 16))};
}
DCN_INLINE Vec<double> load_bfloat16(const unsigned char* p, std::size_t n, double) {
  const __m256i halves = _mm256_cvtepu16_epi32(_mm_maskz_loadu_epi16(first(n, 0.0), p));
  return {_mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32(halves, 16)))};
}
DCN_INLINE Vec<float> load_int8(const unsigned char* p, std::size_t n, float) {
  const __m128i bytes = _mm_maskz_loadu_epi8(first(n, 0.0F), p);
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}
DCN_INLINE Vec<double> load_int8(const unsigned char* p, std::size_t n, double) {
  const __m128i bytes = _mm_maskz_loadu_epi8(first(n, 0.0), p);
  return {_mm512_cvtepi32_pd(_mm256_cvtepi8_epi32(bytes))};
}
// whole numbers of 16 bits, as vectors of the type of the last argument
DCN_INLINE Vec<float> load_uint16(const std::uint16_t* p, float) {
  const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(all))};
}
DCN_INLINE Vec<double> load_uint16(const std::uint16_t* p, double) {
  const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_cvtepi32_pd(_mm256_cvtepu16_epi32(all))};
}
DCN_INLINE void store(float* p, Vec<float> a) { _mm512_storeu_ps(p, a.v); }
DCN_INLINE void store(double* p, Vec<double> a) { _mm512_storeu_pd(p, a.v); }
// a streaming store: p is aligned, and nobody reads it soon
DCN_INLINE void stream_store(float* p, Vec<float> a) { _mm512_stream_ps(p, a.v); }
DCN_INLINE void stream_store(double* p, Vec<double> a) { _mm512_stream_pd(p, a.v); }
DCN_INLINE void stream_fence() { _mm_sfence(); }
DCN_INLINE void store_partial(float* p, Vec<float> a, std::size_t n) {
  _mm512_mask_storeu_ps(p, first(n, 0.0F), a.v);
}
DCN_INLINE void store_partial(double* p, Vec<double> a, std::size_t n) {
  _mm512_mask_storeu_pd(p, first(n, 0.0), a.v);
}
DCN_INLINE Vec<float> broadcast(float a) { return {_mm512_set1_ps(a)}; }
DCN_INLINE Vec<double> broadcast(double a) { return {_mm512_set1_pd(a)}; }

DCN_INLINE Vec<float> operator+(Vec<float> a, Vec<float> b) { return {_mm512_add_ps(a.v, b.v)}; }
DCN_INLINE Vec<double> operator+(Vec<double> a, Vec<double> b) { return {_mm512_add_pd(a.v, b.v)}; }
DCN_INLINE Vec<float> operator-(Vec<float> a, Vec<float> b) { return {_mm512_sub_ps(a.v, b.v)}; }
DCN_INLINE Vec<double> operator-(Vec<double> a, Vec<double> b) { return {_mm512_sub_pd(a.v, b.v)}; }
DCN_INLINE Vec<float> operator*(Vec<float> a, Vec<float> b) { return {_mm512_mul_ps(a.v, b.v)}; }
DCN_INLINE Vec<double> operator*(Vec<double> a, Vec<double> b) { return {_mm512_mul_pd(a.v, b.v)}; }
DCN_INLINE Vec<float> operator/(Vec<float> a, Vec<float> b) { return {_mm512_div_ps(a.v, b.v)}; }
DCN_INLINE Vec<double> operator/(Vec<double> a, Vec<double> b) { return {_mm512_div_pd(a.v, b.v)}; }
DCN_INLINE Vec<float> sqrt(Vec<float> a) { return {_mm512_sqrt_ps(a.v)}; }
DCN_INLINE Vec<double> sqrt(Vec<double> a) { return {_mm512_sqrt_pd(a.v)}; }
// a * b + c, rounded once
DCN_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
DCN_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {_mm512_fmadd_pd(a.v, b.v, c.v)};
}
// b where a is NaN, as the hardware's max and min
DCN_INLINE Vec<float> max(Vec<float> a, Vec<float> b) { return {_mm512_max_ps(a.v, b.v)}; }
DCN_INLINE Vec<double> max(Vec<double> a, Vec<double> b) { return {_mm512_max_pd(a.v, b.v)}; }
DCN_INLINE Vec<float> min(Vec<float> a, Vec<float> b) { return {_mm512_min_ps(a.v, b.v)}; }
DCN_INLINE Vec<double> min(Vec<double> a, Vec<double> b) { return {_mm512_min_pd(a.v, b.v)}; }
// a > b ? yes : no
DCN_INLINE Vec<float> where_greater(Vec<float> a, Vec<float> b, Vec<float> yes, Vec<float> no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ), no.v, yes.v)};
}
DCN_INLINE Vec<double> where_greater(Vec<double> a, Vec<double> b, Vec<double> yes,
                                     Vec<double> no) {
  return {_mm512_mask_blend_pd(_mm512_cmp_pd_mask(a.v, b.v, _CMP_GT_OQ), no.v, yes.v)};
}
DCN_INLINE Vec<float> round_to_even(Vec<float> a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
DCN_INLINE Vec<double> round_to_even(Vec<double> a) {
  return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// 2^n for whole n within the normal range
DCN_INLINE Vec<float> power_of_2(Vec<float> n) {
  return {_mm512_scalef_ps(_mm512_set1_ps(1.0F), n.v)};
}
DCN_INLINE Vec<double> power_of_2(Vec<double> n) {
  return {_mm512_scalef_pd(_mm512_set1_pd(1.0), n.v)};
}
// sum of the lanes, folding halves: i + (i + 8), then + 4, + 2, + 1
DCN_INLINE float sum(Vec<float> a) {
  const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
DCN_INLINE double sum(Vec<double> a) {
  const __m256d s4 = _mm256_add_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1));
  const __m128d s2 = _mm_add_pd(_mm256_castpd256_pd128(s4), _mm256_extractf128_pd(s4, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s2, _mm_unpackhi_pd(s2, s2)));
}
DCN_INLINE void prefetch_to_L2(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
}
DCN_INLINE void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
