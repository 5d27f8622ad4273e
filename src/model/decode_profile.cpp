// Calico's Profile.
#include "decode_kinds.hpp"
#include "decode_rule.hpp"
#include "metadata.hpp"

namespace margay::model {

void decode_profile(const ObjectId& id, Field root, Decoded& out) {
  auto profile = std::make_shared<Profile>();
  const Field spec = root["spec"];
  if (id.name == "projectcalico-default-allow") root["metadata"]["name"].error("is built in and cannot be given");
  const Field labels = spec["labelsToApply"];
  check_labels(labels);
  LabelPairs pairs;
  append_labels(labels, {}, pairs);
  profile->labels_to_apply = Labels{std::move(pairs)};
  profile->ingress = decode_rules(spec["ingress"], Direction::Ingress, {});
  profile->egress = decode_rules(spec["egress"], Direction::Egress, {});
  out.key = Key{Kind::Profile, {}, id.name};
  out.value = Ref<Profile>{std::move(profile)};
}

}  // namespace margay::model
