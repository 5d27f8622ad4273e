#include "ipset_sets.hpp"

#include <libipset/data.h>
#include <libipset/nfproto.h>
#include <libipset/session.h>
#include <libipset/types.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "ipset_dump.hpp"

namespace margay::kernel {
namespace {

constexpr std::size_t kTypeCount = 3;

// libipset tells failures apart by text only.
ErrorCode code_of(std::string_view report) noexcept {
  struct Row {
    std::string_view text;
    ErrorCode code;
  };
  static constexpr Row kRows[] = {
      {"Hash is full", ErrorCode::NoSpace},
      {"set is full", ErrorCode::NoSpace},
      {"maximal number of sets", ErrorCode::NoSpace},
      {"Cannot allocate memory", ErrorCode::NoSpace},
      {"in use", ErrorCode::Busy},
      {"already exists", ErrorCode::AlreadyExists},
      {"does not exist", ErrorCode::NotFound},
      {"type does not match", ErrorCode::Invalid},
      {"Null-valued element", ErrorCode::Invalid},
      {"not supported", ErrorCode::Unsupported},
      {"Operation not permitted", ErrorCode::Permission},
  };
  for (const Row& row : kRows)
    if (report.find(row.text) != std::string_view::npos) return row.code;
  return ErrorCode::Io;
}

int print_nothing(ipset_session*, void*, const char*, ...) { return 0; }

}  // namespace

struct IpsetSets::Session {
  Session() { [[maybe_unused]] static const bool loaded = (ipset_load_types(), true); }
  ~Session() {
    if (session_) ipset_session_fini(session_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  NetlinkSocket reader{NETLINK_NETFILTER};

  Status create(const SetSpec& spec) {
    if (auto status = check(spec.name); !status) return status;
    const ipset_type* type = type_of(spec);
    if (!type) return failure("create set " + spec.name);
    // Exclusive: without it a set of that name and type that is there already is taken for ours to fill, whatever it holds.
    ipset_envopt_unset(session_, IPSET_ENV_EXIST);
    put_name(IPSET_SETNAME, spec.name);
    put_name(IPSET_OPT_TYPENAME, name(spec.type));
    set(IPSET_OPT_TYPE, type);
    const std::uint8_t family = family_number(spec.family);
    set(IPSET_OPT_FAMILY, &family);
    set(IPSET_OPT_HASHSIZE, &spec.hash_size);
    set(IPSET_OPT_MAXELEM, &spec.max_elements);
    auto status = command(IPSET_CMD_CREATE, 0, "create set ", spec.name);
    // libipset notes every set it creates in a list that it walks at each creation: quadratic, and of no use to us.
    ipset_cache_fini();
    return status;
  }

  Status change(const Change& change) {
    const SetSpec& spec = *change.spec;
    if (auto status = check(spec.name); !status) return status;
    if (change.create)
      if (auto status = create(spec); !status) return status;
    if (change.remove.empty() && change.add.empty()) return {};
    const ipset_type* type = type_of(spec);
    if (!type) return failure("change set " + spec.name);
    ipset_envopt_set(session_, IPSET_ENV_EXIST);
    if (auto status = members(IPSET_CMD_DEL, spec, type, change.remove); !status)
      return std::move(status).error().in("remove from set " + spec.name);
    if (auto status = members(IPSET_CMD_ADD, spec, type, change.add); !status)
      return std::move(status).error().in("add to set " + spec.name);
    return {};
  }

  Status swap(const std::string& a, const std::string& b) {
    for (const auto* each : {&a, &b})
      if (auto status = check(*each); !status) return status;
    put_name(IPSET_SETNAME, a);
    put_name(IPSET_OPT_SETNAME2, b);
    return command(IPSET_CMD_SWAP, 0, "swap sets ", a + ", " + b);
  }

  Status destroy(const std::string& set_name) {
    if (auto status = check(set_name); !status) return status;
    put_name(IPSET_SETNAME, set_name);
    auto status = command(IPSET_CMD_DESTROY, 0, "destroy set ", set_name);
    if (!status && status.error().code == ErrorCode::NotFound) return {};
    return status;
  }

 private:
  // No name would mean "all sets" to the kernel's destroy and flush.
  Status check(const std::string& set_name) {
    if (set_name.empty() || set_name.size() >= IPSET_MAXNAMELEN || set_name.find('\0') != std::string::npos)
      return Error{ErrorCode::Invalid, "set name '" + set_name + "' is empty or longer than 31 characters"};
    if (!session_) session_ = ipset_session_init(print_nothing, nullptr);
    if (!session_) return Error{ErrorCode::NoSpace, "libipset: cannot start a session"};
    data_ = ipset_session_data(session_);
    return {};
  }

  static std::uint8_t family_number(Family family) noexcept { return family == Family::V4 ? NFPROTO_IPV4 : NFPROTO_IPV6; }

  void set(ipset_opt option, const void* value) { ipset_data_set(data_, option, value); }
  // libipset of Debian 13 copies a name's whole field, whatever its length.
  void put_name(ipset_opt option, std::string_view value) {
    std::array<char, IPSET_MAXNAMELEN> field{};
    std::copy_n(value.begin(), std::min(value.size(), field.size() - 1), field.begin());
    set(option, field.data());
  }

  // The type's highest revision that both libipset and the kernel know; the kernel is asked once.
  const ipset_type* type_of(const SetSpec& spec) {
    const ipset_type*& type = types_[static_cast<std::size_t>(spec.type)][index(spec.family)];
    if (type) return type;
    put_name(IPSET_OPT_TYPENAME, name(spec.type));
    const std::uint8_t family = family_number(spec.family);
    set(IPSET_OPT_FAMILY, &family);
    type = ipset_type_get(session_, IPSET_CMD_CREATE);
    ipset_data_reset(data_);
    return type;
  }

  Error failure(std::string_view what) {
    const char* report = ipset_session_report_msg(session_);
    std::string text = report ? report : "";
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    if (text.empty()) text = "libipset failed without a report";
    ipset_session_report_reset(session_);
    ipset_data_reset(data_);
    return Error{code_of(text), std::move(text)}.in(what);
  }

  Status command(enum ipset_cmd number, std::uint32_t line, std::string_view what, const std::string& of) {
    if (::ipset_cmd(session_, number, line) < 0) return failure(std::string{what} + of);
    ipset_data_reset(data_);
    return {};
  }

  // Buffered: libipset packs members of one set and command into messages, sent when full and at the end. libipset's own type
  // look-up asks the kernel for the set's header, once a set; we know the type, so it is put in place directly.
  Status members(enum ipset_cmd number, const SetSpec& spec, const ipset_type* type, const std::vector<SetMember>& list) {
    if (list.empty()) return {};
    const std::uint8_t family = family_number(spec.family);
    std::uint32_t line = 0;
    for (const SetMember& member : list) {
      if (member.net.family() != spec.family)
        return Error{ErrorCode::Invalid, "member of the other family: " + member.to_string(spec.type)};
      put_name(IPSET_SETNAME, spec.name);
      set(IPSET_OPT_TYPE, type);
      set(IPSET_OPT_FAMILY, &family);
      union nf_inet_addr addr {};
      std::memcpy(&addr, member.net.addr.bytes.data(), sizeof addr);
      set(IPSET_OPT_IP, &addr);
      switch (spec.type) {
        case SetType::HashIp: break;
        case SetType::HashNet: set(IPSET_OPT_CIDR, &member.net.prefix); break;
        case SetType::HashIpPort:
          set(IPSET_OPT_PROTO, &member.protocol);
          set(IPSET_OPT_PORT, &member.port);
          break;
      }
      // The line, never 0, is what makes it buffered; the report names the failing one.
      if (::ipset_cmd(session_, number, ++line) < 0) return failure_in_batch();
    }
    if (ipset_commit(session_) < 0) return failure_in_batch();
    ipset_data_reset(data_);
    return {};
  }

  // Sends nothing of what is still in the buffer of a batch that failed: a failed commit has emptied it; what a failed
  // ipset_cmd left is flushed here and its outcome is not news.
  Error failure_in_batch() {
    Error error = failure("");
    error.text.erase(0, std::min<std::size_t>(error.text.size(), 2));
    ipset_commit(session_);
    ipset_session_report_reset(session_);
    return error;
  }

  ipset_session* session_ = nullptr;
  ipset_data* data_ = nullptr;
  const ipset_type* types_[kTypeCount][2] = {};
};

IpsetSets::IpsetSets() : session_{std::make_unique<Session>()} {}
IpsetSets::~IpsetSets() = default;

Result<std::vector<SetHeader>> IpsetSets::list() { return dump_set_headers(session_->reader); }

Result<std::vector<SetMember>> IpsetSets::members(const SetSpec& spec) { return dump_set_members(session_->reader, spec); }

Status IpsetSets::create(const SetSpec& spec) { return session_->create(spec); }

std::vector<Status> IpsetSets::apply(const std::vector<Change>& changes) {
  std::vector<Status> outcome;
  outcome.reserve(changes.size());
  for (const Change& change : changes) outcome.push_back(session_->change(change));
  return outcome;
}

Status IpsetSets::swap(const std::string& a, const std::string& b) { return session_->swap(a, b); }

Status IpsetSets::destroy(const std::string& name) { return session_->destroy(name); }

}  // namespace margay::kernel
