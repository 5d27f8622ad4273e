#include "input.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include <fmt/format.h>

#include "datastore/file_names.hpp"
#include "datastore/yaml.hpp"

namespace margay::ctl {
namespace {

namespace fs = std::filesystem;
constexpr int kDeepest = 64;  // as the file datastore; ends loops of links

class Reader {
 public:
  explicit Reader(bool recursive) : recursive_{recursive} {}
  Inputs out;

  void read(const std::string& path) {
    if (path == "-") return parse("standard input", std::string{std::istreambuf_iterator<char>{std::cin}, {}}, false);
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) {
      out.errors.push_back(path + ": " + std::strerror(errno));
      return;
    }
    if (!S_ISDIR(st.st_mode)) return read_file(path, (st.st_mode & S_IROTH) != 0);
    const std::size_t before = out.files + out.errors.size();
    read_directory(path, 0);
    if (out.files + out.errors.size() == before)
      out.errors.push_back(fmt::format("{}: no *.yaml, *.yml or *.json file in this directory{}", path,
                                       recursive_ ? "" : "; with -R its directories are searched too"));
  }

 private:
  void read_directory(const std::string& path, int depth) {
    std::error_code failed;
    std::vector<std::string> names;
    for (fs::directory_iterator it{path, failed}, end; !failed && it != end; it.increment(failed))
      names.push_back(it->path().filename().string());
    if (failed) out.errors.push_back(path + ": " + failed.message());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (datastore::is_ignored_name(name)) continue;
      const std::string full = (fs::path{path} / name).string();
      struct stat st {};
      if (::stat(full.c_str(), &st) != 0) continue;
      if (S_ISDIR(st.st_mode)) {
        if (recursive_ && depth < kDeepest) read_directory(full, depth + 1);
      } else if (datastore::is_manifest_name(name)) {
        read_file(full, (st.st_mode & S_IROTH) != 0);
      }
    }
  }

  void read_file(const std::string& path, bool readable_by_all) {
    std::ifstream file{path, std::ios::binary};
    if (!file) {
      out.errors.push_back(path + ": " + std::strerror(errno));
      return;
    }
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    if (file.bad()) {
      out.errors.push_back(path + ": " + std::strerror(errno));
      return;
    }
    parse(path, text, readable_by_all);
  }

  void parse(const std::string& file, const std::string& text, bool readable_by_all) {
    ++out.files;
    auto parsed = datastore::parse_manifests(text);
    if (parsed.error) {
      out.errors.push_back(file + ": " + parsed.error->text());
      return;
    }
    for (datastore::Document& document : parsed.documents) {
      const Origin origin{file, document.number, document.line, readable_by_all};
      if (!document.value.is_array()) {
        out.objects.push_back({origin, std::move(document.value)});
        continue;
      }
      for (auto& element : document.value) out.objects.push_back({origin, std::move(element)});
    }
  }

  bool recursive_;
};

}  // namespace

std::string Origin::text() const { return fmt::format("{}: document {}, line {}", file, document, line); }

Inputs read_inputs(const std::vector<std::string>& paths, bool recursive) {
  Reader reader{recursive};
  for (const std::string& path : paths) reader.read(path);
  return std::move(reader.out);
}

}  // namespace margay::ctl
