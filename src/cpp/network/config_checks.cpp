#include "network/config_checks.hpp"

#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <utility>

#include "network/branches.hpp"
#include "network/structure_checks.hpp"

namespace dcn {
namespace {

// No network that fits a machine has more; products of two such numbers do not overflow.
constexpr std::size_t kMostWidth = (std::size_t{1} << 31) - 1, kMostLayers = std::size_t{1} << 20;
constexpr std::size_t kMostRows = std::numeric_limits<std::uint32_t>::max();  // of the tables
constexpr std::size_t kMostBins = std::size_t{1} << 20;
constexpr double kMostParameters = static_cast<double>(std::size_t{1} << 42);

std::string number_text(double value) {
  std::string text(32, ' ');
  text.resize(static_cast<std::size_t>(std::snprintf(text.data(), text.size(), "%.6g", value)));
  return text;
}

// "NetworkConfig: dropout is nan, want at least 0 and less than 1"
void check_number(const char* function, const char* argument, double value, bool ok,
                  const char* want) {
  if (!ok)
    throw std::invalid_argument(std::string(function) + ": " + argument + " is " +
                                number_text(value) + ", want " + want);
}

void check_finite(const char* function, const char* argument, double value) {
  check_number(function, argument, value, std::isfinite(value), "a finite number");
}

void check_size(const std::string& name, std::size_t size, std::size_t least, std::size_t most) {
  if (size < least || size > most)
    throw std::invalid_argument(name + " is " + std::to_string(size) + ", want " +
                                std::to_string(least) + " to " + std::to_string(most));
}

// In floating point, where nothing overflows.
double count_parameters(const NetworkConfig& c) {
  const auto number = [](std::size_t size) { return static_cast<double>(size); };
  const double D = number(c.width()), C = number(c.n_outputs);
  double tables = 0, deep = 0, head = 1 + D;
  for (std::size_t f = 0; f < c.fields.size(); ++f)
    if (c.owns_table(f)) tables += number(c.fields[f].rows) * (number(c.fields[f].width) + C + 1);
  for (const Branch& branch : topology_of(c).branches) {
    double inputs = D;
    for (const std::size_t O : branch.hidden) {
      deep += (inputs + 4) * number(O);
      inputs = number(O);
    }
    head += inputs;
  }
  const double layer =
      cross_kind(c.cross).weights(D, number(c.cross_rank), number(c.cross_experts));
  const double E = number(c.n_members);
  double numeric = 0;
  const NumericKind kind = numeric_kind(c.numeric_embedding);
  for (const std::size_t bins : c.numeric_bins)
    numeric += kind.count(number(bins), number(c.numeric_width), number(c.numeric_frequencies));
  return tables + numeric + number(c.cross_layers) * (layer + D) + deep + E * (C * (head + D) + D) +
         D;
}

// Each field has rows of its own, or those of a field before it that has the same shape.
void check_table_of(const NetworkConfig& c) {
  const std::size_t F = c.fields.size();
  if (!c.table_of.empty() && c.table_of.size() != F)
    throw std::invalid_argument("table_of has " + std::to_string(c.table_of.size()) +
                                " numbers, want " + std::to_string(F) + ", as many as fields");
  for (std::size_t f = 0; f < F; ++f) {
    const std::size_t owner = c.table_owner(f);
    const FieldConfig& field = c.fields[f];
    if (owner > f || !c.owns_table(owner) || c.fields[owner].rows != field.rows ||
        c.fields[owner].width != field.width)
      throw std::invalid_argument(
          "table_of is " + std::to_string(owner) + " for field '" + field.name +
          "', want its own number, or that of a field before it with as many "
          "rows and columns, which has rows of its own");
  }
}

void check_fields(const NetworkConfig& c) {
  std::size_t total = 0, columns = 0;
  for (const auto& [name, rows, width] : c.fields) {
    if (rows == 0 || width == 0)
      throw std::invalid_argument("field '" + name + "' has " + std::to_string(rows) +
                                  " rows of width " + std::to_string(width) +
                                  ", want at least 1 of each");
    check_size("the width of field '" + name + "'", width, 1, kMostWidth);
    total = rows > kMostRows - total ? kMostRows + 1 : total + rows;
    columns += width;  // at most 2^31 each
    check_size("the width of all fields", columns, 1, kMostWidth);
    if (total > kMostRows)
      throw std::invalid_argument("the fields have more than " + std::to_string(kMostRows) +
                                  " rows together, want less than 2^32");
  }
  if (c.poolings.size() > c.fields.size())
    throw std::invalid_argument("poolings are " + std::to_string(c.poolings.size()) +
                                ", want at most " + std::to_string(c.fields.size()) +
                                ", as many as fields");
  check_table_of(c);
  for (const std::size_t f : c.frozen)
    if (f >= c.fields.size() || !c.owns_table(f))
      throw std::invalid_argument("frozen has " + std::to_string(f) +
                                  ", want numbers of fields with rows of their own");
}

template <class E>
E choice(const char* argument, const std::string& value,
         std::initializer_list<std::pair<const char*, E>> choices) {
  std::string names;
  for (const auto& [name, code] : choices) {
    if (value == name) return code;
    names += (names.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  throw std::invalid_argument(std::string(argument) + " is '" + value + "', want one of " + names);
}

}  // namespace

NumericKind numeric_kind(const std::string& name) {
  std::string names;
  for (const NumericKind& kind : numeric_kinds()) {
    if (name == kind.name) return kind;
    names += (names.empty() ? "'" : ", '") + std::string(kind.name) + "'";
  }
  throw std::invalid_argument("numeric_embedding is '" + name + "', want one of " + names);
}

CrossKind cross_kind(const std::string& name) {
  std::string names;
  for (const CrossKind& kind : cross_kinds()) {
    if (name == kind.name) return kind;
    names += (names.empty() ? "'" : ", '") + std::string(kind.name) + "'";
  }
  throw std::invalid_argument("cross is '" + name + "', want one of " + names);
}

Pooling pooling_named(const std::string& name) {
  return choice<Pooling>("poolings", name, {{"sum", Pooling::sum}, {"max", Pooling::max}});
}

Structure structure_named(const std::string& name) {
  return choice<Structure>("structure", name,
                           {{"parallel", Structure::parallel},
                            {"stacked", Structure::stacked},
                            {"stacked_parallel", Structure::stacked_parallel}});
}

EmbeddingPenalty embedding_penalty_named(const std::string& name) {
  return choice<EmbeddingPenalty>(
      "embedding_penalty", name,
      {{"batch", EmbeddingPenalty::batch}, {"table", EmbeddingPenalty::table}});
}

SparseAdam sparse_adam_named(const std::string& name) {
  return choice<SparseAdam>("sparse_adam", name,
                            {{"lazy", SparseAdam::lazy}, {"exact", SparseAdam::exact}});
}

Deterministic deterministic_named(const std::string& name) {
  return choice<Deterministic>("deterministic", name,
                               {{"threads", Deterministic::threads}, {"isa", Deterministic::isa}});
}

void check_config(const NetworkConfig& c) {
  check_fields(c);
  check_size("n_dense", c.n_dense, 0, kMostWidth);
  check_size("the number of numeric_bins", c.numeric_bins.size(), 0, kMostWidth);
  for (const std::size_t bins : c.numeric_bins) check_size("numeric_bins", bins, 1, kMostBins);
  if (c.numeric_scales.size() != c.numeric_bins.size())
    throw std::invalid_argument("numeric_scales has " + std::to_string(c.numeric_scales.size()) +
                                " numbers, want " + std::to_string(c.numeric_bins.size()) +
                                ", as many as numeric_bins");
  for (const double scale : c.numeric_scales)
    check_number("NetworkConfig", "numeric_scales", scale, scale > 0 && scale <= 1,
                 "numbers above 0 and at most 1");
  const NumericKind numeric = numeric_kind(c.numeric_embedding);
  const bool embeds = !c.numeric_bins.empty();
  check_size("numeric_width", c.numeric_width, embeds ? numeric.least_width : 0, kMostBins);
  check_size("numeric_frequencies", c.numeric_frequencies, embeds ? numeric.least_frequencies : 0,
             kMostBins);
  check_size("n_members", c.n_members, 1, kMostBins);
  check_size("cross_layers", c.cross_layers, 0, kMostLayers);
  const bool ranked = cross_kind(c.cross).ranked() && c.cross_layers > 0;
  check_size("cross_rank", c.cross_rank, ranked ? 1 : 0, kMostWidth);
  const bool mixed = cross_kind(c.cross).has('E') && c.cross_layers > 0;
  check_size("cross_experts", c.cross_experts, mixed ? 1 : 0, kMostWidth);
  check_size("cross_heads", c.cross_heads, 1, kMostWidth);
  check_structure(c);
  check_size("n_outputs", c.n_outputs, 1, kMostWidth);
  check_size("the number of hidden layers", c.hidden.size(), 0, kMostLayers);
  for (std::size_t i = 0; i < c.hidden.size(); ++i)
    check_size("hidden[" + std::to_string(i) + "]", c.hidden[i], 1, kMostWidth);
  if (count_parameters(c) > kMostParameters)
    throw std::invalid_argument(
        "the network would have more than 2^42 parameters, want at most what fits into "
        "memory: see hidden_layer_sizes, cross_layers, cross_rank and embedding_dim");
  check_branch_loss(c);
  check_constants("loss_constants", c.loss, c.loss_constants, c.n_outputs);
  const char* name = "NetworkConfig";
  check_finite(name, "diag_scale", c.diag_scale);
  check_finite(name, "cross_factor", c.cross_factor);
  for (const auto& [argument, share] : {std::pair{"dropout", c.dropout},
                                        {"cross_dropout", c.cross_dropout},
                                        {"label_smoothing", c.label_smoothing},
                                        {"ema_decay", c.ema_decay}})
    check_number(name, argument, share, share >= 0 && share < 1, "at least 0 and less than 1");
  for (const auto& [argument, alpha] : {std::pair{"alpha_embedding", c.alpha_embedding},
                                        {"alpha_cross", c.alpha_cross},
                                        {"alpha_deep", c.alpha_deep}})
    check_number(name, argument, alpha, alpha >= 0 && std::isfinite(alpha),
                 "a finite number, not negative");
}

}  // namespace dcn
