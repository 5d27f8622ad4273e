#include "margay/datastore/connect.hpp"

#include <utility>

#include "file_source.hpp"
#include "file_store.hpp"
#include "manifests.hpp"

namespace margay::datastore {
namespace {

// The directory of a file: URL; Unsupported or Invalid for others.
Result<std::string> directory_of(const std::string& url) {
  if (url.starts_with("etcd://") || url.starts_with("etcds://"))
    return Error{ErrorCode::Unsupported, "this build has no etcd datastore (" + url +
                                             "); use a directory of manifests for now: file:///etc/margay/resources"};
  if (url == "kubernetes:" || url.starts_with("kubernetes:"))
    return Error{ErrorCode::Unsupported,
                 "this build has no Kubernetes datastore; use a directory of manifests for now: file:///etc/margay/resources"};
  if (!url.starts_with("file:"))
    return Error{ErrorCode::Invalid, "datastore \"" + url + "\" is not understood; write file:///DIRECTORY"};
  std::string path = url.substr(5);
  if (path.starts_with("//localhost/")) path.erase(0, 11);
  else if (path.starts_with("//")) path.erase(0, 2);
  if (path.empty() || path.front() != '/')
    return Error{ErrorCode::Invalid,
                 "datastore \"" + url + "\" must name an absolute directory, as in file:///etc/margay/resources"};
  return path;
}

}  // namespace

Result<std::unique_ptr<Watcher>> connect_watcher(const Settings& settings, boost::asio::io_context& io, WatchSink& sink) {
  auto directory = directory_of(settings.at.url);
  if (!directory) return directory.error();
  FileSourceOptions options;
  options.directory = std::move(*directory);
  options.state_dir = settings.state_dir;
  options.read_only_state = settings.read_only_state;
  options.decoder = model_decoder(settings.decode, settings.kinds);
  options.built_in = built_in_resources();
  return make_file_source(std::move(options), io, sink);
}

Result<std::unique_ptr<Store>> connect_store(const Settings& settings) {
  auto directory = directory_of(settings.at.url);
  if (!directory) return directory.error();
  return make_file_store(*directory);
}

}  // namespace margay::datastore
