// The calculation graph over sizes: cold start, memory beyond the resources themselves, and one remote pod's label change.
// Cost per object should be flat down each table, and the change should not know the size of the cluster.

#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "calc/graph.hpp"

using namespace margay;
using namespace margay::calc;

namespace {

struct Shape {
  std::size_t pods, policies;
  bool unique_labels;  // every pod has a label of its own, as a StatefulSet's do
};

constexpr std::size_t kLocal = 100, kRulesPerPolicy = 5, kAppsPerNamespace = 5;

class CountingSink final : public MessageSink {
 public:
  void on_message(Message message) override {
    ++messages;
    if (const auto* set = std::get_if<SetUpdate>(&message)) {
      ++sets;
      members += set->members.size();
    }
    if (const auto* delta = std::get_if<SetDelta>(&message)) changes += delta->added.size() + delta->removed.size();
  }
  std::size_t messages = 0, sets = 0, members = 0, changes = 0;
};

Addr address(std::size_t i) {
  Addr a;
  a.bytes = {10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
  return a;
}
Addr address6(std::size_t i) {
  Addr a{.family = Family::V6, .bytes = {0xfd}};
  a.bytes[13] = static_cast<std::uint8_t>(i >> 16);
  a.bytes[14] = static_cast<std::uint8_t>(i >> 8);
  a.bytes[15] = static_cast<std::uint8_t>(i);
  return a;
}
std::string ns_name(std::size_t ns) { return "ns-" + std::to_string(ns); }
std::string app_name(std::size_t app) { return "app-" + std::to_string(app); }

class World {
 public:
  explicit World(const Shape& shape) : namespaces_{std::clamp<std::size_t>(shape.pods / 50, 20, 200)} {
    for (std::size_t ns = 0; ns < namespaces_; ++ns) {
      Profile profile;
      profile.ingress.emplace_back();
      profile.egress.emplace_back();
      profile.labels_to_apply =
          Labels{{"pcns.projectcalico.org/name", ns_name(ns)}, {"pcns.team", "team-" + std::to_string(ns % 10)}};
      add({Kind::Profile, "", "kns." + ns_name(ns)}, std::move(profile));
    }
    for (std::size_t i = 0; i < shape.pods; ++i) add_pod(i, shape, "");
    for (std::size_t i = 0; i < shape.policies; ++i) add_policy(i);
    add({Kind::Tier, "", "default"}, Tier{.order = 1e6});
  }

  void add_pod(std::size_t i, const Shape& shape, const std::string& extra) {
    const std::size_t ns = i % namespaces_;
    WorkloadEndpoint pod;
    pod.node = i < kLocal ? "local" : "node-" + std::to_string(i % 500);
    pod.orchestrator = "k8s";
    pod.interface_name = "cali" + std::to_string(i);
    std::vector<Labels::Pair> labels{{"projectcalico.org/namespace", ns_name(ns)},
                                     {"projectcalico.org/orchestrator", "k8s"},
                                     {"projectcalico.org/serviceaccount", "default"},
                                     {"app", app_name(i / namespaces_ % kAppsPerNamespace)},
                                     {"tier", i % 3 == 0 ? "front" : "back"},
                                     {"pod-template-hash", "h" + std::to_string(i / namespaces_ % kAppsPerNamespace)}};
    if (shape.unique_labels) labels.emplace_back("statefulset.kubernetes.io/pod-name", "pod-" + std::to_string(i));
    if (!extra.empty()) labels.emplace_back("version", extra);
    pod.labels = Labels{std::move(labels)};
    pod.profiles = {Symbol{"kns." + ns_name(ns)}, Symbol{"ksa." + ns_name(ns) + ".default"}};
    pod.nets = {Cidr{address(i)}, Cidr{address6(i)}};
    pod.ports = {{.name = "http", .protocol = protocol::kTcp, .port = 8080}};
    add({Kind::WorkloadEndpoint, ns_name(ns), "pod-" + std::to_string(i)}, std::move(pod));
  }

  std::vector<Update> updates;

 private:
  template <class T>
  void add(Key key, T value) {
    updates.push_back({std::move(key), std::make_shared<const T>(std::move(value))});
  }
  // Selects a local pod; half of its rules name a peer by selector.
  void add_policy(std::size_t i) {
    const std::size_t local = i % kLocal, ns = local % namespaces_;
    const std::string in_ns = " && projectcalico.org/namespace == '" + ns_name(ns) + "'";
    Policy policy;
    policy.order = static_cast<double>(i % 100);
    policy.selector = *Selector::parse("(app == '" + app_name(local / namespaces_ % kAppsPerNamespace) + "')" + in_ns);
    for (std::size_t r = 0; r < kRulesPerPolicy; ++r) {
      Rule rule;
      rule.protocol = protocol::kTcp;
      rule.destination.ports.push_back({static_cast<std::uint16_t>(1000 + r), static_cast<std::uint16_t>(1000 + r)});
      if (r % 2 == 0) {
        const std::string peer = std::to_string((i * kRulesPerPolicy + r) % 7919);
        switch (r) {
          case 0: rule.source.selector = *Selector::parse("(app == '" + app_name(i % kAppsPerNamespace) + "')" + in_ns); break;
          case 2:
            rule.source.selector =
                *Selector::parse("(pcns.projectcalico.org/name == '" + ns_name(i % namespaces_) + "') && (app == '" +
                                 app_name(i / 7 % kAppsPerNamespace) + "' && version != 'v" + peer + "')");
            break;
          default: rule.source.selector = *Selector::parse("(version == 'v" + peer + "' || tier == 'none')" + in_ns); break;
        }
      }
      policy.ingress.push_back(std::move(rule));
    }
    add({Kind::NetworkPolicy, ns_name(ns), "policy-" + std::to_string(i)}, std::move(policy));
  }
  std::size_t namespaces_;
};

// CPU time of this process: the graph does nothing but compute, and benchmarks share machines.
double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}
double seconds_since(double start) { return cpu_seconds() - start; }

void run(const Shape& shape) {
  World world{shape};
  malloc_trim(0);
  const std::size_t before = mallinfo2().uordblks;

  CountingSink sink;
  Graph graph{{.node = "local"}, sink};
  const auto start = cpu_seconds();
  graph.on_state(SyncState::Resync);
  graph.on_updates(world.updates);
  const double read = seconds_since(start);
  graph.on_state(SyncState::InSync);
  graph.flush();
  const double cold = seconds_since(start);
  const double megabytes = static_cast<double>(mallinfo2().uordblks - before) / 1e6;

  // One remote pod's label, back and forth.
  const std::size_t pod = shape.pods - 7;
  const Update& original = *std::find_if(world.updates.begin(), world.updates.end(), [&](const Update& u) {
    return u.key.kind == Kind::WorkloadEndpoint && u.key.name == Symbol{"pod-" + std::to_string(pod)};
  });
  std::vector<double> times;
  for (int i = 0; i < 201; ++i) {
    Update update{.key = original.key, .value = std::nullopt};
    WorkloadEndpoint endpoint = *std::get<Ref<WorkloadEndpoint>>(*original.value);
    std::vector<Labels::Pair> labels = endpoint.labels.pairs();
    for (auto& [key, value] : labels) {
      if (key == "app") value = app_name(static_cast<std::size_t>(i) % kAppsPerNamespace);
    }
    endpoint.labels = Labels{std::move(labels)};
    update.value = std::make_shared<const WorkloadEndpoint>(std::move(endpoint));
    const auto t = cpu_seconds();
    graph.on_updates({&update, 1});
    graph.flush();
    times.push_back(seconds_since(t));
  }
  std::sort(times.begin(), times.end());
  const Counters counters = graph.counters();
  std::printf("%8zu %8zu %-7s %8zu %9zu %9zu %8.3f %8.3f %9.2f %8.1f %9.0f %10.1f %8.1f %8zu\n", shape.pods, shape.policies,
              shape.unique_labels ? "unique" : "shared", counters.label_index_classes, sink.sets, sink.members, read, cold,
              cold * 1e6 / static_cast<double>(world.updates.size()), megabytes,
              megabytes * 1e6 / static_cast<double>(world.updates.size()), times[times.size() / 2] * 1e6,
              times[times.size() * 99 / 100] * 1e6, sink.changes);
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  std::printf("%8s %8s %-7s %8s %9s %9s %8s %8s %9s %8s %9s %10s %8s %8s\n", "pods", "policies", "labels", "classes", "sets",
              "members", "read s", "cold s", "us/object", "MB", "B/object", "relabel us", "p99 us", "changes");
  for (const bool unique : {false, true}) {
    for (const auto& [pods, policies] :
         {std::pair<std::size_t, std::size_t>{1000, 100}, {10000, 1000}, {30000, 1500}, {100000, 2000}}) {
      if (quick && pods > 10000) continue;
      run({.pods = pods, .policies = policies, .unique_labels = unique});
    }
  }
}
