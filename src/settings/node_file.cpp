#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <boost/property_tree/ini_parser.hpp>
#include <boost/property_tree/ptree.hpp>
#include <sstream>

#include "margay/settings/settings.hpp"

namespace margay::settings {
namespace {

struct Section {
  std::string_view name;
  std::vector<std::string_view> keys;  // empty: any
};

const std::array<Section, 4>& known_sections() {
  static const std::array<Section, 4> sections{
      {{"node", {"name", "state_dir", "run_dir", "log_level"}},
       {"datastore", {"url", "ca_file", "cert_file", "key_file", "username", "password_file", "token_file", "kubeconfig"}},
       {"felix", {}},
       {"bgp", {"bird_socket", "bird_config_dir", "health_port", "metrics_port", "secrets_dir", "wait_for_policy"}}}};
  return sections;
}

std::string join(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::string_view word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out;
}

}  // namespace

Result<NodeFile> parse_node_file(std::string_view path, std::string_view text) {
  NodeFile file;
  file.path = path;
  boost::property_tree::ptree tree;
  try {
    std::istringstream stream{std::string{text}};
    boost::property_tree::read_ini(stream, tree);
  } catch (const boost::property_tree::ini_parser_error& error) {
    return Error{ErrorCode::Invalid,
                 fmt::format("{}:{}: {}; expected \"[section]\", \"key = value\" or a comment starting with #", path,
                             error.line(), error.message())};
  }
  for (const auto& [name, section] : tree) {
    // A key before any section comes as a child with a value and no children of its own.
    if (section.empty() && !section.data().empty())
      return Error{ErrorCode::Invalid, fmt::format("{}: key \"{}\" stands before any section; put it under [node], [datastore], "
                                                   "[felix] or [bgp]",
                                                   path, name)};
    const auto& sections = known_sections();
    const auto known =
        std::find_if(sections.begin(), sections.end(), [&name = name](const Section& s) { return s.name == name; });
    if (known == sections.end())
      return Error{ErrorCode::Invalid,
                   fmt::format("{}: unknown section [{}]; known are [node], [datastore], [felix], [bgp]", path, name)};
    auto& values = file.sections[name];
    for (const auto& [key, value] : section) {
      if (!known->keys.empty() && std::find(known->keys.begin(), known->keys.end(), key) == known->keys.end())
        return Error{ErrorCode::Invalid,
                     fmt::format("{}: unknown key \"{}\" in [{}]; known are {}", path, key, name, join(known->keys))};
      values[key] = value.data();
    }
  }
  return file;
}

}  // namespace margay::settings
