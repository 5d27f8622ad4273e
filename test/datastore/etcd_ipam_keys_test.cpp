// Calico's v1 keys of address management and of Felix's status.
#include "etcd_ipam_keys.hpp"

#include <random>

#include <nlohmann/json.hpp>

#include "etcd_status_keys.hpp"
#include "margay/base/hash.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

using namespace margay;
using namespace margay::datastore;
using nlohmann::json;

namespace {

constexpr const char* kBlockValue =
    R"j({"cidr":"192.168.11.0/30","affinity":"host:node1","affinity_claim_time":"2026-08-01T10:00:00Z","allocations":[0,null,1,null],"unallocated":[1,3],"attributes":[{"handle_id":"vxlan-tunnel-addr-node1","secondary":{"node":"node1","type":"vxlanTunnelAddress"}},{"handle_id":"k8s-pod-network.9c0f1e","secondary":{"namespace":"default","node":"node1","pod":"web-0","timestamp":"2026-08-01 10:02:11.123456789 +0000 UTC"}}],"sequenceNumber":1785578400123456789,"sequenceNumberForAllocation":{"0":1785578400123456787,"2":1785578400123456788},"deleted":false})j";

struct Pair {
  const char* key;
  std::string value;
  ObjectId id;
};

std::vector<Pair> pairs() {
  return {
      {"/calico/ipam/v2/assignment/ipv4/block/192.168.11.0-30", kBlockValue, {Kind::IPAMBlock, "", "192-168-11-0-30"}},
      {"/calico/ipam/v2/assignment/ipv6/block/fd80:24e2::-122",
       R"({"affinity":null,"allocations":[],"attributes":[],"cidr":"fd80:24e2::/122","deleted":false,"hostAffinity":"x","sequenceNumber":18446744073709551615,"unallocated":[]})",
       {Kind::IPAMBlock, "", "fd80-24e2---122"}},
      {"/calico/ipam/v2/host/node1/ipv4/block/192.168.11.0-26",
       R"({"state":"confirmed","deleted":false})",
       {Kind::BlockAffinity, "", "node1-192-168-11-0-26"}},
      {"/calico/ipam/v2/virtual/load-balancer/ipv6/block/fd00::-122",
       R"({"state":"pendingDeletion","deleted":true,"new":[1]})",
       {Kind::BlockAffinity, "", "load-balancer-fd00---122"}},
      {"/calico/ipam/v2/handle/K8s-Pod.9c0f1e",
       R"({"block":{"192.168.11.0/26":1},"deleted":false})",
       {Kind::IPAMHandle, "", "k8s-pod.9c0f1e"}}};
}

std::string error_of(const Result<std::string>& result) { return result ? "written: " + *result : result.error().text; }

}  // namespace

TEST_CASE("what Calico's address management writes is read, and is written back as it was") {
  for (const Pair& pair : pairs()) {
    INFO(pair.key);
    REQUIRE(ipam_id_of(pair.key) == pair.id);
    const auto manifest = ipam_manifest_of(pair.key, pair.value, 9);
    REQUIRE(manifest);
    CHECK((*manifest)["metadata"] == json{{"name", pair.id.name}, {"resourceVersion", "9"}});
    const auto named = identify(*manifest);
    REQUIRE(named);
    CHECK(*named == pair.id);
    const auto key = ipam_key_of(pair.id, *manifest);
    REQUIRE(key);
    CHECK(*key == pair.key);
    const auto value = ipam_value_of(pair.id, *manifest);
    REQUIRE(value);
    CHECK(json::parse(*value) == json::parse(pair.value));
    const IpamKeys keys = ipam_keys_of(pair.id);
    CHECK((keys.others || std::find(keys.likely.begin(), keys.likely.end(), pair.key) != keys.likely.end()));
    CHECK(keys.others == (pair.id.kind == Kind::IPAMHandle));
  }
}

TEST_CASE("a block has the fields of its custom resource, its numbers exact") {
  const json spec = (*ipam_manifest_of(pairs()[0].key, kBlockValue, 1))["spec"];
  CHECK(spec["affinityClaimTime"] == "2026-08-01T10:00:00Z");
  CHECK_FALSE(spec.contains("affinity_claim_time"));
  CHECK(spec["sequenceNumber"].get<std::uint64_t>() == 1785578400123456789);
  CHECK(spec["attributes"][0]["handle_id"] == "vxlan-tunnel-addr-node1");
  json manifest{{"spec", spec}};
  manifest["spec"]["strictAffinity"] = false;  // the custom resource must have it, etcd does not
  CHECK(json::parse(*ipam_value_of({Kind::IPAMBlock, "", ""}, manifest)) == json::parse(kBlockValue));
  const json bare = json::parse(*ipam_value_of({Kind::IPAMBlock, "", ""}, {{"spec", {{"cidr", "10.0.0.0/26"}}}}));
  CHECK(
      bare ==
      json::parse(R"({"cidr":"10.0.0.0/26","affinity":null,"allocations":[],"unallocated":[],"attributes":[],"deleted":false})"));
}

TEST_CASE("affinities: what older writers left out, and the text that the manifest has for deleted") {
  const char* const key = "/calico/ipam/v2/host/node1/ipv4/block/10.0.0.0-26";
  for (const char* value : {"", "{}", R"({"state":""})"}) {
    const auto manifest = ipam_manifest_of(key, value, 1);
    REQUIRE(manifest);
    CHECK((*manifest)["spec"] ==
          json{{"state", "confirmed"}, {"deleted", "false"}, {"node", "node1"}, {"type", "host"}, {"cidr", "10.0.0.0/26"}});
    const Decoded decoded = decode({Kind::BlockAffinity, "", "node1-10-0-0-0-26"}, *manifest, {});
    CHECK(decoded.errors.empty());
  }
  const auto gone = ipam_manifest_of(key, R"({"state":"pending","deleted":true})", 1);
  CHECK((*gone)["spec"]["deleted"] == "true");
  CHECK_FALSE(ipam_manifest_of(key, "[]", 1));
  CHECK_FALSE(ipam_manifest_of("/calico/ipam/v2/handle/a", "", 1));
}

TEST_CASE("keys that are none of address management's objects are no objects") {
  for (const char* key :
       {"", "/calico/ipam/v2/host/node1", "/calico/ipam/v2/host/node1/", "/calico/ipam/v2/host//ipv4/block/10.0.0.0-26",
        "/calico/ipam/v2/host/node1/ipv4/block/10.0.0.1-26", "/calico/ipam/v2/host/node1/ipv4/block/10.0.0.0",
        "/calico/ipam/v2/host/node1/ipv6/block/10.0.0.0-26", "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-33",
        "/calico/ipam/v2/assignment/ipv6/block/FD00::-122", "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-026",
        "/calico/ipam/v2/handle/", "/calico/ipam/v2/config", "/calico/resources/v3/projectcalico.org/ippools/a"}) {
    INFO(key);
    CHECK_FALSE(ipam_id_of(key));
    CHECK_FALSE(ipam_manifest_of(key, "{}", 1));
  }
}

TEST_CASE("names of affinities: ambiguous ones are looked for everywhere they may be, long ones are cut") {
  const IpamKeys keys = ipam_keys_of({Kind::BlockAffinity, "", "a-fd00-1---64"});
  const auto has = [&](const char* key) { return std::find(keys.likely.begin(), keys.likely.end(), key) != keys.likely.end(); };
  CHECK(has("/calico/ipam/v2/host/a/ipv6/block/fd00:1::-64"));
  CHECK(has("/calico/ipam/v2/host/a-fd00/ipv6/block/1::-64"));
  CHECK(has("/calico/ipam/v2/virtual/a/ipv6/block/fd00:1::-64"));
  CHECK_FALSE(keys.others);

  const Cidr block = *Cidr::parse("192.168.11.0/26");
  const std::string long_host(240, 'h');
  const auto digest = sha256(long_host + "+192-168-11-0-26");
  const std::string name = affinity_name(long_host, block);
  CHECK(name == std::string(224, 'h') + "-192-168-11-0-26-" + hex(digest.data(), digest.size()).substr(0, 11));
  CHECK(name.size() == 252);
  CHECK(ipam_keys_of({Kind::BlockAffinity, "", name}).others);
  CHECK(affinity_name(std::string(236, 'h'), block) == std::string(236, 'h') + "-192-168-11-0-26");  // 252: not cut
}

TEST_CASE("objects that cannot stand in etcd are refused, saying why") {
  const ObjectId affinity{Kind::BlockAffinity, "", "n-10-0-0-0-26"};
  json spec{{"node", "n"}, {"cidr", "10.0.0.0/26"}, {"state", "pending"}, {"type", "host"}};
  CHECK(error_of(ipam_key_of(affinity, {{"spec", spec}})) == "written: /calico/ipam/v2/host/n/ipv4/block/10.0.0.0-26");
  const auto with = [&](const char* field, json value) {
    json out{{"spec", spec}};
    out["spec"][field] = std::move(value);
    return out;
  };
  CHECK(error_of(ipam_key_of(affinity, with("type", "virtual"))) == "written: /calico/ipam/v2/virtual/n/ipv4/block/10.0.0.0-26");
  CHECK(error_of(ipam_key_of(affinity, with("type", "other"))).starts_with("spec.type"));
  CHECK(error_of(ipam_key_of(affinity, with("cidr", "10.0.0.1/26"))).starts_with("spec.cidr"));
  CHECK(error_of(ipam_key_of(affinity, with("cidr", "10.0.0.0"))).starts_with("spec.cidr"));
  CHECK(error_of(ipam_key_of(affinity, with("node", "n/x"))).starts_with("spec.node"));
  CHECK(error_of(ipam_key_of(affinity, with("node", "m"))) == "metadata.name: must be m-10-0-0-0-26 for what spec says");
  CHECK(error_of(ipam_key_of({Kind::IPAMHandle, "", "a"}, json::object())) == "spec.handleID: is required");
  CHECK(error_of(ipam_key_of({Kind::IPAMHandle, "", "a"}, {{"spec", {{"handleID", "A"}}}})) ==
        "written: /calico/ipam/v2/handle/A");
  CHECK(error_of(ipam_value_of(affinity, {{"metadata", {{"labels", {{"a", "b"}}}}}, {"spec", spec}}))
            .starts_with("metadata.labels"));
}

TEST_CASE("any block and owner: key, name and manifest agree") {
  const std::uint64_t seed = test::from_environment("MARGAY_SEED", std::random_device{}());
  const std::uint64_t rounds = test::from_environment("MARGAY_ITERATIONS", 3000);
  INFO("MARGAY_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (std::uint64_t round = 0; round < rounds; ++round) {
    Addr addr;
    addr.family = random() % 2 == 0 ? Family::V4 : Family::V6;
    const bool sparse = random() % 2 == 0;  // so that "::" occurs
    for (unsigned i = 0; i < bits(addr.family) / 8; ++i)
      addr.bytes[i] = sparse && random() % 3 != 0 ? 0 : static_cast<std::uint8_t>(random());
    if (addr.family == Family::V6) addr.bytes[0] = 0xfd;  // ::/96 has dots in its texts, and no blocks
    const Cidr block{addr, static_cast<unsigned>(random() % (bits(addr.family) - 7) + 8)};
    std::string owner;
    for (auto n = 1 + random() % 3; n > 0; --n) owner += std::string(owner.empty() ? "" : "-") + "a1.f0"[random() % 5];
    const json manifest{{"spec",
                         {{"node", owner},
                          {"cidr", block.to_string()},
                          {"type", random() % 2 == 0 ? "host" : "virtual"},
                          {"state", "pending"},
                          {"deleted", "false"}}}};
    const ObjectId id{Kind::BlockAffinity, "", affinity_name(owner, block)};
    INFO(owner << " " << block.to_string());
    const auto key = ipam_key_of(id, manifest);
    REQUIRE(key);
    REQUIRE(ipam_id_of(*key) == id);
    const IpamKeys keys = ipam_keys_of(id);
    REQUIRE(std::find(keys.likely.begin(), keys.likely.end(), *key) != keys.likely.end());
    const auto again = ipam_manifest_of(*key, *ipam_value_of(id, manifest), 1);
    REQUIRE((*again)["spec"] == manifest["spec"]);

    const ObjectId whole{Kind::IPAMBlock, "", block_name(block)};
    const auto block_key = ipam_key_of(whole, manifest);
    REQUIRE(block_key);
    REQUIRE(ipam_keys_of(whole).likely == std::vector{*block_key});
    REQUIRE(ipam_id_of(*block_key) == whole);
  }
}

TEST_CASE("the configuration of address management: mixed cases, and what is left out is false") {
  CHECK(*ipam_config_of(std::nullopt) ==
        json{{"strictAffinity", false}, {"autoAllocateBlocks", true}, {"kubeVirtVMAddressPersistence", "Enabled"}});
  const auto stored = ipam_config_of(R"({"auto_allocate_blocks":true,"kubeVirtVMAddressPersistence":"Enabled","new":1})");
  REQUIRE(stored);
  CHECK(*stored ==
        json{{"strictAffinity", false}, {"autoAllocateBlocks", true}, {"kubeVirtVMAddressPersistence", "Enabled"}, {"new", 1}});
  CHECK(json::parse(ipam_config_value(*stored)) ==
        json{{"auto_allocate_blocks", true}, {"kubeVirtVMAddressPersistence", "Enabled"}, {"new", 1}});
  CHECK((*ipam_config_of("{}"))["autoAllocateBlocks"] == false);
  CHECK(ipam_config_value({{"maxBlocksPerHost", 0}, {"ipCooldownSeconds", 5}}) == R"({"ipCooldownSeconds":5})");
  CHECK_FALSE(ipam_config_of("[1]"));
}

TEST_CASE("Felix's status keys") {
  CHECK(liveness_key("", "node1") == "/calico/felix/v2/no-region/host/node1/status");
  CHECK(last_report_key("east", "node1") == "/calico/felix/v2/region-east/host/node1/last_reported_status");
  const WorkloadStatusId web{"k8s", "default/web-0", "eth0"};
  const std::string key = workload_status_key("", "node1", web);
  CHECK(key == "/calico/felix/v2/no-region/host/node1/workload/k8s/default%2fweb-0/endpoint/eth0");
  CHECK(parse_workload_status_key("", "node1", key) == web);
  const WorkloadStatusId odd{"a%2fb", "/%", "e%25"};
  CHECK(workload_status_key("", "n", odd).ends_with("/workload/a%252fb/%2f%25/endpoint/e%2525"));
  CHECK(parse_workload_status_key("r", "n", workload_status_key("r", "n", odd)) == odd);
  for (const char* wrong :
       {"/calico/felix/v2/no-region/host/n/workload/a/b/endpoint", "/calico/felix/v2/no-region/host/n/workload/a/b/other/c",
        "/calico/felix/v2/no-region/host/n/workload/a/b/endpoint/c/d", "/calico/felix/v2/no-region/host/n/workload//b/endpoint/c",
        "/calico/felix/v2/no-region/host/n/status"})
    CHECK_FALSE(parse_workload_status_key("", "n", wrong));
  CHECK(host_status_key("node1", "node1-eth0") == "/calico/felix/v1/host/node1/endpoint/node1-eth0");
  CHECK(parse_host_status_key("node1", host_status_key("node1", "a/b")) == "a/b");
  CHECK_FALSE(parse_host_status_key("node1", "/calico/felix/v1/host/node1/endpoint/a/b"));
  CHECK(unescape_segment("%2F%2f%25%41%2") == "//%%41%2");
  CHECK(endpoint_status_value(EndpointStatus::Error) == R"({"status":"error"})");
  CHECK(json::parse(report_value(std::chrono::system_clock::time_point{std::chrono::seconds{1785578400}},
                                 std::chrono::duration<double>{123.45}, false)) ==
        json::parse(R"({"time":"2026-08-01T10:00:00Z","uptime":123.45,"first_update":false})"));
}
