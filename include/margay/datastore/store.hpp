// Store: reading and changing single objects, with compare-and-swap. margayctl, IPAM and the CNI plugin write through it.
//
// Objects travel as JSON text: this port does not know what they mean. Blocking; any thread, one at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/result.hpp"
#include "margay/model/decode.hpp"

namespace margay::datastore {

// Opaque; compare only for equality. Empty in put_if: the object must not exist.
using Revision = std::string;

struct StoredObject {
  ObjectId id;
  Revision revision;
  std::string json;      // one JSON document
  std::string location;  // for people: file and line, or key
};

struct Listing {
  std::vector<StoredObject> objects;  // sorted by namespace and name
  std::vector<Error> unreadable;      // what we have no right to read and may hold more, each error naming it
};

class Store {
 public:
  virtual ~Store() = default;
  // NotFound if it is not there.
  [[nodiscard]] virtual Result<StoredObject> get(const ObjectId& id) = 0;
  // All of a kind that can be read; `ns` empty: every namespace. Who needs them all fails if `unreadable` is not empty.
  [[nodiscard]] virtual Result<Listing> list(Kind kind, std::string_view ns) = 0;
  // Writes if the stored revision is `expected` (empty: if it does not exist; nullopt: whatever is there).
  // AlreadyExists, NotFound or Conflict otherwise. Durable when it returns. Answers the new revision.
  [[nodiscard]] virtual Result<Revision> put_if(const ObjectId& id, std::string_view json,
                                                const std::optional<Revision>& expected) = 0;
  [[nodiscard]] virtual Status remove_if(const ObjectId& id, const std::optional<Revision>& expected) = 0;
};

}  // namespace margay::datastore
