#include "calc/service_index.hpp"

#include <algorithm>

namespace margay::calc {

void ServiceIndex::on_slice(const Key& key, const Ref<EndpointSlice>& slice) {
  Ref<EndpointSlice> before;
  if (const auto it = slices_.find(key); it != slices_.end()) before = it->second;
  if (before == slice || (before && slice && *before == *slice)) return;
  const ServiceRef old_service{key.ns, before ? before->service : Symbol{}};
  const ServiceRef new_service{key.ns, slice ? slice->service : Symbol{}};

  if (old_service == new_service) {
    if (!new_service.name.empty()) listener_.on_slice_changing(new_service, before.get(), slice.get());
  } else {
    if (!old_service.name.empty()) listener_.on_slice_changing(old_service, before.get(), nullptr);
    if (!new_service.name.empty()) listener_.on_slice_changing(new_service, nullptr, slice.get());
  }
  if (!old_service.name.empty()) {
    const auto it = by_service_.find(old_service);
    std::erase(it->second, before);
    if (it->second.empty()) by_service_.erase(it);
  }
  if (!new_service.name.empty()) by_service_[new_service].push_back(slice);
  if (slice) slices_[key] = slice;
  else slices_.erase(key);
}

}  // namespace margay::calc
