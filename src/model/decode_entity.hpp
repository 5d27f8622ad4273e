// One side of a v3 rule (EntityRule).
#pragma once

#include <optional>
#include <string_view>

#include "fields.hpp"
#include "margay/model/rule.hpp"

namespace margay::model {

// What a side's checks need to know of its rule.
struct EntityContext {
  std::string_view ns;  // of the policy; empty: global
  bool destination = false;
  bool may_name_service = false;
  // The rule's protocol: given and readable, given and not, not given.
  enum class ProtocolState : std::uint8_t { Absent, Known, Unreadable };
  ProtocolState protocol_state = ProtocolState::Absent;
  Protocol protocol = 0;
  // The one address family a rule's networks may have; set by ipVersion or the first network of either side.
  std::optional<Family> family;
};

[[nodiscard]] Entity decode_entity(Field entity, EntityContext& context);

}  // namespace margay::model
