// Candidates of one request: rows that agree in the columns of the context. The context's share of
// every first product with x0 is computed once, for each member; a tile then multiplies what is
// left of x0 and begins with these sums.
#pragma once

#include <algorithm>
#include <vector>

#include "base/each_tile.hpp"
#include "network/network.hpp"

namespace dcn {

// Columns of x0 that are the context's, and the others: spans in ascending order.
struct Context {
  std::vector<Span> fixed, left;

  // fixed (D) says of each column whether it is the context's
  static Context of(const bool* fixed, std::size_t D) {
    Context context;
    for (std::size_t begin = 0, end = 0; begin < D; begin = end) {
      while (end < D && fixed[end] == fixed[begin]) ++end;
      (fixed[begin] ? context.fixed : context.left).push_back({begin, end});
    }
    return context;
  }
};

template <class T> class Candidates {
 public:
  // The first row of the table stands for all in the columns of the context.
  Candidates(const Network<T>& network, const Context& context, const Table<T>& table)
      : network_(network), k_(network.kernels()), context_(context),
        layers_(network.first_layers()), table_(table), cut_(network.tiling(table.size).by_tile()) {
  }

  // logits (N,C), dense and unpadded
  void predict(T* logits, std::size_t n_threads) {
    {
      const FlushDenormals flush;
      add_up_context();
    }
    auto workspaces = make_workspaces(cut_, n_threads, [&] {
      return network_.make_workspace(std::min(cut_.rows, cut_.batch), false);
    });
    const std::size_t C = network_.config().n_outputs;
    each_tile(cut_, n_threads, workspaces, [&](const Tile& tile, Workspace<T>& ws) {
      share(ws, tile.rows);
      network_.forward(k_, ws, network_.from_row(table_, tile.first),
                       {nullptr, tile.first, tile.rows}, {});
      network_.combine_members(k_, ws, tile.rows);
      k_.unstack(logits + tile.first * C, ws.answer(), ld<T>(C), tile.rows, C);
    });
  }

 private:
  std::size_t members() const { return network_.config().n_members; }

  // bias + W x0 over the columns of the context, of each member
  void add_up_context() {
    const std::size_t E = members(), D = network_.config().width();
    Workspace<T> ws = network_.row_workspace();
    network_.stack(k_, ws, table_, {nullptr, 0, 1});
    sums_.resize(layers_.size());
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      if (layers_[l].packed == nullptr) continue;
      const std::size_t O = layers_[l].O;
      Packed<T> W = layers_[l].packed->view();
      Buffer<T> bias(E * ld<T>(O));
      for (std::size_t e = 0; e < E; ++e) std::copy_n(W.bias, O, bias.data() + e * ld<T>(O));
      const Shared<T> product{context_.fixed.data(), context_.fixed.size(), nullptr, bias.data(),
                              nullptr};
      W.shared = &product;
      sums_[l] = Buffer<T>(E * ld<T>(O));
      k_.dense_forward(sums_[l].data(), nullptr, ws.x0, W, E, D, O, Activation::identity);
    }
  }

  // A row of the sums is every row of its member in the tile.
  void share(Workspace<T>& ws, std::size_t rows) const {
    const auto part = [&](std::size_t l) -> const Shared<T>* {
      if (layers_[l].packed == nullptr) return nullptr;
      ws.shared[l] = {
          context_.left.data(), context_.left.size(), nullptr, sums_[l].data(), nullptr, rows};
      return &ws.shared[l];
    };
    if (ws.cross != nullptr) ws.cross->shared = part(0);
    for (std::size_t i = 0; i < ws.deep.size(); ++i) ws.deep[i].shared = part(1 + i);
  }

  const Network<T>& network_;
  const KernelTable<T>& k_;
  const Context& context_;
  std::vector<FirstLayer<T>> layers_;
  Table<T> table_;
  Tiling cut_;
  std::vector<Buffer<T>> sums_;  // (E,ld(O)) of each first layer
};

}  // namespace dcn
