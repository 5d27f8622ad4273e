#include "decode_http.hpp"

#include <algorithm>

namespace margay::model {
namespace {

constexpr std::size_t kMaxEntries = 20;
constexpr std::size_t kMaxPath = 1024;

void check_path(Field path) {
  const Field exact = path["exact"];
  const Field prefix = path["prefix"];
  const auto given = [](Field field) { return field.present() && !(field.is_text() && field.text() == std::string_view{}); };
  if (given(exact) == given(prefix)) {
    path.error("needs either exact or prefix");
    return;
  }
  const Field field = given(exact) ? exact : prefix;
  const auto text = field.text();
  if (!text) return;
  if (text->size() > kMaxPath) field.error("is longer than 1024 characters");
  else if (text->front() != '/') field.error("must begin with '/'");
  else if (text->find_first_of("?# ") != std::string_view::npos) field.error("may not hold '?', '#' or a space");
}

}  // namespace

void check_http(Field http) {
  std::vector<std::string_view> seen;
  for (const Field item : http["methods"].items(kMaxEntries)) {
    const auto method = item.text();
    if (!method) continue;
    if (std::find(seen.begin(), seen.end(), *method) != seen.end()) item.error(shown(*method) + " is given twice");
    seen.push_back(*method);
  }
  for (const Field path : http["paths"].items(kMaxEntries)) check_path(path);
}

}  // namespace margay::model
