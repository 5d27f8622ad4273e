// patch_sorted against making the list anew.
#include "view/sorted.hpp"

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "support/catch.hpp"

namespace margay::bgp::test {

TEST_CASE("a patched list is the list made anew") {
  const char* given = std::getenv("MARGAY_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
  INFO("MARGAY_SEED=" << seed);
  std::mt19937 random{seed};
  std::map<int, int> truth;
  std::vector<std::pair<int, int>> list;
  for (int round = 0; round < 500; ++round) {
    std::set<int> changed;
    for (unsigned n = random() % (random() % 2 == 0 ? 4 : 60); n != 0; --n) {
      const int key = static_cast<int>(random() % 100);
      changed.insert(key);
      if (random() % 2 == 0) truth.erase(key);
      else truth[key] = round;
    }
    view::patch_sorted(
        list, [](const auto& element) { return element.first; }, changed,
        [&](int key) -> std::optional<std::pair<int, int>> {
          const auto at = truth.find(key);
          return at == truth.end() ? std::nullopt : std::optional{std::pair{key, at->second}};
        });
    REQUIRE(list == std::vector<std::pair<int, int>>(truth.begin(), truth.end()));
  }
}

}  // namespace margay::bgp::test
