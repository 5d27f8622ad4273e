// What margayctl can do: one function a verb, its options as the command line gave them. Results go to the session.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "patch.hpp"

namespace margay::ctl {

class Session;

struct GetOptions {
  std::vector<std::string> arguments;
  std::string ns;
  bool all_namespaces = false, strip = false;
  std::string output;
  std::optional<std::string> selector;
};
void run_get(Session& session, const GetOptions& options);

enum class WriteVerb { Create, Apply, Replace };
struct FileOptions {
  std::vector<std::string> files;
  std::string ns;
  bool recursive = false, skip_empty = false;
  bool tolerate = false;  // create: what exists; delete: what does not
  std::string dry_run;    // "none", "client" or "server"; the last two differ in what is said only
};
void run_write(Session& session, WriteVerb verb, const FileOptions& options);

// Objects by their labels, of KIND[,KIND] without names.
struct SelectOptions {
  std::optional<std::string> selector;
  bool all_namespaces = false;
};

void run_delete(Session& session, const std::vector<std::string>& arguments, const SelectOptions& select,
                const FileOptions& options);

struct PatchOptions {
  std::vector<std::string> arguments;
  std::string ns, patch, patch_file, dry_run;
  PatchType type = PatchType::Strategic;
};
void run_patch(Session& session, const PatchOptions& options);

struct LabelOptions {
  std::vector<std::string> arguments;
  std::string ns, dry_run;
  SelectOptions select;
  bool overwrite = false, remove = false;
};
void run_label(Session& session, const LabelOptions& options);

void run_validate(Session& session, const FileOptions& options);

void run_version(Session& session, bool client_only);

}  // namespace margay::ctl
