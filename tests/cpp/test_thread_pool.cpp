// Every task runs once, whoever calls, from wherever.
#include <atomic>
#include <numeric>
#include <thread>

#include "check.hpp"
#include "base/thread_pool.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/wait.h>
#include <unistd.h>
#endif
#if defined(__SANITIZE_THREAD__)
#define DCN_TSAN 1
#endif

namespace {

// Runs n tasks; returns whether each ran exactly once, in a slot of its own thread.
bool runs_once(std::size_t n_threads, std::size_t n_tasks) {
  std::vector<int> runs(n_tasks, 0);
  std::vector<std::size_t> per_slot(n_threads + 1, 0);  // no two threads share a slot: no races
  dcn::parallel_for(n_threads, n_tasks, [&](std::size_t task, std::size_t slot) {
    ++runs[task];
    ++per_slot[slot];
  });
  for (const int n : runs)
    if (n != 1) return false;
  return std::accumulate(per_slot.begin(), per_slot.end(), std::size_t{0}) == n_tasks;
}

}  // namespace

TEST(pool_runs_every_task_once) {
  for (const std::size_t n_threads : {0, 1, 2, 3, 4, 7})
    for (const std::size_t n_tasks : {0, 1, 2, 7, 100}) CHECK(runs_once(n_threads, n_tasks));
}

TEST(pool_many_short_jobs) {
  for (int i = 0; i < 2000; ++i) CHECK(runs_once(1 + i % 4, 1 + i % 9));
}

TEST(pool_nested_call_runs_inline) {
  std::vector<std::size_t> inner(8, 0);
  std::atomic<bool> same_thread{true};
  dcn::parallel_for(4, 8, [&](std::size_t task, std::size_t) {
    const std::thread::id outer = std::this_thread::get_id();
    dcn::parallel_for(4, 5, [&](std::size_t, std::size_t slot) {
      if (slot != 0 || std::this_thread::get_id() != outer) same_thread = false;
      ++inner[task];
    });
  });
  CHECK(same_thread);
  for (const std::size_t n : inner) CHECK(n == 5);
}

TEST(pool_two_callers_at_once) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      for (int i = 0; i < 300; ++i)
        if (!runs_once(3, 20)) ++wrong;
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST(pool_limit) {
  std::atomic<std::size_t> most{0};
  const auto note = [&](std::size_t, std::size_t slot) {
    std::size_t seen = most;
    while (slot > seen && !most.compare_exchange_weak(seen, slot)) {
    }
  };
  dcn::set_thread_limit(1);
  CHECK(dcn::thread_limit() == 1);
  for (int i = 0; i < 100; ++i) dcn::parallel_for(4, 50, note);
  CHECK(most == 0);
  dcn::set_thread_limit(2);
  for (int i = 0; i < 100; ++i) dcn::parallel_for(4, 50, note);
  CHECK(most <= 1);
  dcn::set_thread_limit(0);
}

// A sanitizer's own threads do not survive a fork either.
#if (defined(__unix__) || defined(__APPLE__)) && !defined(DCN_TSAN)
TEST(pool_survives_fork) {
  CHECK(runs_once(4, 100));
  const pid_t child = fork();
  if (child == 0) _exit(runs_once(4, 100) && runs_once(4, 100) ? 0 : 1);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(runs_once(4, 100));
}
#endif
