#include "node_address.hpp"

#include <regex.h>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace margay::ctl {
namespace {

using How = AddressMethod::How;

// Calico's list: a star stands for any ending.
constexpr std::string_view kExcluded[] = {
    "docker*",        "cbr*",       "dummy*",        "podman*",  "virbr*",     "lxcbr*", "veth*",        "lo",
    "br-*",           "cali*",      "tunl*",         "flannel*", "kube-ipvs*", "cni*",   "vxlan.calico", "vxlan-v6.calico",
    "wireguard.cali", "wg-v6.cali", "nodelocaldns*",
};

bool excluded(std::string_view name) {
  return std::any_of(std::begin(kExcluded), std::end(kExcluded), [&](std::string_view one) {
    return one.ends_with('*') ? name.starts_with(one.substr(0, one.size() - 1)) : name == one;
  });
}

class Pattern {
 public:
  explicit Pattern(const std::string& text) : good_{::regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB) == 0} {}
  ~Pattern() {
    if (good_) ::regfree(&compiled_);
  }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool matches(const std::string& text) const {
    return good_ && ::regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_{};
  bool good_;
};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  for (;;) {
    const auto comma = text.find(',');
    if (comma != 0 && !text.empty()) out.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

// What an interface has to offer: secondary addresses only where there is no other.
std::vector<Candidate> offered(const HostInterface& interface, Family family) {
  std::vector<Candidate> primary, secondary;
  for (const HostAddress& one : interface.addresses)
    if (one.addr.family == family && one.usable && is_host_address(one.addr))
      (one.secondary ? secondary : primary).push_back({one.addr, one.prefix, interface.name});
  return primary.empty() ? secondary : primary;
}

// Calico's order: the interface made last comes first.
std::vector<const HostInterface*> in_order(const Host& host) {
  std::vector<const HostInterface*> out;
  for (const HostInterface& one : host.interfaces) out.push_back(&one);
  std::stable_sort(out.begin(), out.end(), [](const HostInterface* a, const HostInterface* b) { return a->index > b->index; });
  return out;
}

void append(std::vector<Candidate>& to, std::vector<Candidate> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<Candidate> candidates_of(const Host& host, Family family, const AddressMethod& method,
                                     const std::optional<Addr>& wanted) {
  const auto interfaces = in_order(host);
  std::vector<Candidate> out;
  switch (method.how) {
    case How::OnlyOne:
    case How::FirstFound:
    case How::SkipInterface: {
      const auto skipped = [&](const std::string& name) {
        return excluded(name) || std::any_of(method.patterns.begin(), method.patterns.end(),
                                             [&](const std::string& text) { return Pattern{text}.matches(name); });
      };
      for (const HostInterface* one : interfaces)
        if (one->up && !skipped(one->name)) append(out, offered(*one, family));
      return out;
    }
    case How::Interface:
      for (const std::string& text : method.patterns) {
        const Pattern pattern{text};
        for (const HostInterface* one : interfaces)
          if (pattern.matches(one->name)) append(out, offered(*one, family));
        if (!out.empty()) return out;
      }
      return out;
    case How::Cidr:
      for (const HostInterface* one : interfaces)
        for (Candidate& candidate : offered(*one, family))
          if (std::any_of(method.cidrs.begin(), method.cidrs.end(), [&](const Cidr& c) { return c.contains(candidate.addr); }))
            out.push_back(std::move(candidate));
      return out;
    case How::CanReach:
    case How::KubernetesInternalIp:
      for (const HostInterface* one : interfaces)
        for (const HostAddress& address : one->addresses)
          if (wanted && address.addr == *wanted && out.empty()) out.push_back({address.addr, address.prefix, one->name});
      return out;
  }
  return out;
}

// The one candidate that the best default routes of the family leave by; absent if they leave by none or several.
std::optional<Candidate> by_default_route(const Host& host, Family family, const std::vector<Candidate>& candidates) {
  std::optional<std::uint32_t> best;
  for (const DefaultRoute& route : host.default_routes)
    if (route.family == family) best = std::min(best.value_or(route.metric), route.metric);
  std::vector<Candidate> left;
  for (const Candidate& candidate : candidates) {
    const bool leaves = std::any_of(host.default_routes.begin(), host.default_routes.end(), [&](const DefaultRoute& route) {
      if (route.family != family || route.metric != *best || (route.source && *route.source != candidate.addr)) return false;
      return std::any_of(host.interfaces.begin(), host.interfaces.end(), [&](const HostInterface& one) {
        return one.name == candidate.interface && (route.source.has_value() || one.index == route.interface);
      });
    });
    if (leaves) left.push_back(candidate);
  }
  return left.size() == 1 ? std::optional{left.front()} : std::nullopt;
}

std::string_view flag_of(Family family) { return family == Family::V4 ? "--ip" : "--ip6"; }

Result<AddressMethod> parse_method(Family family, std::string_view text) {
  const auto equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? std::string_view{} : text.substr(equals + 1);
  const bool bare = equals == std::string_view::npos;
  AddressMethod method;
  if (bare && name == "autodetect") return method;
  method.how = How::FirstFound;
  if (bare && name == "first-found") return method;
  method.how = How::KubernetesInternalIp;
  if (bare && name == "kubernetes-internal-ip") return method;
  const auto wrong = [&](std::string why) {
    return Error{ErrorCode::Invalid, fmt::format("{} {}: {}", flag_of(family), text, why)};
  };
  if (name == "can-reach") {
    method.how = How::CanReach;
    method.destination = value;
    if (value.empty()) return wrong("name the host that is to be reached");
    return method;
  }
  if (name == "interface" || name == "skip-interface") {
    method.how = name == "interface" ? How::Interface : How::SkipInterface;
    method.patterns = split(value);
    if (method.patterns.empty()) return wrong("name an interface, or an expression that matches its name");
    for (const std::string& pattern : method.patterns)
      if (!Pattern{pattern}.good()) return wrong(fmt::format("\"{}\" is no regular expression", pattern));
    return method;
  }
  if (name == "cidr") {
    method.how = How::Cidr;
    for (const std::string& one : split(value)) {
      const auto cidr = Cidr::parse(one);
      if (!cidr || cidr->family() != family) return wrong(fmt::format("\"{}\" is no IPv{} prefix", one, digit(family)));
      method.cidrs.push_back(*cidr);
    }
    if (method.cidrs.empty()) return wrong("name a prefix");
    return method;
  }
  return wrong(
      fmt::format("is no IPv{} address and none of none, autodetect, first-found, interface=NAME, skip-interface=NAME, "
                  "cidr=PREFIX, can-reach=HOST, kubernetes-internal-ip",
                  digit(family)));
}

}  // namespace

Result<AddressWish> parse_address_wish(Family family, std::string_view text) {
  AddressWish wish;
  if (text == "none") {
    wish.what = AddressWish::What::None;
    return wish;
  }
  const auto slash = text.find('/');
  if (const auto addr = Addr::parse(text.substr(0, slash)); addr && addr->family == family) {
    const auto cidr = Cidr::parse(text);
    if (!cidr) return Error{ErrorCode::Invalid, fmt::format("{} {}: the prefix length is wrong", flag_of(family), text)};
    if (!is_host_address(*addr))
      return Error{ErrorCode::Invalid, fmt::format("{} {}: no other host can reach this address", flag_of(family), text)};
    wish.what = AddressWish::What::Given;
    wish.given = *addr;
    if (slash != std::string_view::npos) wish.prefix = cidr->prefix;
    return wish;
  }
  auto method = parse_method(family, text);
  if (!method) return method.error();
  wish.what = AddressWish::What::Detect;
  wish.method = std::move(*method);
  return wish;
}

std::string Candidate::cidr() const { return fmt::format("{}/{}", addr.to_string(), prefix); }

std::string Candidate::named() const { return interface.empty() ? cidr() : fmt::format("{} ({})", cidr(), interface); }

Detection detect_address(const Host& host, Family family, const AddressMethod& method, const std::optional<Addr>& wanted) {
  Detection out;
  out.candidates = candidates_of(host, family, method, wanted);
  if (out.candidates.empty()) return out;
  if (method.how == How::FirstFound) {
    out.chosen = out.candidates.front();
    out.why = "first found";
  } else if (method.how == How::CanReach) {
    out.chosen = out.candidates.front();
    out.why = "used to reach " + method.destination;
  } else if (out.candidates.size() == 1) {
    out.chosen = out.candidates.front();
    out.why = method.how == How::KubernetesInternalIp ? "InternalIP of the Kubernetes node" : "the only one that will do";
  } else if (auto one = by_default_route(host, family, out.candidates)) {
    out.chosen = std::move(one);
    out.why = "where the default route leaves";
  }
  return out;
}

std::string detection_refused(const Detection& detection, Family family) {
  const std::string_view flag = flag_of(family);
  if (detection.candidates.empty())
    return fmt::format("no IPv{} address of this host will do; give one: {} ADDRESS/LENGTH, or leave the family out: {} none",
                       digit(family), flag, flag);
  std::vector<std::string> names;
  for (const Candidate& one : detection.candidates) names.push_back(one.named());
  const Candidate& first = detection.candidates.front();
  return fmt::format("several IPv{} addresses of this host would do: {}; choose one: {} {}, or {} interface={}", digit(family),
                     fmt::join(names, ", "), flag, first.cidr(), flag, first.interface);
}

Candidate complete_address(const Host& host, const AddressWish& wish) {
  Candidate out{*wish.given, static_cast<std::uint8_t>(bits(wish.given->family)), {}};
  for (const HostInterface& interface : host.interfaces) {
    for (const HostAddress& one : interface.addresses) {
      if (one.addr != *wish.given) continue;
      out.prefix = one.prefix;
      out.interface = interface.name;
    }
  }
  if (wish.prefix) out.prefix = *wish.prefix;
  return out;
}

}  // namespace margay::ctl
