// Felix's endpoint-status files, as the view wants them: read when inotify says that something changed.
//
// The directory may come later than we do, and may be replaced; a file that does not parse is as if it were not there, and told
// once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "view/view.hpp"

namespace boost::asio {
class io_context;
}

namespace margay::bgp {

// One file's content; Invalid if it is not felix's JSON.
[[nodiscard]] Result<WorkloadStatus> parse_workload_file(std::string_view json);

class WorkloadFiles {
 public:
  using Changed = std::function<void(std::vector<WorkloadStatus>)>;

  // `changed` is called from the loop: once soon after, then whenever the outcome differs.
  WorkloadFiles(boost::asio::io_context& io, std::string directory, Changed changed);
  ~WorkloadFiles();
  WorkloadFiles(const WorkloadFiles&) = delete;
  WorkloadFiles& operator=(const WorkloadFiles&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// All files of the directory, sorted by interface; none if there is no directory. `told`: where problems go, may be empty.
[[nodiscard]] std::vector<WorkloadStatus> read_workload_files(const std::string& directory,
                                                              const std::function<void(const std::string&)>& told);

}  // namespace margay::bgp
