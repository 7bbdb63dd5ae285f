// Less work in the first layers: where a batch names few rows of a field again and again, each of
// them is multiplied once and not once a row of the batch. What a tile then has left to do is in
// Shared; the rest happens before and after the tiles, in blocks of output columns whose products
// stay in cache. Which fields these are depends on the batch alone, never on threads.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "network/packed.hpp"

namespace dcn {

// A field's distinct rows in a batch, one run of occurrences each.
template <class T> struct BatchField {
  std::size_t table, first;      // number of its table, and of its first run among the table's
  std::size_t U, K, column;      // runs, width, where it begins in x0
  const T* rows;                 // (V,K) the table's
  const std::uint32_t* numbers;  // (U) of the rows
  const std::uint32_t *starts, *occurrences;  // (U+1), and i * n_fields + j
  std::size_t n_fields;
};

// When a field is shared.
struct Sharing {
  std::size_t least_repeats = 3;  // rows of the batch for each distinct row of the table
  std::size_t least_width = 8;    // adding up a product costs as much as multiplying a few columns
  double least_saved = 1 << 24;   // multiply-adds of all fields: more than the passes cost
};

template <class T> class SharedProducts {
 public:
  SharedProducts(std::size_t D, std::vector<FirstLayer<T>> layers)
      : D_(D), layers_(std::move(layers)), sums_(layers_.size()) {}

  void set_sharing(const Sharing& sharing) noexcept { sharing_ = sharing; }
  // Takes the fields of a batch of n rows that are worth it.
  void choose(const std::vector<BatchField<T>>& fields, std::size_t n);
  void forward(const KernelTable<T>& k, std::size_t n_threads);
  // What a tile from this row of the batch on needs to know.
  Shared<T> part(std::size_t layer, std::size_t row);
  std::size_t fields() const noexcept { return chosen_.size(); }
  bool shares(std::size_t layer) const noexcept {
    return !chosen_.empty() && layers_[layer].packed != nullptr;
  }
  // After the tiles: adds the gradients of the weights, keeps those of the rows.
  void backward(const KernelTable<T>& k, T* gradients, const T* parameters, std::size_t n_threads);
  // Adds them to g (count,K), of the runs first, first + 1, ... of a table.
  void add_row_gradients(T* g, std::size_t table, std::size_t first, std::size_t count) const;

 private:
  struct Block {
    std::size_t layer, vector;
  };
  void take(const std::vector<const BatchField<T>*>& fields);
  void copy_rows(std::size_t n_threads);

  std::size_t D_;
  std::vector<FirstLayer<T>> layers_;
  Sharing sharing_;
  // of the batch
  std::size_t n_ = 0, units_ = 0;
  std::vector<BatchField<T>> chosen_;  // H, by column
  std::vector<SharedField<T>> fields_;
  std::vector<Span> left_;
  std::vector<T> keep_;
  std::vector<Block> blocks_;
  std::vector<std::uint32_t> index_;   // (n,H) the unit of each field in each row
  std::vector<std::uint32_t> places_;  // (H,n) the rows of each field's units
  Buffer<T> rows_;                     // (units,ld(K)), field by field
  Buffer<T> row_gradients_;            // (blocks, units,ld(K)) to be added up
  std::vector<std::size_t> offsets_;   // (H+1) of each field in these
  std::vector<Buffer<T>> sums_;        // (n,O) sums, then the gradients of the products
  std::vector<Buffer<T>> scratch_;     // one a thread
};

extern template class SharedProducts<float>;
extern template class SharedProducts<double>;

}  // namespace dcn
