// margayctl create, apply, replace and delete.
#include <algorithm>
#include <ostream>
#include <set>

#include <fmt/format.h>

#include "edit.hpp"
#include "input.hpp"
#include "kinds.hpp"
#include "object.hpp"
#include "session.hpp"
#include "verbs.hpp"

namespace margay::ctl {
namespace {

using nlohmann::json;

struct Item {
  Origin origin;
  Prepared prepared;
};

// What others need comes first: a policy's tier must be there when the policy is created, and outlive it.
int rank_of(const ObjectId& id) { return id.kind == Kind::Namespace ? 0 : id.kind == Kind::Tier ? 1 : 2; }

// Errors are said and the rest is answered.
std::vector<Item> read_items(Session& session, const FileOptions& options, bool whole) {
  Inputs inputs = read_inputs(options.files, options.recursive);
  for (const std::string& error : inputs.errors) session.error(error);
  if (inputs.objects.empty() && inputs.errors.empty() && !options.skip_empty)
    session.error(fmt::format("{}: holds no object", fmt::join(options.files, ", ")));
  std::vector<Item> out;
  for (Input& input : inputs.objects) {
    Prepared prepared =
        whole ? prepare(std::move(input.value), options.ns) : identify_manifest(std::move(input.value), options.ns);
    for (const FieldError& error : prepared.errors) session.error(field_error(input.origin.text(), prepared.id, error));
    if (prepared.errors.empty()) out.push_back({std::move(input.origin), std::move(prepared)});
  }
  return out;
}

std::string context_of(const Item& item) { return item.origin.text() + ": " + describe(*item.prepared.id); }

// What writing these asks for: the objects themselves, and the tiers of policies.
std::vector<Kind> kinds_needed(const std::vector<Item>& items) {
  std::set<Kind> kinds{Kind::Tier};
  for (const Item& item : items) kinds.insert(item.prepared.id->kind);
  return {kinds.begin(), kinds.end()};
}

// One try; Conflict asks for another.
Result<std::string> write_once(Session& session, WriteVerb verb, const Item& item, bool tolerate) {
  const ObjectId& id = *item.prepared.id;
  const json& manifest = item.prepared.object;
  auto current = session.fetch(id);
  if (!current && current.error().code != ErrorCode::NotFound) return current.error();
  if (!current) {
    if (verb == WriteVerb::Replace)
      return Error{ErrorCode::NotFound, "does not exist; create it with apply or create" + session.where_else(id)};
    if (auto allowed = guard_write(id, manifest, nullptr, session.lookup()); !allowed) return allowed.error();
    auto put = session.put(id, manifest, {});
    if (!put) return put.error();
    return std::string{"created"};
  }
  if (verb == WriteVerb::Create) {
    if (tolerate) return std::string{"exists already"};
    return Error{ErrorCode::AlreadyExists, "exists already; change it with apply or replace"};
  }
  if (verb == WriteVerb::Replace && !item.prepared.resource_version.empty() &&
      item.prepared.resource_version != current->revision)
    return Error{ErrorCode::Invalid,
                 "was changed since this manifest was read (its metadata.resourceVersion is old); get it again, or take "
                 "resourceVersion out to replace whatever is there"};
  const json after = updated(current->object, manifest);
  // A hand-written file that means the same is left alone, with its comments.
  const bool same = normal_form(id, current->object) == normal_form(id, after);
  if (same) return std::string{verb == WriteVerb::Replace ? "replaced" : "unchanged"};
  if (auto allowed = guard_write(id, after, &current->object, session.lookup()); !allowed) return allowed.error();
  auto put = session.put(id, after, current->revision);
  if (!put) return put.error();
  return std::string{verb == WriteVerb::Replace ? "replaced" : "configured"};
}

}  // namespace

void run_write(Session& session, WriteVerb verb, const FileOptions& options) {
  if (options.files.empty()) return session.usage("name what to read: -f FILE, -f DIRECTORY or -f -");
  std::vector<Item> items = read_items(session, options, /*whole=*/true);
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return rank_of(*a.prepared.id) < rank_of(*b.prepared.id); });
  set_dry_run(session, options.dry_run);
  if (items.empty() || !session.connect()) return;
  if (items.size() > 1) session.prefetch(kinds_needed(items));
  for (const Item& item : items) {
    const auto result = retried([&] { return write_once(session, verb, item, options.tolerate); });
    if (result) session.did(*item.prepared.id, *result);
    else session.error(context_of(item), result.error());
    if (session.unreachable()) return;
  }
}

void run_delete(Session& session, const std::vector<std::string>& arguments, const SelectOptions& select,
                const FileOptions& options) {
  if (arguments.empty() == options.files.empty()) return session.usage("say what to delete: either KIND NAME… or -f FILE");
  std::vector<std::pair<std::string, ObjectId>> wanted;  // with where it was named
  set_dry_run(session, options.dry_run);
  if (select.all_namespaces && !select.selector) return session.usage("-A goes with -l");
  if (select.selector) {
    if (!options.files.empty()) return session.usage("-l and -f exclude each other");
    auto ids = selected_objects(session, arguments, options.ns, select);
    if (!ids) return;
    if (ids->empty()) return session.note("No resources found.");
    for (ObjectId& id : *ids) wanted.emplace_back(std::string{}, std::move(id));
  } else if (!arguments.empty()) {
    auto ids = named_objects(arguments, options.ns);
    if (!ids) return session.usage(ids.error().text);
    for (ObjectId& id : *ids) wanted.emplace_back(std::string{}, std::move(id));
  } else {
    std::vector<Item> items = read_items(session, options, /*whole=*/false);
    for (Item& item : items) wanted.emplace_back(item.origin.text() + ": ", std::move(*item.prepared.id));
  }
  if (wanted.empty() || !session.connect()) return;
  if (arguments.empty() || select.selector)  // what is named is deleted in the order of its names
    std::stable_sort(wanted.begin(), wanted.end(),
                     [](const auto& a, const auto& b) { return rank_of(a.second) > rank_of(b.second); });
  for (const auto& [where, id] : wanted) {
    Status removed = guard_delete(id, session.lookup());
    if (removed) removed = session.store().remove_if(id, std::nullopt);
    if (removed) {
      session.did(id, "deleted");
    } else if (removed.error().code == ErrorCode::NotFound) {
      if (!options.tolerate) session.error(fmt::format("{}{} does not exist{}", where, describe(id), session.where_else(id)));
    } else {
      session.error(where + describe(id), removed.error());
    }
    if (session.unreachable()) return;
  }
}

}  // namespace margay::ctl
