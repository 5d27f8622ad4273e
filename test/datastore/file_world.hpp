// A directory of manifests and a FileSource over it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "fake_decoder.hpp"
#include "file_source.hpp"
#include "recording_sink.hpp"
#include "support/catch.hpp"
#include "temp_dir.hpp"

namespace margay::test {

namespace fs = std::filesystem;

struct FileWorld {
  FileWorld() { fs::create_directory(root); }
  void start() {
    sink = std::make_unique<RecordingSink>();
    watcher = datastore::make_file_source({root, state, fake_decoder(), {}, read_only_state, retry}, io, *sink);
    watcher->start();
  }
  void restart() {
    watcher.reset();
    start();
  }
  bool synced() {
    return run_until(io, [this] { return sink->in_sync(); });
  }
  bool shows(const std::string& name, const std::string& value) {
    const std::string key = "GlobalNetworkSet " + name;
    const bool ok = run_until(io, [&] { return (sink->values.contains(key) ? sink->values[key] : "-") == value; });
    if (!ok) UNSCOPED_INFO(key << " is " << (sink->values.contains(key) ? sink->values[key] : "-") << ", not " << value);
    return ok;
  }
  // Everything that happened so far has been looked at: what was written after it has arrived.
  bool settled() {
    const std::string v = std::to_string(++marks);
    replace_file(root + "/zz-mark.yaml", manifest("GlobalNetworkSet", "zz-mark", v));
    return shows("zz-mark", v);
  }
  std::string in(const std::string& name) const { return root + "/" + name; }

  TempDir dir;
  std::string root = dir / "resources", state;
  bool read_only_state = false;
  std::chrono::milliseconds retry{10'000};
  int marks = 0;
  boost::asio::io_context io;
  std::unique_ptr<RecordingSink> sink;
  std::unique_ptr<datastore::Watcher> watcher;
};

inline std::string set(const std::string& name, const std::string& v, const std::string& more = {}) {
  return manifest("GlobalNetworkSet", name, v, more);
}

}  // namespace margay::test
