#include "capi/encoder.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace dcn {
namespace {

[[noreturn]] void refuse_value(const Input& input, std::size_t row, const std::string& what) {
  throw Failure(DCNFAST_BAD_VALUE,
                "column '" + input.name + "' has " + what + " in row " + std::to_string(row));
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "'" : ", '") + name + "'";
  return text;
}

struct PartOfDate {
  const char* name;
  std::int64_t Clock::* part;
  bool is_field;
};
// in the order in which they are made
constexpr PartOfDate kParts[] = {{"hour", &Clock::hour, true},
                                 {"weekday", &Clock::weekday, true},
                                 {"month", &Clock::month, true},
                                 {"day_number", &Clock::day, false}};

// One array of numbers, or texts; lists without any item may do without.
void check_arrays(const Input& input, const dcnfast_column& column, std::size_t n) {
  const int arrays =
      (column.doubles != nullptr) + (column.int64s != nullptr) + (column.uint64s != nullptr);
  const bool empty = (input.kind == DCNFAST_LIST || input.kind == DCNFAST_WEIGHTS) &&
                     column.offsets != nullptr && column.offsets[0] == column.offsets[n];
  if (arrays > 1)
    throw Failure(DCNFAST_BAD_ARGUMENT,
                  "column '" + input.name + "' has several arrays of numbers, want one");
  if (arrays == 0 && column.texts == nullptr && !empty)
    throw Failure(
        DCNFAST_BAD_ARGUMENT,
        "column '" + input.name + "' has no array of numbers and none of texts, want one");
}

// Of each field the number of buckets, 0 for a vocabulary.
std::vector<std::size_t> read_buckets(State& state, const std::vector<std::string>& names) {
  constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 3;
  std::vector<std::size_t> buckets(names.size(), 0);
  if (!state.has("hash_buckets")) {
    state.skip({"hash_buckets"});
  } else if (!state.is_list("hash_buckets")) {
    buckets.assign(names.size(), static_cast<std::size_t>(state.integer("hash_buckets", 1, kMost)));
  } else {
    for (const Json& json : state.list("hash_buckets")) {
      const JsonList* pair = json.list();
      const bool whole = pair != nullptr && pair->size() == 2;
      const auto* name = whole ? (*pair)[0].as<std::string>() : nullptr;
      const auto* n = whole ? (*pair)[1].as<std::int64_t>() : nullptr;
      if (name == nullptr || n == nullptr || *n < 1 || *n > kMost)
        state.refuse("pairs of a name and a number in hash_buckets");
      for (std::size_t f = 0; f < names.size(); ++f)
        if (names[f] == *name) buckets[f] = static_cast<std::size_t>(*n);
    }
  }
  return buckets;
}

}  // namespace

Encoder::Encoder(State columns, State encoder, const NetworkConfig& config, double largest) {
  read_inputs(columns);
  read_fields(encoder, config);
  read_numbers(encoder, config, largest);
  encoder.skip({"min_frequency", "max_categories", "recycle_categories", "target_statistics",
                "numeric_bins", "dense_names", "n_dense", "shared"});
  encoder.done();
}

void Encoder::read_inputs(State columns) {
  const std::vector<std::string> names = columns.texts("names");
  const std::vector<bool> categorical = columns.vector<bool>("categorical", names.size());
  std::size_t n_plain = names.size();
  if (columns.has("dates")) {
    State dates = columns.part("dates");
    const std::size_t n_made = dates.list("parts").size() * dates.list("names").size();
    if (n_made > n_plain) dates.refuse("the columns made of dates at the end of all columns");
    n_plain -= n_made;
  }
  for (std::size_t j = 0; j < n_plain; ++j) {
    if (!categorical[j]) {
      inputs_.push_back({names[j], DCNFAST_NUMBER, n_numbers_++});
      continue;
    }
    inputs_.push_back({names[j], DCNFAST_CATEGORY, field_names_.size()});
    field_names_.push_back(names[j]);
  }
  std::map<std::size_t, Input> inserted;  // by place among all columns
  if (columns.has("dates"))
    read_dates(columns.part("dates"),
               {names.begin() + static_cast<std::ptrdiff_t>(n_plain), names.end()}, inserted);
  if (columns.has("lists")) lists_ = ListColumn::read_all(columns.part("lists"));
  for (std::size_t i = 0; i < lists_.size(); ++i) {
    const ListColumn& lists = lists_[i];
    const dcnfast_kind kind = lists.separator.empty() ? DCNFAST_LIST : DCNFAST_JOINED;
    if (!inserted.insert({lists.place, {lists.name, kind, i}}).second)
      columns.refuse("places of lists that differ");
    field_names_.push_back(lists.name);
    if (lists.weights != ListColumn::kNone)  // which several may share
      inserted.insert({lists.weights, {lists.weights_name, DCNFAST_WEIGHTS, i}});
  }
  for (const auto& [place, input] : inserted) {
    if (place > inputs_.size()) columns.refuse("places among the columns");
    inputs_.insert(inputs_.begin() + static_cast<std::ptrdiff_t>(place), input);
  }
  for (const ListColumn& lists : lists_)
    if (inputs_[lists.place].name != lists.name ||
        (lists.weights != ListColumn::kNone && inputs_[lists.weights].kind != DCNFAST_WEIGHTS))
      columns.refuse("lists beside their weights");
  columns.skip({"lists", "dates", "named"});
  columns.done();
}

// made: names of what is made of dates
void Encoder::read_dates(State dates, const std::vector<std::string>& made,
                         std::map<std::size_t, Input>& inserted) {
  const std::vector<std::string> parts = dates.texts("parts"), names = dates.texts("names");
  const std::vector<std::size_t> places = dates.integers("places", std::int64_t{1} << 31);
  dates.skip({"zones"});
  dates.done();
  if (places.size() != names.size() || parts.empty()) dates.refuse("as many names as places");
  std::size_t column = 0;
  for (std::size_t d = 0; d < names.size(); ++d) {
    std::vector<DatePart> of_date;
    for (const std::string& part : parts) {
      const auto* found = std::find_if(std::begin(kParts), std::end(kParts),
                                       [&](const PartOfDate& p) { return part == p.name; });
      if (found == std::end(kParts) || column == made.size() ||
          made[column++] != names[d] + "_" + part)
        dates.refuse("parts of dates, and columns made of them at the end of all columns");
      of_date.push_back(
          {found->part, found->is_field, found->is_field ? field_names_.size() : n_numbers_++});
      if (found->is_field) field_names_.push_back(made[column - 1]);
    }
    dates_.push_back(std::move(of_date));
    if (!inserted.insert({places[d], {names[d], DCNFAST_DATE, d}}).second)
      dates.refuse("places of dates that differ");
  }
}

void Encoder::read_fields(State& encoder, const NetworkConfig& config) {
  const std::vector<std::string> names = encoder.texts("names");
  std::vector<std::string> poolings;
  std::vector<Pooling> wanted;
  for (const ListColumn& lists : lists_) {
    poolings.push_back(lists.pooling);
    wanted.push_back(lists.pooling == "max" ? Pooling::max : Pooling::sum);
  }
  if (names != field_names_ || config.fields.size() != names.size() || config.poolings != wanted ||
      (encoder.names("poolings") ? encoder.texts("poolings") : std::vector<std::string>()) !=
          poolings)
    encoder.refuse("an encoder of the categorical columns, " + listed(field_names_));
  const std::vector<std::size_t> buckets = read_buckets(encoder, names);
  std::vector<State> parts = encoder.parts("columns");
  std::size_t next = 0;
  for (std::size_t f = 0; f < names.size(); ++f) {
    const std::size_t owner = config.table_owner(f);
    if (owner == f) {
      if (next == parts.size()) encoder.refuse("a column for each table");
      fields_.push_back(std::make_shared<const Vocabulary>(parts[next++], buckets[f]));
    } else {
      fields_.push_back(fields_[owner]);
    }
    if (fields_[f]->size() != config.fields[f].rows || names[f] != config.fields[f].name)
      encoder.refuse("a network of the encoder's fields");
  }
  if (next != parts.size()) encoder.refuse("a column for each table");
  for (std::size_t i = 0; i < lists_.size(); ++i) lists_[i].vocabulary = fields_[n_fields() + i];
}

void Encoder::read_numbers(State& encoder, const NetworkConfig& config, double largest) {
  if (encoder.has("statistics")) {
    std::vector<std::size_t> sizes;
    for (std::size_t f = 0; f < n_fields(); ++f) sizes.push_back(fields_[f]->first_size());
    statistics_ = Statistics(encoder.part("statistics"), sizes);
  }
  encoder.skip({"statistics"});
  const std::string scaling = encoder.has("numeric_scaling") ? encoder.text("numeric_scaling") : "";
  encoder.skip({"numeric_scaling"});
  const bool clips = encoder.flag("numeric_clip");
  scales_ = Scales::read(encoder.part("scaler"), n_numbers(), scaling, clips, largest);
  std::vector<std::size_t> bins;
  for (const ColumnScale& column : scales_.columns.columns)
    if (column.has_bins()) bins.push_back(column.bins.count());
  if (scales_.columns.width() != config.dense_columns() || bins != config.numeric_bins)
    encoder.refuse("a network of the encoder's numbers");
}

void Encoder::check(const dcnfast_column* columns, std::size_t n, double largest) const {
  for (std::size_t j = 0; j < inputs_.size(); ++j) {
    const Input& input = inputs_[j];
    const dcnfast_column& column = columns[j];
    check_arrays(input, column, n);
    if (input.kind == DCNFAST_CATEGORY)
      check_categories(input, column, n);
    else if (input.kind == DCNFAST_LIST || input.kind == DCNFAST_JOINED)
      lists_[input.at].check(columns, n, largest);
    else if (input.kind != DCNFAST_WEIGHTS)  // which are checked with their lists
      check_numbers(input, column, n);
  }
}

void Encoder::check_numbers(const Input& input, const dcnfast_column& column, std::size_t n) const {
  for (std::size_t i = 0; i < n; ++i) {
    if (const char* text = text_at(column, i))
      refuse_value(input, i, "the text '" + std::string(text).substr(0, 40) + "'");
    const double number = number_at(column, i);
    if (std::isinf(number)) refuse_value(input, i, "an infinite number");
    if (input.kind == DCNFAST_DATE && (number < Clock::kFirst || number > Clock::kLast))
      refuse_value(input, i, "a date beyond the years 1 to 9999");
  }
}

// As predict() of Python: a column in which no value has a type that training saw there.
void Encoder::check_categories(const Input& input, const dcnfast_column& column,
                               std::size_t n) const {
  const Vocabulary& vocabulary = *fields_[input.at];
  std::size_t first = n;  // row with a value
  for (std::size_t i = 0; i < n; ++i) {
    const Value value = value_at(column, i);
    if (value.kind == Value::missing) continue;
    if (vocabulary.takes(value)) return;
    if (first == n) first = i;
  }
  if (first == n) return;
  const bool text = value_at(column, first).kind == Value::text;
  refuse_value(input, first,
               std::string(text ? "a text" : "a number") + ", want " + vocabulary.wanted() +
                   ": fit saw no " + (text ? "texts" : "numbers") + " there; the first is");
}

void Encoder::operator()(std::int32_t* ids, double* numbers, const dcnfast_column* columns,
                         std::size_t i) const noexcept {
  for (std::size_t j = 0; j < inputs_.size(); ++j) {
    const Input& input = inputs_[j];
    if (input.kind == DCNFAST_NUMBER) {
      numbers[input.at] = number_at(columns[j], i);
    } else if (input.kind == DCNFAST_CATEGORY) {
      ids[input.at] = fields_[input.at]->row_of(value_at(columns[j], i));
    } else if (input.kind == DCNFAST_DATE) {
      const double seconds = std::floor(number_at(columns[j], i));  // exact in those years
      const bool is_there = !std::isnan(seconds);
      const Clock clock(is_there ? static_cast<std::int64_t>(seconds) : 0);
      for (const DatePart& part : dates_[input.at]) {
        const Value value = is_there ? Value::of(clock.*part.part) : Value();
        if (part.is_field)
          ids[part.at] = fields_[part.at]->row_of(value);
        else
          numbers[part.at] = is_there ? static_cast<double>(clock.*part.part)
                                      : std::numeric_limits<double>::quiet_NaN();
      }
    }
  }
  if (statistics_.width() > 0) statistics_(numbers + n_numbers_, ids);
  if (scales_.logarithm)
    for (std::size_t m = 0; m < n_numbers(); ++m)
      numbers[m] = std::copysign(std::log1p(std::abs(numbers[m])), numbers[m]);
}

}  // namespace dcn
