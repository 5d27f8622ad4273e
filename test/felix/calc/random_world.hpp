// A small world drawn at random: few names, few labels, few addresses, so that things collide as often as possible.
#pragma once

#include <random>

#include "naive.hpp"

namespace margay::calc::test {

class RandomWorld {
 public:
  explicit RandomWorld(std::uint64_t seed) : random_{seed} {}

  // One object's new value; absent: deleted (perhaps of what never was).
  Update draw();
  [[nodiscard]] std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>{0, n - 1}(random_); }
  [[nodiscard]] bool chance(double p) { return std::bernoulli_distribution{p}(random_); }

 private:
  template <class T>
  [[nodiscard]] const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }
  Labels labels();
  std::string selector_text(int depth);
  Selector selector() { return *Selector::parse(selector_text(2)); }
  std::vector<Symbol> profiles();
  std::vector<Cidr> hosts();
  std::vector<EndpointPort> ports();
  Entity entity(bool source);
  std::vector<Rule> rules();
  std::optional<double> order();
  Resource policy(Kind kind);

  std::mt19937_64 random_;
};

}  // namespace margay::calc::test
