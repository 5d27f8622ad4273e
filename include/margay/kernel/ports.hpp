// Ports to the kernel: tables, sets, routes, links, neighbours, conntrack, sysctls. Value in, value out.
//
// All of them: called from the loop's one thread; they block for as long as the kernel takes (the tables also for the xtables
// lock, bounded); idempotent, so that the answer to any failure is "read back and try again"; they never log.
// Implementations live in src/kernel; fakes that keep the state the kernel would keep, in test/fakes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/base/result.hpp"
#include "margay/kernel/rule.hpp"
#include "margay/kernel/set.hpp"

namespace margay::kernel {

// ---- tables --------------------------------------------------------------------------------------------------------

// IPT_SO_GET_INFO: cheap (0.5 µs), says whether a table's shape changed; a change of equal shape goes unseen.
struct TableInfo {
  std::uint32_t entries = 0;
  std::uint32_t bytes = 0;
  friend bool operator==(const TableInfo&, const TableInfo&) = default;
};

// The rules of ours that belong into one kernel chain: `first` at its top (or, with append, after all foreign rules), `last`
// always at its very end. Foreign rules keep their order around them.
struct Hooks {
  std::string chain;  // "FORWARD", …
  std::vector<Rule> first;
  std::vector<Rule> last;
  bool append = false;  // ChainInsertMode=append
  friend bool operator==(const Hooks&, const Hooks&) = default;
};

struct TableState {
  TableInfo info;
  std::unordered_map<std::string, Digest> chains;  // our chains only
  std::vector<Hooks> hooks;                        // per kernel chain: our rules at its top or end; others of ours are "stray"
  bool stray = false;                              // a rule of ours stands anywhere it should not, given `wanted_hooks`
};

struct TableChange {
  std::vector<const Chain*> write;  // whole contents; created if missing. Not owned; alive during the call
  std::vector<std::string> remove;  // our chains; whatever still jumps to one from a foreign chain is removed too
  std::vector<Hooks> hooks;         // all hooks wanted in this table
  bool fix_hooks = false;           // false: hooks are as wanted already; leave kernel chains alone
};

class Tables {
 public:
  virtual ~Tables() = default;
  // Unavailable: this kernel has no such table.
  virtual Result<TableInfo> info(Family family, Table table) = 0;
  // Reads the whole table back. `wanted` tells where our rules in kernel chains should stand.
  virtual Result<TableState> read(Family family, Table table, const std::vector<Hooks>& wanted) = 0;
  // All of the change or nothing, in one commit, under the xtables lock. `expected`: the table's shape when last seen; if it
  // differs, somebody changed the table: Conflict, nothing done, read() again. The answer is the shape after the commit.
  virtual Result<TableInfo> apply(Family family, Table table, const TableChange& change,
                                  const std::optional<TableInfo>& expected) = 0;
  // Takes every chain and rule of ours out of the table.
  virtual Status cleanup(Family family, Table table) = 0;
};

// ---- sets ----------------------------------------------------------------------------------------------------------

struct SetHeader {
  SetSpec spec;
  std::uint32_t references = 0;  // by rules
};

class Sets {
 public:
  virtual ~Sets() = default;
  // Our sets (names starting "cali4" or "cali6"). One whose type or options are none we make comes with max_elements 0, which no
  // wanted set has; its members are Unsupported. swap() is refused between different types or families.
  virtual Result<std::vector<SetHeader>> list() = 0;
  virtual Result<std::vector<SetMember>> members(const SetSpec& spec) = 0;
  // Creates empty; AlreadyExists if there is one of that name.
  virtual Status create(const SetSpec& spec) = 0;
  // Many sets at once in as few kernel messages as possible: per set deletes before adds; creates it first where `create`.
  // Entries that are there already (or gone already) are no error. Answers, per change, its outcome; a failure of one does not
  // stop the others. NoSpace: the set is full.
  struct Change {
    const SetSpec* spec = nullptr;
    bool create = false;
    std::vector<SetMember> remove, add;
  };
  virtual std::vector<Status> apply(const std::vector<Change>& changes) = 0;
  virtual Status swap(const std::string& a, const std::string& b) = 0;
  // Busy: a rule still refers to it. NotFound counts as done.
  virtual Status destroy(const std::string& name) = 0;
};

// ---- links ---------------------------------------------------------------------------------------------------------

struct Link {
  int index = 0;
  std::string name;
  bool up = false;  // admin up and running (carrier)
  std::optional<Mac> mac;
  friend bool operator==(const Link&, const Link&) = default;
};

struct LinkAddress {
  int index = 0;  // of the link
  Cidr net;       // address's own prefix, host bits masked away
  Addr address;
  std::uint8_t protocol = 0;  // IFAPROT_*, who put it there; 0 also where the kernel does not keep it (before 5.18)
  friend bool operator==(const LinkAddress&, const LinkAddress&) = default;
};

class Links {
 public:
  virtual ~Links() = default;
  virtual Result<std::vector<Link>> links() = 0;
  virtual Result<std::vector<LinkAddress>> addresses() = 0;
  // With link scope in IPv4, and never with a route to `net` or a wait for duplicates: usable at once. AlreadyExists if the link
  // has it, whoever put it there.
  virtual Status add_address(const LinkAddress& address) = 0;
  // One that is gone, or whose link is, counts as removed.
  virtual Status remove_address(const LinkAddress& address) = 0;
};

// What the kernel tells by itself (rtnetlink groups). Lost means events were dropped (ENOBUFS): read everything again.
struct LinkEvent {
  Link link;
  bool removed = false;
};
struct AddressEvent {
  LinkAddress address;
  bool removed = false;
};

// ---- routes and neighbours -----------------------------------------------------------------------------------------

struct Route {
  Cidr destination;
  enum class Type : std::uint8_t { Unicast, Blackhole } type = Type::Unicast;
  int link = 0;                // 0 for a blackhole
  std::uint8_t protocol = 80;  // RTPROT_*
  std::uint32_t priority = 1024;
  std::optional<Addr> source;  // preferred source
  bool via = false;            // read only: goes through a gateway or several hops, so it is none of ours; never applied
  friend bool operator==(const Route&, const Route&) = default;
};

struct RouteEvent {
  Route route;
  bool removed = false;
};

struct Neighbour {  // permanent
  int link = 0;
  Addr address;
  Mac mac;
  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

class Routes {
 public:
  virtual ~Routes() = default;
  // Main table, unicast and blackhole, of the family; every protocol (the reader decides what is ours).
  virtual Result<std::vector<Route>> routes(Family family) = 0;
  // In one batch (< 128 KB a send). Adds replace. Answers one outcome per item, adds after removes.
  virtual std::vector<Status> apply(const std::vector<Route>& remove, const std::vector<Route>& add) = 0;
  virtual Result<std::vector<Neighbour>> neighbours(int link) = 0;
  virtual Status set_neighbour(const Neighbour& neighbour) = 0;
  virtual Status remove_neighbour(const Neighbour& neighbour) = 0;
};

// The kernel's own notices: links, addresses, and routes as Routes::routes() would list them. Open it before the first dump,
// so that nothing falls between the two.
struct Lost {};
using KernelEvent = std::variant<LinkEvent, AddressEvent, RouteEvent, Lost>;

class Monitor {
 public:
  virtual ~Monitor() = default;
  // Readable when there are events; for the loop to wait on, not to read from.
  [[nodiscard]] virtual int fd() const noexcept = 0;
  // What has come so far, in order; never blocks; empty if nothing. A bounded number a call: more may be waiting, and fd() stays
  // readable then. What this process changed comes back too.
  virtual Result<std::vector<KernelEvent>> read_events() = 0;
};

class Conntrack {
 public:
  virtual ~Conntrack() = default;
  // Deletes every entry in which any of these addresses is source or destination, in either direction. One dump for all.
  // Unsupported: this kernel has no ctnetlink.
  virtual Status remove_flows(const std::vector<Addr>& addresses) = 0;
};

class Sysctls {
 public:
  virtual ~Sysctls() = default;
  // Path below /proc/sys with '/' between parts ("net/ipv4/conf/cali1/proxy_arp"). Reads first; writes only what differs.
  virtual Status write(std::string_view path, std::string_view value) = 0;
  virtual Result<std::string> read(std::string_view path) = 0;
};

}  // namespace margay::kernel
