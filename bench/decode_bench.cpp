// What decoding costs: time beyond parsing, and the memory of the model, by number of pods.
#include <malloc.h>

#include <time.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "margay/model/decode.hpp"

namespace {

// Processor time: the machine may be busy with other things.
struct Time {
  using duration = std::chrono::nanoseconds;
  static duration now() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec};
  }
};

std::string pod(unsigned i) {
  const unsigned deployment = i / 20;
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"app-{0}-6f7c9d8b5-{1:05}","namespace":"team-{2}","labels":)"
      R"({{"app":"app-{0}","pod-template-hash":"6f7c9d8b5","tier":"backend","version":"v1"}},"annotations":)"
      R"({{"cni.projectcalico.org/podIP":"10.{3}.{4}.{5}/32","cni.projectcalico.org/containerID":"0123456789abcdef"}}}},)"
      R"("spec":{{"nodeName":"node-{6}","serviceAccountName":"default","containers":[{{"name":"c","image":"x","ports":)"
      R"([{{"name":"http","containerPort":8080,"protocol":"TCP"}}]}}]}},"status":{{"phase":"Running","podIP":"10.{3}.{4}.{5}",)"
      R"("podIPs":[{{"ip":"10.{3}.{4}.{5}"}}]}}}})",
      deployment, i, deployment % 200, i >> 16, i >> 8 & 255, i & 255, i % 1000);
}

std::size_t used() { return mallinfo2().uordblks; }

double seconds(Time::duration d) { return std::chrono::duration<double>(d).count(); }

void measure(unsigned pods) {
  std::vector<margay::Decoded> model;
  model.reserve(pods);
  const std::size_t before = used();
  Time::duration parsing{}, decoding{};
  for (unsigned i = 0; i < pods; ++i) {
    const std::string text = pod(i);
    const auto t0 = Time::now();
    const auto manifest = nlohmann::json::parse(text);
    const auto t1 = Time::now();
    const auto id = margay::identify(manifest);
    model.push_back(margay::decode(*id, manifest, {}));
    const auto t2 = Time::now();
    parsing += t1 - t0;
    decoding += t2 - t1;
    if (!model.back().errors.empty()) std::printf("error: %s\n", model.back().errors[0].reason.c_str());
  }
  const std::size_t after = used();
  std::printf("%8u  %10.2f  %11.2f  %12.1f  %10.0f\n", pods, seconds(parsing) / pods * 1e6, seconds(decoding) / pods * 1e6,
              static_cast<double>(after - before) / 1e6, static_cast<double>(after - before) / pods);
}

}  // namespace

int main() {
  std::printf("    pods  parse us/1  decode us/1  model memory  bytes each\n");
  for (const unsigned pods : {1000u, 10000u, 100000u}) measure(pods);
}
