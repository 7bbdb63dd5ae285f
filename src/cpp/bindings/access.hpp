// Who uses a network: any number of readers, or one writer. Nobody waits: a handler of a signal may
// ask for the network that its own thread is training, and would wait for ever.
#pragma once

#include <atomic>
#include <stdexcept>

namespace dcn {

class Access {
 public:
  class Reader {
   public:
    explicit Reader(Access& access) : users_(access.users_) {
      int before = users_.load(std::memory_order_relaxed);
      do {
        if (before == kWriter)
          throw std::runtime_error("this network is being trained in another thread");
      } while (!users_.compare_exchange_weak(before, before + 1, std::memory_order_acquire,
                                             std::memory_order_relaxed));
    }
    ~Reader() { users_.fetch_sub(1, std::memory_order_release); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

   private:
    std::atomic<int>& users_;
  };

  class Writer {
   public:
    explicit Writer(Access& access) : users_(access.users_) {
      int before = 0;
      if (!users_.compare_exchange_strong(before, kWriter, std::memory_order_acquire,
                                          std::memory_order_relaxed))
        throw std::runtime_error(before == kWriter
                                     ? "this network is being trained in another thread"
                                     : "this network is predicting in another thread");
    }
    ~Writer() { users_.store(0, std::memory_order_release); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

   private:
    std::atomic<int>& users_;
  };

 private:
  static constexpr int kWriter = -1;
  std::atomic<int> users_{0};
};

}  // namespace dcn
