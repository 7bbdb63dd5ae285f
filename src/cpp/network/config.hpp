// What a network is, in numbers; made by dcnfast.network.config and validated there and in the
// bindings.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

#include "dispatch/kinds.hpp"

namespace dcn {

enum class Structure : int { parallel, stacked, stacked_parallel };
enum class SparseAdam : int { lazy, exact };
enum class EmbeddingPenalty : int { batch, table };
enum class Deterministic : int { threads, isa };
enum class Pooling : int { sum, max };  // of the rows that a list names; sum is weighted

struct FieldConfig {
  std::string name;
  std::size_t rows = 0;   // V_f
  std::size_t width = 0;  // K_f
};

// the head of columns of x0 that every head sees
inline constexpr std::size_t kEveryHead = ~std::size_t{0};

struct NetworkConfig {
  std::vector<FieldConfig> fields;              // F, columns of lists behind the others
  std::vector<Pooling> poolings;                // of the columns of lists
  std::vector<std::size_t> table_of;            // (F) see table_owner, or none
  std::vector<std::size_t> frozen;              // fields whose embeddings do not learn
  bool collision_weights = false;               // whether each row has a learned factor
  std::size_t n_dense = 0;                      // M, numbers that are columns of x0 as they come
  std::string numeric_embedding = "piecewise";  // one of numeric_kinds()
  std::vector<std::size_t> numeric_bins;        // (J) of each number that is embedded
  std::vector<double> numeric_scales;           // (J) s of their pieces
  std::size_t numeric_width = 0;                // K of their embeddings
  std::size_t numeric_frequencies = 0;          // F of each, of the kinds that have any
  bool learned_scale = false;     // whether each column of x0 is multiplied by a learned number
  bool wide = false;              // a linear part, on ids and numbers that are not embedded
  bool wide_numeric = false;      // and on those that are
  std::string cross = "matrix";   // one of cross_kinds()
  std::size_t cross_layers = 0;   // L
  std::size_t cross_rank = 0;     // R
  std::size_t cross_experts = 0;  // E, of a mixture
  Gating gating = Gating::softmax;
  bool shared_gate = false;   // whether all layers of a mixture have the same gates
  bool cross_linear = false;  // whether exponential layers multiply by x0 in the place of x
  double cross_factor = 1;    // of each layer of onlydense
  bool cross_symmetric = false;
  std::vector<std::size_t> cross_forbidden;  // pairs of columns of the table whose W stays 0
  std::size_t cross_heads = 1;               // of the cross, see heads_of_columns
  bool shared_heads = false;                 // whether they have the same weights
  double diag_scale = 0;
  bool cross_bias = true;
  Activation preactivation = Activation::identity;
  std::vector<std::size_t> hidden;
  Activation activation = Activation::identity;
  Structure structure = Structure::parallel;
  double dropout = 0, cross_dropout = 0;  // of hidden units, of xL
  bool parametric_activation = false;     // whether each hidden unit learns how bent it is
  bool layer_norm = false;
  std::size_t n_outputs = 1;  // C
  std::size_t n_members = 1;  // E
  Loss loss{};
  std::vector<double> loss_constants;  // of its kind
  double label_smoothing = 0;          // of the targets that train
  bool branch_loss = false;            // whether cross and deep part have losses of their own
  // the objective has alpha / 2 times the sum of squared weights
  double alpha_embedding = 0, alpha_cross = 0, alpha_deep = 0;
  EmbeddingPenalty embedding_penalty = EmbeddingPenalty::batch;
  double ema_decay = 0;
  SparseAdam sparse_adam = SparseAdam::lazy;
  Deterministic deterministic = Deterministic::threads;

  // fields of one value a row: the columns of ids
  std::size_t n_single() const noexcept { return fields.size() - poolings.size(); }
  std::size_t embedding_width() const noexcept {
    return std::accumulate(fields.begin(), fields.end(), std::size_t{0},
                           [](std::size_t sum, const FieldConfig& f) { return sum + f.width; });
  }
  // whether training leaves a field's embeddings as they are
  bool is_frozen(std::size_t f) const noexcept {
    return std::find(frozen.begin(), frozen.end(), table_owner(f)) != frozen.end();
  }
  // the field whose rows a field has: mostly itself
  std::size_t table_owner(std::size_t f) const noexcept {
    return table_of.empty() ? f : table_of[f];
  }
  bool owns_table(std::size_t f) const noexcept { return table_owner(f) == f; }
  // whether every row of the tables has a gradient in every step
  bool penalizes_all_rows() const noexcept {
    return embedding_penalty == EmbeddingPenalty::table && alpha_embedding > 0;
  }
  // where the embeddings of numbers begin in x0
  std::size_t numeric_column() const noexcept { return embedding_width() + n_dense; }
  std::size_t width() const noexcept {  // D
    return numeric_column() + numeric_bins.size() * numeric_width;
  }
  // of the table: an embedded number comes as itself and its place among the bins
  std::size_t dense_columns() const noexcept { return n_dense + 2 * numeric_bins.size(); }
  // numbers that the linear part reads: as they come, then z of those that are embedded
  std::size_t wide_columns() const noexcept {
    return wide ? n_dense + (wide_numeric ? numeric_bins.size() : 0) : 0;
  }
  // how many columns of x0 each column of the table is: the fields, then the numbers
  std::vector<std::size_t> column_widths() const {
    std::vector<std::size_t> widths;
    for (const FieldConfig& field : fields) widths.push_back(field.width);
    widths.insert(widths.end(), n_dense, 1);
    widths.insert(widths.end(), numeric_bins.size(), numeric_width);
    return widths;
  }
  // The head (D) of each column of x0: the heads split an embedding whose width they divide, and
  // any other is in every head.
  std::vector<std::size_t> heads_of_columns() const {
    std::vector<std::size_t> heads;
    for (const std::size_t width : column_widths())
      for (std::size_t k = 0; k < width; ++k)
        heads.push_back(width % cross_heads == 0 ? k * cross_heads / width : kEveryHead);
    return heads;
  }
  bool has_shared_heads() const noexcept {
    return shared_heads && cross_heads > 1 && cross_layers > 0;
  }
  // what one of the heads that share their weights sees
  NetworkConfig of_head() const {
    NetworkConfig one = *this;
    for (FieldConfig& field : one.fields)
      if (field.width % cross_heads == 0) field.width /= cross_heads;
    if (numeric_width % cross_heads == 0) one.numeric_width /= cross_heads;
    one.cross_heads = 1;
    return one;
  }
  std::size_t target_width() const noexcept {
    return dcn::target_width(loss, n_outputs, loss_constants.size());
  }
};

}  // namespace dcn
