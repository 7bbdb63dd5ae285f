// Where a step's time goes, for those who ask: one clock reading a stage and tile, none otherwise.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace dcn {

// Stages and what they are called.
// clang-format off
#define DCN_STAGES(stage)                     \
  stage(embed, "embed")                       \
  stage(cross, "cross")                       \
  stage(deep, "deep")                         \
  stage(combine, "combine")                   \
  stage(loss, "loss")                         \
  stage(loss_backward, "loss backward")       \
  stage(combine_backward, "combine backward") \
  stage(deep_backward, "deep backward")       \
  stage(cross_backward, "cross backward")     \
  stage(embed_backward, "embed backward")     \
  stage(sort_ids, "sort ids")                 \
  stage(optimize, "optimize")                 \
  stage(optimize_tables, "optimize tables")
// clang-format on

#define DCN_STAGE_ITSELF(stage, name) stage,
#define DCN_STAGE_NAME(stage, name) name,
enum class Stage : std::size_t { DCN_STAGES(DCN_STAGE_ITSELF) };
inline constexpr std::array kStageNames = std::to_array<const char*>({DCN_STAGES(DCN_STAGE_NAME)});
inline constexpr std::size_t kStages = kStageNames.size();
#undef DCN_STAGE_NAME
#undef DCN_STAGE_ITSELF
#undef DCN_STAGES

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
