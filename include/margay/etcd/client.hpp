// Client: an etcd v3 cluster, as far as Calico's data model needs one. A port; src/etcd is the real thing, tests bring a fake.
//
// Facts: etcd's api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto; which calls Calico makes, and what it makes of the answers,
// is in Calico's libcalico-go/lib/backend/etcdv3. Bytes are bytes: this port does not know what keys and values mean.
//
// Thread: everything runs on the io_context's one thread. A call never blocks, and never calls back before it has returned. Each
// call calls back exactly once, unless the client is destroyed first: then never.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "margay/base/result.hpp"

namespace margay::etcd {

// What keys and values of an answer point into; they are valid as long as it lives, moved or not.
using Bytes = std::vector<char>;

// Of every answer. A cluster restored from a backup may have another id, or tell a revision lower than one that it told before.
struct Header {
  std::uint64_t cluster_id = 0, member_id = 0, raft_term = 0;
  std::int64_t revision = 0;
};

struct KeyValue {
  std::string_view key, value;
  std::int64_t create_revision = 0, mod_revision = 0, version = 0, lease = 0;
};

// Keys from `key` to before `range_end`; that one key if `range_end` is empty.
struct RangeRequest {
  std::string key, range_end;
  std::int64_t revision = 0;  // 0: now. A compacted one is ErrorCode::NotFound, one of the future Invalid.
  std::int64_t limit = 0;     // 0: none
  bool keys_only = false, count_only = false;
};
struct RangeResponse {
  Header header;
  std::vector<KeyValue> kvs;  // by key
  std::int64_t count = 0;     // of all keys in the range, whatever the limit
  bool more = false;
  Bytes bytes;
};

struct PutRequest {
  std::string key, value;
  std::int64_t lease = 0;
};
struct DeleteRequest {
  std::string key, range_end;
};
struct DeleteResponse {
  std::int64_t deleted = 0;
};
struct Compare {
  enum class Target { Version, ModRevision };  // equal to `number`; version 0: the key does not exist
  std::string key;
  Target target = Target::Version;
  std::int64_t number = 0;
};

// If all of `compare` hold, then `success`, else `failure`; atomic.
struct TxnRequest {
  using Operation = std::variant<PutRequest, DeleteRequest, RangeRequest>;
  std::vector<Compare> compare;
  std::vector<Operation> success, failure;
};
struct TxnResponse {
  Header header;
  bool succeeded = false;
  // One for each operation of the branch taken; monostate: a put.
  std::vector<std::variant<std::monostate, DeleteResponse, RangeResponse>> responses;  // their `bytes` are empty
  Bytes bytes;
};

struct WatchRequest {
  std::string key, range_end;
  std::int64_t start_revision = 0;
};
struct Event {
  bool deleted = false;  // then kv has but key and mod_revision
  KeyValue kv;
};
struct WatchFrame {
  Header header;
  std::size_t watch = 0;  // which of the requests; kAll: all of them (an answer to request_progress)
  std::vector<Event>
      events;  // none: progress; all events of this watch up to header.revision have been told, unless `watch` is kAll
  Bytes bytes;
  static constexpr std::size_t kAll = static_cast<std::size_t>(-1);
};

class WatchHandler {
 public:
  virtual ~WatchHandler() = default;
  // Every watch of the stream is established; events from each start revision on follow.
  virtual void on_created(const Header& header) = 0;
  virtual void on_frame(const WatchFrame& frame) = 0;
  // The stream is over, for all of its watches; nothing follows. NotFound: a start revision is compacted. Unavailable:
  // connection, member or leader lost. Permission: a range may not be read.
  virtual void on_end(const Error& error) = 0;
};

// Destroying it ends the watches; the handler is not called again.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // Asks for a frame with watch == kAll: a sign of life. (Its revision is not safe to resume from: etcd issue 15220.)
  virtual void request_progress() = 0;
};

class Client {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;

  virtual ~Client() = default;
  // Errors of all calls. Unavailable: no member could be reached, or none answered in time; the text says what each of them said.
  // Permission: credentials, certificates or rights, and which. NoSpace: the database's quota is used up. Invalid: refused as
  // asked.
  virtual void range(RangeRequest request, Done<RangeResponse> done) = 0;
  virtual void txn(TxnRequest request, Done<TxnResponse> done) = 0;
  // A lease that nobody keeps alive: what was put under it goes when the time is over. Answers its id.
  virtual void grant_lease(std::chrono::seconds time, Done<std::int64_t> done) = 0;
  // One stream for all; `handler` outlives the stream.
  [[nodiscard]] virtual std::unique_ptr<WatchStream> watch(std::vector<WatchRequest> requests, WatchHandler& handler) = 0;
};

// The end of the range of all keys that start with `prefix`: its last byte, one higher ("/calico/" → "/calico0").
[[nodiscard]] inline std::string prefix_end(std::string_view prefix) {
  std::string end{prefix};
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return std::string(1, '\0');  // etcd: everything from `key` on
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace margay::etcd
