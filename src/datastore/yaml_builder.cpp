#include "yaml_builder.hpp"

#include <algorithm>

namespace margay::datastore {

using nlohmann::json;

bool TreeBuilder::fail(std::string text, std::string advice) {
  if (!failed_) {
    failed_ = true;
    what = std::move(text);
    hint = std::move(advice);
  }
  return false;
}

void TreeBuilder::start_document() {
  root_ = nullptr;
  stack_.clear();
  anchors_.clear();
  item_lines_.clear();
}

json* TreeBuilder::place(std::uint32_t line) {
  if (stack_.empty()) return &root_;
  Frame& top = stack_.back();
  if (!top.is_map) {
    if (top.is_items) item_lines_.push_back(line);
    auto& list = top.node->get_ref<json::array_t&>();
    return &list.emplace_back();
  }
  if (!top.has_key) {
    fail("a map or list is used as a key", "keys must be plain text");
    return nullptr;
  }
  top.has_key = false;
  if (top.merge_key) return &top.merges.emplace_back();
  auto& object = top.node->get_ref<json::object_t&>();
  return &object.emplace_hint(object.lower_bound(top.key), top.key, nullptr)->second;
}

bool TreeBuilder::key(std::string_view text, std::uint32_t, bool merge) {
  if (failed_) return false;
  Frame& top = stack_.back();
  top.has_key = true;
  top.merge_key = merge;
  if (merge) return true;
  if (top.node->get_ref<const json::object_t&>().contains(text))
    return fail("the key \"" + std::string{text} + "\" is there twice in one map", "remove or rename one of them");
  top.key.assign(text);
  return true;
}

bool TreeBuilder::open(json value, bool is_map, std::uint32_t line, std::string_view anchor) {
  if (failed_) return false;
  if (stack_.size() >= limits_.depth)
    return fail("maps and lists are nested more than " + std::to_string(limits_.depth) + " deep", "no manifest needs this");
  const bool is_items = !is_map && stack_.size() == 1 && stack_.back().is_map && stack_.back().key == "items";
  json* const slot = place(line);
  if (slot == nullptr) return false;
  *slot = std::move(value);
  Frame frame;
  frame.node = slot;
  frame.is_map = is_map;
  frame.is_items = is_items;
  frame.weight_before = weight_++;
  if (!anchor.empty()) {
    frame.anchor.assign(anchor);
    anchors_[frame.anchor] = Anchor{};
  }
  stack_.push_back(std::move(frame));
  return true;
}

bool TreeBuilder::begin_map(std::uint32_t line, std::string_view anchor) { return open(json::object(), true, line, anchor); }
bool TreeBuilder::begin_list(std::uint32_t line, std::string_view anchor) { return open(json::array(), false, line, anchor); }

// Keys written out win over merged ones; of several merged maps the first wins.
bool TreeBuilder::merge_into(Frame& frame) {
  auto& object = frame.node->get_ref<json::object_t&>();
  const auto merge_one = [&](const json& from) {
    if (!from.is_object()) return fail("\"<<\" merges something that is not a map", "give it an alias of a map");
    for (const auto& [name, value] : from.get_ref<const json::object_t&>()) object.try_emplace(name, value);
    return true;
  };
  for (const json& from : frame.merges) {
    if (!from.is_array()) {
      if (!merge_one(from)) return false;
      continue;
    }
    for (const json& element : from)
      if (!merge_one(element)) return false;
  }
  return true;
}

bool TreeBuilder::end() {
  if (failed_) return false;
  Frame frame = std::move(stack_.back());
  stack_.pop_back();
  if (!frame.merges.empty() && !merge_into(frame)) return false;
  if (!frame.anchor.empty()) anchors_[frame.anchor] = Anchor{*frame.node, weight_ - frame.weight_before, true};
  return true;
}

bool TreeBuilder::scalar(json value, std::uint32_t line, std::string_view anchor) {
  if (failed_) return false;
  json* const slot = place(line);
  if (slot == nullptr) return false;
  const std::size_t weight = 1 + (value.is_string() ? value.get_ref<const std::string&>().size() / 16 : 0);
  weight_ += weight;
  *slot = std::move(value);
  if (!anchor.empty()) anchors_[std::string{anchor}] = Anchor{*slot, weight, true};
  return true;
}

bool TreeBuilder::alias(std::string_view name, std::uint32_t line) {
  if (failed_) return false;
  const std::string text{name};
  const auto found = anchors_.find(text);
  if (found == anchors_.end()) return fail("the alias *" + text + " has no anchor &" + text + " before it in this document");
  if (!found->second.complete) return fail("the alias *" + text + " stands inside its own anchor");
  alias_weight_ += found->second.weight;
  if (alias_weight_ > limits_.alias_weight)
    return fail("aliases expand to more than " + std::to_string(limits_.alias_weight) + " nodes", "write the manifest out");
  if (wants_key()) {
    if (!found->second.value.is_string()) return fail("an alias that is not text is used as a key");
    return key(found->second.value.get_ref<const std::string&>(), line);
  }
  json* const slot = place(line);
  if (slot == nullptr) return false;
  weight_ += found->second.weight;
  *slot = found->second.value;
  return true;
}

}  // namespace margay::datastore
