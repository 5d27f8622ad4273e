// What the writing verbs share: objects named on the command line, compare-and-swap with another try, how errors read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/result.hpp"
#include "margay/model/decode.hpp"

namespace margay::ctl {

class Session;

// Each loser of a race means that another writer got through; so many in a row do not happen to one that can win at all.
inline constexpr int kAttempts = 100;

// Runs it until it does not lose a race. What comes or goes between reading and writing is one too: see Session::put.
template <class Attempt>
auto retried(Attempt&& attempt) {
  auto result = attempt();
  for (int i = 1; i < kAttempts && !result && result.error().code == ErrorCode::Conflict; ++i) result = attempt();
  return result;
}

// KIND NAME… or KIND/NAME…, every one with a name, checked for form.
[[nodiscard]] Result<std::vector<ObjectId>> named_objects(const std::vector<std::string>& arguments, const std::string& ns);

// The objects of KIND[,KIND] that a selector chooses; an empty list if it is none of them. Errors of usage are told, and so are
// those of reading: then nothing.
struct SelectOptions;
[[nodiscard]] std::optional<std::vector<ObjectId>> selected_objects(Session& session, const std::vector<std::string>& kinds,
                                                                    const std::string& ns, const SelectOptions& options);

// Tells the session, before it connects, what --dry-run said.
void set_dry_run(Session& session, const std::string& mode);

// "WHERE: NetworkPolicy prod/web: spec.order: reason"
[[nodiscard]] std::string field_error(std::string_view where, const std::optional<ObjectId>& id, const FieldError& error);

}  // namespace margay::ctl
