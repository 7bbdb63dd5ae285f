// TrainingState: what training has beside the network.
#include <map>

#include "bindings/init.hpp"
#include "bindings/py_training.hpp"

namespace dcn {
namespace {

template <class T> void register_training_of(py::module_& m, const char* name) {
  using Training = PyTraining<T>;
  using State = TrainingState<T>;
  py::class_<Training> training(m, name);
  def_init<py::object>(
      training, [](py::object network) { return std::make_unique<Training>(std::move(network)); },
      py::arg("network"));
  const auto def_buffer = [&training](const char* by_name, const char* flat, auto buffer) {
    training
        .def_property_readonly(by_name,
                               [buffer](const py::object& self) {
                                 const auto& t = self.cast<Training&>();
                                 return views(self, t.layout(), (t.state().*buffer)(),
                                              t.layout().size());
                               })
        .def_property_readonly(flat, [buffer](const py::object& self) {
          const auto& t = self.cast<Training&>();
          return flat_view(self, (t.state().*buffer)(), t.layout().size());
        });
  };
  def_buffer("gradients", "flat_gradients", &State::gradients);
  def_buffer("first_moments", "flat_first_moments", &State::first_moments);
  def_buffer("second_moments", "flat_second_moments", &State::second_moments);
  training.def_property_readonly("network", [](const Training& s) { return s.owner(); })
      .def_property_readonly(
          "step",
          [](const Training& s) { return s.read([](const State& state) { return state.step(); }); })
      .def_property_readonly(
          "shared_fields",
          [](const Training& s) {
            return s.read([](const State& state) { return state.shared_fields(); });
          })
      .def(
          "set_sharing",
          [](Training& s, std::size_t least_repeats, std::size_t least_width, double least_saved) {
            check_number("set_sharing", "least_saved", least_saved, !std::isnan(least_saved),
                         "a number");
            s.write([&](State& state) {
              state.set_sharing({least_repeats, least_width, least_saved});
            });
          },
          py::arg("least_repeats"), py::arg("least_width"), py::arg("least_saved"))
      .def("start_timing", [](Training& s) { s.write([](State& state) { state.start_timing(); }); })
      .def_property_readonly("stage_seconds",
                             [](const Training& s) {
                               const StageSeconds seconds =
                                   s.read([](const State& state) { return state.stage_seconds(); });
                               py::dict out;
                               for (std::size_t i = 0; i < kStages; ++i)
                                 out[kStageNames[i]] = seconds[i];
                               return out;
                             })
      .def("set_optimizer", &Training::set_optimizer, py::arg("m").noconvert(),
           py::arg("v").noconvert(), py::arg("step"))
      .def("take_over", &Training::take_over, py::arg("other"), py::arg("rows") = py::none())
      .def("begin_rows", &Training::begin_rows, py::arg("field"), py::arg("rows").noconvert())
      .def("settle", &Training::settle, py::arg("field"), py::arg("counts").noconvert())
      .def("set_prior", &Training::set_prior, py::arg("anchor").noconvert(),
           py::arg("fisher").noconvert())
      .def_property_readonly("prior", &Training::prior)
      .def("fisher", &Training::fisher, py::arg("table"), py::arg("order").noconvert(),
           py::arg("batch_size"), py::arg("n_threads"), py::arg("starts").noconvert() = py::none())
      .def("compute_gradients", &Training::compute_gradients, py::arg("table"),
           py::arg("rows").noconvert(), py::arg("seed"), py::arg("n_threads"))
      .def("train_epoch", &Training::train_epoch, py::arg("table"), py::arg("order").noconvert(),
           py::arg("batch_size"), py::arg("optimizer"), py::arg("seed"), py::arg("n_threads"),
           py::arg("rates").noconvert() = py::none(), py::arg("decays").noconvert() = py::none(),
           py::arg("dropouts").noconvert() = py::none(),
           py::arg("starts").noconvert() = py::none());
}

Role role_named(const std::string& name) {
  std::string names;
  for (std::size_t role = 0; role < kRoles; ++role) {
    if (name == kRoleNames[role]) return static_cast<Role>(role);
    names += (names.empty() ? "'" : ", '") + std::string(kRoleNames[role]) + "'";
  }
  throw py::value_error("OptimizerOptions: rate_factors has the role '" + name + "', want one of " +
                        names);
}

std::unique_ptr<OptimizerOptions> make_optimizer(const std::string& kind, double learning_rate,
                                                 double beta_1, double beta_2, double epsilon,
                                                 double weight_decay, double gradient_clip,
                                                 bool nesterov,
                                                 const std::map<std::string, double>& rate_factors,
                                                 double prior_strength) {
  const char* name = "OptimizerOptions";
  check_finite(name, "learning_rate", learning_rate);
  for (const auto& [argument, beta] : {std::pair{"beta_1", beta_1}, {"beta_2", beta_2}})
    check_number(name, argument, beta, beta >= 0 && beta < 1, "at least 0 and less than 1");
  check_number(name, "epsilon", epsilon, epsilon > 0 && std::isfinite(epsilon),
               "a finite number above 0");
  check_number(name, "weight_decay", weight_decay, weight_decay >= 0 && std::isfinite(weight_decay),
               "a finite number, not negative");
  check_number(name, "gradient_clip", gradient_clip,
               gradient_clip >= 0 && std::isfinite(gradient_clip), "a finite number, not negative");
  check_number(name, "prior_strength", prior_strength,
               prior_strength >= 0 && std::isfinite(prior_strength),
               "a finite number, not negative");
  auto options = std::make_unique<OptimizerOptions>(OptimizerOptions{optimizer_named(kind),
                                                                     learning_rate,
                                                                     beta_1,
                                                                     beta_2,
                                                                     epsilon,
                                                                     weight_decay,
                                                                     gradient_clip,
                                                                     nesterov,
                                                                     prior_strength,
                                                                     {}});
  for (const auto& [role, factor] : rate_factors) {
    check_number(name, ("rate_factors['" + role + "']").c_str(), factor,
                 factor >= 0 && std::isfinite(factor), "a finite number, not negative");
    options->rate_factors.of(role_named(role)) = factor;
  }
  return options;
}

}  // namespace

void register_training(py::module_& m) {
  py::class_<OptimizerOptions> optimizer(m, "OptimizerOptions");
  def_init<const std::string&, double, double, double, double, double, double, bool,
           const std::map<std::string, double>&, double>(
      optimizer, &make_optimizer, py::kw_only(), py::arg("kind"), py::arg("learning_rate"),
      py::arg("beta_1"), py::arg("beta_2"), py::arg("epsilon"), py::arg("weight_decay"),
      py::arg("gradient_clip"), py::arg("nesterov"), py::arg("rate_factors"),
      py::arg("prior_strength") = 0.0);
  py::list roles;
  for (const char* role : kRoleNames) roles.append(role);
  m.attr("ROLES") = py::tuple(roles);
  register_training_of<float>(m, "TrainingStateF32");
  register_training_of<double>(m, "TrainingStateF64");
}

}  // namespace dcn
