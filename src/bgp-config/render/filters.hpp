// BGPFilter → BIRD functions: one for each direction of one family. A rule that decides ends the whole filter of the session
// (accept and reject leave every function), one that does not match falls through.
#pragma once

#include <string>

#include "margay/model/bgp.hpp"

namespace margay::bgp {

// Whole lines: a comment with the filter's name and the function, which takes whether the session is internal. A filter without
// rules, or one that is not there (null), makes an empty function: sessions call without asking.
[[nodiscard]] std::string render_filter(std::string_view name, const BgpFilter* filter, bool import, Family family,
                                        std::uint32_t normal_priority);

}  // namespace margay::bgp
