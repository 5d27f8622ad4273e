// The HTTP match of a v3 rule: validated only. Kernel rules cannot look into HTTP; as in Calico, such a rule is enforced on
// its addresses and ports alone (docs/decisions/0012-http-matches.md).
#pragma once

#include "fields.hpp"

namespace margay::model {

void check_http(Field http);

}  // namespace margay::model
