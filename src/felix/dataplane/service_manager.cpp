#include "dataplane/service_manager.hpp"

#include "rules/static_chains.hpp"

namespace margay::dataplane {

void ServiceManager::on_message(const calc::Message& message) {
  if (const auto* update = std::get_if<calc::ServiceCidrsUpdate>(&message)) {
    cidrs_ = update->cidrs;
    dirty_ = true;
  }
}

void ServiceManager::complete() {
  if (!std::exchange(dirty_, false)) return;
  for (const auto& plane : planes_) {
    (*plane)[kernel::Table::Filter].want(rules::cidr_block_chain(config_.rules, plane->family, cidrs_));
  }
}

}  // namespace margay::dataplane
