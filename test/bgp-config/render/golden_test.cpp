// Configurations of a few routers, compared with texts that people have read: golden/<name>.conf. MARGAY_UPDATE=1 writes them
// anew; read the difference before committing it.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "routers.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;

TEST_CASE("configurations are as they were read") {
  for (const auto& [name, router] : bgp::test::named_routers()) {
    INFO(name);
    const std::string path = std::string{GOLDEN_DIR} + "/" + name + ".conf";
    const std::string now = bgp::test::joined(Renderer{"/run/margay/bird"}.render(router));
    if (std::getenv("MARGAY_UPDATE") != nullptr) std::ofstream{path} << now;
    std::ifstream in{path};
    CHECK(now == std::string{std::istreambuf_iterator<char>{in}, {}});
  }
}
