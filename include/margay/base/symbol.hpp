// Symbol: an interned string. One copy of each distinct text lives in the process; equality and hash are one pointer compare.
//
// Ownership: reference counted, so that label values which come and go do not pile up. Thread: the one loop thread only
// (counts are not atomic; see docs/architecture.md). The default Symbol is the empty string.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace margay {

class Symbol {
 public:
  Symbol() noexcept = default;
  Symbol(std::string_view text);  // interns; implicit on purpose: Symbol is how this code base spells a name
  Symbol(const std::string& text) : Symbol{std::string_view{text}} {}
  Symbol(const char* text) : Symbol{std::string_view{text}} {}
  Symbol(const Symbol& other) noexcept : node_{other.node_} { retain(); }
  Symbol(Symbol&& other) noexcept : node_{std::exchange(other.node_, nullptr)} {}
  Symbol& operator=(Symbol other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~Symbol() { release(); }

  // The symbol of a text that is interned already, or the empty symbol if nobody holds it: a look-up key that adds nothing.
  [[nodiscard]] static Symbol find(std::string_view text) noexcept;

  [[nodiscard]] std::string_view view() const noexcept;
  [[nodiscard]] std::string str() const { return std::string{view()}; }
  [[nodiscard]] bool empty() const noexcept { return node_ == nullptr; }
  [[nodiscard]] const void* id() const noexcept { return node_; }  // equal ids, equal texts; valid while held
  operator std::string_view() const noexcept { return view(); }

  friend bool operator==(const Symbol& a, const Symbol& b) noexcept { return a.node_ == b.node_; }
  friend bool operator==(const Symbol& a, std::string_view b) noexcept { return a.view() == b; }
  friend bool operator==(const Symbol& a, const char* b) noexcept { return a.view() == b; }
  friend std::strong_ordering operator<=>(const Symbol& a, const Symbol& b) noexcept {  // by text
    if (a.node_ == b.node_) return std::strong_ordering::equal;
    return a.view() <=> b.view();
  }

  struct Node;

 private:
  void retain() const noexcept;
  void release() noexcept;
  Node* node_ = nullptr;
};

}  // namespace margay

template <>
struct std::hash<margay::Symbol> {
  std::size_t operator()(const margay::Symbol& s) const noexcept {
    auto x = reinterpret_cast<std::uintptr_t>(s.id());
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    return static_cast<std::size_t>(x);
  }
};
