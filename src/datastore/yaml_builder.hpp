// Events of a YAML or JSON parser → one JSON document, with duplicate keys, depth, anchors and merge keys watched over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <nlohmann/json.hpp>

#include "yaml.hpp"

namespace margay::datastore {

// Every member answers false after a failure, which `what` and `hint` describe; the caller adds the place.
class TreeBuilder {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_{limits} {}

  void start_document();  // anchors live for one document; the alias budget for the whole file
  bool begin_map(std::uint32_t line, std::string_view anchor = {});
  bool begin_list(std::uint32_t line, std::string_view anchor = {});
  bool end();
  bool scalar(nlohmann::json value, std::uint32_t line, std::string_view anchor = {});
  bool key(std::string_view text, std::uint32_t line, bool merge = false);
  bool alias(std::string_view name, std::uint32_t line);
  bool fail(std::string what, std::string hint = {});

  // The next scalar is a key of a map.
  [[nodiscard]] bool wants_key() const { return !stack_.empty() && stack_.back().is_map && !stack_.back().has_key; }
  [[nodiscard]] nlohmann::json take() { return std::move(root_); }
  // Lines of the elements of the top-level list `items`.
  [[nodiscard]] const std::vector<std::uint32_t>& item_lines() const { return item_lines_; }
  [[nodiscard]] bool failed() const { return failed_; }

  std::string what, hint;

 private:
  struct Frame {
    nlohmann::json* node = nullptr;
    bool is_map = false, has_key = false, merge_key = false, is_items = false;
    std::string key;
    std::string anchor;
    std::size_t weight_before = 0;
    std::vector<nlohmann::json> merges;
  };
  struct Anchor {
    nlohmann::json value;
    std::size_t weight = 0;
    bool complete = false;
  };

  nlohmann::json* place(std::uint32_t line);  // where the next value goes; nullptr after a failure
  bool open(nlohmann::json value, bool is_map, std::uint32_t line, std::string_view anchor);
  bool merge_into(Frame& frame);

  const YamlLimits& limits_;
  nlohmann::json root_;
  nlohmann::json merge_slot_;
  std::vector<Frame> stack_;
  std::unordered_map<std::string, Anchor> anchors_;
  std::vector<std::uint32_t> item_lines_;
  std::size_t weight_ = 0, alias_weight_ = 0;
  bool failed_ = false;
};

}  // namespace margay::datastore
