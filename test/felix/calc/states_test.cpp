// States × expanders: a list of datastore states, each with what must be active, walked in many ways. Whatever the way, at each
// state the messages so far must add up to what is written here.

#include "calc/graph.hpp"
#include "margay/base/hash.hpp"
#include "naive.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::calc;
using test::Resources;

namespace {

// ---- how active state is written down --------------------------------------------------------------------------------

using Lines = std::set<std::string>;

std::string sel(const std::string& selector, const std::string& members = "") {
  return "set " + Selector::parse(selector)->set_id() + " =" + (members.empty() ? "" : " " + members);
}
std::string ports_of(const std::string& selector, const std::string& proto, const std::string& port, const std::string& members) {
  return "set " + make_unique_id("n", Selector::parse(selector)->set_id() + "," + proto + "," + port) + " = " + members;
}

std::string text(const std::vector<TierPolicies>& tiers) {
  std::string out;
  for (const TierPolicies& tier : tiers) {
    out += " " + tier.tier.str() + (tier.default_pass ? "/pass" : "") + "[";
    for (const PolicyId& id : tier.ingress) out += "<" + id.name.str();
    for (const PolicyId& id : tier.egress) out += ">" + id.name.str();
    out += "]";
  }
  return out;
}

std::string text(const EndpointPolicies& policies) {
  std::string out = text(policies.normal);
  if (!policies.untracked.empty()) out += " untracked" + text(policies.untracked);
  if (!policies.pre_dnat.empty()) out += " prednat" + text(policies.pre_dnat);
  if (!policies.forward.empty()) out += " forward" + text(policies.forward);
  for (const ProfileId& id : policies.profiles) out += " " + id.str();
  return out;
}

std::string actions(const std::vector<ActiveRule>& rules) {
  std::string out;
  for (const ActiveRule& rule : rules) {
    out += rule.action == Action::Allow ? 'a' : rule.action == Action::Deny ? 'd' : rule.action == Action::Pass ? 'p' : 'l';
  }
  return out;
}

Lines describe(const test::State& state) {
  Lines out;
  for (const auto& [id, set] : state.sets) {
    std::string line = "set " + id + " =";
    for (const auto& member : set.members) {
      line += " " + member.net.to_string();
      if (set.type == kernel::SetType::HashIpPort) {
        line += "," + protocol::to_string(member.protocol) + ":" + std::to_string(member.port);
      }
    }
    out.insert(line);
  }
  for (const auto& [id, policy] : state.policies) {
    out.insert("policy " + id.name.str() + (policy.staged ? " staged" : "") + " <" + actions(policy.ingress) + " >" +
               actions(policy.egress));
  }
  for (const auto& [id, profile] : state.profiles) {
    out.insert("profile " + id + " <" + actions(profile.ingress) + " >" + actions(profile.egress));
  }
  for (const auto& [id, endpoint] : state.workloads) out.insert("workload " + id.name.str() + text(endpoint.second));
  for (const auto& [id, peer] : state.peers) out.insert("peer " + id.name.str() + " " + peer);
  if (state.peering.first) out.insert("peering " + state.peering.first->to_string());
  if (state.peering.second) out.insert("peering " + state.peering.second->to_string());
  for (const auto& [id, endpoint] : state.host_endpoints) out.insert("host " + id.name.str() + text(endpoint.second));
  for (const auto& [name, node] : state.nodes) out.insert("node " + name + (node.first ? " " + node.first->to_string() : ""));
  for (const auto& [name, pool] : state.pools) out.insert("pool " + name);
  for (const Cidr& cidr : state.service_cidrs) out.insert("service " + cidr.to_string());
  for (const Cidr& cidr : state.blocks) out.insert("block " + cidr.to_string());
  return out;
}

// ---- what resources are made of --------------------------------------------------------------------------------------

WorkloadEndpoint pod(const char* node, Labels labels, const char* address) {
  WorkloadEndpoint out;
  out.node = node;
  out.labels = std::move(labels);
  out.profiles = {"kns.a"};
  if (*address) out.nets = {*Cidr::parse(address)};
  return out;
}
Rule from(const char* selector) {
  Rule rule;
  rule.source.selector = *Selector::parse(selector);
  return rule;
}
Policy policy(const char* selector, std::vector<Rule> ingress = {}) {
  Policy out;
  out.selector = *Selector::parse(selector);
  out.ingress = std::move(ingress);
  return out;
}
Profile allow_all(Labels labels = {}) {
  Profile out;
  out.ingress.emplace_back();
  out.egress.emplace_back();
  out.labels_to_apply = std::move(labels);
  return out;
}

struct State {
  std::string name;
  Resources resources;
  Lines expected;
};

class Builder {
 public:
  template <class T>
  Builder& with(Kind kind, const char* ns, const char* name, T value) {
    resources_[Key{kind, ns, name}] = std::make_shared<const T>(std::move(value));
    return *this;
  }
  Builder& without(Kind kind, const char* ns, const char* name) {
    resources_.erase(Key{kind, ns, name});
    return *this;
  }
  Builder& expect(Lines lines) {
    expected_ = std::move(lines);
    return *this;
  }
  Builder& expect_instead(const std::string& old_line, const std::string& new_line) {
    REQUIRE(expected_.erase(old_line) == 1);
    if (!new_line.empty()) expected_.insert(new_line);
    return *this;
  }
  Builder& expect_also(const std::string& line) {
    REQUIRE(expected_.insert(line).second);
    return *this;
  }
  void state(std::vector<State>& states, const char* name) { states.push_back({name, resources_, expected_}); }

 private:
  Resources resources_;
  Lines expected_;
};

BgpPeer peer(const char* workloads) {
  BgpPeer out;
  out.local_workload_selector = *Selector::parse(workloads);
  return out;
}

// Workload w is on this node, labelled app: web; who is its BGP peer?
void add_peers(Builder& b, std::vector<State>& out) {
  BgpPeer remote, elsewhere = peer("all()"), by_label = peer("all()");
  remote.peer_ip = Addr::parse("192.0.2.1");
  elsewhere.node = "there";
  by_label.node_selector = *Selector::parse("rack == 'r1'");
  b.with(Kind::BGPPeer, "", "a-remote", remote)
      .with(Kind::BGPPeer, "", "a-elsewhere", elsewhere)
      .with(Kind::BGPPeer, "", "a-rack", by_label)
      .with(Kind::BGPPeer, "", "m", peer("app == 'web'"))
      .expect_also("peer w m")
      .state(out, "a pod is the peer of what selects it here");
  b.with(Kind::BGPPeer, "", "b", peer("has(app)")).expect_instead("peer w m", "peer w b").state(out, "the first by name has it");
  b.with(Kind::Node, "", "here", Node{.labels = {{"rack", "r1"}}})
      .expect_also("node here")
      .expect_instead("peer w b", "peer w a-rack")
      .state(out, "this node's labels bring another peer here");
  b.without(Kind::Node, "", "here").expect_instead("node here", "").expect_instead("peer w a-rack", "peer w b");
  b.without(Kind::BGPPeer, "", "b").with(Kind::BGPPeer, "", "m", peer("speaker == 'yes'"));
  b.expect_instead("peer w b", "").state(out, "no peer selects it any more");
  b.with(Kind::Profile, "", "kns.a", allow_all({{"speaker", "yes"}}))
      .expect_also("peer w m")
      .state(out, "but does by what it inherits");
  b.with(Kind::Profile, "", "kns.a", allow_all());
  for (const char* name : {"a-remote", "a-elsewhere", "a-rack", "m"}) b.without(Kind::BGPPeer, "", name);
  b.expect_instead("peer w m", "");
  BgpConfiguration own;
  own.service_cluster_ips = {*Cidr::parse("10.96.0.0/12")};
  const BgpConfiguration without = own;
  own.local_workload_peering_v4 = Addr::parse("169.254.1.1");
  own.local_workload_peering_v6 = Addr::parse("fd00::1");
  b.with(Kind::BGPConfiguration, "", "default", own)
      .with(Kind::BGPConfiguration, "", "node.here", without)
      .expect_also("peering 169.254.1.1")
      .expect_also("peering fd00::1")
      .state(out, "the addresses to talk to are those of the default configuration");
  b.with(Kind::BGPConfiguration, "", "default", without).with(Kind::BGPConfiguration, "", "node.here", own);
  b.expect_instead("peering 169.254.1.1", "").expect_instead("peering fd00::1", "");
  b.state(out, "and no other's");
}

std::vector<State> walk() {
  std::vector<State> out;
  Builder b;
  const Labels web{{"app", "web"}}, db{{"app", "db"}};
  b.state(out, "nothing");

  b.with(Kind::WorkloadEndpoint, "a", "w", pod("here", web, "10.0.0.1/32"))
      .expect({"profile kns.a <d >d", "workload w kns.a"})
      .state(out, "a local pod whose profile is missing is closed by it");
  b.with(Kind::Profile, "", "kns.a", allow_all())
      .expect({"profile kns.a <a >a", "workload w kns.a"})
      .state(out, "its profile appears");
  b.with(Kind::WorkloadEndpoint, "a", "r", pod("there", db, "10.0.0.2/32"))
      .with(Kind::NetworkPolicy, "a", "unused", policy("app == 'none'", {from("app == 'none'")}))
      .state(out, "another node's pod and a policy that selects nobody here are nothing to us");
  b.with(Kind::NetworkPolicy, "a", "p", policy("app == 'web'", {from("app == 'db'")}))
      .expect_also(sel("app == 'db'", "10.0.0.2/32"))
      .expect_also("policy p <a >")
      .expect_instead("workload w kns.a", "workload w default[<p] kns.a")
      .state(out, "a policy selects it and names the other");
  b.with(Kind::WorkloadEndpoint, "a", "r2", pod("there", db, "10.0.0.2/32"))
      .state(out, "two pods with one address are one member");
  b.without(Kind::WorkloadEndpoint, "a", "r").state(out, "until both are gone it stays");
  b.with(Kind::WorkloadEndpoint, "a", "r2", pod("there", {}, "10.0.0.2/32"))
      .expect_instead(sel("app == 'db'", "10.0.0.2/32"), sel("app == 'db'"))
      .state(out, "a pod without the label is no member");
  b.with(Kind::Profile, "", "kns.a", allow_all(db))
      .expect_instead(sel("app == 'db'"), sel("app == 'db'", "10.0.0.2/32"))
      .state(out, "but inherits it from its profile, where its neighbour's own label wins");
  b.with(Kind::Profile, "", "kns.a", allow_all())
      .with(Kind::GlobalNetworkSet, "", "s", NetworkSet{db, {}, {*Cidr::parse("0.0.0.0/0"), *Cidr::parse("192.0.2.0/24")}})
      .expect_instead(sel("app == 'db'", "10.0.0.2/32"), sel("app == 'db'", "0.0.0.0/1 128.0.0.0/1 192.0.2.0/24"))
      .state(out, "a network set with a /0 gives two halves");
  {
    Rule rule = from("app == 'web'");
    rule.protocol = protocol::kTcp;
    rule.destination.named_ports = {"http"};
    rule.destination.selector = *Selector::parse("app == 'web'");
    WorkloadEndpoint w = pod("here", web, "10.0.0.1/32");
    w.ports = {{.name = "http", .protocol = protocol::kTcp, .port = 80},
               {.name = "http", .protocol = protocol::kUdp, .port = 81}};
    b.with(Kind::WorkloadEndpoint, "a", "w", w)
        .with(Kind::NetworkPolicy, "a", "p", policy("app == 'web'", {rule}))
        .expect_instead(sel("app == 'db'", "0.0.0.0/1 128.0.0.0/1 192.0.2.0/24"), sel("app == 'web'", "10.0.0.1/32"))
        .expect_also(ports_of("app == 'web'", "tcp", "http", "10.0.0.1/32,tcp:80"))
        .state(out, "a named port becomes its own set, of the rule's protocol only");
    b.with(Kind::NetworkPolicy, "a", "p", policy("app == 'web'"))
        .expect_instead(sel("app == 'web'", "10.0.0.1/32"), "")
        .expect_instead(ports_of("app == 'web'", "tcp", "http", "10.0.0.1/32,tcp:80"), "")
        .expect_instead("policy p <a >", "policy p < >")
        .state(out, "a policy without rules still governs");
  }
  {
    Policy first = policy("all()");
    first.tier = "t1";
    Policy phantom = policy("all()");
    phantom.tier = "nowhere";
    phantom.order = 1;
    Policy early = policy("has(app)");
    early.order = 5;
    early.governs_egress = true;
    b.with(Kind::Tier, "", "default", Tier{.order = 100})
        .with(Kind::Tier, "", "t1", Tier{.order = 10, .default_pass = true})
        .with(Kind::GlobalNetworkPolicy, "", "first", first)
        .with(Kind::GlobalNetworkPolicy, "", "phantom", phantom)
        .with(Kind::GlobalNetworkPolicy, "", "early", early)
        .expect_also("policy first < >")
        .expect_also("policy phantom < >")
        .expect_also("policy early < >")
        .expect_instead("workload w default[<p] kns.a",
                        "workload w t1/pass[<first] default[<early<p>early] nowhere[<phantom] kns.a")
        .state(out, "tiers in order, those only named last; in a tier by order, absent last");
    b.with(Kind::Tier, "", "t1", Tier{.order = 1000})
        .expect_instead("workload w t1/pass[<first] default[<early<p>early] nowhere[<phantom] kns.a",
                        "workload w default[<early<p>early] t1[<first] nowhere[<phantom] kns.a")
        .state(out, "a tier moves and stops passing");
    b.without(Kind::Tier, "", "t1")
        .expect_instead("workload w default[<early<p>early] t1[<first] nowhere[<phantom] kns.a",
                        "workload w default[<early<p>early] nowhere[<phantom] t1[<first] kns.a")
        .state(out, "a deleted tier is as one never seen");
    Policy staged = policy("has(app)", {from("app == 'staged'")});
    staged.staged = true;
    b.with(Kind::StagedGlobalNetworkPolicy, "", "st", staged)
        .expect_also("policy st staged < >")
        .expect_instead("workload w default[<early<p>early] nowhere[<phantom] t1[<first] kns.a",
                        "workload w default[<early<p<st>early] nowhere[<phantom] t1[<first] kns.a")
        .state(out, "a staged policy is in the order, without rules and sets");
  }
  {
    HostEndpoint host;
    host.node = "here";
    host.interface_name = "eth0";
    host.labels = {{"role", "host"}};
    host.expected_ips = {*Addr::parse("198.51.100.1")};
    Policy untracked = policy("has(role)"), before = policy("has(role)"), forward = policy("has(role)");
    untracked.do_not_track = untracked.apply_on_forward = true;
    before.pre_dnat = before.apply_on_forward = true;
    forward.apply_on_forward = true;
    b.with(Kind::HostEndpoint, "", "h", host)
        .with(Kind::GlobalNetworkPolicy, "", "u", untracked)
        .with(Kind::GlobalNetworkPolicy, "", "b", before)
        .with(Kind::GlobalNetworkPolicy, "", "f", forward)
        .without(Kind::GlobalNetworkPolicy, "", "first")
        .without(Kind::GlobalNetworkPolicy, "", "phantom")
        .expect_instead("policy first < >", "policy u < >")
        .expect_instead("policy phantom < >", "policy b < >")
        .expect_also("policy f < >")
        .expect_instead("workload w default[<early<p<st>early] nowhere[<phantom] t1[<first] kns.a",
                        "workload w default[<early<p<st>early] kns.a")
        .expect_also("host h default[<f] untracked default/pass[<u] prednat default/pass[<b] forward default[<f]")
        .state(out, "a host endpoint's policies are split by where they act");
    b.without(Kind::HostEndpoint, "", "h")
        .expect_instead("host h default[<f] untracked default/pass[<u] prednat default/pass[<b] forward default[<f]", "")
        .expect_instead("policy u < >", "")
        .expect_instead("policy b < >", "")
        .expect_instead("policy f < >", "")
        .state(out, "without it nobody needs them");
  }
  {
    EndpointSlice slice;
    slice.service = "svc";
    slice.endpoints = {{.addresses = {*Addr::parse("10.0.0.9")}, .node = "there", .ready = false}};
    slice.ports = {{.name = "p", .protocol = protocol::kTcp, .port = 443}};
    Rule rule;
    rule.destination.service = ServiceRef{"a", "svc"};
    Policy egress = policy("app == 'web'");
    egress.governs_ingress = false;
    egress.governs_egress = true;
    egress.egress = {rule};
    egress.ingress = {from("app == 'never scanned'")};
    const std::string id = "set " + make_unique_id("svc", "a/svc") + " =";
    b.without(Kind::GlobalNetworkPolicy, "", "early")
        .without(Kind::StagedGlobalNetworkPolicy, "", "st")
        .with(Kind::NetworkPolicy, "a", "e", egress)
        .expect_instead("policy early < >", "")
        .expect_instead("policy st staged < >", "policy e < >a")
        .expect_also(id)
        .expect_instead("workload w default[<early<p<st>early] kns.a", "workload w default[<p>e] kns.a")
        .state(out, "a service without slices is an empty set");
    b.with(Kind::EndpointSlice, "a", "svc-1", slice)
        .with(Kind::EndpointSlice, "a", "svc-2", slice)
        .with(Kind::EndpointSlice, "b", "svc-1", slice)
        .expect_instead(id, id + " 10.0.0.9/32,tcp:443")
        .state(out, "its slices fill it, ready or not");
    b.without(Kind::EndpointSlice, "a", "svc-1").state(out, "one of two equal slices goes");
    Policy closed = egress;
    closed.closed = true;
    Policy everywhere = policy("app == 'none'", {from("app == 'none'")});
    everywhere.needed_everywhere = true;
    b.with(Kind::NetworkPolicy, "a", "e", closed)
        .with(Kind::NetworkPolicy, "a", "unused", everywhere)
        .expect_instead(id + " 10.0.0.9/32,tcp:443", sel("app == 'none'"))
        .expect_instead("policy e < >a", "policy e < >d")
        .expect_also("policy unused <a >")
        .state(out, "a closed policy is one Deny; one wanted everywhere needs no local pod");
  }
  Node node;
  node.ipv4 = Addr::parse("192.0.2.7");
  IpPool pool;
  pool.cidr = *Cidr::parse("10.0.0.0/16");
  BgpConfiguration bgp;
  bgp.service_cluster_ips = {*Cidr::parse("10.96.0.0/12")};
  bgp.service_external_ips = bgp.service_cluster_ips;
  b.with(Kind::Node, "", "there", node)
      .with(Kind::IPPool, "", "p1", pool)
      .with(Kind::IPPool, "", "p0", pool)
      .with(Kind::BGPConfiguration, "", "default", bgp)
      .with(Kind::BGPConfiguration, "", "node.here", bgp)
      .expect_also("node there 192.0.2.7")
      .expect_also("pool p0")
      .expect_also("service 10.96.0.0/12")
      .state(out, "nodes, pools and service CIDRs pass through; of equal pools the lowest name");
  b.without(Kind::IPPool, "", "p0").expect_instead("pool p0", "pool p1").state(out, "the other pool takes over");
  BlockAffinity block;
  block.node = "here";
  block.cidr = *Cidr::parse("10.0.3.0/26");
  BlockAffinity leaving = block, pending = block, single = block, theirs = block, balancer = block;
  leaving.cidr = *Cidr::parse("10.0.4.0/26");
  leaving.state = BlockAffinity::State::PendingDeletion;
  pending.cidr = *Cidr::parse("10.0.5.0/26");
  pending.state = BlockAffinity::State::Pending;
  single.cidr = *Cidr::parse("10.0.6.1/32");
  theirs.cidr = *Cidr::parse("10.0.7.0/26");
  theirs.node = "there";
  balancer.cidr = *Cidr::parse("10.0.8.0/26");
  balancer.of_host = false;
  b.with(Kind::BlockAffinity, "", "b1", block)
      .with(Kind::BlockAffinity, "", "b2", leaving)
      .with(Kind::BlockAffinity, "", "b3", pending)
      .with(Kind::BlockAffinity, "", "b4", single)
      .with(Kind::BlockAffinity, "", "b5", theirs)
      .with(Kind::BlockAffinity, "", "b6", balancer)
      .expect_also("block 10.0.3.0/26")
      .expect_also("block 10.0.4.0/26")
      .state(out, "this node's blocks, confirmed or on their way out, but none of one address");
  for (const char* name : {"b1", "b2", "b3", "b4", "b5", "b6"}) b.without(Kind::BlockAffinity, "", name);
  b.expect_instead("block 10.0.3.0/26", "").expect_instead("block 10.0.4.0/26", "");
  add_peers(b, out);
  b.with(Kind::WorkloadEndpoint, "a", "w", pod("here", web, ""))
      .expect({sel("app == 'none'"), "policy unused <a >", "node there 192.0.2.7", "pool p1", "service 10.96.0.0/12"})
      .state(out, "a finished pod is nothing");
  b.with(Kind::WorkloadEndpoint, "a", "w", pod("there", web, "10.0.0.1/32")).state(out, "nor is one that is another node's now");
  return out;
}

// ---- ways to walk ----------------------------------------------------------------------------------------------------

std::vector<Update> step(const Resources& before, const Resources& now, bool reversed) {
  std::vector<Update> updates;
  for (const auto& [key, value] : before) {
    if (!now.contains(key)) updates.push_back({key, std::nullopt});
  }
  for (const auto& [key, value] : now) {
    const auto old = before.find(key);
    if (old == before.end() || !(old->second == value)) updates.push_back({key, value});
  }
  std::sort(updates.begin(), updates.end(),
            [&](const Update& a, const Update& b) { return reversed ? b.key < a.key : a.key < b.key; });
  return updates;
}

enum class Flush { EachState, EachUpdate, AtEnd };

void walk(const std::vector<State>& states, bool reversed_keys, Flush flush, bool one_batch_each) {
  test::Mirror mirror;
  Graph graph{{.node = "here"}, mirror};
  const auto flush_now = [&] {
    mirror.begin_flush();
    graph.flush();
  };
  graph.on_state(SyncState::InSync);
  Resources before;
  for (std::size_t i = 0; i < states.size(); ++i) {
    INFO(states[i].name);
    const std::vector<Update> updates = step(before, states[i].resources, reversed_keys);
    if (one_batch_each) {
      graph.on_updates(updates);
    } else {
      for (const Update& update : updates) {
        graph.on_updates({&update, 1});
        if (flush == Flush::EachUpdate) flush_now();
      }
    }
    before = states[i].resources;
    if (flush == Flush::AtEnd && i + 1 < states.size()) continue;
    flush_now();
    REQUIRE(describe(mirror.state) == states[i].expected);
    REQUIRE(test::difference(test::compute(before, "here"), mirror.state) == "");
    REQUIRE_FALSE(graph.has_pending());
  }
}

}  // namespace

TEST_CASE("every state is reached by every way") {
  std::vector<State> states = walk();
  const std::string way = GENERATE("as listed", "reversed", "with nothing in between", "each alone", "round trip");
  if (way == "reversed") std::reverse(states.begin(), states.end());
  if (way == "with nothing in between") {
    std::vector<State> expanded;
    for (const State& state : states) {
      expanded.push_back(state);
      expanded.push_back({"nothing after: " + state.name, {}, {}});
    }
    states = expanded;
  }
  if (way == "round trip") states.insert(states.end(), states.rbegin(), states.rend());
  const bool reversed_keys = GENERATE(false, true);
  const bool one_batch_each = GENERATE(false, true);
  const Flush flush = GENERATE(Flush::EachState, Flush::EachUpdate, Flush::AtEnd);
  CAPTURE(way, reversed_keys, one_batch_each, static_cast<int>(flush));
  if (way == "each alone") {
    for (const State& state : states) walk({state}, reversed_keys, flush, one_batch_each);
  } else {
    walk(states, reversed_keys, flush, one_batch_each);
  }
}
