// A configuration directory in memory, that keeps its files over the death of its user.
#pragma once

#include <map>
#include <string>

#include "fakes/fuse.hpp"
#include "publish/publish.hpp"

namespace margay::fakes {

class FakeConfigFiles final : public bgp::ConfigFiles {
 public:
  explicit FakeConfigFiles(Fuse& fuse) : fuse_{fuse} {}

  std::map<std::string, std::string> files;  // by absolute path

  Status stage(const bgp::Rendered& rendered) override {
    // Part by part: a death may come between any two.
    for (const auto& part : rendered.parts)
      if (Status put = write("files.part", "/d/" + part->name, part->text); !put) return put;
    return write("files.stage", staged_path(), rendered.main);
  }
  Status commit() override {
    if (auto error = fuse_.before("files.commit")) return *error;
    files.erase("/d/note");
    files["/d/bird.conf"] = files.at(staged_path());
    files.erase(staged_path());
    fuse_.after("files.commit");
    return {};
  }
  void discard_unused(const bgp::Rendered& in_force) override {
    (void)fuse_.before("files.discard");
    std::erase_if(files, [&](const auto& file) {
      if (!file.first.ends_with(".part")) return false;
      for (const auto& part : in_force.parts)
        if (file.first == "/d/" + part->name) return false;
      return true;
    });
    fuse_.after("files.discard");
  }
  std::string staged_path() const override { return "/d/bird.conf.new"; }
  std::string live_path() const override { return "/d/bird.conf"; }
  std::optional<std::string> live_main() const override { return read(live_path()); }
  Status bootstrap() override { return live_main() ? Status{} : write("files.bootstrap", live_path(), "bootstrap"); }
  Status remember(const std::string& note) override { return write("files.remember", "/d/note", note); }
  std::optional<std::string> remembered() const override { return read("/d/note"); }

  [[nodiscard]] std::optional<std::string> read(const std::string& path) const {
    const auto it = files.find(path);
    return it == files.end() ? std::nullopt : std::optional{it->second};
  }

 private:
  Status write(const std::string& call, const std::string& path, const std::string& text) {
    if (auto error = fuse_.before(call)) return *error;
    files[path] = text;
    fuse_.after(call);
    return {};
  }
  Fuse& fuse_;
};

}  // namespace margay::fakes
