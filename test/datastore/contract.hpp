// The contract of every datastore, as one suite of tests over a harness that each back end implements.
//
// A test body is written against Watcher and Store only. Objects are (kind, name, value); an empty value is "invalid".
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "margay/datastore/store.hpp"
#include "margay/datastore/watch.hpp"

namespace margay::test {

class Backend {
 public:
  virtual ~Backend() = default;
  [[nodiscard]] virtual std::unique_ptr<datastore::Watcher> watcher(boost::asio::io_context& io, datastore::WatchSink& sink) = 0;
  [[nodiscard]] virtual std::unique_ptr<datastore::Store> store() = 0;
  // As an operator would: write and remove manifests.
  virtual void put(const std::string& kind, const std::string& name, const std::string& value, const std::string& more = {}) = 0;
  virtual void remove(const std::string& kind, const std::string& name) = 0;
  virtual void go_away() = 0;    // the store cannot be reached …
  virtual void come_back() = 0;  // … and can again, with what is in it
  virtual void lose_events() {}  // make the next changes arrive as "you missed something"
};

using BackendFactory = std::function<std::unique_ptr<Backend>()>;
// Every back end; tests run once for each.
[[nodiscard]] std::vector<std::pair<std::string, BackendFactory>> backends();

}  // namespace margay::test
