// CalicoNodeStatus (datastore-model §3.12): what is asked for; the status is what we answer.
#include "decode_kinds.hpp"

namespace margay::model {

void decode_node_status(const ObjectId& id, Field root, Decoded& out) {
  auto status = std::make_shared<CalicoNodeStatus>();
  const Field spec = root["spec"];
  status->node = spec["node"].require().text().value_or("");
  static constexpr Choice<bool CalicoNodeStatus::*> kClasses[] = {
      {"Agent", &CalicoNodeStatus::agent}, {"BGP", &CalicoNodeStatus::bgp}, {"Routes", &CalicoNodeStatus::routes}};
  for (const Field item : spec["classes"].require().items()) {
    const auto member = item.require().choice(kClasses);
    if (!member) continue;
    if ((*status).*(*member)) item.error("is there twice");
    (*status).*(*member) = true;
  }
  status->update_period = static_cast<std::uint32_t>(spec["updatePeriodSeconds"].require().integer(0, 86400).value_or(0));
  out.key = Key{Kind::CalicoNodeStatus, {}, id.name};
  out.value = Ref<CalicoNodeStatus>{std::move(status)};
}

}  // namespace margay::model
