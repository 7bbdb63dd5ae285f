// Heads with the same weights (DCNv3; Li et al. 2024): each has its slice of every embedding, and
// the cross layers see the heads of a row as rows of their own. What the heads do not split is in
// every one of them, and their mean goes on.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "network/cross/cross.hpp"

namespace dcn {

// The columns (heads, d) of x0 that each head sees, d its width, in their order; those of
// exponential layers, which mask a half, with the first halves of all slices in front.
inline std::vector<std::size_t> places_of_heads(const NetworkConfig& config) {
  const bool halves = config.cross == "exponential";
  const std::size_t heads = config.cross_heads;
  std::vector<std::size_t> places;
  for (std::size_t h = 0; h < heads; ++h)
    for (int half = 0; half < (halves ? 2 : 1); ++half) {
      std::size_t first = 0;
      for (const std::size_t width : config.column_widths()) {
        const bool split = width % heads == 0;
        const std::size_t w = split ? width / heads : width, from = split ? h * w : 0;
        for (std::size_t k = 0; k < w; ++k)
          if (!halves || (2 * k < w) == (half == 0)) places.push_back(first + from + k);
        first += width;
      }
    }
  return places;
}

template <class T> class SharedHeads final : public Cross<T> {
 public:
  explicit SharedHeads(const NetworkConfig& config)
      : heads_(config.cross_heads), D_(config.width()), d_(config.of_head().width()),
        share_(D_, T(1)), places_(places_of_heads(config)),
        inner_(make_cross<T>(config.of_head())) {
    const std::vector<std::size_t> head = config.heads_of_columns();
    for (std::size_t i = 0; i < D_; ++i)
      if (head[i] == kEveryHead) share_[i] = T(1) / static_cast<T>(heads_);
  }

  void add(Layout& layout) override { inner_->add(layout); }
  void pack(const KernelTable<T>& k, Packings<T>& packings, const T* parameters) override {
    inner_->pack(k, packings, parameters);
  }

  std::unique_ptr<CrossTile<T>> carve(Carver<T>& carver, const T* x0,
                                      std::size_t rows) const override {
    auto tile = std::make_unique<Tile>();
    const std::size_t narrow = rows * heads_ * ld<T>(d_);
    tile->x0 = x0;
    tile->slices = carver.take(narrow);
    tile->inner = inner_->carve(carver, tile->slices, rows * heads_);
    tile->dslices = carver.take(narrow);
    tile->dout = carver.take(narrow);
    tile->xL = carver.take(rows * ld<T>(D_));
    return tile;
  }

  void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T* parameters,
               std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    split(t.slices, t.x0, rows);
    inner_->forward(k, *t.inner, parameters, rows * heads_);
    std::fill_n(t.xL, rows * ld<T>(D_), T(0));
    each_place(rows, [&](std::size_t at, std::size_t column, std::size_t in_head) {
      t.xL[at + column] += share_[column] * t.inner->xL[in_head];
    });
  }

  void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients,
                const T* parameters, std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    each_place(rows, [&](std::size_t at, std::size_t column, std::size_t in_head) {
      t.dout[in_head] = share_[column] * dxL[at + column];
    });
    inner_->backward(k, *t.inner, dx0 != nullptr ? t.dslices : nullptr, t.dout, gradients,
                     parameters, rows * heads_);
    if (dx0 == nullptr) return;
    std::fill_n(dx0, rows * ld<T>(D_), T(0));
    each_place(rows, [&](std::size_t at, std::size_t column, std::size_t in_head) {
      dx0[at + column] += t.dslices[in_head];
    });
  }

  bool projects() const override { return inner_->projects(); }
  void project(T* gradients) const noexcept override { inner_->project(gradients); }
  std::size_t largest_weights() const override { return inner_->largest_weights(); }

 private:
  struct Tile final : CrossTile<T> {
    std::unique_ptr<CrossTile<T>> inner;  // of (T heads, d)
    T *slices, *dslices, *dout;           // (T heads, d): x0, and gradients of x0 and of xL
  };

  // f(where a row begins, a column of x0, its place in a tile of the heads)
  template <class F> void each_place(std::size_t rows, const F& f) const {
    for (std::size_t t = 0; t < rows; ++t)
      for (std::size_t h = 0; h < heads_; ++h)
        for (std::size_t p = 0; p < d_; ++p)
          f(t * ld<T>(D_), places_[h * d_ + p], (t * heads_ + h) * ld<T>(d_) + p);
  }
  void split(T* slices, const T* x, std::size_t rows) const {
    each_place(rows, [&](std::size_t at, std::size_t column, std::size_t in_head) {
      slices[in_head] = x[at + column];
    });
  }

  std::size_t heads_, D_, d_;
  std::vector<T> share_;             // (D) of a head in a column of xL
  std::vector<std::size_t> places_;  // (heads, d) columns of x0
  std::unique_ptr<Cross<T>> inner_;
};

}  // namespace dcn
