// Manifests named on the command line (-f FILE, DIR or -) → objects, each with where it stands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace margay::ctl {

struct Origin {
  std::string file;
  std::uint32_t document = 0, line = 0;
  bool readable_by_all = false;            // the file's mode lets everybody read it
  [[nodiscard]] std::string text() const;  // "web.yaml: document 2, line 14"
};

struct Input {
  Origin origin;
  nlohmann::json value;
};

struct Inputs {
  std::vector<Input> objects;       // files in the order named, a directory's sorted by name
  std::vector<std::string> errors;  // files that are not there or do not parse; the others are read all the same
  std::size_t files = 0;            // read
};

// A directory's manifests are those that the file datastore would read; `recursive`: below it too.
[[nodiscard]] Inputs read_inputs(const std::vector<std::string>& paths, bool recursive);

}  // namespace margay::ctl
