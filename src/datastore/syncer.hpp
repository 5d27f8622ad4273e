// Syncer: what every file says now → what is in force → the fewest Updates that tell it.
//
// Pure. The source feeds it whole files, decoded; it keeps one claim per object and file, and for each key of the calculation
// model the best claim is in force. Rules, all of contracts.md §4:
//   * valid before never valid; then Calico's kinds before the Kubernetes kinds that mean the same, those before built-ins;
//     then the file whose path sorts first; then the earlier document. The next claim takes over when the best one goes.
//   * a document that does not validate keeps the value its object had; a file that does not parse keeps all it said.
//   * a file in which something cannot even be identified keeps the objects that it no longer mentions: one of them may be it.
// Nothing is announced twice: take_updates() compares values, not texts. Cost: O(objects of the files applied).
//
// Rejected: keeping digests instead of values. A claim that is shadowed must have its value at hand when the other goes, and
// the values are shared with the readers (Ref), so holding them costs a pointer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "margay/model/decode.hpp"
#include "margay/model/update.hpp"
#include "notice.hpp"

namespace margay::datastore {

// One document of a file.
struct Manifest {
  std::optional<ObjectId> id;  // absent: no manifest, or a kind not known; `ns` and `name` then, if it has them
  Decoded decoded;
  std::uint32_t document = 1, line = 1;
  std::string reason;  // without id: why
  std::string ns, name;
  bool foreign_kind = false;  // without id: well-formed, of a kind nobody here reads
};

class Syncer {
 public:
  // What the syncer and the source remember of a file.
  struct File {
    std::uint32_t first_claim = kNone;
    std::uint32_t generation = 0;
    std::uint64_t fingerprint = 0;  // the source's: of stat(2), 0: unknown
    std::uint64_t digest = 0;       // the source's: of the text applied last
    std::uint64_t log_offset = 0;   // the source's: where the last valid form is kept, 0: nowhere
    std::uint64_t log_digest = 0;
    bool broken = false;        // does not parse now
    bool decoded_once = false;  // a whole set of manifests was applied in this process
  };
  using Files = std::map<std::string, File, std::less<>>;

  explicit Syncer(std::vector<std::pair<Key, Resource>> built_in);

  // The file says exactly this now. `quiet`: no notices (the restored last valid form of a file that is about to be applied).
  void apply(std::string_view path, std::vector<Manifest> manifests, bool quiet = false);
  // The file is there but cannot be understood; what it said stays.
  void keep_broken(std::string_view path);
  void keep_unchanged(std::string_view path);
  void remove(std::string_view path);
  void remove_below(std::string_view directory);  // "a/b": all of "a/b/…"; "": everything

  void begin_resync() { ++generation_; }
  void end_resync();  // removes the files not applied or kept since begin_resync()

  // Differences since the last call, at most one per key.
  [[nodiscard]] std::vector<Update> take_updates(Clock::time_point seen);
  [[nodiscard]] std::vector<Notice> take_notices();

  [[nodiscard]] File* find(std::string_view path);
  [[nodiscard]] const Files& files() const { return files_; }
  [[nodiscard]] std::size_t objects() const { return objects_; }
  [[nodiscard]] std::size_t invalid() const { return invalid_; }
  // The objects of a file whose last valid form is in force in place of what the file says.
  [[nodiscard]] std::vector<Key> kept_objects(const File& file) const;
  [[nodiscard]] bool has_dirty() const { return !touched_.empty(); }

  static constexpr std::uint32_t kNone = 0xffffffff;

 private:
  struct Claim {
    Key object;  // the manifest's own kind, namespace and name
    Key key;     // in the calculation model, if has_key
    std::optional<Resource> value;
    const Files::value_type* file = nullptr;
    std::uint32_t next_in_file = kNone, next_of_object = kNone, next_of_key = kNone;
    std::uint32_t document = 0, line = 0;
    bool used = false, has_key = false;
    bool valid_once = false;  // the value is of a valid form
    bool invalid = false;     // what the file says now is not
  };
  using Index = std::unordered_map<Key, std::uint32_t>;

  std::uint32_t add_claim(Files::value_type& file, const Key& object);
  void remove_claim(std::uint32_t id);
  void set_value(Claim& claim, std::uint32_t id, Decoded decoded, bool valid);
  void unlink(Index& index, const Key& key, std::uint32_t id, std::uint32_t Claim::*next);
  void touch(const Key& key);
  [[nodiscard]] bool better(const Claim& a, const Claim& b) const;
  [[nodiscard]] const Claim* winner(const Key& key) const;
  void set_invalid(Claim& claim, bool invalid);
  void set_broken(File& file, bool broken);
  void note_duplicate(const Claim& claim);
  void note_errors(const Claim& claim, const Decoded& decoded, const char* consequence);
  Files::iterator erase(Files::iterator file);

  std::vector<Claim> claims_;
  std::vector<std::uint32_t> free_;
  Files files_;
  Index by_object_, by_key_;
  std::vector<std::pair<Key, std::optional<Resource>>> touched_;  // with the value before
  std::unordered_map<Key, std::size_t> touched_at_;
  std::vector<Notice> notices_;
  std::vector<std::pair<std::uint32_t, Key>> fresh_;  // claims made since the last take_notices()
  std::uint32_t generation_ = 0;
  std::size_t objects_ = 0, invalid_ = 0;
  bool quiet_ = false;
};

[[nodiscard]] bool same_value(const std::optional<Resource>& a, const std::optional<Resource>& b);

}  // namespace margay::datastore
