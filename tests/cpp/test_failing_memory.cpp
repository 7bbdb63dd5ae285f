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
#include "network/network.hpp"
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

template <class T> struct Sound {
  const dcn::NetworkConfig& config;
  const Data<T>& data;
  std::size_t n_threads;

  dcn::EpochResult epoch(dcn::Network<T>& network) const {
    return network.train_epoch(
        data.table(), data.order.data(), kRows, 70, {0.03}, 7, n_threads,
        [](void*) { return false; }, nullptr);
  }
  // predicts finite numbers from the averages, and trains on
  void check(dcn::Network<T>& network) const {
    std::vector<T> logits(kRows), again(kRows);
    network.predict(logits.data(), data.table(), 1);
    for (const T z : logits) CHECK(std::isfinite(z));
    const std::vector<T> averages(network.averages(), network.averages() + network.layout().size());
    dcn::Network<T> other(config);
    other.set_parameters(averages.data());
    other.predict(again.data(), data.table(), 1);
    CHECK(logits == again);
    CHECK(std::isfinite(epoch(network).loss));
  }
};

template <class T> void fails_anywhere(const dcn::NetworkConfig& config, std::size_t n_threads) {
  Draw draw;
  const Data<T> data(config, draw);
  const Sound<T> sound{config, data, n_threads};
  const auto fresh = [&] {
    auto network = std::make_unique<dcn::Network<T>>(config);
    network->set_sharing({.least_repeats = 2, .least_width = 1, .least_saved = 0});
    Draw same;
    initialize(*network, same);
    return network;
  };
  const auto nothing = [] {};
  CHECK(fail_each([&] { dcn::Network<T> network(config); }, nothing) > 20);

  std::unique_ptr<dcn::Network<T>> network = fresh();
  std::vector<T> logits(kRows);
  const auto as_before = [&] { sound.check(*network); };
  // a new network each time: an old one has its memory
  CHECK(fail_each([&] { sound.epoch(*network); },
                  [&] {
                    sound.check(*network);
                    network = fresh();
                  }) > 5);
  CHECK(
      fail_each(
          [&] { network->compute_gradients(data.table(), data.order.data(), kRows, 7, n_threads); },
          [&] {
            sound.check(*network);
            network = fresh();
          }) > 5);
  CHECK(fail_each([&] { network->predict(logits.data(), data.table(), n_threads); }, as_before) >
        0);
  CHECK(fail_each([&] { (void)network->evaluate(data.table(), n_threads); }, as_before) > 0);
  CHECK(fail_each([&] { (void)network->row_workspace(); }, as_before) > 0);
}

}  // namespace

TEST(memory_may_end_at_any_allocation) {
  using dcn::Structure;
  for (const std::size_t n_threads : {1, 3}) {
    fails_anywhere<float>(full_network("matrix", Structure::parallel), n_threads);
    fails_anywhere<double>(full_network("lowrank", Structure::stacked_parallel), n_threads);
    fails_anywhere<float>(full_network("vector", Structure::stacked), n_threads);
  }
}
