#include "kinds.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "suggest.hpp"

namespace margay::ctl {
namespace {

struct ShortName {
  std::string_view word;
  Kind kind;
};

// calicoctl's aliases (datastore-model §5.1) and kubectl's short names.
constexpr ShortName kShortNames[] = {
    {"np", Kind::NetworkPolicy},
    {"policy", Kind::NetworkPolicy},
    {"policies", Kind::NetworkPolicy},
    {"pol", Kind::NetworkPolicy},
    {"gnp", Kind::GlobalNetworkPolicy},
    {"snp", Kind::StagedNetworkPolicy},
    {"spol", Kind::StagedNetworkPolicy},
    {"sgnp", Kind::StagedGlobalNetworkPolicy},
    {"sknp", Kind::StagedKubernetesNetworkPolicy},
    {"skpol", Kind::StagedKubernetesNetworkPolicy},
    {"netset", Kind::NetworkSet},
    {"gnetset", Kind::GlobalNetworkSet},
    {"pro", Kind::Profile},
    {"wep", Kind::WorkloadEndpoint},
    {"hep", Kind::HostEndpoint},
    {"no", Kind::Node},
    {"ipp", Kind::IPPool},
    {"pool", Kind::IPPool},
    {"reservation", Kind::IPReservation},
    {"felixconfig", Kind::FelixConfiguration},
    {"bgpconfig", Kind::BGPConfiguration},
    {"bgpp", Kind::BGPPeer},
    {"bp", Kind::BGPPeer},
    {"bgpf", Kind::BGPFilter},
    {"bf", Kind::BGPFilter},
    {"clusterinfo", Kind::ClusterInformation},
    {"ipamconfig", Kind::IPAMConfiguration},
    {"kubecontrollersconfig", Kind::KubeControllersConfiguration},
    {"nodestatus", Kind::CalicoNodeStatus},
    {"ns", Kind::Namespace},
    {"po", Kind::Pod},
    {"sa", Kind::ServiceAccount},
    {"svc", Kind::Service},
    {"eps", Kind::EndpointSlice},
    {"netpol", Kind::KubernetesNetworkPolicy},
    {"knp", Kind::KubernetesNetworkPolicy},
    {"cnp", Kind::ClusterNetworkPolicy},
};

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

std::string full_suffix(const KindInfo& kind) { return kind.group.empty() ? std::string{kind.version} : std::string{kind.group}; }

// Every word and its kind. Calico's kinds come first in all_kinds(), so they get the bare words.
const std::map<std::string, Kind, std::less<>>& words() {
  static const auto made = [] {
    std::map<std::string, Kind, std::less<>> out;
    for (const KindInfo& kind : all_kinds()) {
      for (const std::string& word : {lower(kind.name), std::string{kind.plural}}) {
        out.emplace(word, kind.kind);
        out.emplace(word + "." + full_suffix(kind), kind.kind);
        if (!kind.group.empty()) out.emplace(word + "." + std::string{kind.version} + "." + std::string{kind.group}, kind.kind);
      }
    }
    for (const ShortName& row : kShortNames) {
      out.emplace(row.word, row.kind);
      out.emplace(std::string{row.word} + "s", row.kind);
    }
    return out;
  }();
  return made;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (;;) {
    const auto at = text.find(separator);
    out.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

Error usage(std::string text) { return Error{ErrorCode::Invalid, std::move(text)}; }

Result<Kind> one_kind(std::string_view word) {
  if (const auto kind = find_kind_word(word)) return *kind;
  std::vector<std::string> known;
  for (const auto& [name, kind] : words())
    if (name.find('.') == std::string::npos) known.push_back(name);
  return usage(
      fmt::format("there is no kind \"{}\"{} (`margayctl get --help` lists the kinds)", word, did_you_mean(lower(word), known)));
}

}  // namespace

std::optional<Kind> find_kind_word(std::string_view word) {
  const auto found = words().find(lower(word));
  if (found == words().end()) return std::nullopt;
  return found->second;
}

Result<std::vector<Kind>> parse_kinds(std::string_view text) {
  std::vector<Kind> out;
  const auto add = [&](Kind kind) {
    if (std::find(out.begin(), out.end(), kind) == out.end()) out.push_back(kind);
  };
  for (const std::string& word : split(text, ',')) {
    if (lower(word) == "all") {
      for (const KindInfo& kind : all_kinds()) add(kind.kind);
      continue;
    }
    auto kind = one_kind(word);
    if (!kind) return kind.error();
    add(*kind);
  }
  return out;
}

Result<std::vector<Selection>> parse_selections(std::span<const std::string> arguments) {
  std::vector<Selection> out;
  const auto add = [&](Kind kind, const std::string& name) {
    Selection selection{kind, name};
    if (std::find(out.begin(), out.end(), selection) == out.end()) out.push_back(std::move(selection));
  };
  if (arguments.empty()) return usage("name a kind, as in `margayctl get networkpolicy`; `margayctl get --help` lists the kinds");
  const bool slashes = arguments.front().find('/') != std::string::npos;
  if (slashes) {
    for (const std::string& argument : arguments) {
      const auto slash = argument.find('/');
      if (slash == std::string::npos || slash + 1 == argument.size() || argument.find('/', slash + 1) != std::string::npos)
        return usage(fmt::format("\"{}\" is not KIND/NAME, as the other arguments are", argument));
      auto kind = one_kind(std::string_view{argument}.substr(0, slash));
      if (!kind) return kind.error();
      add(*kind, argument.substr(slash + 1));
    }
    return out;
  }
  auto kinds = parse_kinds(arguments.front());
  if (!kinds) return kinds.error();
  for (const Kind kind : *kinds) {
    if (arguments.size() == 1) add(kind, {});
    for (const std::string& name : arguments.subspan(1)) {
      if (name.find('/') != std::string::npos) return usage(fmt::format("\"{}\": write either KIND NAME… or KIND/NAME…", name));
      if (name.empty()) return usage("a name is empty");
      add(kind, name);
    }
  }
  return out;
}

std::string kind_word(Kind kind) {
  const KindInfo& row = info(kind);
  std::string word = lower(row.name);
  if (row.group.empty() && find_kind_word(word) == kind) return word;
  return word + "." + full_suffix(row);
}

std::string object_word(const ObjectId& id) { return kind_word(id.kind) + "/" + id.name; }

std::string describe(const ObjectId& id) {
  return fmt::format("{} {}{}{}", info(id.kind).name, id.ns, id.ns.empty() ? "" : "/", id.name);
}

std::string kinds_help() {
  std::string out = "Kinds (singular or plural, any case; several joined by commas; `all`):\n";
  for (const KindInfo& kind : all_kinds()) {
    const std::string bare = lower(kind.name);
    std::string line = "  " + (find_kind_word(bare) == kind.kind ? bare : kind_word(kind.kind));
    std::string shorts;
    for (const ShortName& row : kShortNames)
      if (row.kind == kind.kind && row.word != "policies") shorts.append(shorts.empty() ? "" : ", ").append(row.word);
    if (!shorts.empty()) line = fmt::format("{:<34}{}", line, shorts);
    out += line + "\n";
  }
  return out;
}

std::string unknown_kind(std::string_view api_version, std::string_view kind) {
  std::vector<std::string> names;
  for (const KindInfo& row : all_kinds()) {
    if (lower(row.name) == lower(kind)) {
      // The kind is right but for case or apiVersion; of several take the one of the group that was meant.
      const bool other = std::any_of(all_kinds().begin(), all_kinds().end(), [&](const KindInfo& r) {
        return r.kind != row.kind && r.name == row.name && !r.group.empty() &&
               api_version.find(r.group) != std::string_view::npos;
      });
      if (!other)
        return fmt::format("there is no kind \"{}\" of apiVersion \"{}\"; write apiVersion: {}, kind: {}", kind, api_version,
                           margay::api_version(row.kind), row.name);
    }
    names.emplace_back(row.name);
  }
  return fmt::format("there is no kind \"{}\" of apiVersion \"{}\"{}", kind, api_version, did_you_mean(kind, names));
}

}  // namespace margay::ctl
