#include "session.hpp"

#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "dry_run.hpp"
#include "kinds.hpp"
#include "margay/datastore/connect.hpp"
#include "object.hpp"
#include "suggest.hpp"

namespace margay::ctl {

using nlohmann::json;

Session::Session(settings::Flags flags, std::ostream& output, std::ostream& err, bool coloured_errors)
    : out{output}, err_{err}, flags_{std::move(flags)}, coloured_{coloured_errors} {}

const settings::Settings* Session::settings() {
  if (settings_) return &*settings_;
  auto read = settings::read_settings(flags_);
  if (!read) {
    usage(read.error().text);
    return nullptr;
  }
  if (read->log_level) log::set_level(*read->log_level);
  settings_ = std::move(*read);
  return &*settings_;
}

bool Session::connect() {
  if (store_) return true;
  if (settings() == nullptr) return false;
  datastore::Settings wanted;
  wanted.at = settings_->datastore;
  url_ = wanted.at.url;
  auto store = datastore::connect_store(wanted);
  if (!store) {
    if (store.error().code == ErrorCode::Invalid) {
      usage(store.error().text);
    } else {
      error(store.error().text);
      unreachable_ = true;
    }
    return false;
  }
  store_ = dry_run_.empty() ? std::move(*store) : make_dry_run(std::move(*store));
  return true;
}

void Session::prefetch(const std::vector<Kind>& kinds) {
  for (const Kind kind : kinds) {
    auto listed = store_->list(kind, {});
    if (!listed || !listed->unreadable.empty()) return;  // fetch() will say it
    auto& known = prefetched_[kind];
    for (auto& one : listed->objects) {
      json object = json::parse(one.json, nullptr, false);
      if (object.is_discarded()) stale_.insert(one.id);
      else known.emplace(one.id, Current{std::move(object), std::move(one.revision)});
    }
  }
}

Result<Current> Session::stored(const ObjectId& id) {
  const auto kind = prefetched_.find(id.kind);
  if (kind != prefetched_.end() && !stale_.contains(id)) {
    const auto found = kind->second.find(id);
    if (found == kind->second.end()) return Error{ErrorCode::NotFound, describe(id) + " does not exist"};
    return found->second;
  }
  auto got = store_->get(id);
  if (!got) return got.error();
  json object = json::parse(got->json, nullptr, false);
  if (object.is_discarded()) return Error{ErrorCode::Invalid, got->location + ": not JSON"};
  return Current{std::move(object), std::move(got->revision)};
}

Result<Current> Session::fetch(const ObjectId& id) {
  auto found = stored(id);
  if (found || found.error().code != ErrorCode::NotFound) return found;
  if (auto made = built_in(id)) return Current{std::move(*made), {}};
  return found.error();
}

Status Session::put(const ObjectId& id, const json& object, const datastore::Revision& expected) {
  auto done = store_->put_if(id, object.dump(-1, ' ', false, json::error_handler_t::replace), expected);
  stale_.insert(id);
  if (done) return {};
  Error error = std::move(done).error();
  // What came or went between reading and writing.
  if (error.code == ErrorCode::AlreadyExists || error.code == ErrorCode::NotFound) error.code = ErrorCode::Conflict;
  return error;
}

Result<std::vector<Current>> Session::fetch_all(Kind kind, std::string_view ns, Wanted wanted) {
  auto stored = store_->list(kind, ns);
  if (!stored) return stored.error();
  if (wanted == Wanted::All && !stored->unreadable.empty()) return stored->unreadable.front();
  for (const Error& unreadable : stored->unreadable)
    warn(unreadable.text + "; what it holds is not shown (root may read everything)");
  std::vector<std::pair<ObjectId, Current>> found;
  for (auto& one : stored->objects) {
    json object = json::parse(one.json, nullptr, false);
    if (!object.is_discarded()) found.emplace_back(one.id, Current{std::move(object), std::move(one.revision)});
  }
  for (const ObjectId& id : built_ins(kind)) {
    const bool there = std::any_of(found.begin(), found.end(), [&](const auto& row) { return row.first == id; });
    if (!there) found.emplace_back(id, Current{*built_in(id), {}});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Current> sorted;
  sorted.reserve(found.size());
  for (auto& [id, current] : found) sorted.push_back(std::move(current));
  return sorted;
}

Lookup Session::lookup() {
  return {[this](const ObjectId& id) -> Result<bool> {
            auto found = fetch(id);
            if (found) return true;
            if (found.error().code == ErrorCode::NotFound) return false;
            return found.error();
          },
          [this](Kind kind) -> Result<std::vector<json>> {
            auto found = fetch_all(kind, {});
            if (!found) return found.error();
            std::vector<json> objects;
            for (Current& one : *found) objects.push_back(std::move(one.object));
            return objects;
          }};
}

std::string Session::where_else(const ObjectId& id) {
  auto stored = store_->list(id.kind, {});
  if (!stored) return {};
  std::vector<std::string> names;
  for (const auto& one : stored->objects) {
    if (one.id.name == id.name) return fmt::format("; there is one in namespace {} (-n {})", one.id.ns, one.id.ns);
    if (one.id.ns == id.ns) names.push_back(one.id.name);
  }
  for (const ObjectId& one : built_ins(id.kind)) names.push_back(one.name);
  return did_you_mean(id.name, names);
}

void Session::error(std::string_view text) {
  failed_ = true;
  err_ << (coloured_ ? "\033[1;31merror:\033[0m " : "error: ") << text << "\n";
}

void Session::error(std::string_view context, const Error& failure) {
  if (failure.code == ErrorCode::Unavailable) {
    unreachable_ = true;
    return error(fmt::format("{}; is it the right datastore ({})? Name another with --datastore, or make the directory",
                             failure.text, url_));
  }
  std::string text{context};
  if (!text.empty()) text += ": ";
  text += failure.text;
  if (failure.code == ErrorCode::Permission) text += "; run margayctl as root, or as a user who may read and write the datastore";
  error(text);
}

void Session::usage(std::string_view text) {
  usage_ = true;
  err_ << (coloured_ ? "\033[1;31merror:\033[0m " : "error: ") << text << "\n";
}

void Session::note(std::string_view text) {
  out.flush();
  err_ << text << "\n";
}

void Session::warn(const std::string& text) {
  if (!warned_.insert(text).second) return;
  note((coloured_ ? "\033[1;33mwarning:\033[0m " : "warning: ") + text);
}

void Session::did(const ObjectId& id, std::string_view what) {
  out << object_word(id) << " " << what;
  if (!dry_run_.empty()) out << " (" << dry_run_ << ")";
  out << "\n";
}

int Session::exit_code() const { return usage_ ? 2 : unreachable_ ? 3 : failed_ ? 1 : 0; }

}  // namespace margay::ctl
