// What goes wrong in a call of the C API, with the status that it returns.
#pragma once

#include <stdexcept>
#include <string>

#include <dcnfast.h>

namespace dcn {

struct Failure : std::runtime_error {
  Failure(dcnfast_status status, const std::string& message)
      : std::runtime_error(message), status(status) {}
  dcnfast_status status;
};

[[noreturn]] inline void refuse_file(const std::string& message) {
  throw Failure(DCNFAST_BAD_FILE, message);
}

}  // namespace dcn
