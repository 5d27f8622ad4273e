// The fields of FelixConfiguration (datastore-model §3.13): name, form, limits, and the Felix parameter each one means.
//
// The table holds what the API accepts, whether or not this build acts on the parameter; which do, and what is done with the
// others, is the business of src/felix/config.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace margay::model {

enum class FelixForm : std::uint8_t {
  Boolean,
  Integer,       // min to max
  Mask,          // min to max, written in hexadecimal
  Seconds,       // Go duration → seconds
  Milliseconds,  // Go duration → milliseconds
  Text,          // at most max characters (0: any)
  Word,          // one of `words`, separated by '|'
  WordAnyCase,
  AddressV4,
  AddressV6,
  Interface,
  DnsLabel,
  LogPrefix,
  LogRate,
  Dscp,
  Port,        // number or "min:max"
  Ports,       // list of those
  Texts,       // list
  Cidrs,       // list
  ProtoPorts,  // list of {protocol, port, net}
  RouteTableRange,
  RouteTableRanges,
  HealthTimeouts,
  BpfConntrackTimeouts,
  Map,
};

struct FelixField {
  std::string_view name;       // "iptablesMarkMask"
  std::string_view parameter;  // where it is not the name with a capital: "IpInIpMtu"
  FelixForm form;
  std::int64_t min = 0, max = 0;
  std::string_view words;
};

[[nodiscard]] std::span<const FelixField> felix_fields() noexcept;  // sorted by name

}  // namespace margay::model
