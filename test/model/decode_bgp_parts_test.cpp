// Communities, base64, Secret, BlockAffinity, CalicoNodeStatus, and what routing wants of nodes and services.
#include "base64.hpp"
#include "decoding.hpp"

using namespace margay;
using margay::test::check_cases;
using margay::test::decoded;
using margay::test::errors_of;
using margay::test::value_of;
using nlohmann::json;

TEST_CASE("communities") {
  CHECK(Community::parse("0:65535") == Community{false, {0, 65535, 0}});
  CHECK(Community::parse("65535:65281") == Community{false, {65535, 65281, 0}});
  CHECK(Community::parse("4294967295:0:1") == Community{true, {4294967295, 0, 1}});
  CHECK(Community::parse("1:2:0") != Community::parse("1:2"));
  for (const char* text : {"1:2", "0:0", "1:2:3", "4294967295:4294967295:4294967295", "1:2:0"})
    CHECK(Community::parse(text)->to_string() == text);
  CHECK(Community::parse("010:2")->to_string() == "10:2");
  for (const char* bad : {"", "1", ":", "1:", ":1", "1:2:", "1::2", "1:2:3:4", "65536:1", "1:65536", "1:2:4294967296", "-1:2",
                          "+1:2", " 1:2", "1:2 ", "a:b", "0x1:2", "1.2"}) {
    CAPTURE(bad);
    CHECK_FALSE(Community::parse(bad));
  }
}

TEST_CASE("base64") {
  using model::decode_base64;
  CHECK(decode_base64("") == "");
  CHECK(decode_base64("Zg==") == "f");
  CHECK(decode_base64("Zm8=") == "fo");
  CHECK(decode_base64("Zm9v") == "foo");
  CHECK(decode_base64("Zm9vYmFy") == "foobar");
  CHECK(decode_base64("Zm9v\r\nYmE=\n") == "fooba");
  CHECK(decode_base64("+/+/") == "\xfb\xff\xbf");
  CHECK(decode_base64("AAAA") == std::string(3, '\0'));
  for (const char* bad : {"Z", "Zg", "Zg=", "Zm8", "Zg===", "Zm8==", "Zm9v=", "=", "====", "Zg==Zg==", "Zg=a", "Zm 9v", "Zm9-",
                          "Zm9_", "Z===", "\xff"}) {
    CAPTURE(bad);
    CHECK_FALSE(decode_base64(bad));
  }
}

TEST_CASE("a secret") {
  const char* manifest =
      R"j({"apiVersion":"v1","kind":"Secret","type":"Opaque","immutable":true,"metadata":{"name":"bgp","namespace":"kube-system"},
    "data":{"a":"aHVudGVyMg==","b.c_D-1":"","both":"b2xk","none":null},"stringData":{"both":"new","s":"p w"}})j";
  CHECK(errors_of(json::parse(manifest), true) == "");
  const Decoded out = decoded(json::parse(manifest));
  CHECK(*out.key == Key{Kind::Secret, "kube-system", "bgp"});
  CHECK(std::get<Ref<Secret>>(*out.value)->data ==
        std::map<std::string, std::string>{{"a", "hunter2"}, {"b.c_D-1", ""}, {"both", "new"}, {"none", ""}, {"s", "p w"}});
  CHECK(value_of<Secret>(json::parse(R"j({"apiVersion":"v1","kind":"Secret","metadata":{"name":"bgp"}})j"))->data.empty());
  check_cases(manifest, {
                            {R"j({"data":{"a":"hunter2!"}})j", "data.a: is not base64; text as it is goes into stringData\n"},
                            {R"j({"data":{"a b":""}})j", "data[a b]: \"a b\" is not a key of a Secret"},
                            {R"j({"data":{"..a":""}})j", "data[..a]: \"..a\" is not a key"},
                            {R"j({"data":{"a":1}})j", "data.a: must be a text, not an integer\n"},
                            {R"j({"stringData":{"s":true}})j", "stringData.s: must be a text, not a boolean\n"},
                            {R"j({"data":"aHVudGVyMg=="})j", "data: must be an object, not a text\n"},
                        });
  json big = json::parse(manifest);
  big["stringData"]["s"] = std::string(1024 * 1024, 'x');
  CHECK(errors_of(big).starts_with("data: has 10485"));
  CHECK(errors_of(big).size() < 200);
}

TEST_CASE("no error of a secret says what is in it") {
  for (const char* value :
       {R"j("hunter2!")j", R"j("hunter2=")j", R"j(["hunter2"])j", R"j({"hunter2":"hunter2"})j", R"j("hunter2\u0000")j"}) {
    for (const char* field : {"data", "stringData"}) {
      json manifest = json::parse(R"j({"apiVersion":"v1","kind":"Secret","metadata":{"name":"bgp"}})j");
      manifest[field]["a b"] = json::parse(value);
      const std::string found = errors_of(manifest, true);
      CAPTURE(field, value, found);
      CHECK(found != "");
      CHECK(found.find("hunter2") == std::string::npos);
    }
  }
}

TEST_CASE("block affinities") {
  const char* manifest = R"j({"apiVersion":"projectcalico.org/v3","kind":"BlockAffinity","metadata":{"name":"node1-10-0-0-0-26"},
    "spec":{"state":"confirmed","node":"node1","type":"host","cidr":"10.0.0.0/26","deleted":false}})j";
  CHECK(errors_of(json::parse(manifest), true) == "");
  using State = BlockAffinity::State;
  const auto of = [&](const char* patch) {
    json changed = json::parse(manifest);
    changed.merge_patch(json::parse(patch));
    return *value_of<BlockAffinity>(changed);
  };
  const BlockAffinity expected{"node1", *Cidr::parse("10.0.0.0/26"), State::Confirmed, true};
  CHECK(of("{}") == expected);
  CHECK(of(R"j({"spec":{"state":"","type":""}})j") == expected);
  CHECK(of(R"j({"spec":{"state":"pending"}})j").state == State::Pending);
  CHECK(of(R"j({"spec":{"state":"pendingDeletion"}})j").state == State::PendingDeletion);
  CHECK_FALSE(of(R"j({"spec":{"type":"virtual"}})j").of_host);
  CHECK(of(R"j({"spec":{"cidr":"fd00::/122"}})j").cidr == *Cidr::parse("fd00::/122"));
  check_cases(manifest,
              {
                  {R"j({"spec":{"node":null}})j", "spec.node: is required\n"},
                  {R"j({"spec":{"cidr":""}})j", "spec.cidr: is required\n"},
                  {R"j({"spec":{"cidr":"10.0.0.1/26"}})j", "spec.cidr: \"10.0.0.1/26\" has bits set beyond its prefix"},
                  {R"j({"spec":{"state":"gone"}})j", "spec.state: \"gone\" is not one of confirmed, pending, pendingDeletion\n"},
                  {R"j({"spec":{"type":"rack"}})j", "spec.type: \"rack\" is not one of host, virtual\n"},
                  {R"j({"spec":{"deleted":"false"}})j", ""},
                  {R"j({"spec":{"deleted":"no"}})j", "spec.deleted: \"no\" is not one of false, true\n"},
              });
  json deleted = json::parse(manifest);
  deleted["spec"]["deleted"] = true;
  CHECK_FALSE(decoded(deleted).value);
  CHECK(errors_of(deleted, true) == "spec.deleted: is set by the datastore only\n");
}

TEST_CASE("a node status that is asked for") {
  const char* manifest = R"j({"apiVersion":"projectcalico.org/v3","kind":"CalicoNodeStatus","metadata":{"name":"s"},
    "spec":{"node":"node1","classes":["Agent","Routes"],"updatePeriodSeconds":10},"status":{"lastUpdated":null,"bgp":{"numberEstablishedV4":1}}})j";
  CHECK(errors_of(json::parse(manifest), true) == "");
  CHECK(*value_of<CalicoNodeStatus>(json::parse(manifest)) == CalicoNodeStatus{"node1", true, false, true, 10});
  check_cases(manifest,
              {
                  {R"j({"spec":{"classes":["BGP"],"updatePeriodSeconds":0}})j", ""},
                  {R"j({"spec":{"node":null}})j", "spec.node: is required\n"},
                  {R"j({"spec":{"classes":null}})j", "spec.classes: is required\n"},
                  {R"j({"spec":{"classes":["agent"]}})j", "spec.classes[0]: \"agent\" is not one of Agent, BGP, Routes\n"},
                  {R"j({"spec":{"classes":["BGP","BGP"]}})j", "spec.classes[1]: is there twice\n"},
                  {R"j({"spec":{"updatePeriodSeconds":null}})j", "spec.updatePeriodSeconds: is required\n"},
                  {R"j({"spec":{"updatePeriodSeconds":86401}})j", "spec.updatePeriodSeconds: 86401 is not between 0 and 86400\n"},
              });
}

TEST_CASE("what routing wants of a Calico node") {
  const char* manifest =
      R"j({"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"node1","annotations":{"bgp.margay.io/drain":"true"}},
    "spec":{"bgp":{"asNumber":0},"wireguard":{"interfaceIPv4Address":"10.9.0.1","interfaceIPv6Address":"fd09::1"}}})j";
  CHECK(errors_of(json::parse(manifest), true) == "");
  const auto node = value_of<Node>(json::parse(manifest));
  CHECK(node->draining);
  CHECK_FALSE(node->as_number);
  CHECK(node->wireguard == std::array{Addr::parse("10.9.0.1"), Addr::parse("fd09::1")});
  check_cases(manifest, {
                            {R"j({"metadata":{"annotations":{"bgp.margay.io/drain":"false"}}})j", ""},
                            {R"j({"metadata":{"annotations":{"bgp.margay.io/drain":"yes"}}})j",
                             "metadata.annotations[bgp.margay.io/drain]: \"yes\" is neither \"true\" nor \"false\"\n"},
                            {R"j({"metadata":{"annotations":{"bgp.margay.io/drian":"true"}}})j",
                             "metadata.annotations[bgp.margay.io/drian]: is not known; there are drain\n"},
                            {R"j({"spec":{"wireguard":{"interfaceIPv4Address":"fd00::1"}}})j",
                             "spec.wireguard.interfaceIPv4Address: must be an IPv4 address\n"},
                            {R"j({"spec":{"wireguard":{"interfaceIPv6Address":"x"}}})j",
                             "spec.wireguard.interfaceIPv6Address: \"x\" is not an IP address\n"},
                        });
}

TEST_CASE("an address by which nobody reaches a node is none") {
  for (const std::string text : {"0.0.0.0/24", "127.0.0.1", "169.254.7.7/16", "224.0.0.1/24", "239.255.255.255",
                                 "255.255.255.255", "::/64", "::1", "fe80::1/64", "febf::1/64", "ff02::1", "ffee::10/64"}) {
    INFO(text);
    const bool six = text.find(':') != std::string::npos;
    const json calico{{"kind", "Node"},
                      {"apiVersion", "projectcalico.org/v3"},
                      {"metadata", {{"name", "n"}}},
                      {"spec", {{"bgp", {{six ? "ipv6Address" : "ipv4Address", text}}}}}};
    CHECK(errors_of(calico).find("is no address by which others reach the node") != std::string::npos);
    // A machine wrote the annotation: that address counts as absent, the other one does not.
    const json kubernetes{{"kind", "Node"},
                          {"apiVersion", "v1"},
                          {"metadata",
                           {{"name", "n"},
                            {"annotations",
                             {{"projectcalico.org/IPv4Address", six ? "10.0.0.1/24" : text},
                              {"projectcalico.org/IPv6Address", six ? text : "fd00::1/64"}}}}}};
    const auto node = value_of<Node>(kubernetes);
    CHECK(node->ipv4.has_value() == six);
    CHECK(node->ipv6.has_value() != six);
    CHECK((six ? node->ipv6_net : node->ipv4_net) == std::nullopt);
  }
  for (const char* text : {"10.0.0.0/31", "0.0.0.1", "223.255.255.255", "100.64.0.1/10", "fd00::1", "2000::", "fec0::1/64"}) {
    INFO(text);
    const json good{
        {"kind", "Node"},
        {"apiVersion", "projectcalico.org/v3"},
        {"metadata", {{"name", "n"}}},
        {"spec",
         {{"bgp", {{std::string_view{text}.find(':') != std::string_view::npos ? "ipv6Address" : "ipv4Address", text}}}}}};
    CHECK(errors_of(good) == "");
  }
}

TEST_CASE(
    "what routing wants of a Kubernetes node: wrong annotations count as absent, but margayctl reports those an operator "
    "writes") {
  json manifest =
      json::parse(R"j({"kind":"Node","apiVersion":"v1","metadata":{"name":"node1","annotations":{"bgp.margay.io/drain":"true",
    "projectcalico.org/IPv4WireguardInterfaceAddr":"10.9.0.1","projectcalico.org/IPv6WireguardInterfaceAddr":"fd09::1","projectcalico.org/ASNumber":"0"}}})j");
  const auto node = value_of<Node>(manifest);
  CHECK(node->draining);
  CHECK_FALSE(node->as_number);
  CHECK(node->wireguard == std::array{Addr::parse("10.9.0.1"), Addr::parse("fd09::1")});
  json& annotations = manifest["metadata"]["annotations"];
  annotations["bgp.margay.io/drain"] = "yes";
  annotations["projectcalico.org/IPv4WireguardInterfaceAddr"] = "fd09::1";
  annotations["projectcalico.org/IPv6WireguardInterfaceAddr"] = "junk";
  const auto wrong = value_of<Node>(manifest);
  CHECK_FALSE(wrong->draining);
  CHECK_FALSE(wrong->wireguard[0]);
  CHECK_FALSE(wrong->wireguard[1]);
  CHECK(errors_of(manifest, true) == "metadata.annotations[bgp.margay.io/drain]: \"yes\" is neither \"true\" nor \"false\"\n");
}

TEST_CASE("what routing wants of services and endpoint slices") {
  json service = json::parse(R"j({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop"},
    "spec":{"loadBalancerIP":"192.0.2.9","ipFamilies":["IPv6","IPv4"]}})j");
  const auto value = value_of<Service>(service);
  CHECK(value->requested_load_balancer_ip == Addr::parse("192.0.2.9"));
  CHECK(value->families == std::vector<Family>{Family::V6, Family::V4});
  service["spec"]["loadBalancerIP"] = "web.example.org";
  service["spec"].erase("ipFamilies");
  CHECK_FALSE(value_of<Service>(service)->requested_load_balancer_ip);
  CHECK(value_of<Service>(service)->families.empty());
  service["spec"]["ipFamilies"] = {"IPv5"};
  CHECK(errors_of(service) == "spec.ipFamilies[0]: \"IPv5\" is not one of IPv4, IPv6\n");

  json slice = json::parse(
      R"j({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"web-x7","namespace":"shop"},"addressType":"IPv6"})j");
  CHECK(value_of<EndpointSlice>(slice)->family == Family::V6);
  slice["addressType"] = "IPv4";
  CHECK(value_of<EndpointSlice>(slice)->family == Family::V4);
  slice["addressType"] = "FQDN";
  CHECK_FALSE(value_of<EndpointSlice>(slice)->family);
}
