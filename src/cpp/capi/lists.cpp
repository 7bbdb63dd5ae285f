#include "capi/lists.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dcn {
namespace {

[[noreturn]] void refuse(dcnfast_status status, const std::string& column, const std::string& what,
                         std::size_t row) {
  throw Failure(status, "column '" + column + "' has " + what + " in row " + std::to_string(row));
}

void check_offsets(const std::string& name, const dcnfast_column& column, std::size_t n) {
  if (column.offsets == nullptr)
    throw Failure(DCNFAST_BAD_ARGUMENT,
                  "column '" + name + "' has no offsets, want those of its lists");
  for (std::size_t i = 0; i < n; ++i)
    if (column.offsets[i] < 0 || column.offsets[i + 1] < column.offsets[i])
      refuse(DCNFAST_BAD_ARGUMENT, name, "offsets that descend, or negative ones,", i);
}

std::size_t length_of(const dcnfast_column& column, std::size_t i) noexcept {
  if (is_masked(column, i)) return 0;
  return static_cast<std::size_t>(column.offsets[i + 1] - column.offsets[i]);
}

// Weights of a list -> over their sum, or over the root of the sum of their squares.
template <class T> void normalise(T* to, std::vector<double>& weights, bool squares) {
  double most = 0, total = 0;
  for (const double w : weights) most = std::max(most, w);
  if (most == 0) most = 1;
  for (double& w : weights) {  // sums and squares do not overflow
    w /= most;
    total += squares ? w * w : w;
  }
  if (total == 0) total = 1;
  if (squares) total = std::sqrt(total);
  for (const double w : weights) *to++ = static_cast<T>(w / total);
}

}  // namespace

std::vector<ListColumn> ListColumn::read_all(State state) {
  const std::vector<std::string> names = state.texts("names"), poolings = state.texts("poolings"),
                                 separators = state.texts("separators"),
                                 weights = state.texts("weights");
  const std::vector<std::size_t> places = state.integers("places", std::int64_t{1} << 31);
  const JsonList& of_weights = state.list("places_of_weights");
  state.done();
  const std::size_t n = names.size();
  if (n == 0 || poolings.size() != n || separators.size() != n || weights.size() != n ||
      places.size() != n || of_weights.size() != n)
    state.refuse("as many names as all else of lists");
  std::vector<ListColumn> columns(n);
  for (std::size_t i = 0; i < n; ++i) {
    ListColumn& column = columns[i];
    column.name = names[i];
    column.place = places[i];
    column.weights_name = weights[i];
    column.separator = separators[i];
    column.pooling = poolings[i];
    const auto* place = of_weights[i].as<std::int64_t>();
    const bool known = poolings[i] == "mean" || poolings[i] == "sum" || poolings[i] == "sqrtn" ||
                       poolings[i] == "max";
    if (place == nullptr || (*place >= 0) == weights[i].empty() || !known)
      state.refuse("poolings that there are, and a place for each column of weights");
    if (*place >= 0) column.weights = static_cast<std::size_t>(*place);
  }
  return columns;
}

// f(value) of each item of row i, which is not missing
template <class F>
void ListColumn::each_item(const dcnfast_column& column, std::size_t i, F&& f) const {
  if (separator.empty()) {
    for (std::int64_t item = column.offsets[i]; item < column.offsets[i + 1]; ++item)
      f(item_at(column, static_cast<std::size_t>(item)));
    return;
  }
  std::string_view rest(column.texts[i]);
  if (rest.empty()) return;
  for (std::size_t end = rest.find(separator); end != rest.npos; end = rest.find(separator)) {
    f(Value::of(rest.substr(0, end)));
    rest.remove_prefix(end + separator.size());
  }
  f(Value::of(rest));
}

void ListColumn::check(const dcnfast_column* columns, std::size_t n, double largest) const {
  constexpr double kAny = std::numeric_limits<double>::max();  // of weights that are normalised
  const dcnfast_column& column = columns[place];
  if (separator.empty())
    check_offsets(name, column, n);
  else if (column.texts == nullptr)
    throw Failure(DCNFAST_BAD_ARGUMENT, "column '" + name + "' has no texts, want those with '" +
                                            separator + "' between items");
  check_items(column, n);
  if (weights != kNone) {
    check_offsets(weights_name, columns[weights], n);
    check_weights(column, columns[weights], n, pooling == "sum" ? largest : kAny);
  }
}

void ListColumn::check_items(const dcnfast_column& column, std::size_t n) const {
  bool taken = false;
  std::size_t first = n;  // row with a value
  for (std::size_t i = 0; i < n; ++i) {
    if (is_masked(column, i) || (!separator.empty() && column.texts[i] == nullptr)) continue;
    bool texts = false, numbers = false;
    each_item(column, i, [&](const Value& value) {
      texts = texts || value.kind == Value::text;
      numbers = numbers || value.is_number();
      taken = taken || (value.kind != Value::missing && vocabulary->takes(value));
    });
    if (texts && numbers) refuse(DCNFAST_BAD_VALUE, name, "a list of texts and numbers", i);
    if (first == n && (texts || numbers)) first = i;
  }
  if (first < n && !taken)
    refuse(DCNFAST_BAD_VALUE, name,
           std::string("items of a type that fit did not see there, want ") + vocabulary->wanted() +
               ", the first",
           first);
}

void ListColumn::check_weights(const dcnfast_column& column, const dcnfast_column& given,
                               std::size_t n, double largest) const {
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t items = 0;
    if (separator.empty())
      items = length_of(column, i);
    else if (!is_masked(column, i) && column.texts[i] != nullptr)
      each_item(column, i, [&](const Value&) { ++items; });
    const std::size_t found = length_of(given, i);
    if (found != items)
      refuse(DCNFAST_BAD_VALUE, weights_name,
             std::to_string(found) + " weights, want " + std::to_string(items) + ", as many as '" +
                 name + "' has items,",
             i);
    for (std::size_t k = 0; k < found; ++k) {
      dcnfast_column numbers = given;
      numbers.missing = nullptr;
      const std::size_t at = static_cast<std::size_t>(given.offsets[i]) + k;
      const double w = number_at(numbers, at);
      const bool missing = given.missing_items != nullptr && given.missing_items[at] != 0;
      if (missing || !(w >= 0 && std::isfinite(w)))
        refuse(DCNFAST_BAD_VALUE, weights_name, "a weight that is missing, negative or not finite",
               i);
      if (w > largest)
        refuse(DCNFAST_BAD_VALUE, weights_name, "a weight that is too large for float32", i);
    }
  }
}

template <class T>
void ListColumn::encode(ListItems<T>& out, const dcnfast_column* columns, std::size_t first,
                        std::size_t n) const {
  const dcnfast_column& column = columns[place];
  dcnfast_column numbers = weights == kNone ? dcnfast_column{} : columns[weights];
  numbers.missing = nullptr;
  out.offsets.assign(1, 0);
  out.ids.clear();
  out.weights.clear();
  out.weighted = pooling != "max" && (pooling != "sum" || weights != kNone);
  std::vector<double> given;
  for (std::size_t i = first; i < first + n; ++i) {
    const bool missing = is_masked(column, i) || (!separator.empty() && column.texts[i] == nullptr);
    if (missing)
      out.ids.push_back(vocabulary->row_of({}));
    else
      each_item(column, i,
                [&](const Value& value) { out.ids.push_back(vocabulary->row_of(value)); });
    const std::size_t begin = static_cast<std::size_t>(out.offsets.back()),
                      items = out.ids.size() - begin;
    out.offsets.push_back(static_cast<std::int64_t>(out.ids.size()));
    if (!out.weighted) continue;
    given.assign(items, 1);
    for (std::size_t k = 0; weights != kNone && !missing && k < items; ++k)
      given[k] = number_at(numbers, static_cast<std::size_t>(numbers.offsets[i]) + k);
    out.weights.resize(out.ids.size());
    T* const to = out.weights.data() + begin;
    if (pooling == "sum")
      std::transform(given.begin(), given.end(), to, [](double w) { return static_cast<T>(w); });
    else
      normalise(to, given, pooling == "sqrtn");
  }
}

template void ListColumn::encode(ListItems<float>&, const dcnfast_column*, std::size_t,
                                 std::size_t) const;
template void ListColumn::encode(ListItems<double>&, const dcnfast_column*, std::size_t,
                                 std::size_t) const;

}  // namespace dcn
