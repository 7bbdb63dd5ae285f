// A family of kinds is a list of types: what is counted, named and looked up comes from it.
template <class... Kind> struct KindList {};

template <class K, std::size_t N> constexpr Kinds<K> all_of(const K (&kinds)[N]) {
  return {kinds, N};
}

// f(Kind{}) of the kind with this number
template <class F, class... Kind>
DCN_INLINE void with_kind(KindList<Kind...>, std::size_t number, F&& f) {
  std::size_t next = 0;
  (void)((next++ == number && (f(Kind{}), true)) || ...);
}
