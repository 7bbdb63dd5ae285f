// A small pool of our own: survives os.fork (OpenMP runtimes hang), spins a few microseconds and
// then parks (a step is a handful of short phases), and never nests: a second caller runs inline.
#pragma once

#include <cstddef>

namespace dcn {

// The most threads that any call may use; threadpoolctl sets it. 0 stands for no limit.
std::size_t thread_limit() noexcept;
void set_thread_limit(std::size_t limit) noexcept;

using Task = void (*)(void* context, std::size_t task, std::size_t slot);

// Runs task(context, i, slot) for every i < n_tasks, on up to n_threads threads, the caller's among
// them. slot < n_threads is the same for all that one thread runs. Which thread gets which task is
// left to chance: nothing computed may depend on it. Tasks must not throw.
void parallel_run(std::size_t n_threads, std::size_t n_tasks, Task task, void* context);

// The same for a callable f(task, slot).
template <class F> void parallel_for(std::size_t n_threads, std::size_t n_tasks, F f) {
  parallel_run(
      n_threads, n_tasks,
      [](void* context, std::size_t task, std::size_t slot) {
        (*static_cast<F*>(context))(task, slot);
      },
      &f);
}

}  // namespace dcn
