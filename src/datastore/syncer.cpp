#include "syncer.hpp"

#include <algorithm>
#include <variant>

#include "margay/base/assert.hpp"

namespace margay::datastore {
namespace {

constexpr std::string_view kBuiltInPath = "";

// Kubernetes kinds that mean what a Calico kind can say too.
int rank_of(Kind kind) {
  switch (kind) {
    case Kind::Pod:
    case Kind::Namespace:
    case Kind::ServiceAccount:
    case Kind::KubernetesNode: return 1;
    default: return 0;
  }
}

}  // namespace

bool same_value(const std::optional<Resource>& a, const std::optional<Resource>& b) {
  if (a.has_value() != b.has_value()) return false;
  if (!a) return true;
  if (a->index() != b->index()) return false;
  return std::visit(
      [&](const auto& left) {
        const auto& right = std::get<std::decay_t<decltype(left)>>(*b);
        return left == right || (left && right && *left == *right);
      },
      *a);
}

Syncer::Syncer(std::vector<std::pair<Key, Resource>> built_in) {
  auto& file = *files_.try_emplace(std::string{kBuiltInPath}).first;
  for (auto& [key, value] : built_in) {
    const std::uint32_t id = add_claim(file, key);
    Decoded decoded;
    decoded.key = key;
    decoded.value = std::move(value);
    set_value(claims_[id], id, std::move(decoded), true);
  }
  objects_ = 0;
}

// ---- claims ---------------------------------------------------------------------------------------------------------

std::uint32_t Syncer::add_claim(Files::value_type& file, const Key& object) {
  std::uint32_t id;
  if (free_.empty()) {
    id = static_cast<std::uint32_t>(claims_.size());
    claims_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Claim& claim = claims_[id];
  claim = Claim{};
  claim.used = true;
  claim.object = object;
  claim.file = &file;
  claim.next_in_file = std::exchange(file.second.first_claim, id);
  auto& head = by_object_.try_emplace(object, kNone).first->second;
  claim.next_of_object = std::exchange(head, id);
  ++objects_;
  return id;
}

void Syncer::unlink(Index& index, const Key& key, std::uint32_t id, std::uint32_t Claim::*next) {
  const auto found = index.find(key);
  MARGAY_ASSERT(found != index.end());
  std::uint32_t* link = &found->second;
  while (*link != id) {
    MARGAY_ASSERT(*link != kNone);
    link = &(claims_[*link].*next);
  }
  *link = claims_[id].*next;
  claims_[id].*next = kNone;
  if (found->second == kNone) index.erase(found);
}

// The caller has taken it off its file's list.
void Syncer::remove_claim(std::uint32_t id) {
  Claim& claim = claims_[id];
  set_invalid(claim, false);
  unlink(by_object_, claim.object, id, &Claim::next_of_object);
  // The object moved to another file and was broken on the way: it keeps the value it had.
  std::optional<Decoded> bequest;
  std::uint32_t heir = kNone;
  if (claim.valid_once) {
    if (const auto others = by_object_.find(claim.object); others != by_object_.end()) {
      bool other_valid = false;
      for (std::uint32_t i = others->second; i != kNone; i = claims_[i].next_of_object) {
        if (claims_[i].valid_once) other_valid = true;
        else if (heir == kNone || better(claims_[i], claims_[heir])) heir = i;
      }
      if (other_valid) heir = kNone;
      if (heir != kNone) {
        bequest.emplace();
        if (claim.has_key) bequest->key = claim.key;
        bequest->value = claim.value;
      }
    }
  }
  if (claim.has_key) {
    touch(claim.key);
    unlink(by_key_, claim.key, id, &Claim::next_of_key);
  }
  claim = Claim{};
  free_.push_back(id);
  --objects_;
  if (heir != kNone) set_value(claims_[heir], heir, std::move(*bequest), true);
}

void Syncer::set_value(Claim& claim, std::uint32_t id, Decoded decoded, bool valid) {
  if (claim.has_key) touch(claim.key);
  const bool has_key = decoded.key.has_value() && decoded.value.has_value();
  if (has_key) touch(*decoded.key);
  if (claim.has_key && (!has_key || claim.key != *decoded.key)) {
    unlink(by_key_, claim.key, id, &Claim::next_of_key);
    claim.has_key = false;
  }
  if (has_key && !claim.has_key) {
    claim.key = *decoded.key;
    claim.has_key = true;
    auto& head = by_key_.try_emplace(claim.key, kNone).first->second;
    claim.next_of_key = std::exchange(head, id);
  }
  claim.value = has_key ? std::move(decoded.value) : std::nullopt;
  claim.valid_once = valid;
}

bool Syncer::better(const Claim& a, const Claim& b) const {
  if (a.valid_once != b.valid_once) return a.valid_once;
  const auto rank = [](const Claim& c) { return c.file->first.empty() ? 2 : rank_of(c.object.kind); };
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  if (a.file != b.file) return a.file->first < b.file->first;
  return a.line < b.line;
}

const Syncer::Claim* Syncer::winner(const Key& key) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const Claim* best = nullptr;
  for (std::uint32_t i = found->second; i != kNone; i = claims_[i].next_of_key)
    if (best == nullptr || better(claims_[i], *best)) best = &claims_[i];
  return best;
}

void Syncer::touch(const Key& key) {
  if (!touched_at_.try_emplace(key, touched_.size()).second) return;
  const Claim* best = winner(key);
  touched_.emplace_back(key, best != nullptr ? best->value : std::nullopt);
}

void Syncer::set_invalid(Claim& claim, bool invalid) {
  if (claim.invalid == invalid) return;
  claim.invalid = invalid;
  if (invalid) ++invalid_;
  else --invalid_;
}

void Syncer::set_broken(File& file, bool broken) {
  if (file.broken == broken) return;
  file.broken = broken;
  if (broken) ++invalid_;
  else --invalid_;
}

// ---- files ----------------------------------------------------------------------------------------------------------

void Syncer::apply(std::string_view path, std::vector<Manifest> manifests, bool quiet) {
  MARGAY_ASSERT(path != kBuiltInPath);
  quiet_ = quiet;
  auto found = files_.find(path);
  if (found == files_.end()) found = files_.try_emplace(std::string{path}).first;
  Files::value_type& entry = *found;
  File& file = entry.second;
  file.generation = generation_;
  if (!quiet) file.decoded_once = true;
  set_broken(file, false);

  // Old claims by object; a linear search would make a List of ten thousand quadratic.
  std::unordered_map<Key, std::uint32_t> old;
  for (std::uint32_t i = file.first_claim; i != kNone; i = claims_[i].next_in_file) old.emplace(claims_[i].object, i);
  file.first_claim = kNone;
  std::unordered_map<Key, std::uint32_t> fresh;  // stays empty for one document: most files
  bool complete = true;
  const bool many = manifests.size() > 1;

  for (Manifest& manifest : manifests) {
    if (!manifest.id) {
      if (manifest.foreign_kind) continue;
      complete = false;
      if (!quiet_)
        notices_.push_back({Notice::Level::Error,
                            "document is not a manifest",
                            std::string{path},
                            manifest.document,
                            manifest.line,
                            {},
                            {},
                            manifest.reason,
                            "what this file said before stays in force"});
      continue;
    }
    const Key object{manifest.id->kind, manifest.id->ns, manifest.id->name};
    if (many) {
      if (const auto [at, added] = fresh.try_emplace(object, manifest.line); !added) {
        if (!quiet_)
          notices_.push_back({Notice::Level::Error,
                              "object is in the file twice",
                              std::string{path},
                              manifest.document,
                              manifest.line,
                              object.to_string(),
                              {},
                              "it stands on line " + std::to_string(at->second) + " too",
                              "the first one is in force"});
        continue;
      }
    }
    std::uint32_t id;
    const auto before = old.find(object);
    const bool is_new = before == old.end();
    if (is_new) {
      id = add_claim(entry, object);
    } else {
      id = before->second;
      claims_[id].next_in_file = std::exchange(file.first_claim, id);
      old.erase(before);
    }
    Claim& claim = claims_[id];
    claim.document = manifest.document;
    claim.line = manifest.line;
    const bool valid = manifest.decoded.errors.empty();
    set_invalid(claim, !valid);
    if (valid) {
      set_value(claim, id, std::move(manifest.decoded), true);
    } else if (claim.valid_once) {
      note_errors(claim, manifest.decoded, "its last valid form stays in force");
    } else {
      const bool closed = manifest.decoded.key && manifest.decoded.value;
      note_errors(claim, manifest.decoded,
                  closed ? "it was never valid: what it governs is closed until it is mended"
                         : "it was never valid: ignored until it is mended");
      set_value(claim, id, std::move(manifest.decoded), false);
    }
    if (is_new && !quiet_) fresh_.emplace_back(id, object);
  }

  // What the file no longer mentions goes, unless something in it could not be read: that may be it.
  for (const auto& [object, id] : old) {
    const bool renamed_kind = std::any_of(manifests.begin(), manifests.end(), [&, o = object](const Manifest& m) {
      return m.foreign_kind && o.name.view() == m.name && o.ns.view() == m.ns;
    });
    if (complete && !renamed_kind) {
      remove_claim(id);
      continue;
    }
    if (renamed_kind && !quiet_)
      notices_.push_back({Notice::Level::Error, "object turned into an unknown kind", std::string{path}, claims_[id].document,
                          claims_[id].line, object.to_string(), "kind", "no such kind is read here",
                          "its last valid form stays in force; remove the document to remove the object"});
    claims_[id].next_in_file = std::exchange(file.first_claim, id);
    set_invalid(claims_[id], true);
  }
  quiet_ = false;
}

void Syncer::keep_broken(std::string_view path) {
  auto found = files_.find(path);
  if (found == files_.end()) found = files_.try_emplace(std::string{path}).first;
  found->second.generation = generation_;
  set_broken(found->second, true);
}

void Syncer::keep_unchanged(std::string_view path) {
  if (File* file = find(path)) file->generation = generation_;
}

Syncer::Files::iterator Syncer::erase(Files::iterator file) {
  set_broken(file->second, false);
  for (std::uint32_t i = file->second.first_claim; i != kNone;) {
    const std::uint32_t next = claims_[i].next_in_file;
    remove_claim(i);
    i = next;
  }
  return files_.erase(file);
}

void Syncer::remove(std::string_view path) {
  const auto found = files_.find(path);
  if (found != files_.end() && path != kBuiltInPath) erase(found);
}

void Syncer::remove_below(std::string_view directory) {
  const std::string prefix = directory.empty() ? std::string{} : std::string{directory} + "/";
  auto at = files_.lower_bound(prefix);
  while (at != files_.end() && at->first.starts_with(prefix)) {
    if (at->first.empty()) ++at;
    else at = erase(at);
  }
}

void Syncer::end_resync() {
  for (auto at = files_.begin(); at != files_.end();) {
    if (at->first.empty() || at->second.generation == generation_) ++at;
    else at = erase(at);
  }
}

Syncer::File* Syncer::find(std::string_view path) {
  const auto found = files_.find(path);
  return found == files_.end() ? nullptr : &found->second;
}

std::vector<Key> Syncer::kept_objects(const File& file) const {
  std::vector<Key> out;
  for (std::uint32_t i = file.first_claim; i != kNone; i = claims_[i].next_in_file)
    if (claims_[i].invalid && claims_[i].valid_once) out.push_back(claims_[i].object);
  return out;
}

std::vector<Update> Syncer::take_updates(Clock::time_point seen) {
  std::vector<Update> out;
  for (auto& [key, before] : touched_) {
    const Claim* best = winner(key);
    std::optional<Resource> after = best != nullptr ? best->value : std::nullopt;
    if (!same_value(before, after)) out.push_back(Update{key, std::move(after), seen});
  }
  touched_.clear();
  touched_at_.clear();
  return out;
}

// ---- notices --------------------------------------------------------------------------------------------------------

void Syncer::note_errors(const Claim& claim, const Decoded& decoded, const char* consequence) {
  if (quiet_) return;
  for (const FieldError& error : decoded.errors)
    notices_.push_back({Notice::Level::Error, "object is invalid", claim.file->first, claim.document, claim.line,
                        claim.object.to_string(), error.field, error.reason, consequence});
}

// Looked at late, so that a file renamed within a batch is not a duplicate of itself.
std::vector<Notice> Syncer::take_notices() {
  for (const auto& [id, object] : fresh_)
    if (claims_[id].used && claims_[id].object == object) note_duplicate(claims_[id]);
  fresh_.clear();
  return std::exchange(notices_, {});
}

void Syncer::note_duplicate(const Claim& claim) {
  const auto found = by_object_.find(claim.object);
  for (std::uint32_t i = found->second; i != kNone; i = claims_[i].next_of_object) {
    const Claim& other = claims_[i];
    if (&other == &claim || other.file->first.empty()) continue;
    const Claim& first = better(claim, other) ? claim : other;
    notices_.push_back({Notice::Level::Error,
                        "object is in two files",
                        claim.file->first,
                        claim.document,
                        claim.line,
                        claim.object.to_string(),
                        {},
                        "it is in " + other.file->first + " too",
                        "the one in " + first.file->first + " is in force"});
  }
}

}  // namespace margay::datastore
