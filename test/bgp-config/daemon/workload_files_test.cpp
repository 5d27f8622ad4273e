#include "daemon/workload_files.hpp"

#include <filesystem>
#include <fstream>

#include <boost/asio/io_context.hpp>

#include "datastore/temp_dir.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;
namespace fs = std::filesystem;

namespace {

constexpr auto kPod = R"({"ifaceName":"cali1","ipv4Nets":["10.65.0.2/32"],"ipv6Nets":["fd00::2/128"],"bgpPeerName":"tor"})";

void write(const fs::path& path, const std::string& text) { std::ofstream{path} << text; }

}  // namespace

TEST_CASE("felix's file is understood") {
  const auto status = parse_workload_file(kPod);
  REQUIRE(status);
  CHECK(status->interface == "cali1");
  CHECK(status->bgp_peer == "tor");
  REQUIRE(status->nets.size() == 2);
  CHECK(status->nets[1].to_string() == "fd00::2/128");
  CHECK_FALSE(parse_workload_file("{"));
  CHECK_FALSE(parse_workload_file("[]"));
  CHECK_FALSE(parse_workload_file(R"({"ipv4Nets":["not a net"]})"));
}

TEST_CASE("the directory may come later, change, go and return") {
  const test::TempDir temp;
  const fs::path directory = fs::path{temp.path()} / "run" / "endpoint-status";
  boost::asio::io_context io;
  std::vector<std::vector<WorkloadStatus>> seen;
  const WorkloadFiles files{io, directory.string(), [&](std::vector<WorkloadStatus> all) { seen.push_back(std::move(all)); }};
  const auto until = [&](std::size_t count) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (seen.size() < count && std::chrono::steady_clock::now() < end) io.run_one_for(std::chrono::milliseconds{100});
    REQUIRE(seen.size() >= count);
  };
  until(1);
  CHECK(seen.back().empty());
  fs::create_directories(directory);
  write(directory / "pod", kPod);
  until(2);
  REQUIRE(seen.back().size() == 1);
  write(directory / "broken", "{");
  write(directory / ".hidden", kPod);
  write(directory / "other", R"({"ifaceName":"cali2"})");
  while (seen.back().size() != 2) until(seen.size() + 1);
  CHECK(seen.back()[1].interface == "cali2");
  fs::remove(directory / "pod");
  while (seen.back().size() != 1) until(seen.size() + 1);
  fs::remove_all(directory);
  while (!seen.back().empty()) until(seen.size() + 1);
  fs::create_directories(directory);
  write(directory / "pod", kPod);
  while (seen.back().size() != 1) until(seen.size() + 1);
}
