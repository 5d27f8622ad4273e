// Worlds and packets drawn at random, out of few values so that they meet; and smaller versions of a world, for shrinking.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "world.hpp"

namespace margay::rules::semantics {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_{seed} {}

  [[nodiscard]] World world();
  [[nodiscard]] Packet packet(const World& world, Family family);

 private:
  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>{0, n - 1}(random_); }
  bool chance(unsigned percent) { return below(100) < percent; }
  Addr address(Family family);
  Cidr net(Family family);
  std::vector<Cidr> nets();
  std::vector<PortRange> ports(bool many = false);
  std::uint16_t port();
  calc::SetId set(bool with_ports);
  calc::ActiveRule wide_rule();
  calc::ActiveRule rule();
  void aim(Packet& packet, const World& world, const calc::ActiveRule& rule);
  std::vector<calc::ActiveRule> rules(unsigned most);

  std::mt19937_64 random_;
};

// Calls `still_fails` on ever smaller versions until no smaller one fails; the answer is the last that did.
[[nodiscard]] World shrink(World world, const std::function<bool(const World&)>& still_fails);

}  // namespace margay::rules::semantics
