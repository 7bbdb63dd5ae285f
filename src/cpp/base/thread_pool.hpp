// A small pool of our own: survives os.fork (OpenMP runtimes hang), spins a few microseconds and
// then parks (a step is a handful of short phases), and never nests: a second caller runs inline.
#pragma once

#include <algorithm>
#include <cstddef>

namespace dcn {

// The most threads that any call may use; threadpoolctl sets it. 0 stands for no limit.
std::size_t thread_limit() noexcept;
void set_thread_limit(std::size_t limit) noexcept;

// The most that any call uses, whatever it asks for.
inline constexpr std::size_t kMostThreads = 256;

// How many slots a call may have to do with: what is kept for each is made before the call.
inline std::size_t most_slots(std::size_t n_threads, std::size_t n_tasks) noexcept {
  return std::clamp<std::size_t>(std::min(n_threads, n_tasks), 1, kMostThreads);
}

using Task = void (*)(void* context, std::size_t task, std::size_t slot);

// Runs task(context, i, slot) for every i < n_tasks, on up to n_threads threads, the caller's among
// them. slot < most_slots(n_threads, n_tasks) is the same for all that one thread runs. Which
// thread gets which task is left to chance: nothing computed may depend on it. Tasks must not
// throw.
void parallel_run(std::size_t n_threads, std::size_t n_tasks, Task task, void* context) noexcept;

// The same for a callable f(task, slot).
template <class F> void parallel_for(std::size_t n_threads, std::size_t n_tasks, F f) noexcept {
  parallel_run(
      n_threads, n_tasks,
      [](void* context, std::size_t task, std::size_t slot) {
        (*static_cast<F*>(context))(task, slot);
      },
      &f);
}

}  // namespace dcn
