// Python runs in other threads while the engine computes in this one.
//
// A thread that asks for the GIL while the interpreter ends never gets it. Python 3.14 lets it
// sleep until the process is gone; before, it ends the thread by pthread_exit, which glibc does by
// unwinding the stack. That would run destructors that touch Python's objects without the GIL, and
// the first function that is noexcept, as destructors are, ends the process by abort. To ask first
// whether the interpreter is ending does not help: it may begin to while the thread waits. So the
// unwinding is caught where it begins, below every object of ours, and the thread sleeps, as it
// does in 3.14. Nothing is lost: the process is about to end, and no lock is held that its end
// needs.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

#include "base/denormals.hpp"

namespace dcn {

[[noreturn]] inline void sleep_until_the_process_ends() noexcept {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// Runs what calls Python's C functions, out of which no exception comes but that unwinding.
template <class F> void with_python(F&& f) noexcept {
  try {
    f();
  } catch (...) {
    sleep_until_the_process_ends();
  }
}

// The GIL is free until the end of the scope, and denormal numbers are 0. What is used inside was
// checked and pointed to before; exceptions may leave it.
class GilRelease {
 public:
  GilRelease() : state_(PyEval_SaveThread()) {}
  ~GilRelease() {
    with_python([this] { PyEval_RestoreThread(state_); });
  }
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

  // Takes the GIL for f, which calls Python's C functions, and gives it up again.
  template <class F> void pause(F&& f) noexcept {
    with_python([&] {
      PyEval_RestoreThread(state_);
      const KeepDenormals python;
      f();
      state_ = PyEval_SaveThread();
    });
  }

 private:
  PyThreadState* state_;
  FlushDenormals flush_;
};

// f() without the GIL
template <class F> auto without_gil(F&& f) {
  const GilRelease nogil;
  return f();
}

}  // namespace dcn
