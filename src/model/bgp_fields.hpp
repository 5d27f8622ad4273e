// Values that several resources of routing have: durations, communities, priorities, passwords, addresses of neighbours, and the
// annotations bgp.margay.io/<name>.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fields.hpp"
#include "margay/model/bgp.hpp"

namespace margay::model {

// A Go duration, rounded to whole seconds as Calico does. Less than `min` is an error. More than `max` counts as `max`, the most
// that BGP can say, because Calico accepts it.
[[nodiscard]] std::optional<std::uint32_t> read_seconds(Field field, std::uint32_t min, std::uint32_t max);
inline constexpr std::uint32_t kMaxRestartTime = 4095;     // 12 bits, RFC 4724
inline constexpr std::uint32_t kMaxKeepaliveTime = 65535;  // as the hold time, RFC 4271

[[nodiscard]] std::optional<Community> read_community(Field field);
[[nodiscard]] std::optional<std::uint32_t> read_priority(Field field);  // 1 to 2^31-2
// {secretKeyRef: {name, key}}
[[nodiscard]] std::optional<SecretRef> read_password(Field field);
// Shell pattern of names of interfaces.
[[nodiscard]] std::string read_interface_pattern(Field field);

// Why no neighbour can have this address, or null. For some of them BIRD refuses its whole configuration. Multicast addresses
// pass: BIRD takes them, and Calico's own examples have them (ffee::10).
[[nodiscard]] const char* wrong_neighbour(const Addr& addr) noexcept;
[[nodiscard]] bool is_link_local(const Addr& addr) noexcept;  // fe80::/10

inline constexpr std::string_view kBgpAnnotation = "bgp.margay.io/";
// Visits each annotation bgp.margay.io/<name> whose name is in `known`; any other name is an error that lists them.
void visit_bgp_annotations(Field annotations, std::span<const std::string_view> known,
                           const std::function<void(std::size_t at, Field value, std::string_view text)>& visit);
// What an annotation holds, which is always text.
[[nodiscard]] std::optional<bool> read_flag(Field value, std::string_view text);
[[nodiscard]] std::optional<std::uint32_t> read_count(Field value, std::string_view text, std::uint32_t min,
                                                      std::uint32_t max = std::numeric_limits<std::uint32_t>::max());

}  // namespace margay::model
