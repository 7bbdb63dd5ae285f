// Activations, each a struct of its name, act(z), and act'(z) from h = act(z) where that is enough,
// else from z, which is kept then. A new one is a struct and an entry of the list.

struct Identity {
  static constexpr const char* name = "identity";
  static constexpr bool keeps_z = false;
  template <class T> static DCN_INLINE Vec<T> activate(Vec<T> z) { return z; }
  template <class T> static DCN_INLINE Vec<T> slope(Vec<T>, const T*) { return broadcast(T(1)); }
};

struct Relu {
  static constexpr const char* name = "relu";
  static constexpr bool keeps_z = false;
  template <class T> static DCN_INLINE Vec<T> activate(Vec<T> z) {
    return max(broadcast(T(0)), z);  // NaN passes
  }
  template <class T> static DCN_INLINE Vec<T> slope(Vec<T> h, const T*) {
    const Vec<T> one = broadcast(T(1)), zero = broadcast(T(0));
    return where_greater(h, zero, one, zero);
  }
};

struct Tanh {
  static constexpr const char* name = "tanh";
  static constexpr bool keeps_z = false;
  template <class T> static DCN_INLINE Vec<T> activate(Vec<T> z) { return tanh(z); }
  template <class T> static DCN_INLINE Vec<T> slope(Vec<T> h, const T*) {
    return fma(broadcast(T(0)) - h, h, broadcast(T(1)));
  }
};

struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  static constexpr bool keeps_z = false;
  template <class T> static DCN_INLINE Vec<T> activate(Vec<T> z) { return sigmoid(z); }
  template <class T> static DCN_INLINE Vec<T> slope(Vec<T> h, const T*) {
    return fma(broadcast(T(0)) - h, h, h);
  }
};

struct Gelu {
  static constexpr const char* name = "gelu";
  static constexpr bool keeps_z = true;
  template <class T> static DCN_INLINE Vec<T> activate(Vec<T> z) { return gelu(z); }
  template <class T> static DCN_INLINE Vec<T> slope(Vec<T>, const T* z) {
    return gelu_slope(load(z));
  }
};

// Identity first: enum Activation names it.
using Activations = KindList<Identity, Relu, Tanh, Sigmoid, Gelu>;

template <class List> struct ActivationTable;
template <class... Kind> struct ActivationTable<KindList<Kind...>> {
  static constexpr ActivationKind kinds[] = {{.name = Kind::name, .keeps_z = Kind::keeps_z}...};
};

// f(struct of the activation): the choice is made once, outside the loops
template <class F> DCN_INLINE void with_activation(Activation activation, F&& f) {
  with_kind(Activations{}, static_cast<std::size_t>(activation), f);
}
