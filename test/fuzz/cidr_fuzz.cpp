// Addr, Cidr and Mac on any text: what is accepted prints as text that reads as the same value.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "margay/base/assert.hpp"
#include "margay/base/ip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace margay;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto addr = Addr::parse(text)) {
    MARGAY_ASSERT(Addr::parse(addr->to_string()) == addr);
    // Leading zeros are octal to some readers, so nothing that has them is read; IPv4 has one spelling only.
    if (addr->family == Family::V4) MARGAY_ASSERT(addr->to_string() == text);
    MARGAY_ASSERT(Cidr::parse(text) == Cidr{*addr});
  }
  if (const auto cidr = Cidr::parse(text)) {
    MARGAY_ASSERT(cidr->prefix <= bits(cidr->family()));
    MARGAY_ASSERT(Cidr::parse(cidr->to_string()) == cidr);
    MARGAY_ASSERT(Cidr::is_masked(cidr->to_string()));
    MARGAY_ASSERT(cidr->contains(cidr->addr) && cidr->contains(cidr->last()) && cidr->contains(*cidr));
    MARGAY_ASSERT(cidr->contains(*Addr::parse(text.substr(0, text.find('/')))));
    MARGAY_ASSERT(cidr->is_host() == (cidr->addr == cidr->last()));
    if (cidr->family() == Family::V4) {
      for (std::size_t i = 4; i < cidr->addr.bytes.size(); ++i)
        MARGAY_ASSERT(cidr->addr.bytes[i] == 0 && cidr->last().bytes[i] == 0);
    }
  } else {
    MARGAY_ASSERT(!Cidr::is_masked(text));
  }
  if (const auto mac = Mac::parse(text)) MARGAY_ASSERT(Mac::parse(mac->to_string()) == mac);
  return 0;
}
