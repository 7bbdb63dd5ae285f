// What of a date becomes columns: the counterpart of dcnfast/table/dates.py.
#pragma once

#include <chrono>
#include <cstdint>

namespace dcn {

// From seconds since 1970-01-01 00:00:00 of a year from 1 to 9999.
struct Clock {
  static constexpr double kFirst = -62135596800.0, kLast = 253402300799.0;

  explicit Clock(std::int64_t seconds) noexcept {
    const std::chrono::sys_seconds moment{std::chrono::seconds(seconds)};
    const auto date = std::chrono::floor<std::chrono::days>(moment);
    day = date.time_since_epoch().count();
    hour = std::chrono::floor<std::chrono::hours>(moment - date).count();
    weekday = ((day % 7 + 7) % 7 + 3) % 7;  // the first day is a Thursday
    month = static_cast<unsigned>(std::chrono::year_month_day(date).month());
  }

  std::int64_t day, hour, weekday, month;  // weekday 0 is Monday
};

}  // namespace dcn
