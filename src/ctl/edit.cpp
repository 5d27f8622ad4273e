// margayctl patch and label.
#include "edit.hpp"

#include <fstream>
#include <functional>
#include <iterator>
#include <ostream>

#include <fmt/format.h>

#include "datastore/yaml.hpp"
#include "kinds.hpp"
#include "label_selector.hpp"
#include "object.hpp"
#include "session.hpp"
#include "verbs.hpp"

namespace margay::ctl {
namespace {

using nlohmann::json;
using Change = std::function<Status(const ObjectId&, json&)>;

// Answers whether anything changed.
Result<bool> edit_once(Session& session, const ObjectId& id, const Change& change) {
  auto current = session.fetch(id);
  if (!current) {
    if (current.error().code == ErrorCode::NotFound) return Error{ErrorCode::NotFound, "does not exist" + session.where_else(id)};
    return current.error();
  }
  const json before = normal_form(id, current->object);
  json after = before;
  if (auto changed = change(id, after); !changed) return changed.error();
  const auto named = identify(after);
  if (!named) return named.error();
  if (*named != id) return Error{ErrorCode::Invalid, "apiVersion, kind, name and namespace cannot be changed"};
  after = normal_form(id, std::move(after));
  if (after == before) return false;
  const auto errors = new_errors(id, before, after);
  if (!errors.empty()) {
    std::string text;
    for (const FieldError& error : errors)
      text.append(text.empty() ? "" : "; ").append(error.field).append(error.field.empty() ? "" : ": ").append(error.reason);
    return Error{ErrorCode::Invalid, text};
  }
  if (auto allowed = guard_write(id, after, &current->object, session.lookup()); !allowed) return allowed.error();
  auto put = session.put(id, after, current->revision);
  if (!put) return put.error();
  return true;
}

void edit(Session& session, const std::vector<ObjectId>& ids, const Change& change, std::string_view did,
          std::string_view did_not) {
  if (!session.connect()) return;
  for (const ObjectId& id : ids) {
    const auto result = retried([&] { return edit_once(session, id, change); });
    if (result) session.did(id, *result ? did : did_not);
    else session.error(describe(id), result.error());
    if (session.unreachable()) return;
  }
}

Result<json> parse_patch(const std::string& text) {
  if (json value = json::parse(text, nullptr, false); !value.is_discarded()) return value;
  auto parsed = datastore::parse_manifests(text);
  if (parsed.error) return Error{ErrorCode::Invalid, "the patch is neither JSON nor YAML: " + parsed.error->text()};
  if (parsed.documents.size() != 1) return Error{ErrorCode::Invalid, "the patch must be one document"};
  return std::move(parsed.documents.front().value);
}

}  // namespace

Result<std::vector<ObjectId>> named_objects(const std::vector<std::string>& arguments, const std::string& ns) {
  auto selections = parse_selections(arguments);
  if (!selections) return selections.error();
  std::vector<ObjectId> out;
  for (const Selection& selection : *selections) {
    const KindInfo& kind = info(selection.kind);
    if (selection.name.empty())
      return Error{ErrorCode::Invalid, fmt::format("name the {} too: KIND NAME… or KIND/NAME…", kind.name)};
    json manifest{{"apiVersion", api_version(kind.kind)}, {"kind", kind.name}, {"metadata", {{"name", selection.name}}}};
    if (kind.namespaced && !ns.empty()) manifest["metadata"]["namespace"] = ns;
    auto id = identify(manifest);
    if (!id) return id.error();
    out.push_back(std::move(*id));
  }
  return out;
}

std::optional<std::vector<ObjectId>> selected_objects(Session& session, const std::vector<std::string>& kinds,
                                                      const std::string& ns, const SelectOptions& options) {
  const auto usage = [&](const std::string& text) {
    session.usage(text);
    return std::nullopt;
  };
  if (options.selector->find_first_not_of(" \t") == std::string::npos) return usage("-l: empty; all() means every object");
  const auto selector = parse_label_selector(*options.selector);
  if (!selector) return usage("-l: " + selector.error().text);
  if (options.all_namespaces && !ns.empty()) return usage("-A and -n exclude each other");
  const auto selections = parse_selections(kinds);
  if (!selections) return usage(selections.error().text);
  for (const Selection& selection : *selections)
    if (!selection.name.empty()) return usage("-l and names exclude each other");
  if (!session.connect()) return std::nullopt;
  std::vector<ObjectId> out;
  for (const Selection& selection : *selections) {
    const bool one_namespace = info(selection.kind).namespaced && !options.all_namespaces;
    auto all = session.fetch_all(selection.kind, one_namespace ? (ns.empty() ? "default" : ns) : std::string{});
    if (!all) {
      session.error({}, all.error());
      return std::nullopt;
    }
    for (const Current& current : *all)
      if (const auto id = identify(current.object); id && selects(*selector, current.object)) out.push_back(*id);
  }
  return out;
}

void set_dry_run(Session& session, const std::string& mode) {
  if (!mode.empty() && mode != "none") session.dry_run(mode == "server" ? "server dry run" : "dry run");
}

std::string field_error(std::string_view where, const std::optional<ObjectId>& id, const FieldError& error) {
  std::string out{where};
  if (id) out.append(out.empty() ? "" : ": ").append(describe(*id));
  if (!error.field.empty()) out.append(out.empty() ? "" : ": ").append(error.field);
  return out.append(out.empty() ? "" : ": ").append(error.reason);
}

void run_patch(Session& session, const PatchOptions& options) {
  auto ids = named_objects(options.arguments, options.ns);
  if (!ids) return session.usage(ids.error().text);
  std::string text = options.patch;
  set_dry_run(session, options.dry_run);
  if (!options.patch_file.empty()) {
    std::ifstream file{options.patch_file, std::ios::binary};
    if (!file) return session.usage(fmt::format("{}: cannot be read", options.patch_file));
    text.assign(std::istreambuf_iterator<char>{file}, {});
  }
  auto patch = parse_patch(text);
  if (!patch) return session.usage(patch.error().text);
  if (options.type == PatchType::Json ? !patch->is_array() : !patch->is_object()) {
    json nothing = json::object();
    return session.usage(apply_patch(Kind::Pod, nothing, *patch, options.type).error().text);
  }
  edit(
      session, *ids, [&](const ObjectId& id, json& object) { return apply_patch(id.kind, object, *patch, options.type); },
      "patched", "patched (no change)");
}

void run_label(Session& session, const LabelOptions& options) {
  std::vector<std::string> names;
  std::vector<LabelChange> changes;
  // Labels are the arguments after the first that look like one; with --remove all after the name are bare keys.
  for (std::size_t i = 0; i < options.arguments.size(); ++i) {
    const std::string& argument = options.arguments[i];
    const bool first_name = i == 0 || (i == 1 && !options.select.selector && options.arguments[0].find('/') == std::string::npos);
    const bool looks = argument.find('=') != std::string::npos || argument.ends_with('-');
    if (first_name || (!looks && !options.remove)) {
      if (!changes.empty()) return session.usage(fmt::format("\"{}\" is neither key=value nor key-", argument));
      names.push_back(argument);
      continue;
    }
    auto change = parse_label_change(options.remove && !looks ? argument + "-" : argument);
    if (!change) return session.usage(change.error().text);
    if (options.remove && !change->remove) return session.usage("--remove takes label keys, not key=value");
    changes.push_back(std::move(*change));
  }
  if (changes.empty()) return session.usage("say which labels: key=value sets one, key- takes one off");
  set_dry_run(session, options.dry_run);
  std::vector<ObjectId> ids;
  if (options.select.selector) {
    auto selected = selected_objects(session, names, options.ns, options.select);
    if (!selected) return;
    if (selected->empty()) return session.note("No resources found.");
    ids = std::move(*selected);
  } else {
    if (options.select.all_namespaces) return session.usage("-A goes with -l");
    auto named = named_objects(names, options.ns);
    if (!named) return session.usage(named.error().text);
    ids = std::move(*named);
  }
  edit(
      session, ids, [&](const ObjectId&, json& object) { return change_labels(object, changes, options.overwrite); }, "labeled",
      "not labeled (no change)");
}

}  // namespace margay::ctl
