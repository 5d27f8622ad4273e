// One run of margayctl: its streams, its datastore, and what it must say at the end (exit code).
#pragma once

#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "guards.hpp"
#include "margay/datastore/store.hpp"
#include "margay/settings/settings.hpp"

namespace margay::ctl {

// An object as it is now: stored, or built in and not stored (then without revision).
struct Current {
  nlohmann::json object;
  datastore::Revision revision;
};

class Session {
 public:
  Session(settings::Flags flags, std::ostream& out, std::ostream& err, bool coloured_errors);

  // Read when first asked for; says why and answers null if they are wrong.
  const settings::Settings* settings();
  // Before connect(): every write is judged, none is made. `word` is told after each object: "dry run".
  void dry_run(std::string word) { dry_run_ = std::move(word); }
  // Reads the settings and opens the datastore; says why and answers false if that cannot be.
  bool connect();
  [[nodiscard]] datastore::Store& store() { return *store_; }

  // Reads all of these kinds at once, for what fetch() will be asked: a store that is a directory would be read through for
  // each object that is not there. What is changed or found stale since is read again.
  void prefetch(const std::vector<Kind>& kinds);
  // NotFound: neither stored nor built in.
  [[nodiscard]] Result<Current> fetch(const ObjectId& id);
  // store().put_if, after which fetch() reads the object anew. Conflict is a lost race, whatever its form.
  [[nodiscard]] Status put(const ObjectId& id, const nlohmann::json& object, const datastore::Revision& expected);
  // Stored and built-in ones, sorted by namespace and name. What there is no right to read is an error, or for `Readable`
  // a warning.
  enum class Wanted { All, Readable };
  [[nodiscard]] Result<std::vector<Current>> fetch_all(Kind kind, std::string_view ns, Wanted wanted = Wanted::All);
  [[nodiscard]] Lookup lookup();
  // Where a thing that was not found might be: "; did you mean …", "; there is one in namespace x".
  [[nodiscard]] std::string where_else(const ObjectId& id);

  std::ostream& out;

  void error(std::string_view text);  // exit code 1
  void error(std::string_view context, const Error& failure);
  void usage(std::string_view text);   // exit code 2
  void note(std::string_view text);    // to standard error, no failure
  void warn(const std::string& text);  // the same, once
  // "tier.projectcalico.org/sec created" to standard output.
  void did(const ObjectId& id, std::string_view what);
  // The datastore is gone: going on is pointless.
  [[nodiscard]] bool unreachable() const { return unreachable_; }
  [[nodiscard]] int exit_code() const;

 private:
  [[nodiscard]] Result<Current> stored(const ObjectId& id);

  std::ostream& err_;
  settings::Flags flags_;
  std::optional<settings::Settings> settings_;
  std::unique_ptr<datastore::Store> store_;
  std::string url_, dry_run_;
  std::map<Kind, std::map<ObjectId, Current>> prefetched_;
  std::set<ObjectId> stale_;
  std::set<std::string> warned_;
  bool coloured_ = false, failed_ = false, usage_ = false, unreachable_ = false;
};

}  // namespace margay::ctl
