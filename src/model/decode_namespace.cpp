// Namespace and ServiceAccount → Profile: the labels endpoints inherit, and whether what no policy governs may pass
// (datastore-model §2.6).
#include "decode_kinds.hpp"
#include "metadata.hpp"

namespace margay::model {

namespace {

void profile(std::string name, Field labels, std::string_view prefix, std::string_view own_name, std::vector<Rule> rules,
             Decoded& out) {
  LabelPairs pairs;
  append_labels(labels, prefix, pairs);
  pairs.emplace_back(std::string{prefix}.append("projectcalico.org/name"), own_name);
  auto value = std::make_shared<Profile>();
  value->labels_to_apply = Labels{std::move(pairs)};
  value->ingress = rules;
  value->egress = std::move(rules);
  out.key = Key{Kind::Profile, {}, name};
  out.value = Ref<Profile>{std::move(value)};
}

}  // namespace

void decode_namespace(const ObjectId& id, Field root, Decoded& out) {
  root["spec"].known_all();
  profile("kns." + id.name, root["metadata"]["labels"], kNamespacePrefix, id.name, {Rule{}}, out);
}

void decode_service_account(const ObjectId& id, Field root, Decoded& out) {
  root.known({"secrets", "imagePullSecrets", "automountServiceAccountToken"});
  profile("ksa." + id.ns + "." + id.name, root["metadata"]["labels"], kServiceAccountPrefix, id.name, {}, out);
}

}  // namespace margay::model
