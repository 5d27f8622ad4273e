#include "dry_run.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "kinds.hpp"

namespace margay::ctl {
namespace {

using datastore::Listing;
using datastore::Revision;
using datastore::StoredObject;

class DryRun final : public datastore::Store {
 public:
  explicit DryRun(std::unique_ptr<datastore::Store> store) : store_{std::move(store)} {}

  Result<StoredObject> get(const ObjectId& id) override {
    const auto changed = changed_.find(id);
    if (changed == changed_.end()) return store_->get(id);
    if (!changed->second) return Error{ErrorCode::NotFound, describe(id) + " does not exist"};
    return *changed->second;
  }

  Result<Listing> list(Kind kind, std::string_view ns) override {
    auto out = store_->list(kind, ns);
    if (!out) return out;
    std::erase_if(out->objects, [&](const StoredObject& object) { return changed_.contains(object.id); });
    for (const auto& [id, object] : changed_)
      if (object && id.kind == kind && (ns.empty() || id.ns == ns)) out->objects.push_back(*object);
    std::sort(out->objects.begin(), out->objects.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    return out;
  }

  Result<Revision> put_if(const ObjectId& id, std::string_view json, const std::optional<Revision>& expected) override {
    auto current = get(id);
    if (!current && current.error().code != ErrorCode::NotFound) return current.error();
    if (expected && expected->empty() && current) return Error{ErrorCode::AlreadyExists, describe(id) + " exists"};
    if (expected && !expected->empty()) {
      if (!current) return current.error();
      if (current->revision != *expected) return changed_meanwhile(id);
    }
    Revision revision = "dry-run-" + std::to_string(++count_);
    changed_[id] = StoredObject{id, revision, std::string{json}, "this dry run"};
    return revision;
  }

  Status remove_if(const ObjectId& id, const std::optional<Revision>& expected) override {
    auto current = get(id);
    if (!current) return current.error();
    if (expected && current->revision != *expected) return changed_meanwhile(id);
    changed_[id] = std::nullopt;
    return {};
  }

 private:
  static Error changed_meanwhile(const ObjectId& id) {
    return {ErrorCode::Conflict, describe(id) + " was changed by somebody else; read it again"};
  }

  std::unique_ptr<datastore::Store> store_;
  std::map<ObjectId, std::optional<StoredObject>> changed_;  // nothing: removed
  unsigned long long count_ = 0;
};

}  // namespace

std::unique_ptr<datastore::Store> make_dry_run(std::unique_ptr<datastore::Store> store) {
  return std::make_unique<DryRun>(std::move(store));
}

}  // namespace margay::ctl
