// Routers for the renderer's tests, and what BIRD says of their files.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "render/render.hpp"

namespace margay::bgp::test {

[[nodiscard]] Addr addr(std::string_view text);
[[nodiscard]] Cidr net(std::string_view text);
[[nodiscard]] Key key(Kind kind, std::string_view name);

// Node "here": 10.77.0.1/24 and fd77::1/64, AS 64512, one block, one pool and one mesh session a family.
[[nodiscard]] Router plain_router();
[[nodiscard]] Session session(std::string_view name, std::string_view peer, std::uint32_t remote_as = kDefaultAs);
// Each worth reading: name and router.
[[nodiscard]] std::vector<std::pair<std::string, Router>> named_routers();

// All files in one text.
[[nodiscard]] std::string joined(const Rendered& rendered);

// A directory of its own, gone with it.
class Directory {
 public:
  Directory();
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // Writes bird.conf, with `more` behind it, and its parts; removes what other renderings left.
  void write(const Rendered& rendered, std::string_view more = {}) const;

 private:
  std::string path_;
};

// What `bird -p` says of the directory's bird.conf; empty: accepted.
[[nodiscard]] std::string refusal(const Directory& directory);
// Exits 77 with a reason where BIRD is not installed.
void need_bird();

}  // namespace margay::bgp::test
