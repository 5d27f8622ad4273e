// Parts that several kinds of endpoints share: addresses, named ports, quality of service.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "fields.hpp"
#include "margay/model/resources.hpp"

namespace margay::model {

// DF, EF, AFxy, CSx, or 0 to 63.
[[nodiscard]] std::optional<std::uint8_t> parse_dscp(std::string_view text) noexcept;
[[nodiscard]] std::optional<std::uint8_t> read_dscp(Field field);

// Ports of a Calico endpoint. Of a workload, a port may have a host port instead of a name; it is checked and left out.
[[nodiscard]] std::vector<EndpointPort> read_endpoint_ports(Field list, bool of_workload);

// Texts that are names (profiles, …), each a DNS subdomain.
[[nodiscard]] std::vector<Symbol> read_names(Field list);

// Appends if it is not in there.
template <class T>
void append_once(std::vector<T>& list, const T& value) {
  for (const T& known : list)
    if (known == value) return;
  list.push_back(value);
}

// The value of an annotation; an empty one is something else than an absent one.
struct Annotation {
  std::string_view key;
  std::optional<Field> field;
  [[nodiscard]] std::string_view text() const { return field ? field->text().value_or(std::string_view{}) : std::string_view{}; }
};
// Finds each of `wanted` in a map of annotations.
void find_annotations(Field map, std::span<Annotation> wanted);

}  // namespace margay::model
