// A quick reader of the plainest YAML: block maps and lists of one-line ASCII scalars, which is what margayctl writes.
//
// Why: nearly every file of a datastore is of this form, and libyaml spends on one of them more time than everything behind it.
// What it accepts means to libyaml exactly the same (a random test holds one against the other); what it is not sure of, wrong
// text included, it declines, and libyaml reads that text from the start. So it never reports an error.
#pragma once

#include <cstdint>
#include <string_view>

#include "yaml_builder.hpp"

namespace margay::datastore {

// Builds the one document of `text`. False: declined, and the builder's contents are of no use.
[[nodiscard]] bool read_plain_yaml(std::string_view text, TreeBuilder& builder);

}  // namespace margay::datastore
