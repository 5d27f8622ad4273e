// The Sets port: writes through libipset's session API in buffered mode, reads over plain netlink.
//
// Goals: one message (or a few of 4 KB and more) per set and flush, since the kernel looks a set's name up linearly in each; no
// question to the kernel per set or member; an error never ends the process. libipset's text API (ipset_parse_line) costs ten
// times as much a member, ends the process on a bad line, and answers 0 on failure when told not to. The session API has none of
// that: failures come back as a report, whose text is all that tells which (the number is not kept), so texts are mapped to codes
// here and in the live tests. What was measured and rejected: docs/design/kernel-netlink.md.
//
// Opened at first use, in the network namespace the thread is in then, and stays with it.
#pragma once

#include <memory>

#include "margay/kernel/ports.hpp"

namespace margay::kernel {

class IpsetSets final : public Sets {
 public:
  IpsetSets();
  ~IpsetSets() override;

  Result<std::vector<SetHeader>> list() override;
  Result<std::vector<SetMember>> members(const SetSpec& spec) override;
  Status create(const SetSpec& spec) override;
  // A set whose change failed holds some of it; read it back. With `create`, a set that is there already fails.
  std::vector<Status> apply(const std::vector<Change>& changes) override;
  Status swap(const std::string& a, const std::string& b) override;
  Status destroy(const std::string& name) override;

 private:
  struct Session;
  std::unique_ptr<Session> session_;
};

}  // namespace margay::kernel
