#include "margay/base/symbol.hpp"

#include <cstring>
#include <memory>
#include <new>

#include "margay/base/ip.hpp"

namespace margay {

// Header and text in one allocation.
struct Symbol::Node {
  std::uint32_t count;
  std::uint32_t size;
  std::uint32_t hash;
  [[nodiscard]] std::string_view view() const noexcept { return {reinterpret_cast<const char*>(this + 1), size}; }
};

namespace {

// Open addressing with linear probing. Hashes stand beside the pointers: a probe that misses touches no node, and growing reads
// no text. Deleting shifts what follows back, so there are no tombstones. Twelve bytes a slot, at most three quarters of them
// taken.
class Table {
 public:
  [[nodiscard]] static std::uint32_t hash(std::string_view text) noexcept {
    return static_cast<std::uint32_t>(hash_bytes(text.data(), text.size()));
  }

  // The slot of the text, or the free slot where it would go.
  [[nodiscard]] std::size_t find(std::string_view text, std::uint32_t hash) const noexcept {
    std::size_t at = hash & mask_;
    while (nodes_[at] != nullptr && !(hashes_[at] == hash && nodes_[at]->view() == text)) at = (at + 1) & mask_;
    return at;
  }
  [[nodiscard]] Symbol::Node* at(std::size_t slot) const noexcept { return nodes_[slot]; }

  void insert(std::size_t slot, Symbol::Node* node) {
    if ((size_ + 1) * 4 > (mask_ + 1) * 3) {
      grow();
      slot = free_slot(node->hash);
    }
    put(slot, node);
    ++size_;
  }

  void erase(const Symbol::Node* node) noexcept {
    std::size_t hole = node->hash & mask_;
    while (nodes_[hole] != node) hole = (hole + 1) & mask_;
    for (std::size_t next = (hole + 1) & mask_; nodes_[next] != nullptr; next = (next + 1) & mask_) {
      // May it move into the hole? Not if its home lies behind the hole, in the circle up to where it is.
      if (((next - hashes_[next]) & mask_) < ((next - hole) & mask_)) continue;
      put(hole, nodes_[next]);
      hole = next;
    }
    nodes_[hole] = nullptr;
    --size_;
  }

 private:
  static constexpr std::size_t kFirstSize = 1024;

  void put(std::size_t slot, Symbol::Node* node) noexcept {
    nodes_[slot] = node;
    hashes_[slot] = node->hash;
  }
  [[nodiscard]] std::size_t free_slot(std::uint32_t hash) const noexcept {
    std::size_t at = hash & mask_;
    while (nodes_[at] != nullptr) at = (at + 1) & mask_;
    return at;
  }
  void grow() {
    const std::size_t old_slots = mask_ + 1, slots = old_slots * 2;
    auto old_nodes = std::exchange(nodes_, std::make_unique<Symbol::Node*[]>(slots));
    auto old_hashes = std::exchange(hashes_, std::make_unique<std::uint32_t[]>(slots));
    mask_ = slots - 1;
    for (std::size_t i = 0; i < old_slots; ++i) {
      if (old_nodes[i] == nullptr) continue;
      const std::size_t slot = free_slot(old_hashes[i]);
      nodes_[slot] = old_nodes[i];
      hashes_[slot] = old_hashes[i];
    }
  }

  std::unique_ptr<Symbol::Node*[]> nodes_ = std::make_unique<Symbol::Node*[]>(kFirstSize);
  std::unique_ptr<std::uint32_t[]> hashes_ = std::make_unique<std::uint32_t[]>(kFirstSize);
  std::size_t mask_ = kFirstSize - 1, size_ = 0;
};

// Never destroyed: symbols in static objects may outlive any order of destruction we could choose.
Table& table() {
  static auto* const nodes = new Table;
  return *nodes;
}

}  // namespace

Symbol::Symbol(std::string_view text) {
  if (text.empty()) return;
  Table& nodes = table();
  const std::uint32_t hash = Table::hash(text);
  const std::size_t slot = nodes.find(text, hash);
  if (Node* const known = nodes.at(slot)) {
    node_ = known;
    ++node_->count;
    return;
  }
  void* memory = ::operator new(sizeof(Node) + text.size());
  node_ = new (memory) Node{1, static_cast<std::uint32_t>(text.size()), hash};
  std::memcpy(node_ + 1, text.data(), text.size());
  nodes.insert(slot, node_);
}

Symbol Symbol::find(std::string_view text) noexcept {
  Symbol found;
  if (text.empty()) return found;
  Table& nodes = table();
  if (Node* const known = nodes.at(nodes.find(text, Table::hash(text)))) {
    found.node_ = known;
    ++known->count;
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
