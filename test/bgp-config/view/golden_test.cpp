// What Calico's generator makes of its own test inputs, compared by meaning: sessions, static routes, listening address.
// Names are not compared (decision 0200), nor filters, which are the renderer's.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster.hpp"
#include "margay/model/decode.hpp"
#include "support/catch.hpp"
#include "yaml.hpp"

namespace margay::bgp::test {

namespace {

namespace fs = std::filesystem;

struct Scenario {
  const char* name;                      // of the file in expected/
  std::vector<const char*> inputs = {};  // folders, later ones over earlier ones; none: the one of that name
  const char* cluster_routes = nullptr;  // set in BGPConfiguration default
  const char* password = nullptr;        // my-secrets-1/a
};

const Scenario kScenarios[] = {
    {"next_hop_mode/global_peers"},
    {"mesh/communities"},
    {"mesh/communities/step2", {"mesh/communities", "mesh/communities/step2"}},
    {"mesh/static-routes"},
    {"mesh/static-routes/step2", {"mesh/static-routes", "mesh/static-routes/step2"}},
    {"mesh/restart-time"},
    {"mesh/restart-time/pcr-ipip-only", {"mesh/restart-time"}, "EnabledIPIPOnly"},
    {"mesh/restart-time/pcr-disabled", {"mesh/restart-time"}, "Disabled"},
    {"mesh/restart-time/pcr-enabled", {"mesh/restart-time"}, "Enabled"},
    {"mesh/route-reflector-mesh-enabled"},
    {"mesh/bgp-export"},
    {"mesh/ipip-off"},
    {"mesh/password/step1", {"mesh_password"}},
    {"mesh/password/step2", {"mesh_password"}, nullptr, "password-a"},
    {"mesh/password/step3", {"mesh_password"}, nullptr, "new-password-a"},
    {"explicit_peering/local-as"},
    {"explicit_peering/keepnexthop"},
    {"explicit_peering/selectors"},
    {"explicit_peering/selectors/step2", {"explicit_peering/selectors", "explicit_peering/selectors/step2"}},
    {"explicit_peering/global"},
    {"explicit_peering/specific_node"},
    {"explicit_peering/route_reflector"},
    {"reverse_peering/manual"},
    {"reverse_peering/auto"},
    {"reachable_by/global_peers"},
    {"ttl_security/global"},
    {"bgpfilter/communities_and_operations"},
    {"bgpfilter/match_operators"},
    {"bgpfilter/import_only/explicit_peer"},
    {"bgpfilter/import_only/global_peer"},
    {"bgpfilter/single_filter/global_peer"},
};

// Lines that only one side has, and why that is meant.
struct Difference {
  const char* scenario;
  const char* line;  // "- …": only Calico's; "+ …": only ours
  const char* reason;
};

// At present these scenarios touch nothing that decisions 0200 to 0204 do otherwise.
const std::vector<Difference> kDifferences = {};

std::string text_of(const fs::path& path) {
  std::ifstream in{path};
  REQUIRE(in);
  return {std::istreambuf_iterator<char>{in}, {}};
}

// What the tools do on the way to the API server: labels are texts, and kubectl writes no status.
void complete(nlohmann::json& manifest) {
  auto& metadata = manifest["metadata"];
  if (metadata.contains("labels"))
    for (auto& [key, value] : metadata["labels"].items())
      if (!value.is_string()) value = value.dump();
  const std::string kind = manifest.value("kind", "");
  if (kind == "Service" || kind == "EndpointSlice") {
    manifest.erase("status");
    if (!metadata.contains("namespace")) metadata["namespace"] = "default";
  }
  if (manifest.contains("spec") && manifest["spec"].is_null()) manifest["spec"] = nlohmann::json::object();
}

void load(View& view, const fs::path& file, const Scenario& scenario) {
  const auto parsed = datastore::parse_manifests(text_of(file));
  INFO(file << (parsed.error ? ": " + parsed.error->text() : ""));
  REQUIRE_FALSE(parsed.error);
  for (const auto& document : parsed.documents) {
    nlohmann::json manifest = document.value;
    complete(manifest);
    const auto id = identify(manifest);
    REQUIRE(id);
    if (scenario.cluster_routes != nullptr && id->kind == Kind::BGPConfiguration && id->name == "default")
      manifest["spec"]["programClusterRoutes"] = scenario.cluster_routes;
    const auto decoded = decode(*id, manifest, {});
    for (const auto& error : decoded.errors) FAIL_CHECK(id->name << ": " << error.field << " " << error.reason);
    REQUIRE(decoded.key);
    view.on_update({*decoded.key, decoded.value, {}});
  }
}

using Lines = std::multiset<std::string>;

Lines expected(const fs::path& file) {
  const auto json = nlohmann::json::parse(text_of(file));
  Lines out;
  for (const char* family : {"ipv4", "ipv6"}) {
    const auto& part = json.at(family);
    out.insert(fmt::format("{} router id {}", family, part.at("router_id").get<std::string>()));
    out.insert(fmt::format("{} {}", family, part.at("listen").is_null() ? "" : part.at("listen").get<std::string>()));
    out.insert(fmt::format("{} interfaces {}", family, part.at("direct_interfaces").get<std::string>()));
    for (const auto& route : part.at("static_routes"))
      out.insert(fmt::format("{} route {} {}", family, route.at(0).get<std::string>(), route.at(1).get<std::string>()));
    for (const auto& s : part.at("sessions")) {
      const auto value = [&](const char* key, const char* otherwise = "-") { return s.value(key, otherwise); };
      const bool gtsm = value("ttl") == "on";
      out.insert(
          fmt::format("{} session {} port {} as {} local {} source {}{} hops {} restart {} keepalive {} password {} client {} of "
                      "{}{}{} allow {}",
                      family, value("neighbor"), value("port", "179"), value("asn"), value("local_as"), value("source"),
                      s.value("passive", false) ? " passive" : "", gtsm ? value("multihop") : "-", value("gr"),
                      value("keepalive"), value("password"), s.value("rr", false), value("cluster"),
                      s.value("nhkeep", false) ? " keep" : "", s.value("nhself", false) ? " self" : "", value("allow_as")));
    }
  }
  return out;
}

template <class T>
std::string or_dash(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : "-";
}

Lines actual(const Router& router) {
  Lines out;
  for (const Family family : kFamilies) {
    const std::string name = fmt::format("ipv{}", digit(family));
    const FamilyView& view = router.families[index(family)];
    out.insert(fmt::format("{} router id {}", name, router.router_id->to_string()));
    const bool bound = router.bind_node_ip && view.node_ip;
    out.insert(name + " " +
               (bound || router.listen_port
                    ? fmt::format("listen bgp{} port {};", bound ? " address " + view.node_ip->to_string() : "",
                                  router.listen_port.value_or(179))
                    : ""));
    std::string interfaces;
    for (const std::string& pattern : router.ignored_interfaces) interfaces += fmt::format("-\"{}\", ", pattern);
    out.insert(fmt::format("{} interfaces {}-\"cali*\", -\"kube-ipvs*\", \"*\"", name, interfaces));
    for (const StaticRoute& route : view.statics)
      out.insert(
          fmt::format("{} route {} {}", name, route.net.to_string(), route.via ? "via " + route.via->to_string() : "blackhole"));
  }
  for (const Session& s : router.sessions) {
    const auto hops = s.ttl_hops ? std::optional{unsigned{*s.ttl_hops}} : std::nullopt;
    out.insert(fmt::format(
        "ipv{} session {} port {} as {} local {} source {}{} hops {} restart {} keepalive {} password {} client {} of {}{}{} "
        "allow {}",
        digit(s.family), s.peer->to_string(), s.port.value_or(179), s.remote_as, s.local_as,
        s.source ? s.source->to_string() : "-", s.passive ? " passive" : "", or_dash(hops), or_dash(s.restart_time),
        or_dash(s.keepalive_time), s.password.empty() ? "-" : s.password, s.cluster_id.has_value(),
        s.cluster_id ? s.cluster_id->to_string() : "-", s.next_hop == Session::NextHop::Keep ? " keep" : "",
        s.next_hop == Session::NextHop::Self ? " self" : "", s.allowed_local_as == 0 ? "-" : std::to_string(s.allowed_local_as)));
  }
  return out;
}

}  // namespace

TEST_CASE("what Calico's generator makes of its test inputs, and no difference that is not meant") {
  const fs::path root{GOLDEN_DIR};
  std::set<std::string> unused;
  for (const auto& entry : fs::recursive_directory_iterator{root / "expected"})
    if (entry.is_regular_file()) unused.insert(fs::relative(entry.path(), root / "expected").replace_extension().string());
  for (const Scenario& scenario : kScenarios) {
    INFO(scenario.name);
    unused.erase(scenario.name);
    ViewOptions options;
    options.node = "kube-master";
    View view{options};
    std::vector<const char*> folders = scenario.inputs;
    if (folders.empty()) folders = {scenario.name};
    for (const char* folder : folders)
      for (const char* file : {"input.yaml", "kubectl-input.yaml"})
        if (const fs::path path = root / "input" / folder / file; fs::exists(path)) load(view, path, scenario);
    for (const char* net : {"192.168.221.64/26", "192.168.221.192/26", "10.1.0.0/24", "10.0.0.0/30"}) {
      BlockAffinity block;
      block.node = options.node;
      block.cidr = cidr(net);
      view.on_update(update(Kind::BlockAffinity, net, block));
    }
    if (scenario.password != nullptr)
      view.on_update(update(Kind::Secret, "my-secrets-1", Secret{{{"a", scenario.password}}}, "kube-system"));
    const auto router = view.router();
    REQUIRE(router);
    Lines theirs = expected(root / "expected" / (std::string{scenario.name} + ".json")), ours = actual(**router);
    REQUIRE(theirs.size() > 4);
    std::set<std::string> differences, meant;
    for (const std::string& line : theirs)
      if (theirs.count(line) != ours.count(line)) differences.insert("- " + line);
    for (const std::string& line : ours)
      if (theirs.count(line) != ours.count(line)) differences.insert("+ " + line);
    for (const Difference& difference : kDifferences)
      if (std::string_view{difference.scenario} == scenario.name) meant.insert(difference.line);
    CHECK(differences == meant);
  }
  CHECK(unused.empty());
}

}  // namespace margay::bgp::test
