// NetworkSet and GlobalNetworkSet.
#include <algorithm>

#include "decode_kinds.hpp"
#include "endpoint_parts.hpp"
#include "metadata.hpp"

namespace margay::model {

void decode_network_set(const ObjectId& id, Field root, Decoded& out) {
  auto set = std::make_shared<NetworkSet>();
  const Field labels = root["metadata"]["labels"];
  labels.entries([](std::string_view key, Field value) {
    if (key == kNamespaceLabel) value.error("is set by Calico and must not be given");
  });
  LabelPairs pairs;
  append_labels(labels, {}, pairs);
  if (id.kind == Kind::NetworkSet) {
    // It is matched as an endpoint of its namespace would be.
    pairs.emplace_back(kNamespaceLabel, id.ns);
    set->profiles.emplace_back("kns." + id.ns);
  }
  set->labels = Labels{std::move(pairs)};

  const auto nets = root["spec"]["nets"].items();
  set->nets.reserve(nets.size());
  for (const Field net : nets)
    if (const auto cidr = net.cidr()) set->nets.push_back(*cidr);
  std::vector<Cidr> seen = set->nets;  // a sorted copy: sets may have many thousands
  std::sort(seen.begin(), seen.end());
  if (std::adjacent_find(seen.begin(), seen.end()) != seen.end()) {
    // Keep the first of each, in the order given.
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    std::vector<bool> taken(seen.size());
    std::erase_if(set->nets, [&](const Cidr& cidr) {
      const auto at = std::lower_bound(seen.begin(), seen.end(), cidr) - seen.begin();
      const bool again = taken[static_cast<std::size_t>(at)];
      taken[static_cast<std::size_t>(at)] = true;
      return again;
    });
  }
  out.key = Key{id.kind, id.ns, id.name};
  out.value = Ref<NetworkSet>{std::move(set)};
}

}  // namespace margay::model
