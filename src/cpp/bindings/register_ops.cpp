// Stages 6 and 8 for people, and the two modules of kernels, one a dtype.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "cpu.hpp"
#include "padded.hpp"

namespace dcn {

void register_cross(py::module_& f32, py::module_& f64);
void register_layers(py::module_& f32, py::module_& f64);

namespace {

// (sum of the rows' losses, dlogits)
template <class T> void register_loss(py::module_& m, const char* name, Loss which) {
  const bool classes = which == Loss::softmax;
  m.def(name, [=](const Array<T>& logits, const Array<T>& target,
                  const std::optional<Array<T>>& weight) {
    check_shape(name, "logits", logits, {{"B"}, {"C"}});
    check_shape(name, "target", target,
                {{"B", logits.shape(0)}, {classes ? "1" : "C", classes ? 1 : logits.shape(1)}});
    const auto B = static_cast<std::size_t>(logits.shape(0));
    const auto C = static_cast<std::size_t>(logits.shape(1));
    if (C == 0)
      throw py::value_error(std::string(name) + ": logits have no columns, want at least one");
    for (std::size_t i = 0; classes && i < B; ++i)
      if (!is_class(target.data()[i], C))
        throw py::index_error(std::string(name) + ": target[" + std::to_string(i) + "] is class " +
                              std::to_string(target.data()[i]) + ", want 0 to " +
                              std::to_string(C - 1));
    if (weight.has_value()) check_shape(name, "weight", *weight, {{"B", logits.shape(0)}});
    const KernelTable<T>& k = table_of<T>(active_isa());
    const T* w = weight.has_value() ? weight->data() : nullptr;
    Padded<T> z(k, logits), dz(B, C);
    const LossKernels<T>& kernels = k.losses[static_cast<std::size_t>(which)];
    const double loss = kernels.forward(z.data(), target.data(), w, nullptr, B, C);
    kernels.backward(dz.data(), z.data(), target.data(), w, nullptr, B, C, T(1));
    return py::make_tuple(loss, dz.to_array(k));
  });
}

template <class T> void register_optimizer(py::module_& m) {
  m.def("adam_update",
        [](Array<T>& parameters, Array<T>& mean, Array<T>& square, const Array<T>& g,
           double step_size, double beta_1, double beta_2, double epsilon, double l2) {
          check_shape("adam_update", "parameters", parameters, {{"n"}});
          check_shape("adam_update", "m", mean, {{"n", parameters.shape(0)}});
          check_shape("adam_update", "v", square, {{"n", parameters.shape(0)}});
          check_shape("adam_update", "g", g, {{"n", parameters.shape(0)}});
          return table_of<T>(active_isa())
              .adam_update(parameters.mutable_data(), mean.mutable_data(), square.mutable_data(),
                           g.data(), static_cast<std::size_t>(parameters.shape(0)),
                           {.step_size = static_cast<T>(step_size),
                            .beta_1 = static_cast<T>(beta_1),
                            .beta_2 = static_cast<T>(beta_2),
                            .epsilon = static_cast<T>(epsilon),
                            .rest_1 = static_cast<T>(1 - beta_1),
                            .rest_2 = static_cast<T>(1 - beta_2),
                            .l2 = static_cast<T>(l2)});
        });
}

template <class T> void register_ops_of(py::module_& m) {
  register_loss<T>(m, "squared_error", Loss::squared_error);
  register_loss<T>(m, "log_loss", Loss::log_loss);
  register_loss<T>(m, "softmax_loss", Loss::softmax);
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
