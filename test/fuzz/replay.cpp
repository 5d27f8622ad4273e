// Stands in for libFuzzer's main: feeds every file of the corpus folders named to the target, once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : fs::recursive_directory_iterator{argv[i]}) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fputs("no corpus: name a folder with files in it\n", stderr);
    return 1;
  }
  for (const auto& file : files) {
    std::ifstream in{file, std::ios::binary};
    if (!in) {
      std::fprintf(stderr, "cannot read %s\n", file.c_str());
      return 1;
    }
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    // The last line before a crash says which file it was.
    std::printf("%s, %zu bytes\n", file.filename().c_str(), text.size());
    std::fflush(stdout);
    // A copy of the exact size, so that a sanitizer sees a read beyond its end.
    const std::vector<std::uint8_t> copy(text.begin(), text.end());
    if (LLVMFuzzerTestOneInput(copy.data(), copy.size()) != 0) return 1;
  }
  return 0;
}
