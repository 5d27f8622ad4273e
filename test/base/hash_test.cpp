#include "margay/base/hash.hpp"

#include "support/catch.hpp"

using namespace margay;

TEST_CASE("Calico's set ids") {
  CHECK(make_unique_id("s", "all()") == "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug");
  CHECK(make_unique_id("s", "app == \"nginx\"") == "s:PCPg-kJ-crB1DH-yq5Gn7y47na99jOhUObUCUA");
}

TEST_CASE("digests and their texts") {
  const auto sha = sha1("default.nginx");
  CHECK("cali" + hex(sha.data(), sha.size()).substr(0, 11) == "calic440f455693");
  const std::uint8_t bytes[] = {0xfb, 0xff};
  CHECK(base64url(bytes, 2) == "-_8");
  CHECK(base64url(bytes, 0).empty());
}
