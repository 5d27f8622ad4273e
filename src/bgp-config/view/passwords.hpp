// Passwords of sessions: looked up in the one namespace of secrets and checked for what BIRD and the kernel can take.
#pragma once

#include "inputs.hpp"

namespace margay::bgp::view {

struct Password {
  std::string text;     // empty: none
  std::string problem;  // what an operator should know; never says anything of the text itself
  bool usable = true;   // false: a session with it cannot be rendered
};

[[nodiscard]] Password find_password(const Inputs& inputs, const ViewOptions& options, const SecretRef& ref);

}  // namespace margay::bgp::view
