#include "margay/base/symbol.hpp"

#include <cstring>
#include <memory>
#include <new>
#include <unordered_set>

#include "margay/base/ip.hpp"

namespace margay {

// Header and text in one allocation: 12 bytes of overhead per distinct text.
struct Symbol::Node {
  std::uint32_t count;
  std::uint32_t size;
  [[nodiscard]] std::string_view view() const noexcept { return {reinterpret_cast<const char*>(this + 1), size}; }
};

namespace {

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return hash_bytes(text.data(), text.size()); }
  std::size_t operator()(const Symbol::Node* node) const noexcept { return (*this)(node->view()); }
};
struct Equal {
  using is_transparent = void;
  bool operator()(const Symbol::Node* a, const Symbol::Node* b) const noexcept { return a == b; }
  bool operator()(std::string_view a, const Symbol::Node* b) const noexcept { return a == b->view(); }
  bool operator()(const Symbol::Node* a, std::string_view b) const noexcept { return a->view() == b; }
};

// Never destroyed: symbols in static objects may outlive any order of destruction we could choose.
auto& table() {
  static auto* const nodes = new std::unordered_set<Symbol::Node*, Hash, Equal>;
  return *nodes;
}

}  // namespace

Symbol::Symbol(std::string_view text) {
  if (text.empty()) return;
  auto& nodes = table();
  if (auto it = nodes.find(text); it != nodes.end()) {
    node_ = *it;
    ++node_->count;
    return;
  }
  void* memory = ::operator new(sizeof(Node) + text.size());
  node_ = new (memory) Node{1, static_cast<std::uint32_t>(text.size())};
  std::memcpy(node_ + 1, text.data(), text.size());
  nodes.insert(node_);
}

Symbol Symbol::find(std::string_view text) noexcept {
  Symbol found;
  auto& nodes = table();
  if (auto it = nodes.find(text); it != nodes.end()) {
    found.node_ = *it;
    ++found.node_->count;
  }
  return found;
}

std::string_view Symbol::view() const noexcept { return node_ ? node_->view() : std::string_view{}; }

void Symbol::retain() const noexcept {
  if (node_) ++node_->count;
}

void Symbol::release() noexcept {
  if (!node_ || --node_->count > 0) return;
  table().erase(node_);
  ::operator delete(node_);
}

}  // namespace margay
