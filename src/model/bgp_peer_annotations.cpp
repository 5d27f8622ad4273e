#include "bgp_peer_annotations.hpp"

#include <array>

#include "bgp_fields.hpp"
#include "names.hpp"

namespace margay::model {

namespace {

using Action = BgpPeerExtensions::MaxPrefixAction;

enum At : std::size_t {
  kBfd,
  kBfdMinRx,
  kBfdMinTx,
  kBfdMultiplier,
  kHoldTime,
  kMaxPrefixes,
  kMaxPrefixesAction,
  kLongLived,
  kUnnumbered,
  kDirect,
  kCount
};
constexpr std::array<std::string_view, kCount> kNames{
    "bfd",        "bfd-min-rx",   "bfd-min-tx",          "bfd-multiplier",
    "hold-time",  "max-prefixes", "max-prefixes-action", "long-lived-restart-time",
    "unnumbered", "direct"};

constexpr std::uint32_t kMaxBfdInterval = 60000;   // ms; BIRD's own limit is higher, but nobody waits a minute for a hello
constexpr std::uint32_t kMaxHoldTime = 65535;      // RFC 4271
constexpr std::uint32_t kMaxLongLived = 0xffffff;  // 24 bits, RFC 9494

std::optional<Action> read_action(Field value, std::string_view text) {
  static constexpr Choice<Action> kActions[] = {
      {"warn", Action::Warn}, {"block", Action::Block}, {"restart", Action::Restart}, {"disable", Action::Disable}};
  if (!text.empty()) return value.choice(kActions);
  value.error("must not be empty");
  return std::nullopt;
}

}  // namespace

BgpPeerAnnotations read_bgp_peer_annotations(Field annotations) {
  BgpPeerAnnotations out;
  BgpPeerExtensions& values = out.values;
  std::array<std::optional<Field>, kCount> given;
  visit_bgp_annotations(annotations, kNames, [&](std::size_t at, Field value, std::string_view text) {
    given[at] = value;
    switch (at) {
      case kBfd: values.bfd = read_flag(value, text).value_or(false); break;
      case kBfdMinRx: values.bfd_min_rx = read_count(value, text, 1, kMaxBfdInterval); break;
      case kBfdMinTx: values.bfd_min_tx = read_count(value, text, 1, kMaxBfdInterval); break;
      case kBfdMultiplier: values.bfd_multiplier = read_count(value, text, 1, 255); break;
      case kHoldTime:
        values.hold_time = read_count(value, text, 0, kMaxHoldTime);
        if (values.hold_time == 1u || values.hold_time == 2u) value.error("must be 0 (for ever) or at least 3 seconds");
        break;
      case kMaxPrefixes: values.max_prefixes = read_count(value, text, 1); break;
      case kMaxPrefixesAction: values.max_prefix_action = read_action(value, text).value_or(Action::Restart); break;
      case kLongLived: values.long_lived_restart_time = read_count(value, text, 0, kMaxLongLived); break;
      case kUnnumbered:
        if (is_interface_name(text)) values.interface = text;
        else value.error(shown(text) + " is not the name of an interface");
        break;
      default: values.direct = read_flag(value, text).value_or(false);
    }
  });
  // With bfd: "false" they stay, so that it can be turned off and on again.
  for (const At at : {kBfdMinRx, kBfdMinTx, kBfdMultiplier})
    if (given[at] && !given[kBfd]) given[at]->error("needs the annotation bgp.margay.io/bfd");
  if (given[kMaxPrefixesAction] && !given[kMaxPrefixes])
    given[kMaxPrefixesAction]->error("needs the annotation bgp.margay.io/max-prefixes");
  out.unnumbered = given[kUnnumbered];
  out.direct = given[kDirect];
  out.hold_time = given[kHoldTime];
  return out;
}

}  // namespace margay::model
