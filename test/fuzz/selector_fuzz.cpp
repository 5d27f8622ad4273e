// Selector::parse on any text: it ends, and what it accepts keeps the promises of selector.hpp.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/assert.hpp"
#include "margay/model/selector.hpp"

namespace {

using namespace margay;

// Some label sets that have to do with this selector: none, every key with one value, every key with another, half of them.
std::vector<Labels> labels_for(const Selector& selector) {
  std::vector<std::vector<Labels::Pair>> sets(4);
  const auto keys = selector.keys();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    sets[1].emplace_back(keys[i], "");
    sets[2].emplace_back(keys[i], "x");
    if (i % 2 == 0) sets[3].emplace_back(keys[i], "x");
  }
  for (const auto& requirement : selector.requirements()) {
    const auto value = requirement.values.empty() ? Symbol{"x"} : requirement.values.front();
    for (auto* set : {&sets[2], &sets[3]}) set->emplace_back(requirement.key, value);
  }
  return {Labels{sets[0]}, Labels{sets[1]}, Labels{sets[2]}, Labels{sets[3]}};
}

void check(const Selector& selector, const Labels& labels) {
  if (!selector.matches(labels)) return;
  for (const auto& requirement : selector.requirements()) {
    const auto* value = labels.get(requirement.key);
    MARGAY_ASSERT(value != nullptr);
    const auto& allowed = requirement.values;
    MARGAY_ASSERT(allowed.empty() || std::find(allowed.begin(), allowed.end(), *value) != allowed.end());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto selector = Selector::parse(text);
  if (!selector) {
    MARGAY_ASSERT(selector.error().text.starts_with("at position "));
    return 0;
  }
  const auto again = Selector::parse(selector->canonical());
  MARGAY_ASSERT(again);
  MARGAY_ASSERT(again->canonical() == selector->canonical());
  MARGAY_ASSERT(again->set_id() == selector->set_id() && selector->set_id().size() == 40);
  const auto twice = Selector::both(*selector, *selector);
  const auto prefixed = selector->with_prefix("pcns.");
  MARGAY_ASSERT(prefixed.keys().size() == selector->keys().size());
  for (const auto& labels : labels_for(*selector)) {
    check(*selector, labels);
    MARGAY_ASSERT(again->matches(labels) == selector->matches(labels));
    MARGAY_ASSERT(twice.matches(labels) == selector->matches(labels));
  }
  MARGAY_ASSERT(!selector->narrowed_to("n", true).mentions_global());
  return 0;
}
