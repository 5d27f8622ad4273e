// Kernel tables in memory: a commit is all or nothing, a rule naming a missing chain or set is refused, a table that changed
// since it was last seen answers Conflict, a change of equal shape goes unseen.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fakes/fake_sets.hpp"
#include "fakes/fuse.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::fakes {

class FakeTables final : public kernel::Tables {
 public:
  using Chains = std::map<std::string, std::vector<kernel::Rule>>;
  using Where = std::pair<Family, kernel::Table>;

  FakeTables(Fuse& fuse, FakeSets& sets) : fuse_{fuse}, sets_{sets} {
    for (const Family family : kFamilies) {
      for (const auto* chain : {"PREROUTING", "OUTPUT"}) {
        tables[{family, kernel::Table::Raw}][chain];
        tables[{family, kernel::Table::Mangle}][chain];
        tables[{family, kernel::Table::Nat}][chain];
      }
      for (const auto* chain : {"INPUT", "FORWARD", "POSTROUTING"}) tables[{family, kernel::Table::Mangle}][chain];
      for (const auto* chain : {"INPUT", "POSTROUTING"}) tables[{family, kernel::Table::Nat}][chain];
      for (const auto* chain : {"INPUT", "FORWARD", "OUTPUT"}) tables[{family, kernel::Table::Filter}][chain];
    }
  }

  std::map<Where, Chains> tables;                       // the kernel's state: tests look at and meddle with it
  std::vector<kernel::Rule> poison;                     // rules that the kernel refuses as Invalid
  std::vector<std::string> last_written, last_removed;  // by the last commit
  long commits = 0;

  const Chains& of(Family family, kernel::Table table) const { return tables.at({family, table}); }

  Result<kernel::TableInfo> info(Family family, kernel::Table table) override {
    if (auto e = fuse_.before("tables.info")) return *e;
    return shape(tables[{family, table}]);
  }
  Result<kernel::TableState> read(Family family, kernel::Table table, const std::vector<kernel::Hooks>& wanted) override {
    if (auto e = fuse_.before("tables.read")) return *e;
    const Chains& chains = tables[{family, table}];
    kernel::TableState state;
    state.info = shape(chains);
    for (const auto& [name, rules] : chains) {
      if (kernel::is_our_chain(name)) {
        state.chains[name] = kernel::digest(rules);
        continue;
      }
      std::size_t ours = 0;
      for (const auto& rule : rules) ours += kernel::is_our_rule(rule);
      if (ours == 0) continue;
      const auto want = std::find_if(wanted.begin(), wanted.end(), [&name = name](const auto& h) { return h.chain == name; });
      if (want == wanted.end() || rules != with_hooks(rules, *want)) state.stray = true;
      if (want != wanted.end() && rules == with_hooks(rules, *want)) state.hooks.push_back(*want);
    }
    fuse_.after("tables.read");
    return state;
  }
  Result<kernel::TableInfo> apply(Family family, kernel::Table table, const kernel::TableChange& change,
                                  const std::optional<kernel::TableInfo>& expected) override {
    if (auto e = fuse_.before("tables.apply")) return *e;
    Chains chains = tables[{family, table}];
    if (expected && !(*expected == shape(chains))) return Error{ErrorCode::Conflict, "the table changed"};
    for (const auto* chain : change.write) {
      for (const auto& bad : poison) {
        if (std::count(chain->rules.begin(), chain->rules.end(), bad)) return Error{ErrorCode::Invalid, "a rule is refused"};
      }
      chains[chain->name] = chain->rules;
    }
    if (change.fix_hooks) {
      for (auto& [name, rules] : chains) {
        if (kernel::is_our_chain(name)) continue;
        const auto want =
            std::find_if(change.hooks.begin(), change.hooks.end(), [&name = name](const auto& h) { return h.chain == name; });
        if (want != change.hooks.end()) {
          rules = with_hooks(rules, *want);
        } else {
          std::erase_if(rules, [](const auto& rule) { return kernel::is_our_rule(rule); });
        }
      }
    }
    for (const auto& name : change.remove) {
      chains.erase(name);
      for (auto& [holder, rules] : chains) {
        if (kernel::is_our_chain(holder)) continue;
        std::erase_if(rules, [&, gone = name](const auto& rule) {
          const auto* target = rule.target_chain();
          return target && *target == gone;
        });
      }
    }
    for (const auto& [name, rules] : chains) {
      for (const auto& rule : rules) {
        const auto* target = rule.target_chain();
        if (target && !chains.count(*target)) return Error{ErrorCode::Invalid, name + " jumps to missing " + *target};
        for (const auto set : rule.sets()) {
          if (!sets_.sets.count(std::string{set})) return Error{ErrorCode::NotFound, "no set " + std::string{set}};
        }
      }
    }
    tables[{family, table}] = std::move(chains);
    count_references();
    ++commits;
    last_written.clear();
    for (const auto* chain : change.write) last_written.push_back(chain->name);
    last_removed = change.remove;
    fuse_.after("tables.apply");
    return shape(tables[{family, table}]);
  }
  Status cleanup(Family family, kernel::Table table) override {
    if (auto e = fuse_.before("tables.cleanup")) return *e;
    Chains& chains = tables[{family, table}];
    for (auto& [name, rules] : chains) std::erase_if(rules, [](const auto& rule) { return kernel::is_our_rule(rule); });
    std::erase_if(chains, [](const auto& item) { return kernel::is_our_chain(item.first); });
    count_references();
    fuse_.after("tables.cleanup");
    return {};
  }

  void count_references() {
    sets_.references.clear();
    for (const auto& [where, chains] : tables) {
      for (const auto& [name, rules] : chains) {
        for (const auto& rule : rules) {
          for (const auto set : rule.sets()) ++sets_.references[std::string{set}];
        }
      }
    }
  }

 private:
  static std::vector<kernel::Rule> with_hooks(const std::vector<kernel::Rule>& rules, const kernel::Hooks& hooks) {
    std::vector<kernel::Rule> out;
    if (!hooks.append) out = hooks.first;
    for (const auto& rule : rules) {
      if (!kernel::is_our_rule(rule)) out.push_back(rule);
    }
    if (hooks.append) out.insert(out.end(), hooks.first.begin(), hooks.first.end());
    out.insert(out.end(), hooks.last.begin(), hooks.last.end());
    return out;
  }
  static kernel::TableInfo shape(const Chains& chains) {
    kernel::TableInfo info;
    for (const auto& [name, rules] : chains) {
      ++info.entries;
      for (const auto& rule : rules) {
        ++info.entries;
        info.bytes += static_cast<std::uint32_t>(152 + 48 * rule.matches.size());
      }
    }
    return info;
  }
  Fuse& fuse_;
  FakeSets& sets_;
};

}  // namespace margay::fakes
