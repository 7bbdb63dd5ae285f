// Where a step's time goes, for those who ask: one clock reading a stage and tile, none otherwise.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace dcn {

enum class Stage : std::size_t {
  embed,
  cross,
  deep,
  combine,
  loss,
  loss_backward,
  combine_backward,
  deep_backward,
  cross_backward,
  embed_backward,
  sort_ids,
  optimize,
  optimize_tables,
};
inline constexpr std::size_t kStages = 13;
inline constexpr std::array<const char*, kStages> kStageNames = {"embed",
                                                                 "cross",
                                                                 "deep",
                                                                 "combine",
                                                                 "loss",
                                                                 "loss backward",
                                                                 "combine backward",
                                                                 "deep backward",
                                                                 "cross backward",
                                                                 "embed backward",
                                                                 "sort ids",
                                                                 "optimize",
                                                                 "optimize tables"};

using StageSeconds = std::array<double, kStages>;

class Stopwatch {
 public:
  // Adds to `seconds`; null switches it off.
  explicit Stopwatch(StageSeconds* seconds) : seconds_(seconds) { restart(); }
  void restart() {
    if (seconds_ != nullptr) last_ = Clock::now();
  }
  // What has passed since the last call went into this stage.
  void lap(Stage stage) {
    if (seconds_ == nullptr) return;
    const Clock::time_point now = Clock::now();
    (*seconds_)[static_cast<std::size_t>(stage)] +=
        std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  StageSeconds* seconds_;
  Clock::time_point last_;
};

}  // namespace dcn
