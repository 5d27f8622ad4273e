#include "node.hpp"

#include <stdexcept>

#include <nlohmann/json.hpp>

#include "margay/model/decode.hpp"

namespace margay::pipeline {
namespace {

dataplane::Config configuration() { return {}; }

kernel::Evaluator compile(Family family, const fakes::FakeTables& tables, const fakes::FakeSets& sets) {
  kernel::Ruleset in;
  in.family = family;
  for (const kernel::Table table : kernel::kTables) {
    kernel::TableRules& out = in.tables.emplace_back();
    out.table = table;
    for (const auto& [name, rules] : tables.of(family, table)) {
      if (kernel::is_our_chain(name)) out.chains.push_back({name, rules});
      else out.kernel.push_back({.name = name, .rules = rules});
    }
  }
  for (const auto& [name, set] : sets.sets)
    if (set.spec.family == family) in.sets.push_back({set.spec, {set.members.begin(), set.members.end()}});
  auto compiled = kernel::Evaluator::compile(std::move(in));
  if (!compiled) throw std::runtime_error{compiled.error().text};
  return std::move(*compiled);
}

}  // namespace

TestNode::TestNode()
    : dataplane_{configuration(), {tables_, sets_, routes_, links_, conntrack_, sysctls_, clock_}},
      graph_{{kThisNode, false}, dataplane_} {
  graph_.on_state(SyncState::Resync);
  std::vector<Update> updates;
  for (auto& [key, value] : built_in_resources()) updates.push_back({.key = key, .value = value});
  graph_.on_updates(updates);
}

void TestNode::hold(const Cluster& cluster) {
  std::vector<Update> updates;
  std::map<Key, std::string> now;
  for (const nlohmann::json& manifest : manifests(cluster)) {
    const auto id = identify(manifest);
    if (!id) throw std::runtime_error{id.error().text + ": " + manifest.dump()};
    Decoded decoded = decode(*id, manifest, {});
    const bool broken = manifest.contains("spec") && manifest.dump().find(R"("Nonsense")") != std::string::npos;
    const bool bad_port = manifest.dump().find("70000") != std::string::npos;
    if (!decoded.errors.empty() != (broken || bad_port))
      throw std::runtime_error{
          (decoded.errors.empty() ? "accepted: " : decoded.errors.front().field + " " + decoded.errors.front().reason + ": ") +
          manifest.dump()};
    if (!decoded.key) throw std::runtime_error{"no key: " + manifest.dump()};
    if (!now.emplace(*decoded.key, manifest.dump()).second) throw std::runtime_error{"twice: " + decoded.key->to_string()};
    const auto before = held_.find(*decoded.key);
    if (before == held_.end() || before->second != now[*decoded.key])
      updates.push_back({.key = *decoded.key, .value = decoded.value});
  }
  for (const auto& [key, text] : held_)
    if (!now.contains(key)) updates.push_back({.key = key, .value = {}});
  held_ = std::move(now);
  graph_.on_updates(updates);
  if (!in_sync_) graph_.on_state(SyncState::InSync);
  in_sync_ = true;
  graph_.flush();
  const dataplane::Outcome outcome = dataplane_.apply();
  if (!outcome.ok) throw std::runtime_error{outcome.failures.empty() ? "apply" : outcome.failures.front().error.text};
  evaluators_.clear();
  for (const Family family : kFamilies) evaluators_.push_back(compile(family, tables_, sets_));
}

Outcome TestNode::run(const Packet& packet) const {
  kernel::Packet in;
  in.source = packet.source;
  in.destination = packet.destination;
  in.protocol = static_cast<std::uint8_t>(packet.protocol);
  in.source_port = packet.source_port;
  in.destination_port = packet.destination_port;
  in.icmp_type = static_cast<std::uint8_t>(packet.icmp_type);
  in.icmp_code = static_cast<std::uint8_t>(packet.icmp_code);
  in.in = packet.in;
  in.out = packet.out;
  kernel::Trace trace;
  const auto result = evaluators_[index(packet.source.family)].run(kernel::Path::Forward, in, &trace);
  Outcome out;
  if (result.verdict != kernel::Verdict::Accept) out.fate = Fate::Dropped;
  for (const auto& step : trace) {
    out.logged += std::holds_alternative<kernel::Log>(step.value->target) ? 1 : 0;
    if (out.fate == Fate::Undecided && step.table == kernel::Table::Filter &&
        std::holds_alternative<kernel::Accept>(step.value->target))
      out.fate = Fate::Accepted;
  }
  out.masqueraded = result.nat.masquerade;
  return out;
}

std::string TestNode::chains(Family family) const {
  std::string out;
  for (const auto& [name, rules] : tables_.of(family, kernel::Table::Filter))
    if (kernel::is_our_chain(name) && !rules.empty()) out += kernel::to_text(family, {name, rules});
  for (const auto& [name, set] : sets_.sets) {
    if (set.spec.family != family) continue;
    for (const auto& member : set.members) out += name + " has " + member.to_string(set.spec.type) + "\n";
  }
  return out;
}

}  // namespace margay::pipeline
