// The functions of dcnfast.h: arguments are checked, and nothing is thrown beyond them.
#include <cstdlib>
#include <limits>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include <dcnfast.h>
#include "capi/read_config.hpp"
#include "capi/read_network.hpp"
#include "capi/scorer.hpp"

struct dcnfast_model {
  dcnfast_model(const std::string& path, bool verify) : file(path, verify) {
    dcn::State root(file.document(), file.arrays());
    dcn::State network = root.part("network");
    const dcn::SavedConfig config = dcn::read_config(network.part("config"));
    const double largest =
        config.single ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
    encoder.emplace(root.part("columns"), root.part("encoder"), config.network, largest);
    answers.emplace(root.part("target"));
    if (answers->n_logits() != config.network.n_outputs ||
        dcn::loss_named(answers->loss()) != config.network.loss)
      root.refuse("a network of the target's loss and outputs");
    if (config.single)
      read<float>(network, config.network, verify);
    else
      read<double>(network, config.network, verify);
    network.done();
    root.skip({"parameters", "seen", "shown"});
    root.done();
  }

  template <class T> void read(dcn::State& network, const dcn::NetworkConfig& config, bool verify) {
    scorer = std::make_unique<dcn::ScorerOf<T>>(
        *encoder, dcn::read_network<T>(network, config, file, verify), *answers);
  }

  dcn::ModelFile file;
  std::optional<dcn::Encoder> encoder;
  std::optional<dcn::Answers> answers;
  std::unique_ptr<dcn::Scorer> scorer;
};

namespace {

thread_local std::string message;

// A message is kept where there is memory for it.
dcnfast_status failed(dcnfast_status status, const char* first, const char* second = "") noexcept {
  try {
    message = std::string(first) + second;
  } catch (const std::bad_alloc&) {
    message.clear();
  }
  return status;
}

template <class F> dcnfast_status guarded(const char* where, F f) noexcept {
  try {
    f();
    return DCNFAST_OK;
  } catch (const dcn::Failure& error) {
    return failed(error.status, where, error.what());
  } catch (const std::invalid_argument& error) {  // the engine's own checks
    return failed(DCNFAST_BAD_FILE, where, error.what());
  } catch (const std::bad_alloc&) {
    return failed(DCNFAST_NO_MEMORY, where, "there is not enough memory");
  } catch (const std::exception& error) {
    return failed(DCNFAST_BAD_ARGUMENT, where, error.what());
  } catch (...) {
    return failed(DCNFAST_BAD_ARGUMENT, where, "something unknown went wrong");
  }
}

// The instruction set that DCNFAST_ISA names, as in Python; the best one without it.
void obey_environment() {
  static const bool obeyed = [] {
    const char* const name = std::getenv("DCNFAST_ISA");
    try {
      if (name != nullptr && *name != '\0') dcn::force_isa(name);
    } catch (const std::invalid_argument& error) {
      throw dcn::Failure(DCNFAST_BAD_ARGUMENT, std::string("DCNFAST_ISA: ") + error.what());
    }
    return true;
  }();
  static_cast<void>(obeyed);
}

dcnfast_status load(const char* path, bool verify, dcnfast_model** model) noexcept {
  if (model != nullptr) *model = nullptr;
  if (path == nullptr || model == nullptr)
    return failed(DCNFAST_BAD_ARGUMENT, "dcnfast_load: path or model is NULL");
  return guarded("the model cannot be loaded: ", [&] {
    obey_environment();
    *model = new dcnfast_model(path, verify);
  });
}

const dcn::Input* input_of(const dcnfast_model* model, std::size_t column) noexcept {
  if (model == nullptr || column >= model->encoder->inputs().size()) return nullptr;
  return &model->encoder->inputs()[column];
}

}  // namespace

int dcnfast_api_version(void) { return DCNFAST_API_VERSION; }

const char* dcnfast_version(void) { return DCNFAST_VERSION; }

const char* dcnfast_error_message(void) { return message.c_str(); }

dcnfast_status dcnfast_load(const char* path, dcnfast_model** model) {
  return load(path, true, model);
}

dcnfast_status dcnfast_load_unverified(const char* path, dcnfast_model** model) {
  return load(path, false, model);
}

void dcnfast_free(dcnfast_model* model) { delete model; }

std::size_t dcnfast_n_columns(const dcnfast_model* model) {
  return model == nullptr ? 0 : model->encoder->inputs().size();
}

const char* dcnfast_column_name(const dcnfast_model* model, std::size_t column) {
  const dcn::Input* input = input_of(model, column);
  return input == nullptr ? nullptr : input->name.c_str();
}

dcnfast_kind dcnfast_column_kind(const dcnfast_model* model, std::size_t column) {
  const dcn::Input* input = input_of(model, column);
  return input == nullptr ? static_cast<dcnfast_kind>(0) : input->kind;
}

std::size_t dcnfast_n_outputs(const dcnfast_model* model) {
  return model == nullptr ? 0 : model->answers->size();
}

const char* dcnfast_output_name(const dcnfast_model* model, std::size_t output) {
  if (output >= dcnfast_n_outputs(model)) return nullptr;
  return model->answers->name(output).c_str();
}

dcnfast_status dcnfast_score(const dcnfast_model* model, std::size_t n_rows,
                             const dcnfast_column* columns, std::size_t n_columns,
                             std::size_t n_threads, double* out) {
  if (model == nullptr || columns == nullptr || out == nullptr)
    return failed(DCNFAST_BAD_ARGUMENT, "dcnfast_score: model, columns or out is NULL");
  return guarded("dcnfast_score: ", [&] {
    const std::size_t wanted = model->encoder->inputs().size();
    if (n_columns != wanted)
      throw dcn::Failure(DCNFAST_BAD_ARGUMENT, "there are " + std::to_string(n_columns) +
                                                   " columns, want " + std::to_string(wanted) +
                                                   ", those of fit");
    const std::size_t all = n_threads == 0 ? std::thread::hardware_concurrency() : n_threads;
    const std::size_t threads = std::clamp<std::size_t>(all, 1, dcn::kMostThreads);
    if (n_rows > 0) model->scorer->score(out, columns, n_rows, threads);
  });
}
