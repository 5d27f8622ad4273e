#include "daemon/workload_files.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "margay/base/log.hpp"

namespace margay::bgp {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using boost::system::error_code;

namespace {

constexpr log::Domain kDomain{"bgp"};
constexpr std::uintmax_t kMaxFile = 64 * 1024;
constexpr std::uint32_t kContent =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kParent = IN_CREATE | IN_MOVED_TO | IN_ONLYDIR;

}  // namespace

Result<WorkloadStatus> parse_workload_file(std::string_view text) {
  const auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Error{ErrorCode::Invalid, "is no JSON object"};
  WorkloadStatus out;
  const auto text_of = [&](const char* name) {
    const auto it = json.find(name);
    return it != json.end() && it->is_string() ? it->get<std::string>() : std::string{};
  };
  out.interface = text_of("ifaceName");
  out.bgp_peer = text_of("bgpPeerName");
  for (const char* name : {"ipv4Nets", "ipv6Nets"}) {
    const auto list = json.find(name);
    if (list == json.end() || !list->is_array()) continue;
    for (const auto& net : *list) {
      const auto cidr = net.is_string() ? Cidr::parse(net.get_ref<const std::string&>()) : std::nullopt;
      if (!cidr) return Error{ErrorCode::Invalid, std::string{name} + " has what is no prefix"};
      out.nets.push_back(*cidr);
    }
  }
  return out;
}

std::vector<WorkloadStatus> read_workload_files(const std::string& directory,
                                                const std::function<void(const std::string&)>& told) {
  std::vector<WorkloadStatus> out;
  std::error_code error;
  for (fs::directory_iterator it{directory, error}, end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code gone;
    if (name.starts_with('.') || name.ends_with(".tmp") || !it->is_regular_file(gone) || gone) continue;
    if (it->file_size(gone) > kMaxFile || gone) continue;
    std::ostringstream text;
    if (std::ifstream file{it->path()}; file) text << file.rdbuf();
    else continue;
    auto status = parse_workload_file(text.str());
    if (status) out.push_back(std::move(*status));
    else if (told) told(it->path().string() + ": " + status.error().text);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::tie(a.interface, a.nets, a.bgp_peer) < std::tie(b.interface, b.nets, b.bgp_peer);
  });
  return out;
}

struct WorkloadFiles::Impl {
  Impl(asio::io_context& io, std::string where, Changed handler)
      : directory{std::move(where)}, changed{std::move(handler)}, events{io}, settle{io} {
    const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
      log::warning(kDomain, "no inotify instance; workloads are read every 30 s", {{"directory", directory}});
    } else {
      events.assign(fd);
      wait();
    }
    later(std::chrono::milliseconds{0});
  }

  // The directory itself, or else the nearest ancestor there is.
  void watch() {
    if (!events.is_open()) return;
    if (::inotify_add_watch(events.native_handle(), directory.c_str(), kContent) >= 0) return;
    for (fs::path parent = fs::path{directory}.parent_path(); !parent.empty(); parent = parent.parent_path()) {
      if (::inotify_add_watch(events.native_handle(), parent.c_str(), kParent) >= 0) {
        // It may have come in between.
        if (fs::exists(directory)) (void)::inotify_add_watch(events.native_handle(), directory.c_str(), kContent);
        return;
      }
      if (parent == parent.root_path()) return;
    }
  }

  void wait() {
    events.async_read_some(asio::buffer(buffer), [this](error_code error, std::size_t) {
      if (error) return;
      later(std::chrono::milliseconds{2});
      wait();
    });
  }

  // A burst of files is one look.
  void later(std::chrono::milliseconds delay) {
    if (pending) return;
    pending = true;
    settle.expires_after(delay);
    settle.async_wait([this](error_code aborted) {
      if (aborted) return;
      pending = false;
      look();
    });
  }

  void look() {
    watch();
    std::set<std::string> problems;
    auto found = read_workload_files(directory, [&](const std::string& problem) {
      if (problems.insert(problem).second && !told.contains(problem))
        log::warning(kDomain, "an endpoint-status file is not understood; its workload counts as not ready", {{"file", problem}});
    });
    told = std::move(problems);
    if (!known || found != *known) {
      known = found;
      changed(std::move(found));
    }
    if (!events.is_open()) later(std::chrono::seconds{30});
  }

  std::string directory;
  Changed changed;
  asio::posix::stream_descriptor events;
  asio::steady_timer settle;
  std::array<char, 16384> buffer;
  std::optional<std::vector<WorkloadStatus>> known;
  std::set<std::string> told;
  bool pending = false;
};

WorkloadFiles::WorkloadFiles(asio::io_context& io, std::string directory, Changed changed)
    : impl_{std::make_unique<Impl>(io, std::move(directory), std::move(changed))} {}
WorkloadFiles::~WorkloadFiles() = default;

}  // namespace margay::bgp
