// margayctl get.
#include <map>
#include <ostream>
#include <set>

#include <fmt/format.h>

#include "datastore/yaml_write.hpp"
#include "edit.hpp"
#include "kinds.hpp"
#include "label_selector.hpp"
#include "node_status_files.hpp"
#include "object.hpp"
#include "session.hpp"
#include "table.hpp"
#include "verbs.hpp"

namespace margay::ctl {
namespace {

using nlohmann::json;

struct Found {
  Kind kind;
  Current current;
};

std::vector<Found> find_one(Session& session, const Selection& selection, const GetOptions& options) {
  const bool namespaced = info(selection.kind).namespaced;
  const ObjectId id{selection.kind, namespaced ? (options.ns.empty() ? "default" : options.ns) : "", selection.name};
  std::vector<Found> out;
  if (namespaced && options.all_namespaces) {
    auto all = session.fetch_all(selection.kind, {}, Session::Wanted::Readable);
    if (!all) {
      session.error({}, all.error());
      return out;
    }
    for (Current& current : *all)
      if (current.object["metadata"]["name"] == selection.name) out.push_back({selection.kind, std::move(current)});
    if (out.empty())
      session.error(fmt::format("{} {} does not exist in any namespace{}", info(id.kind).name, id.name, session.where_else(id)));
    return out;
  }
  auto current = session.fetch(id);
  if (current) out.push_back({selection.kind, std::move(*current)});
  else if (current.error().code == ErrorCode::NotFound)
    session.error(fmt::format("{} does not exist{}", describe(id), session.where_else(id)));
  else session.error(describe(id), current.error());
  return out;
}

void print_tables(Session& session, const std::vector<Found>& found, const GetOptions& options, bool several_kinds) {
  TableOptions table;
  table.wide = options.output == "wide";
  table.show_namespace = options.all_namespaces || !options.ns.empty();
  bool first = true;
  // Kinds in the order asked for; each once, however its objects were named.
  std::vector<Kind> kinds;
  std::map<Kind, std::vector<json>> objects;
  for (const Found& one : found) {
    auto& list = objects[one.kind];
    if (list.empty()) kinds.push_back(one.kind);
    list.push_back(one.current.object);
  }
  for (const Kind kind : kinds) {
    if (table.wide && kind == Kind::Node) {
      auto bgp = session.fetch({Kind::BGPConfiguration, "", "default"});
      if (bgp && bgp->object.contains("/spec/asNumber"_json_pointer))
        table.as_number = bgp->object["/spec/asNumber"_json_pointer].dump();
    }
    if (several_kinds) table.name_prefix = kind_word(kind) + "/";
    if (!first) session.out << "\n";
    first = false;
    session.out << table_of(kind, objects[kind], table);
  }
}

}  // namespace

void run_get(Session& session, const GetOptions& options) {
  if (options.all_namespaces && !options.ns.empty()) return session.usage("-A and -n exclude each other");
  if (!options.ns.empty()) {
    const auto named = named_objects({"namespace", options.ns}, {});
    if (!named) return session.usage("-n: " + named.error().text);
  }
  auto selections = parse_selections(options.arguments);
  if (!selections) return session.usage(selections.error().text);
  std::optional<Selector> selector;
  if (options.selector) {
    auto parsed = parse_label_selector(*options.selector);
    if (!parsed) return session.usage("-l: " + parsed.error().text);
    selector = std::move(*parsed);
    for (const Selection& selection : *selections)
      if (!selection.name.empty()) return session.usage("-l and names exclude each other");
  }
  if (!session.connect()) return;

  std::vector<Found> found;
  std::set<Kind> kinds;
  bool anything_namespaced = false;
  for (const Selection& selection : *selections) {
    kinds.insert(selection.kind);
    anything_namespaced |= info(selection.kind).namespaced;
    if (!selection.name.empty()) {
      for (Found& one : find_one(session, selection, options)) found.push_back(std::move(one));
    } else {
      const bool namespaced = info(selection.kind).namespaced;
      const std::string ns = namespaced && !options.all_namespaces ? (options.ns.empty() ? "default" : options.ns) : "";
      auto all = session.fetch_all(selection.kind, ns, Session::Wanted::Readable);
      if (!all) session.error({}, all.error());
      else
        for (Current& current : *all)
          if (!selector || selects(*selector, current.object)) found.push_back({selection.kind, std::move(current)});
    }
    if (session.unreachable()) return;
  }
  for (Found& one : found) {
    if (one.kind == Kind::CalicoNodeStatus)
      if (auto joined = join_node_status(one.current.object, session.settings()->node, session.settings()->run_dir); !joined)
        session.error(joined.error().text);
    one.current.object = presented(one.kind, std::move(one.current.object), one.current.revision);
    if (options.strip) strip_for_export(one.current.object);
  }

  const bool one_asked = selections->size() == 1 && !selections->front().name.empty() && !options.all_namespaces;
  if (options.output == "yaml" || options.output == "yml" || options.output == "json") {
    json whole;
    if (one_asked) {
      if (found.empty()) return;
      whole = std::move(found.front().current.object);
    } else {
      whole = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", json::array()}};
      for (Found& one : found) whole["items"].push_back(std::move(one.current.object));
    }
    if (options.output == "json") session.out << whole.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
    else session.out << datastore::write_yaml(whole);
    return;
  }
  if (options.output == "name") {
    for (const Found& one : found)
      session.out << kind_word(one.kind) << "/" << one.current.object["metadata"].value("name", "") << "\n";
    return;
  }
  if (found.empty()) {
    if (session.exit_code() != 0) return;
    if (anything_namespaced && !options.all_namespaces)
      return session.note(
          fmt::format("No resources found in namespace {} (-A: all namespaces).", options.ns.empty() ? "default" : options.ns));
    return session.note("No resources found.");
  }
  print_tables(session, found, options, kinds.size() > 1);
}

}  // namespace margay::ctl
