// A family of kinds is a list of types: what is counted, named and looked up comes from it.
template <class... Kind> struct KindList {};

template <class K, std::size_t N> constexpr Kinds<K> all_of(const K (&kinds)[N]) {
  return {kinds, N};
}
