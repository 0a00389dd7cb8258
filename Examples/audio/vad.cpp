// Where somebody speaks: silero-vad over the C library, frame by frame, as audio arrives.
//
//   vad MODEL.onnx FILE.wav [--frames]     16 kHz, mono, 16 bits
//   vad --synthesize FILE.wav              a file to try it on: silence, noise, sung vowels
//
// The network keeps a state of its own between frames of 512 samples (32 ms); each frame goes in with
// the 64 samples before it. One call of martlet_run for each frame, no allocation between frames.

#include <martlet.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int64_t kFrame = 512, kContext = 64, kRate = 16000, kState = 2 * 1 * 128;

void check(martlet_status status) {
  if (status != MARTLET_OK) throw std::runtime_error(martlet_last_error());
}

uint32_t number(const std::vector<char> &bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// The samples of a WAV file, -1 … 1. Chunks that are not known are skipped.
std::vector<float> read_wav(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be opened");
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.size() < 12 || memcmp(bytes.data(), "RIFF", 4) != 0
      || memcmp(bytes.data() + 8, "WAVE", 4) != 0)
    throw std::runtime_error(path + ": no WAV file");
  bool known = false;
  for (size_t at = 12; at + 8 <= bytes.size();) {
    const size_t size = number(bytes, at + 4, 4);
    if (size > bytes.size() - at - 8) throw std::runtime_error(path + ": cut off");
    if (memcmp(&bytes[at], "fmt ", 4) == 0 && size >= 16) {
      known = number(bytes, at + 8, 2) == 1 && number(bytes, at + 10, 2) == 1
              && number(bytes, at + 12, 4) == kRate && number(bytes, at + 22, 2) == 16;
      if (!known) throw std::runtime_error(path + ": expected 16 kHz, mono, 16 bits");
    } else if (memcmp(&bytes[at], "data", 4) == 0 && known) {
      std::vector<float> samples(size / 2);
      for (size_t i = 0; i < samples.size(); ++i)
        samples[i] = static_cast<int16_t>(number(bytes, at + 8 + 2 * i, 2)) / 32768.0f;
      return samples;
    }
    at += 8 + size + size % 2;
  }
  throw std::runtime_error(path + ": no samples");
}

// The detector: a session with its arrays bound once.
class Detector {
 public:
  explicit Detector(const char *path) {
    check(martlet_model_load(path, &model_));
    const martlet_dimension dimensions[] = {{"batch", 1}, {"sequence", kContext + kFrame}};
    martlet_options options = martlet_default_options();
    options.threads = 1;
    options.dimensions = dimensions;
    options.dimension_count = 2;
    check(martlet_session_create(model_, &options, &session_));
    const int64_t input[] = {1, kContext + kFrame}, state[] = {2, 1, 128}, output[] = {1, 1};
    check(martlet_bind_input(session_, "input", input_.data(), MARTLET_F32, input, 2));
    check(martlet_bind_input(session_, "state", state_.data(), MARTLET_F32, state, 3));
    check(martlet_bind_input(session_, "sr", &rate_, MARTLET_I64, nullptr, 0));
    check(martlet_bind_output(session_, "output", &probability_, MARTLET_F32, output, 2));
    check(martlet_bind_output(session_, "stateN", next_.data(), MARTLET_F32, state, 3));
  }
  ~Detector() {
    martlet_session_free(session_);
    martlet_model_free(model_);
  }
  Detector(const Detector &) = delete;
  Detector &operator=(const Detector &) = delete;

  // How likely it is that somebody speaks in the next 512 samples.
  float operator()(const float *samples) {
    memmove(input_.data(), input_.data() + kFrame, kContext * sizeof(float));
    memcpy(input_.data() + kContext, samples, kFrame * sizeof(float));
    check(martlet_run(session_));
    state_ = next_;
    return probability_;
  }

 private:
  martlet_model *model_ = nullptr;
  martlet_session *session_ = nullptr;
  alignas(64) std::array<float, kContext + kFrame> input_{};
  alignas(64) std::array<float, kState> state_{}, next_{};
  int64_t rate_ = kRate;
  float probability_ = 0;
};

// Four seconds: silence, noise, vowels (a pulse train through three resonances each), silence.
void synthesize(const std::string &path) {
  std::vector<int16_t> samples(4 * kRate);
  uint32_t seed = 1;
  const auto random = [&] { return static_cast<int32_t>(seed = seed * 1664525 + 1013904223) / 2147483648.0; };
  const double formants[4][3] = {{730, 1090, 2440}, {270, 2290, 3010}, {570, 840, 2410}, {530, 1840, 2480}};
  double y[3][2] = {}, phase = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double t = static_cast<double>(i) / kRate;
    double x = 0.0005 * random();
    if (t >= 0.8 && t < 1.3) x = 0.02 * random();
    if (t >= 1.6 && t < 3.4) {
      const double pitch = 120 + 25 * std::sin(2 * M_PI * 0.9 * t) + 4 * std::sin(2 * M_PI * 5.5 * t);
      phase += pitch / kRate;
      double pulse = 0.02 * random();
      if (phase >= 1) {
        phase -= 1;
        pulse += 1;
      }
      const auto *f = formants[static_cast<int>(t * 5) % 4];
      const double loudness = std::pow(std::sin(M_PI * std::fmod(t * 5, 1)), 0.4);
      for (int k = 0; k < 3; ++k) {
        const double r = std::exp(-M_PI * (60 + 30 * k) / kRate), angle = 2 * M_PI * f[k] / kRate;
        const double z = pulse + 2 * r * std::cos(angle) * y[k][0] - r * r * y[k][1];
        y[k][1] = y[k][0];
        y[k][0] = z;
        x += 0.06 / (1 + k) * loudness * z;
      }
    }
    samples[i] = static_cast<int16_t>(std::lround(32767 * std::fmax(-1, std::fmin(1, x))));
  }
  const uint32_t size = static_cast<uint32_t>(samples.size() * 2);
  std::ofstream file(path, std::ios::binary);
  const auto put = [&](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file.put(static_cast<char>(value >> (8 * i)));
  };
  file << "RIFF", put(36 + size, 4), file << "WAVEfmt ", put(16, 4), put(1, 2), put(1, 2);
  put(kRate, 4), put(2 * kRate, 4), put(2, 2), put(16, 2), file << "data", put(size, 4);
  for (const int16_t s : samples) put(static_cast<uint16_t>(s), 2);
}

}  // namespace

int main(int argc, char **argv) try {
  if (argc == 3 && std::string(argv[1]) == "--synthesize") {
    synthesize(argv[2]);
    return 0;
  }
  const bool frames = argc == 4 && std::string(argv[3]) == "--frames";
  if (argc != 3 && !frames) {
    std::cerr << "usage: vad MODEL.onnx FILE.wav [--frames]\n";
    return 64;
  }
  const std::vector<float> samples = read_wav(argv[2]);
  Detector detector(argv[1]);
  double began = -1, slowest = 0, total = 0;
  int count = 0;
  for (size_t at = 0; at + kFrame <= samples.size(); at += kFrame, ++count) {
    const auto start = std::chrono::steady_clock::now();
    const float p = detector(&samples[at]);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    total += took.count();
    slowest = std::fmax(slowest, took.count());
    const double t = static_cast<double>(at) / kRate;
    if (frames) std::printf("%.6f\n", p);
    // Speech begins above one half and ends below 0.35, as in silero's own iterator.
    if (began < 0 && p >= 0.5f) began = t;
    if (began >= 0 && p < 0.35f) {
      if (!frames) std::printf("speech from %.2f s to %.2f s\n", began, t);
      began = -1;
    }
  }
  if (began >= 0 && !frames) std::printf("speech from %.2f s to the end\n", began);
  std::fprintf(stderr, "%d frames of 32 ms: %.3f ms each, %.3f at most\n", count, total / count, slowest);
  return 0;
} catch (const std::exception &error) {
  std::cerr << "error: " << error.what() << "\n";
  return 1;
}
