// Every allocation of the engine fails once: what was asked for ends with std::bad_alloc, the
// network is then as sound as before, and the next call works.
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>

#include "base/buffer.hpp"
#include "check.hpp"
#include "failing.hpp"
#include "training/training_state.hpp"
#include "small_networks.hpp"

namespace {

std::atomic<std::size_t> left{failing::kNever};
std::atomic<bool> failed{false};

bool now() noexcept {
  std::size_t before = left.load();
  while (before != failing::kNever && !left.compare_exchange_weak(before, before - 1)) {
  }
  if (before != 0) return false;
  failed = true;
  return true;
}

void* allocate(std::size_t size) {
  void* memory = now() ? nullptr : std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return now() ? nullptr : std::malloc(size > 0 ? size : 1);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

void failing::after(std::size_t n) noexcept {
  dcn::memory_ends = &now;
  failed = false;
  left = n;
}

bool failing::stop() noexcept {
  left = kNever;
  dcn::memory_ends = nullptr;
  return failed;
}

namespace {

// Calls f with each of its allocations failing; after(): what must hold then. Returns how many
// there were.
template <class F, class After> std::size_t fail_each(F f, After after) {
  for (std::size_t n = 0;; ++n) {
    bool thrown = false;
    failing::after(n);
    try {
      f();
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    const bool had = failing::stop();
    CHECK(thrown == had || !thrown);  // threads that cannot be had are done without
    after();
    if (!had) return n;
  }
}

// A network and what trains it.
template <class T> struct Trained {
  dcn::Network<T> network;
  dcn::TrainingState<T> training;

  explicit Trained(const dcn::NetworkConfig& config) : network(config), training(network) {}
};

template <class T> struct Sound {
  const dcn::NetworkConfig& config;
  const Data<T>& data;
  std::size_t n_threads;

  dcn::EpochResult epoch(Trained<T>& trained) const {
    return trained.training.train_epoch(
        data.table(), data.order.data(), {kRows, 70}, {.learning_rate = 0.03}, {}, 7, n_threads,
        [](void*) { return false; }, nullptr);
  }
  // predicts finite numbers from the averages, and trains on
  void check(Trained<T>& trained) const {
    dcn::Network<T>& network = trained.network;
    std::vector<T> logits(kRows), again(kRows);
    network.predict(logits.data(), data.table(), 1);
    for (const T z : logits) CHECK(std::isfinite(z));
    const std::vector<T> averages(network.averages(), network.averages() + network.layout().size());
    dcn::Network<T> other(config);
    other.set_parameters(averages.data());
    other.predict(again.data(), data.table(), 1);
    CHECK(logits == again);
    CHECK(std::isfinite(epoch(trained).loss));
  }
};

template <class T> void fails_anywhere(const dcn::NetworkConfig& config, std::size_t n_threads) {
  Draw draw;
  const Data<T> data(config, draw);
  const Sound<T> sound{config, data, n_threads};
  const auto fresh = [&] {
    auto trained = std::make_unique<Trained<T>>(config);
    trained->training.set_sharing({.least_repeats = 2, .least_width = 1, .least_saved = 0});
    Draw same;
    initialize(trained->network, same);
    return trained;
  };
  const auto nothing = [] {};
  CHECK(fail_each([&] { const Trained<T> trained(config); }, nothing) > 20);

  std::unique_ptr<Trained<T>> trained = fresh();
  std::vector<T> logits(kRows);
  const auto as_before = [&] { sound.check(*trained); };
  // a new network each time: an old one has its memory
  CHECK(fail_each([&] { sound.epoch(*trained); },
                  [&] {
                    sound.check(*trained);
                    trained = fresh();
                  }) > 5);
  CHECK(fail_each(
            [&] {
              trained->training.compute_gradients(data.table(), data.order.data(), kRows, 7,
                                                  n_threads);
            },
            [&] {
              sound.check(*trained);
              trained = fresh();
            }) > 5);
  CHECK(fail_each([&] { trained->network.predict(logits.data(), data.table(), n_threads); },
                  as_before) > 0);
  CHECK(fail_each([&] { (void)trained->network.evaluate(data.table(), n_threads); }, as_before) >
        0);
  CHECK(fail_each([&] { (void)trained->network.row_workspace(); }, as_before) > 0);
}

}  // namespace

TEST(memory_may_end_at_any_allocation) {
  using dcn::Structure;
  for (const std::size_t n_threads : {1, 3}) {
    if (kThreadSanitizer && n_threads == 1) continue;
    fails_anywhere<float>(full_network("matrix", Structure::parallel), n_threads);
    if (kThreadSanitizer) return;  // whose threads meet the same ends in other networks
    fails_anywhere<double>(full_network("lowrank", Structure::stacked_parallel), n_threads);
    fails_anywhere<float>(full_network("vector", Structure::stacked), n_threads);
  }
}
