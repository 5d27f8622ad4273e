#include "daemons.hpp"

#include <fmt/format.h>

#include "local_control.hpp"

namespace margay::ctl {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kPatience{5};

Result<LocalAnswer> ask(const settings::Settings& settings, std::string_view daemon, std::string_view target) {
  const std::string socket = fmt::format("{}/{}.sock", settings.run_dir, daemon);
  auto answer = ask_local(socket, target, kPatience);
  if (answer) return answer;
  Error error = std::move(answer).error();
  const char* what = "cannot be asked";
  std::string hint;
  switch (error.code) {
    case ErrorCode::Unavailable:
      what = "is not running";
      hint = fmt::format("start it (systemctl start margay-{}), or name the node of this host with --node (now: {})", daemon,
                         settings.node);
      break;
    case ErrorCode::Permission: hint = "be root, or a member of the group margay"; break;
    case ErrorCode::Busy:
      what = "hangs";
      hint = fmt::format("see its log (journalctl -u margay-{})", daemon);
      break;
    default: break;
  }
  error.text = fmt::format("margay-{} {} ({}: {}){}{}", daemon, what, socket, error.text, hint.empty() ? "" : "; ", hint);
  return error;
}

}  // namespace

Result<json> ask_bgp_config(const settings::Settings& settings) {
  auto answer = ask(settings, "bgp-config", "/v1/status");
  if (!answer) return answer.error();
  json status = json::parse(answer->body, nullptr, false);
  if (answer->status != 200 || !status.is_object())
    return Error{ErrorCode::Io,
                 fmt::format("margay-bgp-config does not answer /v1/status as this margayctl expects (HTTP {}); are "
                             "both of one version?",
                             answer->status)};
  return status;
}

Result<Readiness> ask_felix(const settings::Settings& settings) {
  auto answer = ask(settings, "felix", "/readiness");
  if (!answer) return answer.error();
  return Readiness{answer->status >= 200 && answer->status < 300, std::move(answer->body)};
}

}  // namespace margay::ctl
