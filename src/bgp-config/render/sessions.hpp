// Session → BIRD: what a session has in common with others as a template, and the few lines that are its own.
#pragma once

#include <optional>
#include <string>

#include "view/router.hpp"

namespace margay::bgp {

// What of the router a session's text depends on.
struct SessionContext {
  std::array<std::optional<Addr>, 2> node_ip;
  std::uint16_t port = 179;  // of the listening socket
  bool bind_node_ip = false;
  friend bool operator==(const SessionContext&, const SessionContext&) = default;
};

// What cannot be rendered at all is left out (the view reports it): no AS number, nobody to talk to, a link-local peer on no
// interface, a password BIRD cannot hold.
[[nodiscard]] bool renderable(const Session& session) noexcept;

// BIRD makes a protocol for each peer that answers to a session without a peer's address: this and a number are its name.
[[nodiscard]] std::string answering_prefix(std::string_view protocol);

// Of a renderable session. The body of a template: whole lines, equal for sessions that differ only in name, peer and password.
[[nodiscard]] std::string template_body(const Session& session, const SessionContext& context);
// The protocol that uses a template of this name.
[[nodiscard]] std::string render_session(const Session& session, const std::string& name, std::string_view template_name);

}  // namespace margay::bgp
