#include "rules/flow_log.hpp"

#include "margay/base/hash.hpp"

namespace margay::rules {
namespace {

char letter(Direction direction) { return direction == Direction::Ingress ? 'I' : 'E'; }

// NFLOG keeps 63 characters. Longer: the first and last ten around a digest, as Calico's collector expects.
std::string limit_prefix(std::string prefix) {
  constexpr std::size_t kMax = 63, kEnd = 10, kDigest = 41;
  if (prefix.size() < kMax) return prefix;
  return prefix.substr(0, kEnd) + '_' + base64url(sha256(prefix)).substr(0, kDigest) + '_' + prefix.substr(prefix.size() - kEnd);
}

}  // namespace

kernel::Target nflog(Direction direction, std::string prefix) {
  return kernel::Nflog{
      .group = static_cast<std::uint16_t>(direction == Direction::Ingress ? 1 : 2), .prefix = std::move(prefix), .size = 80};
}

std::string rule_flow_prefix(char action, char owner, Direction direction, std::size_t index, std::string_view label) {
  std::string text{action, owner, letter(direction)};
  text += std::to_string(index);
  text += '|';
  text += label;
  return limit_prefix(std::move(text));
}

std::string tier_flow_prefix(char action, Direction direction, std::string_view tier) {
  std::string text{action, 'P', letter(direction), '|'};
  text += tier;
  return limit_prefix(std::move(text));
}

std::string no_profile_flow_prefix(Direction direction) { return {'D', 'R', letter(direction)}; }

}  // namespace margay::rules
