// One snapshot of a kernel table held by libiptc or libip6tc, under one interface for both. For iptc_tables.cpp only.
#pragma once

// Before linux/in.h, which gives way to it.
#include <netinet/in.h>

extern "C" {
#include <libiptc/libip6tc.h>
#include <libiptc/libiptc.h>
}
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/base/result.hpp"

namespace margay::kernel {

// What an errno of libiptc or the kernel's table calls means.
[[nodiscard]] Error table_error(int error, std::string_view doing);

// The functions differ in prefix and entry type only.
struct Iptc4 {
  using Entry = ipt_entry;
  static constexpr Family kFamily = Family::V4;
  static constexpr auto init = iptc_init;
  static constexpr auto free = iptc_free;
  static constexpr auto first_chain = iptc_first_chain;
  static constexpr auto next_chain = iptc_next_chain;
  static constexpr auto first_rule = iptc_first_rule;
  static constexpr auto next_rule = iptc_next_rule;
  static constexpr auto get_target = iptc_get_target;
  static constexpr auto is_chain = iptc_is_chain;
  static constexpr auto builtin = iptc_builtin;
  static constexpr auto insert_entry = iptc_insert_entry;
  static constexpr auto append_entry = iptc_append_entry;
  static constexpr auto delete_num_entry = iptc_delete_num_entry;
  static constexpr auto flush_entries = iptc_flush_entries;
  static constexpr auto create_chain = iptc_create_chain;
  static constexpr auto delete_chain = iptc_delete_chain;
  static constexpr auto get_references = iptc_get_references;
  static constexpr auto commit = iptc_commit;
  static constexpr int kLevel = IPPROTO_IP, kMatchRevision = IPT_SO_GET_REVISION_MATCH,
                       kTargetRevision = IPT_SO_GET_REVISION_TARGET;
  static bool has_extension(int fd, bool target, const std::string& name, std::uint8_t revision);
};
struct Iptc6 {
  using Entry = ip6t_entry;
  static constexpr Family kFamily = Family::V6;
  static constexpr auto init = ip6tc_init;
  static constexpr auto free = ip6tc_free;
  static constexpr auto first_chain = ip6tc_first_chain;
  static constexpr auto next_chain = ip6tc_next_chain;
  static constexpr auto first_rule = ip6tc_first_rule;
  static constexpr auto next_rule = ip6tc_next_rule;
  static constexpr auto get_target = ip6tc_get_target;
  static constexpr auto is_chain = ip6tc_is_chain;
  static constexpr auto builtin = ip6tc_builtin;
  static constexpr auto insert_entry = ip6tc_insert_entry;
  static constexpr auto append_entry = ip6tc_append_entry;
  static constexpr auto delete_num_entry = ip6tc_delete_num_entry;
  static constexpr auto flush_entries = ip6tc_flush_entries;
  static constexpr auto create_chain = ip6tc_create_chain;
  static constexpr auto delete_chain = ip6tc_delete_chain;
  static constexpr auto get_references = ip6tc_get_references;
  static constexpr auto commit = ip6tc_commit;
  static constexpr int kLevel = IPPROTO_IPV6, kMatchRevision = IP6T_SO_GET_REVISION_MATCH,
                       kTargetRevision = IP6T_SO_GET_REVISION_TARGET;
  static bool has_extension(int fd, bool target, const std::string& name, std::uint8_t revision);
};

template <class F>
class Handle {
 public:
  [[nodiscard]] static Result<Handle> open(const char* table) {
    errno = 0;
    xtc_handle* handle = F::init(table);
    if (!handle) return table_error(errno, "read");
    return Handle{handle};
  }
  Handle(Handle&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (handle_) F::free(handle_);
  }

  [[nodiscard]] std::vector<std::string> chains() {
    std::vector<std::string> names;
    for (const char* chain = F::first_chain(handle_); chain; chain = F::next_chain(handle_)) names.emplace_back(chain);
    return names;
  }
  // f(const Entry*, target name). The chain must not be changed meanwhile.
  template <class Visit>
  void for_each_rule(const std::string& chain, Visit&& f) {
    for (const auto* e = F::first_rule(chain.c_str(), handle_); e; e = F::next_rule(e, handle_)) {
      const char* target = F::get_target(e, handle_);
      f(e, std::string_view{target ? target : ""});
    }
  }
  [[nodiscard]] bool is_chain(const std::string& name) { return F::is_chain(name.c_str(), handle_) != 0; }
  [[nodiscard]] bool is_builtin(const std::string& name) { return F::builtin(name.c_str(), handle_) != 0; }
  [[nodiscard]] unsigned references(const std::string& name) {
    unsigned count = 0;
    return F::get_references(&count, name.c_str(), handle_) ? count : 0;
  }
  bool create(const std::string& name) { return F::create_chain(name.c_str(), handle_) != 0; }
  bool flush(const std::string& name) { return F::flush_entries(name.c_str(), handle_) != 0; }
  bool remove_chain(const std::string& name) { return F::delete_chain(name.c_str(), handle_) != 0; }
  bool append(const std::string& chain, const std::vector<std::byte>& entry) {
    return F::append_entry(chain.c_str(), reinterpret_cast<const typename F::Entry*>(entry.data()), handle_) != 0;
  }
  bool insert(const std::string& chain, const std::vector<std::byte>& entry) {  // at the top
    return F::insert_entry(chain.c_str(), reinterpret_cast<const typename F::Entry*>(entry.data()), 0, handle_) != 0;
  }
  bool remove_rule(const std::string& chain, std::size_t at) {
    return F::delete_num_entry(chain.c_str(), static_cast<unsigned>(at), handle_) != 0;
  }
  // 0 or the errno; without a change nothing is written. The handle is of no use after it.
  [[nodiscard]] int commit() { return F::commit(handle_) ? 0 : errno; }
  [[nodiscard]] Error error(std::string_view doing) const { return table_error(errno, doing); }

  // "a, b, c": chains that lead to one another in a circle. For error messages, after the kernel said ELOOP.
  [[nodiscard]] std::string find_loop() {
    std::unordered_map<std::string, std::vector<std::string>> jumps;
    for (const auto& chain : chains()) {
      auto& to = jumps[chain];
      for_each_rule(chain, [&](const auto*, std::string_view target) {
        if (std::string name{target}; !name.empty() && is_chain(name)) to.push_back(std::move(name));
      });
    }
    std::unordered_map<std::string, int> state;  // 1: on the path, 2: done
    struct Step {
      const std::string* chain;
      std::size_t next;
    };
    for (const auto& [start, unused] : jumps) {
      std::vector<Step> path{{&start, 0}};
      if (state[start] != 0) continue;
      state[start] = 1;
      while (!path.empty()) {
        auto& [chain, next] = path.back();
        const auto& to = jumps[*chain];
        if (next == to.size()) {
          state[*chain] = 2;
          path.pop_back();
          continue;
        }
        const std::string& target = to[next++];
        if (state[target] == 1) {
          std::string text;
          bool inside = false;
          for (const auto& step : path)
            if ((inside = inside || *step.chain == target)) text += (text.empty() ? "" : ", ") + *step.chain;
          return text;
        }
        if (state[target] == 0) {
          state[target] = 1;
          path.push_back({&jumps.find(target)->first, 0});
        }
      }
    }
    return {};
  }

 private:
  explicit Handle(xtc_handle* handle) : handle_{handle} {}
  xtc_handle* handle_;
};

}  // namespace margay::kernel
