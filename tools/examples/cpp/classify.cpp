// classify.cpp - the E3 library from C++17: what is acquired is given back by a destructor, a failure is an exception.
// Usage: classify MODEL.e3 FRAME.rgb WIDTH HEIGHT
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "e3.h"

namespace {

void check(const std::string &what, e3_status status) {
  if (status != E3_OK) throw std::runtime_error(what + ": " + e3_status_text(status));
}

struct AlignedDelete {
  std::size_t alignment;
  void operator()(std::uint8_t *bytes) const { ::operator delete[](bytes, std::align_val_t(alignment)); }
};
using AlignedBytes = std::unique_ptr<std::uint8_t[], AlignedDelete>;

AlignedBytes allocate(std::size_t size, std::size_t alignment) {
  return AlignedBytes(static_cast<std::uint8_t *>(::operator new[](size, std::align_val_t(alignment))),
                      AlignedDelete{alignment});
}

std::vector<std::uint8_t> read(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be opened");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A model file in memory. A real program would map it, as classify.c does.
class Model {
public:
  explicit Model(const std::string &path) {
    const std::vector<std::uint8_t> file = read(path);
    bytes_ = allocate(file.size(), 64);
    std::copy(file.begin(), file.end(), bytes_.get());
    check(path, e3_model_open(bytes_.get(), file.size(), &model_));
  }
  const e3_model *get() const { return &model_; }

  /// The name of a class; empty when the file has none.
  std::string_view label(std::uint32_t index) const {
    const char *text = nullptr;
    std::size_t length = 0;
    if (e3_model_get_label(&model_, index, &text, &length) != E3_OK) return {};
    return {text, length};
  }

private:
  AlignedBytes bytes_;
  e3_model model_{};
};

/// A session and its arena. `model` must outlive it.
class Session {
public:
  Session(const Model &model, std::uint32_t threads) {
    e3_session_options options{};
    options.struct_size = sizeof options;
    options.threads = threads;
    std::size_t size = 0, alignment = 0;
    check("session", e3_session_query(model.get(), &options, &size, &alignment));
    arena_ = allocate(size, alignment);
    check("session", e3_session_create(model.get(), &options, arena_.get(), size, &session_));
  }
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;
  ~Session() { e3_session_destroy(session_); }

  /// The answer to a frame; it holds until the next one.
  e3_result run(const e3_frame &frame) {
    e3_result result{};
    result.struct_size = sizeof result;
    check("frame", e3_session_run_frame(session_, &frame, &result));
    return result;
  }

private:
  AlignedBytes arena_{nullptr, AlignedDelete{1}};
  e3_session *session_ = nullptr;
};

void classify(char **arguments) {
  const Model model(arguments[0]);
  Session session(model, 2);
  const std::vector<std::uint8_t> pixels = read(arguments[1]);
  e3_frame frame{};
  frame.struct_size = sizeof frame;
  frame.format = E3_PIXEL_RGB24;
  frame.width = static_cast<std::uint32_t>(std::stoul(arguments[2]));
  frame.height = static_cast<std::uint32_t>(std::stoul(arguments[3]));
  frame.planes[0] = pixels.data();
  frame.sizes[0] = pixels.size();

  const e3_result answer = session.run(frame);
  switch (answer.decision) {
    case E3_DECISION_ACCEPT: std::puts("accept"); break;
    case E3_DECISION_UNSURE: std::puts("unsure"); break;
    case E3_DECISION_UNKNOWN: std::puts("unknown"); break;
    default: break;
  }
  std::vector<std::uint32_t> ranking(answer.classes);
  std::iota(ranking.begin(), ranking.end(), 0U);
  const auto shown = ranking.begin() + std::min<std::ptrdiff_t>(3, static_cast<std::ptrdiff_t>(ranking.size()));
  std::partial_sort(ranking.begin(), shown, ranking.end(),
                    [&](std::uint32_t a, std::uint32_t b) { return answer.probabilities[a] > answer.probabilities[b]; });
  std::for_each(ranking.begin(), shown, [&](std::uint32_t index) {
    const std::string label(model.label(index));
    std::printf("%u %s: %.3f\n", static_cast<unsigned>(index), label.c_str(),
                static_cast<double>(answer.probabilities[index]));
  });
  std::printf("uncertainty %.3f nats, %.3f of it between %u members\n", static_cast<double>(answer.total_entropy),
              static_cast<double>(answer.mutual_information), static_cast<unsigned>(answer.members));
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: classify MODEL.e3 FRAME.rgb WIDTH HEIGHT\n");
    return 2;
  }
  try {
    classify(argv + 1);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "classify: %s\n", error.what());
    return 1;
  }
  return 0;
}
