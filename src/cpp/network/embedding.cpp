#include "network/embedding.hpp"

#include <set>
#include <stdexcept>
#include <string>

namespace dcn {

template <class T>
EmbeddingPart<T>::EmbeddingPart(const NetworkConfig& config)
    : F_(config.fields.size()), S_(config.n_single()), C_(config.n_outputs),
      width_(config.embedding_width()), D_(config.width()), poolings_(config.poolings) {
  std::set<std::size_t> widths;
  for (const FieldConfig& field : config.fields) widths.insert(field.width);
  for (const std::size_t K : widths) list_table(config, K, false);
  if (config.wide && F_ > 0) list_table(config, C_, true);
  fields_.resize(F_);
  wide_fields_.resize(config.wide ? F_ : 0);
}

template <class T>
void EmbeddingPart<T>::list_table(const NetworkConfig& config, std::size_t K, bool wide) {
  EmbeddingTable<T> table;
  table.wide = wide;
  table.weighted = config.collision_weights && !wide;
  table.K = K;
  std::size_t column = 0;
  for (std::size_t f = 0; f < F_; ++f) {
    const FieldConfig& field = config.fields[f];
    if (wide || field.width == K) {
      std::size_t first_row = table.V;
      for (const FieldOfTable& before : table.fields)
        if (before.number == config.table_owner(f)) first_row = before.first_row;
      table.fields.push_back({f, first_row, field.rows});
      table.columns.push_back(wide ? 0 : column);
      if (config.owns_table(f)) table.V += field.rows;
    }
    column += field.width;
  }
  tables_.push_back(std::move(table));
}

template <class T> void EmbeddingPart<T>::add(Layout& layout) {
  for (EmbeddingTable<T>& table : tables_) {
    const std::string name = table.wide ? "wide" : "embedding_" + std::to_string(table.K);
    const Role role = table.wide ? Role::linear_embedding : Role::embedding;
    table.offset = layout.add(name, {table.V, table.K}, role, kLanes<T>);
    if (table.weighted)
      table.factors_offset = layout.add("collision_" + std::to_string(table.K), {table.V},
                                        Role::collision_weight, kLanes<T>);
  }
}

template <class T> void EmbeddingPart<T>::point(const T* parameters) noexcept {
  for (EmbeddingTable<T>& table : tables_) {
    table.rows = parameters + table.offset;
    table.factors = table.weighted ? parameters + table.factors_offset : nullptr;
    std::vector<Field<T>>& to = table.wide ? wide_fields_ : fields_;
    for (std::size_t j = 0; j < table.fields.size(); ++j) {
      const std::size_t first = table.fields[j].first_row;
      to[table.fields[j].number] = {table.rows + first * table.K, table.K, table.columns[j],
                                    table.weighted ? table.factors + first : nullptr};
    }
  }
}

template <class T> void EmbeddingPart<T>::store(const std::vector<StoredTable>& tables) {
  if (tables.size() != tables_.size())
    throw std::invalid_argument("Network: tables are " + std::to_string(tables.size()) + ", want " +
                                std::to_string(tables_.size()));
  stored_fields_.resize(fields_.size());
  stored_wide_fields_.resize(wide_fields_.size());
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const EmbeddingTable<T>& table = tables_[i];
    const std::size_t stride = row_bytes(tables[i].code, table.K);
    std::vector<StoredField>& to = table.wide ? stored_wide_fields_ : stored_fields_;
    for (std::size_t j = 0; j < table.fields.size(); ++j)
      to[table.fields[j].number] = {tables[i].rows + table.fields[j].first_row * stride, stride,
                                    table.K, table.columns[j], tables[i].code};
  }
}

template <class T>
void EmbeddingPart<T>::forward(const KernelTable<T>& k, T* x0, const std::int32_t* ids,
                               const ListColumns<T>& lists, const std::int64_t* rows,
                               std::size_t n) const {
  if (stored()) {
    if (S_ > 0) k.stored_forward(x0, stored_fields_.data(), ids, rows, n, S_, D_);
    return pool(k.stored_sum_forward, k.stored_max_forward, x0, stored_fields_, lists, rows, n, D_,
                false);
  }
  if (S_ > 0) k.embedding_forward(x0, fields_.data(), ids, rows, n, S_, D_);
  pool(k.lists_sum_forward, k.lists_max_forward, x0, fields_, lists, rows, n, D_, false);
}

template <class T>
void EmbeddingPart<T>::forward_wide(const KernelTable<T>& k, T* logits, const std::int32_t* ids,
                                    const ListColumns<T>& lists, const std::int64_t* rows,
                                    std::size_t n) const {
  if (!wide()) return;
  if (stored()) {
    if (S_ > 0) k.stored_wide_forward(logits, stored_wide_fields_.data(), ids, rows, n, S_, C_);
    return pool(k.stored_sum_forward, k.stored_max_forward, logits, stored_wide_fields_, lists,
                rows, n, C_, true);
  }
  if (S_ > 0) k.wide_forward(logits, wide_fields_.data(), ids, rows, n, S_, C_);
  pool(k.lists_sum_forward, k.lists_max_forward, logits, wide_fields_, lists, rows, n, C_, true);
}

template <class T>
template <class F>
void EmbeddingPart<T>::pool(Pool<F> sum, Pool<F> max, T* out, const std::vector<F>& fields,
                            const ListColumns<T>& lists, const std::int64_t* rows, std::size_t n,
                            std::size_t width, bool add) const {
  for (std::size_t i = 0; i < poolings_.size(); ++i) {
    const Pool<F> forward = poolings_[i] == Pooling::max ? max : sum;
    forward(out, fields[S_ + i], lists[i], rows, n, ld<T>(width), add);
  }
}

template class EmbeddingPart<float>;
template class EmbeddingPart<double>;

}  // namespace dcn
