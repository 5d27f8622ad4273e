// connect: where the cluster is and who we are → a Client.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "margay/base/result.hpp"
#include "margay/etcd/client.hpp"

namespace boost::asio {
class io_context;
}

namespace margay::etcd {

struct Settings {
  std::vector<std::string> endpoints;  // "host:port", "[::1]:2379"; tried in turn, the first that answers is kept
  bool tls = false;
  // PEM files. Without ca_file the system's authorities are trusted. Read again for each connection, so that renewed ones are
  // taken up.
  std::string ca_file, cert_file, key_file;
  std::string username, password, password_file;  // a file is read again for each authentication
  std::chrono::milliseconds patience{10'000};     // with a member that says nothing, in all phases of a call
};

// Connects when first called upon. Invalid: settings that cannot be (no endpoint, a certificate without key, a password without
// name).
[[nodiscard]] Result<std::unique_ptr<Client>> connect(Settings settings, boost::asio::io_context& io);

}  // namespace margay::etcd
