// The file datastore's harness for the contract suite.
#include <filesystem>

#include "contract.hpp"
#include "fake_decoder.hpp"
#include "file_source.hpp"
#include "file_store.hpp"
#include "temp_dir.hpp"

namespace margay::test {
namespace {

class FileBackend final : public Backend {
 public:
  FileBackend() : root_{dir_ / "resources"}, current_{root_} { std::filesystem::create_directory(root_); }

  std::unique_ptr<datastore::Watcher> watcher(boost::asio::io_context& io, datastore::WatchSink& sink) override {
    return datastore::make_file_source({root_, {}, fake_decoder(), {}}, io, sink);
  }
  std::unique_ptr<datastore::Store> store() override { return datastore::make_file_store(root_); }
  void put(const std::string& kind, const std::string& name, const std::string& value, const std::string& more) override {
    replace_file(path(kind, name), manifest(kind, name, value, more));
  }
  void remove(const std::string& kind, const std::string& name) override { std::filesystem::remove(path(kind, name)); }
  void go_away() override {
    current_ = dir_ / "elsewhere";
    std::filesystem::rename(root_, current_);
  }
  void come_back() override {
    std::filesystem::rename(current_, root_);
    current_ = root_;
  }
  void lose_events() override {
    for (int i = 0; i < 20'000; ++i) {  // more than the kernel queues
      write_file(current_ + "/noise", "");
      std::filesystem::rename(current_ + "/noise", current_ + "/noise2");
    }
  }

 private:
  [[nodiscard]] std::string path(const std::string& kind, const std::string& name) const {
    return current_ + "/" + kind + "/" + name + ".yaml";
  }
  TempDir dir_;
  std::string root_, current_;
};

}  // namespace

std::vector<std::pair<std::string, BackendFactory>> backends() {
  return {{"file", [] { return std::make_unique<FileBackend>(); }}};
}

}  // namespace margay::test
