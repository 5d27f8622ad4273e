#include "margay/kernel/set.hpp"

#include "support/catch.hpp"

using namespace margay;
using namespace margay::kernel;

TEST_CASE("set types have the kernel's names") {
  CHECK(name(SetType::HashIp) == "hash:ip");
  CHECK(name(SetType::HashNet) == "hash:net");
  CHECK(name(SetType::HashIpPort) == "hash:ip,port");
}

TEST_CASE("members print as ipset save prints them") {
  const auto net = [](const char* text) { return *Cidr::parse(text); };
  CHECK(SetMember{net("10.0.0.0/24")}.to_string(SetType::HashNet) == "10.0.0.0/24");
  CHECK(SetMember{net("10.0.0.1/32")}.to_string(SetType::HashNet) == "10.0.0.1");
  CHECK(SetMember{net("10.0.0.1")}.to_string(SetType::HashIp) == "10.0.0.1");
  CHECK(SetMember{net("fd00::/64")}.to_string(SetType::HashNet) == "fd00::/64");
  CHECK(SetMember{net("fd00::1")}.to_string(SetType::HashIp) == "fd00::1");
  CHECK(SetMember{net("10.0.0.1"), 6, 80}.to_string(SetType::HashIpPort) == "10.0.0.1,tcp:80");
  CHECK(SetMember{net("fd00::1"), 17, 53}.to_string(SetType::HashIpPort) == "fd00::1,udp:53");
  CHECK(SetMember{net("fd00::1"), 132, 65535}.to_string(SetType::HashIpPort) == "fd00::1,sctp:65535");
}
