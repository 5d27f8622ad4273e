// Secret of Kubernetes. No message says anything of what it holds but the names of its keys.
#include <algorithm>

#include <fmt/format.h>

#include "base64.hpp"
#include "decode_kinds.hpp"
#include "names.hpp"

namespace margay::model {

namespace {

constexpr std::size_t kMaxSecret = 1024 * 1024;

// Kubernetes' rule: [-._a-zA-Z0-9]{1,253}, neither "." nor starting with "..".
bool is_secret_key(std::string_view key) noexcept {
  return !key.empty() && key.size() <= kMaxDnsSubdomain && key != "." && !key.starts_with("..") &&
         std::all_of(key.begin(), key.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
         });
}

}  // namespace

void decode_secret(const ObjectId& id, Field root, Decoded& out) {
  auto secret = std::make_shared<Secret>();
  root.known({"type", "immutable"});
  const auto read = [&](Field map, bool encoded) {
    map.entries([&](std::string_view key, Field value) {
      if (!is_secret_key(key)) value.error(shown(key) + " is not a key of a Secret: letters, digits, '-', '_' and '.'");
      if (!value.present()) {
        secret->data.insert_or_assign(std::string{key}, std::string{});
        return;
      }
      const auto text = value.text();
      if (!text) return;
      auto bytes = encoded ? decode_base64(*text) : std::string{*text};
      if (bytes) secret->data.insert_or_assign(std::string{key}, *std::move(bytes));
      else value.error("is not base64; text as it is goes into stringData");
    });
  };
  read(root["data"], /*encoded=*/true);
  read(root["stringData"], /*encoded=*/false);  // wins, as in Kubernetes
  std::size_t size = 0;
  for (const auto& [key, value] : secret->data) size += value.size();
  if (size > kMaxSecret) root["data"].error(fmt::format("has {} bytes, at most {} are allowed", size, kMaxSecret));
  out.key = Key{Kind::Secret, id.ns, id.name};
  out.value = Ref<Secret>{std::move(secret)};
}

}  // namespace margay::model
