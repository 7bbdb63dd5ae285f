#include <pybind11/pybind11.h>

namespace dcn {
void register_cpu(pybind11::module_& m);
void register_ops(pybind11::module_& m);
void register_network(pybind11::module_& m);
void register_training(pybind11::module_& m);
void register_scale(pybind11::module_& m);
void register_row(pybind11::module_& m);
}  // namespace dcn

// Free of the GIL: the kernel table is immutable behind an atomic pointer, the pool locks itself,
// a Network refuses a second writer.
PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  m.doc() = "The compiled part of dcnfast. Private: use the modules of the package.";
  m.attr("version") = DCNFAST_VERSION;
  dcn::register_cpu(m);
  dcn::register_ops(m);
  dcn::register_network(m);
  dcn::register_training(m);
  dcn::register_scale(m);
  dcn::register_row(m);
}
