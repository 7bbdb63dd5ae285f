// __init__ of a class whose objects make() makes.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>

namespace dcn {

namespace py = pybind11;

// py::init leaves it to pybind11 to enter the object in its list, outside of the block in which
// exceptions are caught: if there is no memory for the entry, the process ends. Here it is entered
// inside of it.
template <class... Arguments, class Class, class Make, class... Extra>
void def_init(py::class_<Class>& c, Make make, const Extra&... extra) {
  c.def(
      "__init__",
      [make](py::detail::value_and_holder& place, Arguments... arguments) {
        std::unique_ptr<Class> made = make(std::forward<Arguments>(arguments)...);
        place.value_ptr() = made.get();
        try {
          place.type->init_instance(place.inst, &made);
        } catch (...) {
          place.value_ptr() = nullptr;
          throw;
        }
      },
      py::detail::is_new_style_constructor(), extra...);
}

}  // namespace dcn
