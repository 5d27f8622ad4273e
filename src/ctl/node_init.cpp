// margayctl node init.
#include <ostream>
#include <random>

#include <fmt/format.h>

#include "edit.hpp"
#include "host_interfaces.hpp"
#include "kinds.hpp"
#include "node.hpp"
#include "node_objects.hpp"
#include "object.hpp"
#include "session.hpp"

namespace margay::ctl {
namespace {

using nlohmann::json;
using What = AddressWish::What;

const ObjectId kCluster{Kind::ClusterInformation, "", "default"};

std::string new_guid() {
  std::random_device random;  // the kernel's
  std::string out;
  for (int i = 0; i < 4; ++i) out += fmt::format("{:08x}", random());
  return out;
}

// Writes what `make` makes of the stored object, or of null; says and answers what became of it.
template <class Make>
Result<std::string> write(Session& session, const ObjectId& id, Make&& make) {
  return retried([&]() -> Result<std::string> {
    auto current = session.fetch(id);
    if (!current && current.error().code != ErrorCode::NotFound) return current.error();
    const bool stored = current && !current->revision.empty();
    Result<json> made = make(current ? &current->object : nullptr);
    if (!made) return made.error();
    const json before = current ? normal_form(id, current->object) : json::object();
    const json after = normal_form(id, std::move(*made));
    if (stored && before == after) return std::string{"unchanged"};
    if (const auto errors = new_errors(id, before, after); !errors.empty())
      return Error{ErrorCode::Invalid, field_error({}, std::nullopt, errors.front())};
    auto put = session.put(id, after, current ? current->revision : datastore::Revision{});
    if (!put) return put.error();
    return std::string{stored ? "configured" : "created"};
  });
}

bool say(Session& session, const ObjectId& id, const Result<std::string>& result, std::string_view more = {}) {
  if (result) session.out << object_word(id) << " " << *result << more << "\n";
  else session.error(describe(id), result.error());
  return result.has_value();
}

class Init {
 public:
  Init(Session& session, const NodeInitOptions& options)
      : session_{session}, options_{options}, name_{session.settings()->node}, id_{Kind::Node, "", name_} {}

  void run() {
    if (!parse()) return;
    auto stored = session_.fetch(id_);
    if (!stored && stored.error().code != ErrorCode::NotFound) return session_.error(describe(id_), stored.error());
    std::optional<Node> now;
    if (stored) now = decoded_node(stored->object);
    if (!find_addresses(now)) return;
    if (!options_.allow_duplicate && duplicate()) return;
    if (!write_cluster()) return;
    const auto result =
        write(session_, id_, [&](const json* object) { return node_with(object, name_, values_, options_.overwrite); });
    if (!say(session_, id_, result, found_)) return;
    hints();
  }

 private:
  bool parse() {
    for (const Family family : kFamilies) {
      const std::string& text = family == Family::V4 ? options_.ip : options_.ip6;
      if (text.empty()) continue;
      auto wish = parse_address_wish(family, text);
      if (!wish) {
        session_.usage(wish.error().text);
        return false;
      }
      wishes_[index(family)] = std::move(*wish);
    }
    if (options_.as_number.empty()) return true;
    auto number = parse_as_number(options_.as_number);
    if (number) values_.as_number = *number;
    else session_.usage(number.error().text);
    return number.has_value();
  }

  // As Calico: IPv4 is looked for unasked where the node has none, IPv6 only on demand. A node that has IPv6 alone stays so.
  bool find_addresses(const std::optional<Node>& now) {
    const bool has = now && (now->ipv4 || now->ipv6);
    const bool unasked = wishes_[0].what == What::Unset && !has;
    if (unasked) wishes_[0].what = What::Detect;
    for (const Family family : kFamilies) {
      AddressWish& wish = wishes_[index(family)];
      if (wish.what != What::Given && wish.what != What::Detect) continue;
      if (!host_) {
        auto host = read_host();
        if (!host) {
          session_.error("this host's interfaces", host.error());
          return false;
        }
        host_ = std::move(*host);
      }
      if (wish.what == What::Given) {
        const Candidate given = complete_address(*host_, wish);
        values_.addresses[index(family)] = NodeAddress{given, wish.prefix.has_value()};
        if (given.interface.empty())
          session_.note(
              fmt::format("{} is on no interface of this host: right only if it comes later, or the node is another host",
                          given.addr.to_string()));
        continue;
      }
      const bool optional = unasked && family == Family::V4 && wishes_[1].what != What::Unset && wishes_[1].what != What::None;
      const auto has_now = !now ? std::nullopt : family == Family::V4 ? now->ipv4 : now->ipv6;
      if (!detect(family, wish.method, has_now, optional)) return false;
    }
    return true;
  }

  bool detect(Family family, const AddressMethod& method, const std::optional<Addr>& has_now, bool optional) {
    std::optional<Addr> wanted;
    if (method.how == AddressMethod::How::CanReach) {
      auto source = source_towards(family, method.destination);
      if (!source) {
        session_.error(source.error().text);
        return false;
      }
      wanted = *source;
    } else if (method.how == AddressMethod::How::KubernetesInternalIp) {
      wanted = internal_ip(family);
    }
    Detection found = detect_address(*host_, family, method, wanted);
    for (const Candidate& one : found.candidates) {  // asked again, the answer stays
      if (found.chosen || has_now != one.addr) continue;
      found.chosen = one;
      found.why = "as the node has it";
    }
    if (!found.chosen) {
      if (optional && found.candidates.empty()) return true;
      session_.error(detection_refused(found, family));
      return false;
    }
    found_ += fmt::format("{} {}, {}", found_.empty() ? ":" : ";", found.chosen->named(), found.why);
    values_.addresses[index(family)] = NodeAddress{*found.chosen, false};
    return true;
  }

  std::optional<Addr> internal_ip(Family family) {
    auto node = session_.fetch({Kind::KubernetesNode, "", name_});
    if (!node) return std::nullopt;
    const auto status = node->object.find("status");
    if (status == node->object.end() || !status->is_object() || !status->contains("addresses")) return std::nullopt;
    for (const json& one : (*status)["addresses"]) {
      if (!one.is_object() || one.value("type", json{}) != "InternalIP" || !one.contains("address") ||
          !one["address"].is_string())
        continue;
      const auto addr = Addr::parse(one["address"].get_ref<const std::string&>());
      if (addr && addr->family == family) return addr;
    }
    return std::nullopt;
  }

  bool duplicate() {
    auto nodes = session_.lookup().list(Kind::Node);
    if (!nodes) {
      session_.error({}, nodes.error());
      return true;
    }
    const auto owner = address_owner(*nodes, name_, values_);
    if (!owner) return false;
    session_.error(
        fmt::format("{} is already the address of Node {}; give another with --ip or --ip6, delete that Node, or insist "
                    "with --allow-duplicate-ip",
                    owner->addr.to_string(), owner->node));
    return true;
  }

  bool write_cluster() {
    const std::string guid = new_guid();
    const auto cluster =
        write(session_, kCluster, [&](const json* object) -> Result<json> { return cluster_information(object, guid); });
    if (!say(session_, kCluster, cluster)) return false;
    // The file datastore belongs to Margay alone, which knows them; elsewhere Calico's clients look for them.
    if (session_.settings()->datastore.url.starts_with("file:")) return true;
    for (const ObjectId& tier : built_ins(Kind::Tier)) {
      const auto made = write(session_, tier, [&](const json* object) -> Result<json> { return *object; });
      if (!say(session_, tier, made)) return false;
    }
    return true;
  }

  void hints() {
    if (auto cluster = session_.fetch(kCluster))
      if (cluster->object["/spec/datastoreReady"_json_pointer] == false)
        session_.note("ClusterInformation default says datastoreReady: false: the datastore is locked, and left so.");
    if (auto node = session_.fetch(id_))
      if (const auto now = decoded_node(node->object); now && !now->ipv4 && !now->ipv6)
        session_.note("The node has no address, so it speaks no BGP; give one with --ip or --ip6.");
  }

  Session& session_;
  const NodeInitOptions& options_;
  std::string name_;
  ObjectId id_;
  std::array<AddressWish, 2> wishes_;
  NodeValues values_;
  std::optional<Host> host_;
  std::string found_;  // how addresses were found, for people
};

}  // namespace

void run_node_init(Session& session, const NodeInitOptions& options) {
  const settings::Settings* settings = session.settings();
  if (settings == nullptr) return;
  // A name that the settings take may still be none for a resource.
  if (const auto named = named_objects({"node", settings->node}, {}); !named) return session.usage(named.error().text);
  if (!session.connect()) return;
  Init{session, options}.run();
}

}  // namespace margay::ctl
