// Stage 1: columns of a caller -> ids, a row number in each field's table, and dense columns.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "capi/clock.hpp"
#include "capi/columns.hpp"
#include "capi/lists.hpp"
#include "capi/scales.hpp"
#include "capi/statistics.hpp"
#include "capi/vocabulary.hpp"
#include "network/config.hpp"

namespace dcn {

// A column of the table.
struct Input {
  std::string name;
  dcnfast_kind kind;
  std::size_t at;  // number of its field, of its number, of its date or of its lists
};

class Encoder {
 public:
  // Throws Failure unless the columns and the encoder are those of the network.
  Encoder(State columns, State encoder, const NetworkConfig& config, double largest);

  const std::vector<Input>& inputs() const noexcept { return inputs_; }
  std::size_t n_fields() const noexcept { return fields_.size() - lists_.size(); }  // of ids
  const std::vector<ListColumn>& lists() const noexcept { return lists_; }
  // before they are scaled, statistics of categories among them
  std::size_t n_numbers() const noexcept { return n_numbers_ + statistics_.width(); }
  const Scales& scales() const noexcept { return scales_; }

  // Throws Failure if a value is one that predictions refuse. n rows, in as many columns as inputs;
  // largest: what the network's type holds.
  void check(const dcnfast_column* columns, std::size_t n, double largest) const;
  // Row i of columns that are checked -> ids (F), numbers (n_numbers).
  void operator()(std::int32_t* ids, double* numbers, const dcnfast_column* columns,
                  std::size_t i) const noexcept;

 private:
  // What of a date becomes a category or a number.
  struct DatePart {
    std::int64_t Clock::* part;
    bool is_field;
    std::size_t at;
  };

  void read_inputs(State columns);
  void read_dates(State dates, const std::vector<std::string>& made,
                  std::map<std::size_t, Input>& inserted);
  void read_fields(State& encoder, const NetworkConfig& config);
  void read_numbers(State& encoder, const NetworkConfig& config, double largest);
  void check_numbers(const Input& input, const dcnfast_column& column, std::size_t n) const;
  void check_categories(const Input& input, const dcnfast_column& column, std::size_t n) const;

  std::vector<Input> inputs_;
  std::vector<std::string> field_names_;
  std::vector<std::vector<DatePart>> dates_;
  std::vector<ListColumn> lists_;
  // those of lists behind the others; shared by those that share a table
  std::vector<std::shared_ptr<const Vocabulary>> fields_;
  std::size_t n_numbers_ = 0;  // of the table
  Statistics statistics_;
  Scales scales_;
};

}  // namespace dcn
