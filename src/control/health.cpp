#include "margay/control/health.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "margay/base/assert.hpp"

namespace margay::control {

void Health::add(const std::string& component, std::chrono::milliseconds timeout) {
  components_[component] = {timeout, true, false, {}, clock_.now()};
}

void Health::report(const std::string& component, bool live, bool ready, std::string detail) {
  const auto it = components_.find(component);
  MARGAY_ASSERT(it != components_.end());
  it->second.live = live;
  it->second.ready = ready;
  it->second.detail = std::move(detail);
  it->second.said = clock_.now();
}

bool Health::expired(const Component& component) const {
  return component.timeout.count() > 0 && clock_.now() - component.said > component.timeout;
}

bool Health::live() const {
  return std::all_of(components_.begin(), components_.end(),
                     [&](const auto& entry) { return entry.second.live && !expired(entry.second); });
}

bool Health::ready() const {
  return std::all_of(components_.begin(), components_.end(),
                     [&](const auto& entry) { return entry.second.ready && !expired(entry.second); });
}

std::string Health::table() const {
  std::size_t width = 9;
  for (const auto& [name, component] : components_) width = std::max(width, name.size());
  std::string out =
      fmt::format("{:<{}}  {:<9}  {:<10}  {:<13}  {}\n", "COMPONENT", width, "TIMEOUT", "LIVENESS", "READINESS", "DETAIL");
  for (const auto& [name, component] : components_) {
    const bool late = expired(component);
    const auto word = [&](bool good, std::string_view yes, std::string_view no) {
      return std::string{late ? "timed out" : good ? yes : no};
    };
    const std::string timeout =
        component.timeout.count() > 0 ? fmt::format("{:g}s", static_cast<double>(component.timeout.count()) / 1000) : "-";
    out += fmt::format("{:<{}}  {:<9}  {:<10}  {:<13}  {}\n", name, width, timeout, word(component.live, "live", "not live"),
                       word(component.ready, "ready", "not ready"), component.detail);
  }
  return out;
}

}  // namespace margay::control
