// Instruction sets, threads, the machine's ceilings.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>

#include "bindings/arrays.hpp"
#include "base/buffer.hpp"
#include "dispatch/cpu.hpp"
#include "base/thread_pool.hpp"

#if defined(_WIN32)
#define DCNFAST_EXPORT extern "C" __declspec(dllexport)
#else
#define DCNFAST_EXPORT extern "C" __attribute__((visibility("default")))
#endif

// Found by name by dcnfast.cpu's threadpoolctl controller.
DCNFAST_EXPORT int dcnfast_get_num_threads() { return static_cast<int>(dcn::thread_limit()); }
DCNFAST_EXPORT void dcnfast_set_num_threads(int n) {
  dcn::set_thread_limit(n < 0 ? 0 : static_cast<std::size_t>(n));
}

namespace dcn {
namespace {

py::dict describe(const IsaKernels& isa) {
  using namespace py::literals;
  return py::dict("name"_a = isa.name, "description"_a = isa.description,
                  "tile_rows"_a = isa.tile_rows, "tile_vectors"_a = isa.tile_vectors);
}

py::list describe_all(IsaList isas) {
  py::list out;
  for (const IsaKernels* isa : isas) out.append(describe(*isa));
  return out;
}

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

// Nothing interrupts a measurement.
void check_seconds(const char* function, double seconds) {
  check_number(function, "seconds", seconds, seconds >= 0 && seconds <= 60, "0 to 60");
}

// flops a second of n_threads threads that do nothing but multiply-adds in registers
double measure_fma_peak(bool double_precision, std::size_t n_threads, double seconds) {
  const IsaKernels& isa = active_isa();
  const auto kernel = double_precision ? isa.peak_f64 : isa.peak_f32;
  n_threads = check_threads("measure_fma_peak", n_threads);
  check_seconds("measure_fma_peak", seconds);
  const GilRelease nogil;
  std::vector<double> flops(n_threads);
  double best = 0;
  const double end = now() + seconds;
  do {
    const double start = now();
    parallel_for(n_threads, n_threads,
                 [&](std::size_t i, std::size_t) { flops[i] = kernel(1 << 16); });
    const double elapsed = now() - start;
    double total = 0;
    for (const double f : flops) total += f;
    best = std::max(best, total / elapsed);
  } while (now() < end);
  return best;
}

// bytes a second read and written by y += x over arrays that fit no cache
double measure_bandwidth(std::size_t n_threads, double seconds) {
  constexpr std::size_t kSize = std::size_t{1} << 24;  // 64 MB each
  n_threads = check_threads("measure_bandwidth", n_threads);
  check_seconds("measure_bandwidth", seconds);
  const GilRelease nogil;
  Buffer<float> x(kSize), y(kSize);
  std::fill_n(x.data(), kSize, 1.0F);  // pages never written would all be read from one
  std::fill_n(y.data(), kSize, 1.0F);
  double best = 0;
  const double end = now() + seconds;
  do {
    const double start = now();
    parallel_for(n_threads, n_threads, [&](std::size_t i, std::size_t) {
      const std::size_t from = i * kSize / n_threads, to = (i + 1) * kSize / n_threads;
      for (std::size_t j = from; j < to; ++j) y.data()[j] += x.data()[j];
    });
    best = std::max(best, 3.0 * kSize * sizeof(float) / (now() - start));
  } while (now() < end);
  return best;
}

// bytes a second read, again and again, from an array that a cache holds if it can
double measure_read_bandwidth(std::size_t bytes, std::size_t n_threads, double seconds) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 32;
  n_threads = check_threads("measure_read_bandwidth", n_threads);
  check_seconds("measure_read_bandwidth", seconds);
  if (bytes < sizeof(float) * n_threads || bytes > kMostBytes)
    throw py::value_error("measure_read_bandwidth: bytes is " + std::to_string(bytes) + " for " +
                          std::to_string(n_threads) +
                          " threads, want one float for each at least, and at most 2^32");
  const GilRelease nogil;
  const std::size_t size = bytes / sizeof(float);
  const IsaKernels& isa = active_isa();
  Buffer<float> x(size);
  std::fill_n(x.data(), size, 1.0F);
  std::vector<float> sums(n_threads);
  double best = 0;
  const double end = now() + seconds;
  do {
    const double start = now();
    parallel_for(n_threads, n_threads, [&](std::size_t i, std::size_t) {
      const std::size_t from = i * size / n_threads, to = (i + 1) * size / n_threads;
      sums[i] = isa.read(x.data() + from, to - from);
    });
    best = std::max(best, static_cast<double>(size * sizeof(float)) / (now() - start));
  } while (now() < end);
  return best;
}

}  // namespace

void register_cpu(py::module_& m) {
  m.def("active_isa", [] { return describe(active_isa()); });
  m.def("available_isas", [] { return describe_all(available_isas()); });
  m.def("compiled_isas", [] { return describe_all(compiled_isas()); });
  m.def("force_isa", [](const std::string& name) { force_isa(name); }, py::arg("name"));
  m.def("build_info", [] {
    using namespace py::literals;
    return py::dict("version"_a = DCNFAST_VERSION, "compiler"_a = DCNFAST_COMPILER,
                    "build_type"_a = DCNFAST_BUILD_TYPE);
  });
  m.def("measure_fma_peak", &measure_fma_peak, py::arg("double_precision"), py::arg("n_threads"),
        py::arg("seconds"));
  m.def("measure_bandwidth", &measure_bandwidth, py::arg("n_threads"), py::arg("seconds"));
  m.def("measure_read_bandwidth", &measure_read_bandwidth, py::arg("bytes"), py::arg("n_threads"),
        py::arg("seconds"));
}

}  // namespace dcn
