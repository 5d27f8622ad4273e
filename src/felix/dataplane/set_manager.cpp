#include "dataplane/set_manager.hpp"

namespace margay::dataplane {

// The reconcilers only note; so no second copy of the members is kept here until complete().
void SetManager::on_message(const calc::Message& message) {
  for (const auto& plane : planes_) {
    if (const auto* update = std::get_if<calc::SetUpdate>(&message)) {
      plane->sets.want({.name = rules::set_name(plane->family, update->id),
                        .type = update->type,
                        .family = plane->family,
                        .max_elements = config_.rules.max_set_size},
                       update->members);
    } else if (const auto* delta = std::get_if<calc::SetDelta>(&message)) {
      plane->sets.change(rules::set_name(plane->family, delta->id), delta->added, delta->removed);
    } else if (const auto* remove = std::get_if<calc::SetRemove>(&message)) {
      plane->sets.unwant(rules::set_name(plane->family, remove->id));
    }
  }
}

}  // namespace margay::dataplane
