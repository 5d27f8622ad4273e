#include <map>

#include "rules/dispatch_chains.hpp"
#include "rules/endpoint_chains.hpp"
#include "rules/groups.hpp"
#include "rules/nat_chains.hpp"
#include "rules/policy_chains.hpp"
#include "rules/static_chains.hpp"
#include "support/catch.hpp"
#include "text.hpp"

using namespace margay;
using namespace margay::rules;
using namespace margay::rules::test;
using kernel::Table;

namespace {

calc::ActiveRule with_action(Action action, std::optional<Protocol> protocol = {}) {
  calc::ActiveRule rule;
  rule.action = action;
  rule.protocol = protocol;
  return rule;
}

calc::PolicyId gnp(const char* name) { return {Kind::GlobalNetworkPolicy, {}, name}; }
calc::PolicyId staged(const char* name) { return {Kind::StagedGlobalNetworkPolicy, {}, name}; }

struct Policies {
  std::map<calc::PolicyId, calc::ActivePolicy> all;

  void add(const calc::PolicyId& id, const char* selector, bool is_staged = false) {
    all[id].selector = selector;
    all[id].staged = is_staged;
  }
  [[nodiscard]] PolicyLookup lookup() const {
    return [this](const calc::PolicyId& id) {
      const auto it = all.find(id);
      return it == all.end() ? nullptr : &it->second;
    };
  }
};

WorkloadEndpoint workload(const char* interface_name) {
  WorkloadEndpoint w;
  w.interface_name = interface_name;
  return w;
}

}  // namespace

// ---- policies --------------------------------------------------------------------------------------------------------

TEST_CASE("actions of a policy") {
  Config config;
  calc::ActivePolicy policy;
  policy.tier = "security";
  policy.ingress = {with_action(Action::Log, protocol::kTcp), with_action(Action::Pass, protocol::kTcp),
                    with_action(Action::Deny, protocol::kUdp), with_action(Action::Allow)};
  policy.egress = {with_action(Action::Deny), with_action(Action::Allow)};
  CHECK(text_of(Family::V4, policy_chains(config, Family::V4, Table::Filter, gnp("p"), policy)) == trim(R"(
    :cali-pi-gnp/p
    -p tcp -j LOG --log-prefix "calico-packet: " --log-level 5
    -p tcp -g cali-pass
    -p udp -j DROP
    -g cali-allow
    :cali-po-gnp/p
    -j DROP
  )"));

  SECTION("the deny action may be REJECT, in filter only") {
    config.filter_deny = Verdict::Reject;
    const auto filter = policy_chains(config, Family::V6, Table::Filter, gnp("p"), policy);
    CHECK(text_of(Family::V6, filter[1].rules) == "-j REJECT --reject-with icmp6-port-unreachable\n");
    for (const Table table : {Table::Raw, Table::Mangle})
      CHECK(text_of(Family::V6, policy_chains(config, Family::V6, table, gnp("p"), policy)[1].rules) == "-j DROP\n");
  }
  SECTION("a closed policy drops, whatever its rules say") {
    policy.closed = true;
    policy.ingress = {with_action(Action::Allow)};
    CHECK(text_of(Family::V4, policy_chains(config, Family::V4, Table::Filter, gnp("p"), policy)) ==
          ":cali-pi-gnp/p\n-j DROP\n:cali-po-gnp/p\n-j DROP\n");
  }
  SECTION("a staged policy has no chains") {
    policy.staged = true;
    CHECK(policy_chains(config, Family::V4, Table::Filter, staged("p"), policy).empty());
  }
  SECTION("log prefix with everything, and what LOG keeps of it") {
    config.log_prefix = "aXy9%n%%t %k %p";
    config.log_rate = "100/hour";
    config.log_burst = 9;
    const auto chains = policy_chains(config, Family::V4, Table::Filter, {Kind::NetworkPolicy, "n", "ep2"}, policy);
    CHECK(text_of(Family::V4, {chains[0].rules[0]}) ==
          "-p tcp -m limit --limit 100/hour --limit-burst 9 -j LOG --log-prefix \"aXy9ep2%security np n/ep2: \" --log-level 5\n");
    config.log_prefix = "0123456789012345678901234567890123456789";
    const auto cut = policy_chains(config, Family::V4, Table::Filter, gnp("p"), policy);
    CHECK(std::get<kernel::Log>(cut[0].rules[0].target).prefix.size() == 29);
  }
  SECTION("flow logs: mark, log once, act") {
    config.flow_logs = true;
    CHECK(text_of(Family::V4, policy_chains(config, Family::V4, Table::Filter, gnp("p"), policy)[0].rules) == trim(R"(
      -p tcp -j LOG --log-prefix "calico-packet: " --log-level 5
      -p tcp -j MARK --set-xmark 0x20000/0x20000
      -m mark --mark 0x20000/0x20000 -j NFLOG --nflog-prefix "PPI1|gnp/p" --nflog-group 1 --nflog-size 80
      -m mark --mark 0x20000/0x20000 -j RETURN
      -p udp -j MARK --set-xmark 0x40000/0x40000
      -m mark --mark 0x40000/0x40000 -j NFLOG --nflog-prefix "DPI2|gnp/p" --nflog-group 1 --nflog-size 80
      -m mark --mark 0x40000/0x40000 -j DROP
      -j MARK --set-xmark 0x10000/0x10000
      -m mark --mark 0x10000/0x10000 -j NFLOG --nflog-prefix "API3|gnp/p" --nflog-group 1 --nflog-size 80
    )"));
  }
}

TEST_CASE("a chain named by a digest says which policy it is; another does not") {
  const calc::PolicyId id{Kind::KubernetesNetworkPolicy, "production", "allow-frontend"};
  calc::ActivePolicy policy;
  policy.ingress = {with_action(Action::Allow, protocol::kTcp), with_action(Action::Allow, protocol::kUdp)};
  const auto chains = policy_chains({}, Family::V4, Table::Filter, id, policy);
  CHECK(text_of(Family::V4, chains[0].rules) == trim(R"(
    -p tcp -m comment --comment "KubernetesNetworkPolicy production/allow-frontend ingress" -g cali-allow
    -p udp -g cali-allow
  )"));
  CHECK(text_of(Family::V4, chains[1].rules) ==
        "-m comment --comment \"KubernetesNetworkPolicy production/allow-frontend egress\"\n");
  const std::string name(250, 'n');
  const auto long_name = policy_chains({}, Family::V4, Table::Filter, {Kind::NetworkPolicy, "ns", name}, policy);
  CHECK(std::get<kernel::CommentMatch>(long_name[0].rules[0].matches[0]).text.size() == 255);
}

TEST_CASE("profiles, and one that does not exist") {
  calc::ActiveProfile profile;
  profile.ingress = {with_action(Action::Allow)};
  CHECK(text_of(Family::V4, profile_chains({}, Family::V4, Table::Filter, "kns.a", &profile)) ==
        ":cali-pri-kns.a\n-g cali-allow\n:cali-pro-kns.a\n");
  CHECK(text_of(Family::V4, profile_chains({}, Family::V4, Table::Filter, "kns.a", nullptr)) ==
        ":cali-pri-kns.a\n-j DROP\n:cali-pro-kns.a\n-j DROP\n");
}

// ---- groups ----------------------------------------------------------------------------------------------------------

TEST_CASE("runs of equal selectors form groups") {
  Policies policies;
  policies.add(gnp("a1"), "A");
  policies.add(gnp("a2"), "A");
  policies.add(gnp("b1"), "B");
  policies.add(gnp("b2"), "B");
  policies.add(staged("as"), "A", true);
  const auto plan = [&](std::vector<calc::PolicyId> ids) {
    std::string text;
    for (const PolicyGroup& group : plan_groups(ids, Direction::Ingress, policies.lookup())) {
      text += group.chain.empty() ? "inline(" : "group(";
      for (const auto& member : group.enforced) text += member.id.name.str() + (member.missing ? "? " : " ");
      text += ") ";
    }
    return text;
  };
  CHECK(plan({}).empty());
  CHECK(plan({gnp("a1")}) == "inline(a1 ) ");
  CHECK(plan({gnp("a1"), gnp("a2"), gnp("b1"), gnp("b2")}) == "group(a1 a2 ) group(b1 b2 ) ");
  CHECK(plan({gnp("a1"), gnp("b1"), gnp("a2")}) == "inline(a1 ) inline(b1 ) inline(a2 ) ");
  CHECK(plan({gnp("a1"), staged("as"), gnp("b1")}) == "inline(a1 ) inline(b1 ) ");
  CHECK(plan({staged("as")}).empty());
  CHECK(plan({gnp("a1"), gnp("gone"), gnp("a2")}) == "inline(a1 ) inline(gone? ) inline(a2 ) ");
}

TEST_CASE("a group's chain") {
  Policies policies;
  std::vector<calc::PolicyId> ids;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
    policies.add(gnp(name), "A");
    ids.push_back(gnp(name));
  }
  const auto groups = plan_groups(ids, Direction::Egress, policies.lookup());
  REQUIRE(groups.size() == 1);
  CHECK(text_of(Family::V4, group_chain({}, Table::Filter, groups[0], Direction::Egress).rules) == trim(R"(
    -j cali-po-gnp/a
    -m mark --mark 0x0/0x30000 -j cali-po-gnp/b
    -m mark --mark 0x0/0x30000 -j cali-po-gnp/c
    -m mark --mark 0x0/0x30000 -j cali-po-gnp/d
    -m mark --mark 0x0/0x30000 -j cali-po-gnp/e
    -m mark ! --mark 0x0/0x30000 -j RETURN
    -j cali-po-gnp/f
    -m mark --mark 0x0/0x30000 -j cali-po-gnp/g
  )"));
}

// ---- endpoints -------------------------------------------------------------------------------------------------------

TEST_CASE("a workload's chains") {
  Config config;
  Policies policies;
  policies.add(gnp("a"), "A");
  policies.add(gnp("b"), "B");
  policies.add(staged("s"), "A", true);
  calc::EndpointPolicies endpoint;
  WorkloadEndpoint w = workload("cali1");
  const auto render = [&] {
    return text_of(Family::V4, workload_chains(config, Family::V4, w, endpoint, policies.lookup()).chains);
  };

  SECTION("nothing selects it and it has no profile: closed") {
    CHECK(render() == trim(R"(
      :cali-tw-cali1
      -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      -m conntrack --ctstate INVALID -j DROP
      -j MARK --set-xmark 0x0/0x30000
      -j DROP
      :cali-fw-cali1
      -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      -m conntrack --ctstate INVALID -j DROP
      -j MARK --set-xmark 0x0/0x30000
      -p udp -m multiport --dports 4789 -j DROP
      -p ipencap -j DROP
      -j DROP
    )"));
  }
  SECTION("tiers in order, end of tier, profiles") {
    endpoint.normal = {{"first", true, {gnp("a"), gnp("b")}, {}},
                       {"staged", false, {staged("s")}, {staged("s")}},
                       {"default", false, {gnp("b")}, {gnp("a")}}};
    endpoint.profiles = {"kns.n", "ksa.n.s"};
    config.disable_conntrack_invalid_check = true;
    config.allow_vxlan_from_workloads = config.allow_ipip_from_workloads = true;
    CHECK(render() == trim(R"(
      :cali-tw-cali1
      -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      -j MARK --set-xmark 0x0/0x30000
      -j cali-pi-gnp/a
      -m mark --mark 0x0/0x30000 -j cali-pi-gnp/b
      -m mark --mark 0x10000/0x10000 -j RETURN
      -j MARK --set-xmark 0x0/0x20000
      -j cali-pi-gnp/b
      -m mark --mark 0x10000/0x10000 -j RETURN
      -m mark --mark 0x0/0x20000 -j DROP
      -j cali-pri-kns.n
      -m mark --mark 0x0/0x10000 -j cali-pri-ksa.n.s
      -m mark --mark 0x0/0x10000 -j DROP
      :cali-fw-cali1
      -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      -j MARK --set-xmark 0x0/0x30000
      -j cali-po-gnp/a
      -m mark --mark 0x10000/0x10000 -j RETURN
      -m mark --mark 0x0/0x20000 -j DROP
      -j cali-pro-kns.n
      -m mark --mark 0x0/0x10000 -j cali-pro-ksa.n.s
      -m mark --mark 0x0/0x10000 -j DROP
    )"));
  }
  SECTION("administratively down: closed") {
    w.active = false;
    CHECK(render() == ":cali-tw-cali1\n-j DROP\n:cali-fw-cali1\n-j DROP\n");
  }
  SECTION("quality of service") {
    config.allow_vxlan_from_workloads = config.allow_ipip_from_workloads = true;
    w.qos = QosControls{.ingress_packet_rate = 2000, .ingress_packet_burst = 10, .egress_max_connections = 7};
    CHECK(render() == trim(R"(
      :cali-tw-cali1
      -j MARK --set-xmark 0x0/0x80000
      -m limit --limit 2000/sec --limit-burst 10 -j MARK --set-xmark 0x80000/0x80000
      -m mark --mark 0x0/0x80000 -j DROP
      -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      -m conntrack --ctstate INVALID -j DROP
      -j MARK --set-xmark 0x0/0x30000
      -j DROP
      :cali-fw-cali1
      -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      -m conntrack --ctstate INVALID -j DROP
      -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m connlimit --connlimit-above 7 --connlimit-mask 0 --connlimit-saddr -j REJECT --reject-with tcp-reset
      -j MARK --set-xmark 0x0/0x30000
      -j DROP
    )"));
  }
  SECTION("an allow action of RETURN marks established packets") {
    config.filter_allow = Verdict::Return;
    CHECK(render().find("RELATED,ESTABLISHED -j MARK --set-xmark 0x10000/0x10000\n"
                        "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n") != std::string::npos);
  }
  SECTION("an unknown policy closes what is behind it") {
    endpoint.normal = {{"default", true, {gnp("a"), gnp("gone")}, {}}};
    endpoint.profiles = {"kns.n"};
    CHECK(render().find("-j cali-pi-gnp/a\n-m mark --mark 0x0/0x30000 -j DROP\n") != std::string::npos);
  }
  SECTION("after every fifth policy an accepted packet leaves") {
    std::vector<calc::PolicyId> ids;
    for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
      policies.add(gnp(name), name);
      ids.push_back(gnp(name));
    }
    endpoint.normal = {{"default", false, ids, {}}};
    CHECK(render().find("-m mark --mark 0x0/0x30000 -j cali-pi-gnp/e\n-m mark --mark 0x10000/0x10000 -j RETURN\n"
                        "-m mark --mark 0x0/0x30000 -j cali-pi-gnp/f\n") != std::string::npos);
  }
  SECTION("a group stands once in the endpoint's chain") {
    policies.add(gnp("b"), "A");
    endpoint.normal = {{"default", false, {gnp("a"), staged("s"), gnp("b")}, {}}};
    const EndpointChains chains = workload_chains(config, Family::V4, w, endpoint, policies.lookup());
    REQUIRE(chains.groups.size() == 1);
    CHECK(chains.groups[0].name.starts_with("cali-gi-"));
    CHECK(chains.chains[0].rules[3].target == kernel::Target{kernel::Jump{chains.groups[0].name}});
    CHECK(chains.groups[0].rules.size() == 2);
  }
}

// ---- dispatch --------------------------------------------------------------------------------------------------------

TEST_CASE("dispatch") {
  CHECK(text_of(Family::V4, workload_dispatch_chains({}, {})) ==
        ":cali-from-wl-dispatch\n-j DROP\n:cali-to-wl-dispatch\n-j DROP\n");
  CHECK(text_of(Family::V4, workload_dispatch_chains({}, {"cali1"})) == trim(R"(
    :cali-from-wl-dispatch
    -i cali1 -g cali-fw-cali1
    -j DROP
    :cali-to-wl-dispatch
    -o cali1 -g cali-tw-cali1
    -j DROP
  )"));
  // A name that is a prefix of all others, duplicates, names that cannot be; both orders alike.
  const std::vector<std::string> names{"calia2", "cali", "calib1", "calia1", "cali", "", "cali-much-too-long-name"};
  const auto chains = workload_dispatch_chains({}, names);
  CHECK(chains == workload_dispatch_chains({}, {names.rbegin(), names.rend()}));
  CHECK(text_of(Family::V4, {chains[0], chains[1]}) == trim(R"(
    :cali-from-wl-dispatch
    -i cali -g cali-fw-cali
    -i calia+ -g cali-from-wl-dispatch-a
    -i calib1 -g cali-fw-calib1
    -j DROP
    :cali-from-wl-dispatch-a
    -i calia1 -g cali-fw-calia1
    -i calia2 -g cali-fw-calia2
    -j DROP
  )"));
  Config reject;
  reject.filter_deny = Verdict::Reject;
  CHECK(text_of(Family::V4, workload_dispatch_chains(reject, {})[0].rules) == "-j REJECT --reject-with icmp-port-unreachable\n");
}

// ---- static and nat --------------------------------------------------------------------------------------------------

TEST_CASE("workload to host") {
  Config config;
  const auto tail = [&](Family family) {
    for (const auto& chain : static_chains(config, family, Table::Filter))
      if (chain.name == chain::kWorkloadToHost) return text_of(family, chain.rules);
    return std::string{"none"};
  };
  CHECK(tail(Family::V4) == "-j cali-from-wl-dispatch\n-j DROP\n");
  CHECK(tail(Family::V6) == trim(R"(
    -p ipv6-icmp -m icmp6 --icmpv6-type 130 -j ACCEPT
    -p ipv6-icmp -m icmp6 --icmpv6-type 131 -j ACCEPT
    -p ipv6-icmp -m icmp6 --icmpv6-type 132 -j ACCEPT
    -p ipv6-icmp -m icmp6 --icmpv6-type 133 -j ACCEPT
    -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT
    -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j ACCEPT
    -j cali-from-wl-dispatch
    -j DROP
  )"));
  config.endpoint_to_host = Verdict::Accept;
  CHECK(tail(Family::V4) == "-j cali-from-wl-dispatch\n-j ACCEPT\n");
  config.endpoint_to_host = Verdict::Return;
  CHECK(tail(Family::V4) == "-j cali-from-wl-dispatch\n");
  config.endpoint_to_host = Verdict::Drop;
  config.filter_allow = Verdict::Return;  // replies to the host are not dropped (0054)
  CHECK(tail(Family::V4) == "-j cali-from-wl-dispatch\n-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n-j DROP\n");
}

TEST_CASE("anti-spoofing stands in both families and for every prefix") {
  Config config;
  config.interface_prefixes = {"cali", "tap"};
  for (const Family family : kFamilies)
    CHECK(text_of(family, static_chains(config, family, Table::Raw)).find(trim(R"(
      :cali-PREROUTING
      -j MARK --set-xmark 0x0/0x1f0000
      -i cali+ -g cali-rpf-check
      -i tap+ -g cali-rpf-check
      :cali-rpf-check
      -m rpfilter --validmark --invert -j DROP
    )")) == 0);
  config.spoofing_allowed = true;
  const std::vector<SpoofAllowance> allowances{{"cali2", {net("10.9.0.0/16"), net("fd09::/64")}},
                                               {"cali1", {net("10.8.0.0/16")}}};
  CHECK(text_of(Family::V4, rpf_skip_chain(config, Family::V4, allowances).rules) ==
        "-s 10.8.0.0/16 -i cali1 -j ACCEPT\n-s 10.9.0.0/16 -i cali2 -j ACCEPT\n");
  CHECK(text_of(Family::V6, rpf_skip_chain(config, Family::V6, allowances).rules) == "-s fd09::/64 -i cali2 -j ACCEPT\n");
  config.spoofing_allowed = false;
  CHECK(rpf_skip_chain(config, Family::V4, allowances).rules.empty());
}

TEST_CASE("hooks") {
  Config config;
  CHECK(hooks(config, Family::V4, Table::Mangle).empty());
  const auto filter = hooks(config, Family::V4, Table::Filter);
  REQUIRE(filter.size() == 2);
  CHECK(filter[1].chain == "FORWARD");
  CHECK_FALSE(filter[1].append);
  CHECK(text_of(Family::V4, filter[1].last) ==
        "-m mark --mark 0x10000/0x10000 -m comment --comment \"cali:policy accepted the packet\" -j ACCEPT\n");
  const auto nat = hooks(config, Family::V4, Table::Nat);
  REQUIRE(nat.size() == 1);
  CHECK(nat[0].first.empty());
  CHECK(nat[0].last.size() == 1);
  config.append_hooks = true;
  CHECK(hooks(config, Family::V4, Table::Filter)[0].append);
  // Everything of ours in kernel chains is recognisable as ours.
  for (const bool host_endpoints : {false, true})
    for (const Family family : kFamilies)
      for (const Table table : kernel::kTables)
        for (const auto& hook : hooks(config, family, table, {.host_endpoints = host_endpoints, .dscp = true, .vxlan = true})) {
          for (const auto& rule : hook.first) CHECK(kernel::is_our_rule(rule));
          for (const auto& rule : hook.last) CHECK(kernel::is_our_rule(rule));
        }
}

TEST_CASE("service loops") {
  Config config;
  const std::vector<Cidr> cidrs{net("10.96.0.0/12"), net("10.96.1.0/24"), net("fd10::/108"), net("8.8.8.0/24")};
  CHECK(text_of(Family::V4, cidr_block_chain(config, Family::V4, cidrs).rules) ==
        "-d 8.8.8.0/24 -j DROP\n-d 10.96.0.0/12 -j DROP\n");
  CHECK(text_of(Family::V6, cidr_block_chain(config, Family::V6, cidrs).rules) == "-d fd10::/108 -j DROP\n");
  config.loop_prevention = Config::LoopPrevention::Reject;
  CHECK(text_of(Family::V6, cidr_block_chain(config, Family::V6, cidrs).rules) ==
        "-d fd10::/108 -j REJECT --reject-with icmp6-port-unreachable\n");
  config.loop_prevention = Config::LoopPrevention::Disabled;
  CHECK(cidr_block_chain(config, Family::V4, cidrs).rules.empty());
}

TEST_CASE("outgoing NAT") {
  Config config;
  CHECK(nat_outgoing_chain(config, Family::V4, false).rules.empty());
  const std::string match = "-m set --match-set cali40masq-ipam-pools src -m set ! --match-set cali40network-ip-pools dst ";
  CHECK(text_of(Family::V4, nat_outgoing_chain(config, Family::V4, true).rules) == match + "-j MASQUERADE --random-fully\n");
  config.random_fully = false;
  config.nat_exclude_hosts = true;
  config.nat_outgoing_interface = "eth+";
  CHECK(text_of(Family::V4, nat_outgoing_chain(config, Family::V4, true).rules) ==
        "-o eth+ " + match + "-m set ! --match-set cali40all-hosts-net dst -j MASQUERADE\n");
  config = Config{};
  config.nat_port_range = PortRange{32768, 65535};
  config.nat_outgoing_address = Addr::parse("192.0.2.1");
  CHECK(text_of(Family::V4, nat_outgoing_chain(config, Family::V4, true).rules) ==
        "-p tcp " + match + "-j SNAT --to-source 192.0.2.1:32768-65535 --random-fully\n" + "-p udp " + match +
            "-j SNAT --to-source 192.0.2.1:32768-65535 --random-fully\n" + match +
            "-j SNAT --to-source 192.0.2.1 --random-fully\n");
  // An IPv4 address is none for IPv6.
  CHECK(text_of(Family::V6, nat_outgoing_chain(config, Family::V6, true).rules).find("SNAT") == std::string::npos);
}

TEST_CASE("floating addresses") {
  Config config;
  const auto nat = [](const char* internal, const char* external) { return Nat{*Addr::parse(internal), *Addr::parse(external)}; };
  const std::vector<Nat> nats{nat("10.0.0.9", "192.0.2.1"), nat("10.0.0.10", "192.0.2.1"), nat("10.0.0.9", "192.0.2.3"),
                              nat("10.0.0.9", "192.0.2.2"), nat("fd00::1", "2001:db8::1")};
  for (const auto& chain : floating_ip_chains(config, Family::V4, nats)) CHECK(chain.rules.empty());
  config.floating_ips = true;
  config.random_fully = false;
  CHECK(text_of(Family::V4, floating_ip_chains(config, Family::V4, nats)) == trim(R"(
    :cali-fip-dnat
    -d 192.0.2.1/32 -j DNAT --to-destination 10.0.0.10
    -d 192.0.2.2/32 -j DNAT --to-destination 10.0.0.9
    -d 192.0.2.3/32 -j DNAT --to-destination 10.0.0.9
    :cali-fip-snat
    -s 10.0.0.10/32 -d 10.0.0.10/32 -j SNAT --to-source 192.0.2.1
    -s 10.0.0.9/32 -d 10.0.0.9/32 -j SNAT --to-source 192.0.2.2
  )"));
  CHECK(text_of(Family::V6, floating_ip_chains(config, Family::V6, nats)) == trim(R"(
    :cali-fip-dnat
    -d 2001:db8::1/128 -j DNAT --to-destination fd00::1
    :cali-fip-snat
    -s fd00::1/128 -d fd00::1/128 -j SNAT --to-source 2001:db8::1
  )"));
}

TEST_CASE("DSCP values and failsafe ports") {
  CHECK(text_of(Family::V4,
                egress_dscp_chain(Family::V4,
                                  {{*Addr::parse("10.0.0.2"), 46}, {*Addr::parse("fd00::1"), 8}, {*Addr::parse("10.0.0.1"), 64}})
                    .rules) == "-s 10.0.0.2/32 -j DSCP --set-dscp 0x2e\n");
  Config config;
  config.failsafe_in = {{protocol::kTcp, 22, {}}, {protocol::kUdp, 68, net("fd00::/8")}};
  config.failsafe_out = {{protocol::kTcp, 2379, net("10.0.0.0/8")}};
  const auto failsafes = [&](Table table) {
    std::vector<kernel::Chain> out;
    for (auto& chain : static_chains(config, Family::V4, table, {.host_endpoints = true}))
      if (chain.name == chain::kFailsafeIn || chain.name == chain::kFailsafeOut) out.push_back(std::move(chain));
    return text_of(Family::V4, out);
  };
  CHECK(failsafes(Table::Filter) == trim(R"(
    :cali-failsafe-in
    -p tcp -m multiport --dports 22 -j ACCEPT
    :cali-failsafe-out
    -d 10.0.0.0/8 -p tcp -m multiport --dports 2379 -j ACCEPT
  )"));
  CHECK(failsafes(Table::Raw) == trim(R"(
    :cali-failsafe-in
    -p tcp -m multiport --dports 22 -j ACCEPT
    -s 10.0.0.0/8 -p tcp -m multiport --sports 2379 -j ACCEPT
    :cali-failsafe-out
    -d 10.0.0.0/8 -p tcp -m multiport --dports 2379 -j ACCEPT
    -p tcp -m multiport --sports 22 -j ACCEPT
  )"));
}

TEST_CASE("rules after a match block are not lost") {
  calc::ActivePolicy policy;
  policy.ingress = {with_action(Action::Pass), with_action(Action::Deny), with_action(Action::Allow)};
  policy.ingress[0].not_src_nets = {net("10.0.0.0/8"), net("11.0.0.0/8")};
  CHECK(text_of(Family::V4, policy_chains({}, Family::V4, Table::Filter, gnp("p"), policy)[0].rules) == trim(R"(
    -j MARK --set-xmark 0x80000/0x80000
    -s 10.0.0.0/8 -j MARK --set-xmark 0x0/0x80000
    -s 11.0.0.0/8 -j MARK --set-xmark 0x0/0x80000
    -m mark --mark 0x80000/0x80000 -g cali-pass
    -j DROP
  )"));
}
