#include "passwords.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace margay::bgp::view {

Password find_password(const Inputs& inputs, const ViewOptions& options, const SecretRef& ref) {
  const std::string where = fmt::format("Secret {}/{}", options.secrets_namespace, ref.name);
  const Symbol name = Symbol::find(ref.name);
  const auto secret = name.empty() ? inputs.secrets.end() : inputs.secrets.find(name);
  if (secret == inputs.secrets.end())
    return {{}, fmt::format("{} does not exist; sessions are without password until it does", where), true};
  const auto value = secret->second->data.find(ref.key);
  if (value == secret->second->data.end())
    return {{}, fmt::format("{} has no key \"{}\"; sessions are without password until it has", where, ref.key), true};
  const std::string& text = value->second;
  if (text.empty()) return {{}, fmt::format("{}: key \"{}\" is empty; sessions are without password", where, ref.key), true};
  const auto refused = [&](std::string_view why) {
    return Password{
        {}, fmt::format("{}: the password in key \"{}\" {}; sessions with it are left out", where, ref.key, why), false};
  };
  if (text.back() == '\n' && std::all_of(text.begin(), text.end() - 1, password_byte))
    return refused("ends in a newline (write it with printf or echo -n)");
  if (!std::all_of(text.begin(), text.end(), password_byte)) return refused("has a double quote or a control character");
  if (text.size() > kMaxPassword) return refused(fmt::format("has {} bytes, and TCP takes {}", text.size(), kMaxPassword));
  return {text, {}, true};
}

}  // namespace margay::bgp::view
