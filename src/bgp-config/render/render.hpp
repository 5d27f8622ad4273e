// Renderer: a Router → the files of a BIRD 2 configuration, byte for byte the same for the same router.
//
// Files. bird.conf has globals and includes the parts by name: parts are named after their content ("peers-<digest>.conf", 16 or
// more lower-case hexadecimal digits: what is named otherwise is never removed), so that a new set lies beside the old one until
// bird.conf, renamed into place, points to it, and a part that did not change is not written again. Incremental: text of
// sessions, filters and routes that did not change is kept from the last call.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/result.hpp"
#include "view/router.hpp"

namespace margay::bgp {

struct RenderedFile {
  std::string name;  // in the configuration directory
  std::string text;
  // Which resource made the lines from `line` (1-based) to the next entry's.
  struct Mark {
    unsigned line;
    Key owner;
  };
  std::vector<Mark> marks;
};

struct Rendered {
  std::string main;  // text of bird.conf
  std::vector<std::shared_ptr<const RenderedFile>> parts;
  friend bool operator==(const Rendered& a, const Rendered& b) { return a.main == b.main; }  // parts are named after content
};

// The resource that a position in a rendered file comes from; none if it is no one's. `file`: a path or a bare name.
[[nodiscard]] std::optional<Key> owner_of(const Rendered& rendered, std::string_view file, unsigned line);

class Renderer {
 public:
  // `directory`: absolute, where the files will lie (bird.conf includes by absolute path).
  explicit Renderer(std::string directory);
  ~Renderer();
  Renderer(const Renderer&) = delete;
  Renderer& operator=(const Renderer&) = delete;
  [[nodiscard]] Rendered render(const Router& router);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace margay::bgp
