#include "base/thread_pool.hpp"

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

#include "base/denormals.hpp"

namespace dcn {
namespace {

constexpr int kSpins = 4000;  // pauses before parking, some tens of microseconds
constexpr std::int32_t kClosed =
    INT32_MIN / 2;  // added to the gate when a job takes no more helpers

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Spins, then sleeps, until `value` is no longer `old`.
template <class T> void wait_change(std::atomic<T>& value, T old, bool spin) {
  for (int i = 0; spin && i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
}

class Pool {
 public:
  void run(std::size_t n_threads, std::size_t n_tasks, Task task, void* context) {
    // not a mutex: a nested call asks from the thread that holds it
    if (busy_.test_and_set(std::memory_order_acquire)) return run_inline(n_tasks, task, context);
    grow(n_threads - 1);
    task_ = task;
    context_ = context;
    n_tasks_ = n_tasks;
    n_helpers_ = n_threads - 1;
    next_.store(0, std::memory_order_relaxed);
    gate_.store(0, std::memory_order_release);
    const std::uint32_t before = generation_.load(std::memory_order_relaxed);
    generation_.store(
        (before / kGeneration + 1) * kGeneration + static_cast<std::uint32_t>(n_helpers_),
        std::memory_order_release);
    generation_.notify_all();
    work(0);
    // No task is left to take: let nobody in any more, wait for those inside.
    std::int32_t inside = gate_.fetch_add(kClosed, std::memory_order_acq_rel) + kClosed;
    while (inside != kClosed) {
      wait_change(gate_, inside, spin_);
      inside = gate_.load(std::memory_order_acquire);
    }
    busy_.clear(std::memory_order_release);
  }

  static void run_inline(std::size_t n_tasks, Task task, void* context) {
    for (std::size_t i = 0; i < n_tasks; ++i) task(context, i, 0);
  }

 private:
  void grow(std::size_t wanted) {
    if (wanted <= n_threads_) return;
    try {
      for (; n_threads_ < wanted; ++n_threads_)
        std::thread([this, index = n_threads_] { serve(index); }).detach();
    } catch (const std::exception&) {
      // no more threads to be had: those there are, and the caller, do the work
    }
    // spinning beside more threads than cores only keeps the others from working
    spin_ = n_threads_ + 1 <= std::thread::hardware_concurrency();
  }

  void serve(std::size_t index) {
    const FlushDenormals flush;
    std::uint32_t seen = 0;
    for (;;) {
      wait_change(generation_, seen, spin_.load(std::memory_order_relaxed));
      seen = generation_.load(std::memory_order_acquire);
      if (index >= seen % kGeneration) continue;  // not asked: nobody waits for it to wake up
      std::int32_t inside = gate_.load(std::memory_order_acquire);
      while (inside >= 0 &&
             !gate_.compare_exchange_weak(inside, inside + 1, std::memory_order_acq_rel)) {
      }
      if (inside < 0) continue;  // too late for this job
      if (index < n_helpers_) work(index + 1);
      gate_.fetch_sub(1, std::memory_order_acq_rel);
      gate_.notify_all();
    }
  }

  void work(std::size_t slot) {
    for (std::size_t i = next_.fetch_add(1); i < n_tasks_; i = next_.fetch_add(1))
      task_(context_, i, slot);
  }

  std::atomic_flag busy_;
  std::size_t n_threads_ = 0;
  std::atomic<bool> spin_{true};
  // the job; stable while anyone is inside the gate
  Task task_ = nullptr;
  void* context_ = nullptr;
  std::size_t n_tasks_ = 0, n_helpers_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::int32_t> gate_{kClosed};  // helpers inside, negative when closed
  // counts jobs in its upper bits, and says below how many helpers this one wants; they sleep on it
  static constexpr std::uint32_t kGeneration = 512;
  static_assert(kMostThreads < kGeneration);
  std::atomic<std::uint32_t> generation_{0};
};

// Never destroyed: helpers may sleep in it until the process ends. A forked child has none of the
// helpers and perhaps a pool that is busy, so it starts anew and leaves the old pool alone.
std::atomic<Pool*> the_pool{nullptr};
std::atomic<std::size_t> limit{0};

// Null where there is no memory for it.
Pool* pool() noexcept {
  Pool* current = the_pool.load(std::memory_order_acquire);
  if (current != nullptr) return current;
#if defined(__unix__) || defined(__APPLE__)
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { the_pool.store(nullptr, std::memory_order_release); });
  if (registered != 0) return nullptr;
#endif
  std::unique_ptr<Pool> fresh(new (std::nothrow) Pool);
  if (fresh == nullptr) return nullptr;
  if (the_pool.compare_exchange_strong(current, fresh.get(), std::memory_order_acq_rel))
    return fresh.release();
  return current;
}

}  // namespace

std::size_t thread_limit() noexcept { return limit.load(std::memory_order_relaxed); }
void set_thread_limit(std::size_t most) noexcept { limit.store(most, std::memory_order_relaxed); }

void parallel_run(std::size_t n_threads, std::size_t n_tasks, Task task, void* context) noexcept {
  const FlushDenormals flush;  // the caller works as well, and as all others do
  if (const std::size_t most = thread_limit(); most > 0 && n_threads > most) n_threads = most;
  n_threads = most_slots(n_threads, n_tasks);
  Pool* helpers = n_threads > 1 ? pool() : nullptr;
  if (helpers == nullptr) return Pool::run_inline(n_tasks, task, context);
  helpers->run(n_threads, n_tasks, task, context);
}

}  // namespace dcn
