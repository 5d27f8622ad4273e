// margayctl validate: manifests checked as strictly as before a write, with no datastore at hand.
#include <map>
#include <ostream>

#include <fmt/format.h>

#include "edit.hpp"
#include "input.hpp"
#include "object.hpp"
#include "session.hpp"
#include "verbs.hpp"

namespace margay::ctl {

void run_validate(Session& session, const FileOptions& options) {
  if (options.files.empty()) return session.usage("name what to validate: a file, a directory or -");
  Inputs inputs = read_inputs(options.files, /*recursive=*/true);
  std::size_t errors = inputs.errors.size();
  for (const std::string& error : inputs.errors) session.error(error);
  if (inputs.objects.empty() && inputs.errors.empty() && !options.skip_empty) {
    session.error(fmt::format("{}: holds no object", fmt::join(options.files, ", ")));
    ++errors;
  }
  std::map<ObjectId, std::string> seen;
  const std::size_t objects = inputs.objects.size();
  for (Input& input : inputs.objects) {
    const std::string where = input.origin.text();
    Prepared prepared = prepare(std::move(input.value), options.ns);
    if (prepared.id) {
      const auto [first, fresh] = seen.emplace(*prepared.id, where);
      if (!fresh) prepared.errors.push_back({"", fmt::format("is there twice, first in {}", first->second)});
      // The file datastore refuses it there (contracts §4).
      if (prepared.id->kind == Kind::Secret && input.origin.readable_by_all)
        prepared.errors.push_back({"", "everybody may read this file; in a datastore the Secret would be refused (chmod o-rwx)"});
    }
    errors += prepared.errors.size();
    for (const FieldError& error : prepared.errors) session.error(field_error(where, prepared.id, error));
  }
  const auto plural = [](std::size_t n, std::string_view word) { return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s"); };
  session.out << plural(objects, "object") << " in " << plural(inputs.files, "file") << ": "
              << (errors == 0 ? "valid" : plural(errors, "error")) << "\n";
}

}  // namespace margay::ctl
