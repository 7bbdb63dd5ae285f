// What each call of many threads needs for itself, lent without a lock: a call finds what an
// earlier one gave back, or makes its own.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>

namespace dcn {

template <class Thing> class Lender {
 public:
  Lender() = default;
  ~Lender() {
    for (Place& place : places_) delete place.thing.load(std::memory_order_relaxed);
  }
  Lender(const Lender&) = delete;
  Lender& operator=(const Lender&) = delete;

  // From this thread's place on, so that threads do not take turns; made by make() where there is
  // none.
  template <class Make> std::unique_ptr<Thing> take(Make make) {
    const std::size_t first = this_threads_place();
    for (std::size_t i = 0; i < kPlaces; ++i) {
      std::atomic<Thing*>& thing = places_[(first + i) % kPlaces].thing;
      if (thing.load(std::memory_order_relaxed) == nullptr) continue;
      if (Thing* found = thing.exchange(nullptr, std::memory_order_acquire))
        return std::unique_ptr<Thing>(found);
    }
    return make();
  }

  // Where all places are taken it is dropped.
  void give_back(std::unique_ptr<Thing> lent) noexcept {
    const std::size_t first = this_threads_place();
    for (std::size_t i = 0; i < kPlaces; ++i) {
      Thing* none = nullptr;
      std::atomic<Thing*>& thing = places_[(first + i) % kPlaces].thing;
      if (thing.load(std::memory_order_relaxed) == nullptr &&
          thing.compare_exchange_strong(none, lent.get(), std::memory_order_release,
                                        std::memory_order_relaxed)) {
        (void)lent.release();
        return;
      }
    }
  }

 private:
  static constexpr std::size_t kPlaces = 16;
  struct alignas(64) Place {
    std::atomic<Thing*> thing{nullptr};
  };

  static std::size_t this_threads_place() noexcept {
    static std::atomic<std::size_t> threads{0};
    static thread_local const std::size_t place =
        threads.fetch_add(1, std::memory_order_relaxed) % kPlaces;
    return place;
  }

  std::array<Place, kPlaces> places_;
};

}  // namespace dcn
