// The table of parameters: one row each, read by the parser, the unknown-name check and the reference.
#pragma once

#include <span>
#include <string_view>

#include "config/values.hpp"

namespace margay::config {

struct Parameter {
  std::string_view group;
  std::string_view name;    // Calico's name; compared without case
  std::string_view field;   // FelixConfiguration's name where lowering the first letter does not give it; else empty
  std::string_view form;    // what may be written
  std::string_view preset;  // the default as text
  std::string_view prose;
  // Takes the text into the configuration, or says why not. Null: known, but without effect here; prose says why.
  Complaint (*take)(Config&, std::string_view);
  bool in_place = false;  // a change needs no restart
};

[[nodiscard]] std::span<const Parameter> parameters();
[[nodiscard]] const Parameter* find_parameter(std::string_view name);  // by name or field, any case
// Calico's names for dataplanes and agents that Margay is not (eBPF, nftables, Windows…): accepted, without effect.
[[nodiscard]] bool belongs_elsewhere(std::string_view name);

}  // namespace margay::config
