// BirdConfigDir: ConfigFiles on a directory.
//
// 0640 and group bird, since BIRD reads as that user and the files hold passwords; where there is no such group, or we may not
// give files to it, they keep ours. What a call says is done survives a power cut. Files that are not named as the renderer names
// parts ("<word>-<16 or more lower-case hexadecimal digits>.conf") are never touched.
#pragma once

#include <string>

#include "publish.hpp"

namespace margay::bgp {

class BirdConfigDir final : public ConfigFiles {
 public:
  // `directory`: absolute; made at the first write.
  explicit BirdConfigDir(std::string directory, std::string group = "bird");

  // On failure the parts it wrote are removed again: a full disk needs the room.
  [[nodiscard]] Status stage(const Rendered& rendered) override;
  [[nodiscard]] Status commit() override;
  void discard_unused(const Rendered& in_force) override;
  [[nodiscard]] std::string staged_path() const override;
  [[nodiscard]] std::string live_path() const override;
  [[nodiscard]] std::optional<std::string> live_main() const override;
  [[nodiscard]] Status bootstrap() override;
  [[nodiscard]] Status remember(const std::string& note) override;
  [[nodiscard]] std::optional<std::string> remembered() const override;

 private:
  [[nodiscard]] std::string path(std::string_view name) const;
  [[nodiscard]] Status make_directory() const;
  // Whether `name` is there with this text; mode and group are then put right.
  [[nodiscard]] bool holds(std::string_view name, const std::string& text) const;
  [[nodiscard]] Status write(std::string_view name, const std::string& text) const;
  [[nodiscard]] Status sync_directory() const;
  void protect(int fd) const;

  std::string directory_, group_;
};

}  // namespace margay::bgp
