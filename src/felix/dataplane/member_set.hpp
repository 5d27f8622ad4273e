// MemberSet: the members one kernel set should have, packed: 8 bytes a slot in IPv4, 20 in IPv6, at most two slots a member.
//
// Open addressing with backward-shift deletion. Why not std::unordered_set<SetMember>: 100,000 pods in a few sets would cost five
// times the memory of everything else in this component.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "margay/kernel/set.hpp"

namespace margay::dataplane {

template <class K>
class FlatSet {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool contains(const K& key) const {
    if (slots_.empty()) return false;
    for (std::size_t i = key.hash() & mask();; i = (i + 1) & mask()) {
      if (slots_[i] == key) return true;
      if (slots_[i].empty()) return false;
    }
  }
  bool insert(const K& key) {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    std::size_t i = key.hash() & mask();
    for (; !slots_[i].empty(); i = (i + 1) & mask()) {
      if (slots_[i] == key) return false;
    }
    slots_[i] = key;
    ++size_;
    return true;
  }
  bool erase(const K& key) {
    if (slots_.empty()) return false;
    std::size_t hole = key.hash() & mask();
    for (; !(slots_[hole] == key); hole = (hole + 1) & mask()) {
      if (slots_[hole].empty()) return false;
    }
    for (std::size_t i = (hole + 1) & mask(); !slots_[i].empty(); i = (i + 1) & mask()) {
      const std::size_t home = slots_[i].hash() & mask();
      if (((i - home) & mask()) >= ((i - hole) & mask())) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole] = K{};
    if (--size_ == 0) slots_ = {};
    return true;
  }
  void reserve(std::size_t n) {
    while (n * 4 > slots_.size() * 3) grow();
  }
  template <class F>
  void for_each(F&& f) const {
    for (const K& key : slots_) {
      if (!key.empty()) f(key);
    }
  }

 private:
  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  void grow() {
    std::vector<K> old(slots_.empty() ? 4 : slots_.size() * 2);
    old.swap(slots_);
    for (const K& key : old) {
      if (key.empty()) continue;
      std::size_t i = key.hash() & mask();
      while (!slots_[i].empty()) i = (i + 1) & mask();
      slots_[i] = key;
    }
  }
  std::vector<K> slots_;  // a power of two, never full
  std::size_t size_ = 0;
};

class MemberSet {
 public:
  explicit MemberSet(Family family) : family_{family} {}

  [[nodiscard]] std::size_t size() const { return v4_.size() + v6_.size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] bool contains(const kernel::SetMember& m) const {
    return family_ == Family::V4 ? v4_.contains(V4{m}) : v6_.contains(V6{m});
  }
  bool insert(const kernel::SetMember& m) { return family_ == Family::V4 ? v4_.insert(V4{m}) : v6_.insert(V6{m}); }
  bool erase(const kernel::SetMember& m) { return family_ == Family::V4 ? v4_.erase(V4{m}) : v6_.erase(V6{m}); }
  void reserve(std::size_t n) { family_ == Family::V4 ? v4_.reserve(n) : v6_.reserve(n); }
  void clear() { *this = MemberSet{family_}; }
  template <class F>
  void for_each(F&& f) const {
    v4_.for_each([&](const V4& k) { f(k.member()); });
    v6_.for_each([&](const V6& k) { f(k.member()); });
  }
  [[nodiscard]] std::vector<kernel::SetMember> all() const {
    std::vector<kernel::SetMember> out;
    out.reserve(size());
    for_each([&](const kernel::SetMember& m) { out.push_back(m); });
    return out;
  }

 private:
  static std::uint64_t mix(std::uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ULL;
    x ^= x >> 32;
    return x * 0xd6e8feb86659fd93ULL >> 8;
  }
  struct V4 {
    std::uint64_t bits = ~0ULL;  // address, prefix, protocol, port
    V4() = default;
    explicit V4(const kernel::SetMember& m) {
      std::uint32_t a = 0;
      std::memcpy(&a, m.net.addr.bytes.data(), 4);
      bits = a | std::uint64_t{m.net.prefix} << 32 | std::uint64_t{m.protocol} << 40 | std::uint64_t{m.port} << 48;
    }
    [[nodiscard]] kernel::SetMember member() const {
      kernel::SetMember m;
      const auto a = static_cast<std::uint32_t>(bits);
      std::memcpy(m.net.addr.bytes.data(), &a, 4);
      m.net.prefix = static_cast<std::uint8_t>(bits >> 32);
      m.protocol = static_cast<std::uint8_t>(bits >> 40);
      m.port = static_cast<std::uint16_t>(bits >> 48);
      return m;
    }
    [[nodiscard]] bool empty() const { return bits == ~0ULL; }
    [[nodiscard]] std::size_t hash() const { return mix(bits); }
    friend bool operator==(const V4&, const V4&) = default;
  };
  struct V6 {
    std::array<std::uint32_t, 5> words{0, 0, 0, 0, ~0U};  // address; prefix, protocol, port
    V6() = default;
    explicit V6(const kernel::SetMember& m) {
      std::memcpy(words.data(), m.net.addr.bytes.data(), 16);
      words[4] = m.net.prefix | std::uint32_t{m.protocol} << 8 | std::uint32_t{m.port} << 16;
    }
    [[nodiscard]] kernel::SetMember member() const {
      kernel::SetMember m;
      m.net.addr.family = Family::V6;
      std::memcpy(m.net.addr.bytes.data(), words.data(), 16);
      m.net.prefix = static_cast<std::uint8_t>(words[4]);
      m.protocol = static_cast<std::uint8_t>(words[4] >> 8);
      m.port = static_cast<std::uint16_t>(words[4] >> 16);
      return m;
    }
    [[nodiscard]] bool empty() const { return words[4] == ~0U; }
    [[nodiscard]] std::size_t hash() const {
      return mix(mix((std::uint64_t{words[0]} << 32 | words[1]) ^ mix(std::uint64_t{words[2]} << 32 | words[3])) ^ words[4]);
    }
    friend bool operator==(const V6&, const V6&) = default;
  };

  Family family_;
  FlatSet<V4> v4_;
  FlatSet<V6> v6_;
};

}  // namespace margay::dataplane
