// Stages 6 and 8 for people, and the two modules of kernels, one a dtype.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "dispatch/cpu.hpp"
#include "dispatch/kinds.hpp"
#include "bindings/padded.hpp"
#include "training/optimizer.hpp"

namespace dcn {

void register_cross(py::module_& f32, py::module_& f64);
void register_layers(py::module_& f32, py::module_& f64);

namespace {

// (sum of the rows' losses, dlogits)
template <class T> void register_loss(py::module_& m) {
  m.def("loss", [](const std::string& kind, const Array<T>& logits, const Array<T>& target,
                   const std::optional<Array<T>>& weight, double smoothing,
                   const std::vector<double>& constants) {
    const Loss loss = loss_named(kind);
    const char* name = compiled_kernels<T>().losses[loss].function;
    if (ranks(loss))
      throw py::value_error(std::string(name) + ": the loss is of lists of rows, want one of rows");
    const bool classes = wants_classes(loss);
    check_shape(name, "logits", logits, {{"B"}, {"C"}});
    const auto B = static_cast<std::size_t>(logits.shape(0));
    const auto C = static_cast<std::size_t>(logits.shape(1));
    if (C == 0)
      throw py::value_error(std::string(name) + ": logits have no columns, want at least one");
    check_constants((std::string(name) + ": constants").c_str(), loss, constants, C);
    const auto Y = static_cast<py::ssize_t>(target_width(loss, C, constants.size()));
    const char* letter = Y == logits.shape(1) ? "C" : "Y";
    check_shape(name, "target", target, {{"B", logits.shape(0)}, {classes ? "1" : letter, Y}});
    const std::size_t n = n_classes(loss, C);
    for (std::size_t i = 0; classes && i < B; ++i)
      if (!is_class(target.data()[i], n))
        throw py::index_error(std::string(name) + ": target[" + std::to_string(i) + "] is class " +
                              std::to_string(target.data()[i]) + ", want 0 to " +
                              std::to_string(n - 1));
    if (weight.has_value()) check_shape(name, "weight", *weight, {{"B", logits.shape(0)}});
    check_number(name, "smoothing", smoothing, smoothing >= 0 && smoothing < 1,
                 "at least 0 and less than 1");
    const std::vector<T> own(constants.begin(), constants.end());
    const LossOptions<T> options{static_cast<T>(smoothing), own.data(), own.size()};
    const Matrix<T> in(logits);
    const T *y = target.data(), *w = weight.has_value() ? weight->data() : nullptr;
    Array<T> dlogits = empty_like(logits);
    T* out = dlogits.mutable_data();
    const double total = without_gil([&] {
      const KernelTable<T>& k = table_of<T>(active_isa());
      Padded<T> z(k, in), dz(B, C);
      const LossKernels<T>& kernels = k.losses[loss];
      const double sum = kernels.forward(z.data(), y, w, nullptr, B, C, options);
      kernels.backward(dz.data(), z.data(), y, w, nullptr, B, C, T(1), options);
      dz.copy_to(k, out);
      return sum;
    });
    return py::make_tuple(total, dlogits);
  });
}

// Written where they are: a copy would be moved in their place.
template <class T> using Written = py::array_t<T, py::array::c_style>;

template <class T> T* written(const char* argument, Written<T>& array, py::ssize_t n) {
  check_shape("optimizer_update", argument, array, {{"n", n}});
  T* data = array.mutable_data();
  if (reinterpret_cast<std::uintptr_t>(data) % alignof(T) != 0)
    throw py::value_error(std::string("optimizer_update: ") + argument +
                          " is not aligned, want an array that NumPy made");
  return data;
}

// One step of an optimizer, the `step`-th, on arrays that are changed in place; returns the sum of
// squared parameters before it.
template <class T> void register_optimizer(py::module_& m) {
  m.def(
      "optimizer_update",
      [](Written<T>& parameters, Written<T>& mean, Written<T>& square, const Array<T>& g,
         const OptimizerOptions& options, std::uint64_t step, double l2) {
        const char* name = "optimizer_update";
        check_shape(name, "parameters", parameters, {{"n"}});
        const py::ssize_t n = parameters.shape(0);
        T* p = written("parameters", parameters, n);
        T *m_ = written("m", mean, n), *v = written("v", square, n);
        check_shape(name, "g", g, {{"n", n}});
        const T* gradient = g.data();
        if (step == 0) throw py::value_error("optimizer_update: step is 0, want at least 1");
        check_number(name, "l2", l2, l2 >= 0 && std::isfinite(l2), "a finite number, not negative");
        return without_gil([&] {
          return table_of<T>(active_isa())
              .optimizers[options.kind]
              .update(p, m_, v, gradient, static_cast<std::size_t>(n), options.step<T>(step, l2));
        });
      },
      py::arg("parameters").noconvert(), py::arg("m").noconvert(), py::arg("v").noconvert(),
      py::arg("g"), py::arg("options"), py::arg("step"), py::arg("l2"));
}

template <class T> void register_ops_of(py::module_& m) {
  register_loss<T>(m);
  register_optimizer<T>(m);
}

}  // namespace

void register_ops(py::module_& m) {
  py::module_ ops32 = m.def_submodule("ops_f32"), ops64 = m.def_submodule("ops_f64");
  register_layers(ops32, ops64);
  register_cross(ops32, ops64);
  register_ops_of<float>(ops32);
  register_ops_of<double>(ops64);
}

}  // namespace dcn
