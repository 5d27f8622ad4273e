#include "etcd_ipam_keys.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "etcd_values.hpp"
#include "margay/base/hash.hpp"

namespace margay::datastore {
namespace {

using nlohmann::json;

constexpr std::string_view kBlocks = "/calico/ipam/v2/assignment/";
constexpr std::string_view kHosts = "/calico/ipam/v2/host/";
constexpr std::string_view kVirtual = "/calico/ipam/v2/virtual/";
constexpr std::string_view kHandles = "/calico/ipam/v2/handle/";
constexpr std::size_t kMostName = 252;
constexpr std::size_t kHashDigits = 11;

Error invalid(std::string text) { return Error{ErrorCode::Invalid, std::move(text)}; }

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

// "ipv4/block/10.0.0.0-26" ↔ the block.
std::string family_path(const Cidr& block) {
  std::string text = block.to_string();
  std::replace(text.begin(), text.end(), '/', '-');
  return std::string{"ipv"} + digit(block.family()) + "/block/" + text;
}

std::optional<Cidr> parse_family_path(std::string_view path) {
  for (const Family family : kFamilies) {
    const std::string prefix = std::string{"ipv"} + digit(family) + "/block/";
    if (!path.starts_with(prefix)) continue;
    std::string text{path.substr(prefix.size())};
    const auto dash = text.rfind('-');
    if (dash == std::string::npos) return std::nullopt;
    text[dash] = '/';
    const auto block = Cidr::parse(text);
    // Only the one spelling is the key of that block.
    if (!block || block->family() != family || family_path(*block) != path) return std::nullopt;
    return block;
  }
  return std::nullopt;
}

std::optional<Cidr> parse_block_name(std::string_view name) {
  const auto dash = name.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  for (const char separator : {'.', ':'}) {
    std::string text{name};
    std::replace(text.begin(), text.end(), '-', separator);
    text[dash] = '/';
    if (const auto block = Cidr::parse(text); block && block_name(*block) == name) return block;
  }
  return std::nullopt;
}

// What an affinity's key says.
struct AffinityKey {
  bool of_host;
  std::string_view owner;
  Cidr block;
};

std::optional<AffinityKey> parse_affinity_key(std::string_view key) {
  const bool of_host = key.starts_with(kHosts);
  if (!of_host && !key.starts_with(kVirtual)) return std::nullopt;
  key.remove_prefix((of_host ? kHosts : kVirtual).size());
  const auto slash = key.find('/');
  if (slash == std::string_view::npos || slash == 0) return std::nullopt;
  const auto block = parse_family_path(key.substr(slash + 1));
  if (!block) return std::nullopt;
  return AffinityKey{of_host, key.substr(0, slash), *block};
}

std::string affinity_key(bool of_host, std::string_view owner, const Cidr& block) {
  return std::string{of_host ? kHosts : kVirtual}.append(owner).append("/").append(family_path(block));
}

std::string block_key(const Cidr& block) { return std::string{kBlocks} + family_path(block); }

std::optional<Cidr> parse_block_key(std::string_view key) {
  return key.starts_with(kBlocks) ? parse_family_path(key.substr(kBlocks.size())) : std::nullopt;
}

std::string_view handle_of(std::string_view key) {
  return key.starts_with(kHandles) ? key.substr(kHandles.size()) : std::string_view{};
}

void rename(json& object, const char* from, const char* to) {
  const auto found = object.find(from);
  if (found == object.end()) return;
  json value = std::move(*found);
  object.erase(found);
  object[to] = std::move(value);
}

std::string text_in(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

json spec_of_affinity(const AffinityKey& key, json value) {
  if (text_in(value, "state").empty()) value["state"] = "confirmed";  // what older writers meant
  value["node"] = key.owner;
  value["type"] = key.of_host ? "host" : "virtual";
  value["cidr"] = key.block.to_string();
  const auto deleted = value.find("deleted");
  value["deleted"] = deleted != value.end() && *deleted == true ? "true" : "false";  // a text in this form
  return value;
}

const json& spec_of(const json& manifest) {
  static const json kEmpty = json::object();
  const auto spec = manifest.find("spec");
  return spec != manifest.end() && spec->is_object() ? *spec : kEmpty;
}

Status check_metadata(const json& manifest) {
  const auto metadata = manifest.find("metadata");
  if (metadata == manifest.end() || !metadata->is_object()) return {};
  for (const char* field : {"labels", "annotations", "finalizers", "ownerReferences"})
    if (const auto found = metadata->find(field); found != metadata->end() && !found->is_null() && !found->empty())
      return invalid(std::string{"metadata."} + field +
                     ": cannot be kept in etcd, where this kind has no metadata; leave it out");
  return {};
}

}  // namespace

bool has_ipam_keys(Kind kind) noexcept {
  return kind == Kind::IPAMBlock || kind == Kind::IPAMHandle || kind == Kind::BlockAffinity;
}

std::vector<std::string> ipam_prefixes(Kind kind) {
  switch (kind) {
    case Kind::IPAMBlock: return {std::string{kBlocks}};
    case Kind::IPAMHandle: return {std::string{kHandles}};
    case Kind::BlockAffinity: return {std::string{kHosts}, std::string{kVirtual}};
    default: return {};
  }
}

std::optional<ObjectId> ipam_id_of(std::string_view key) {
  if (const auto block = parse_block_key(key)) return ObjectId{Kind::IPAMBlock, "", block_name(*block)};
  if (const auto handle = handle_of(key); !handle.empty()) return ObjectId{Kind::IPAMHandle, "", lower(handle)};
  if (const auto affinity = parse_affinity_key(key))
    return ObjectId{Kind::BlockAffinity, "", affinity_name(affinity->owner, affinity->block)};
  return std::nullopt;
}

Result<json> ipam_manifest_of(std::string_view key, std::string_view value, std::int64_t mod_revision) {
  const auto id = ipam_id_of(key);
  if (!id) return invalid("is the key of no block, handle or affinity");
  json spec = json::object();
  if (!value.empty() || id->kind != Kind::BlockAffinity) {
    auto parsed = parse_value(value);
    if (!parsed) return std::move(parsed).error();
    if (!parsed->is_object()) return invalid("is no JSON object");
    spec = std::move(*parsed);
  }
  if (id->kind == Kind::BlockAffinity) {
    spec = spec_of_affinity(*parse_affinity_key(key), std::move(spec));
  } else if (id->kind == Kind::IPAMHandle) {
    spec["handleID"] = handle_of(key);
  } else {
    rename(spec, "affinity_claim_time", "affinityClaimTime");
    spec["cidr"] = parse_block_key(key)->to_string();
    if (const auto owner = spec.find("affinity"); owner != spec.end() && owner->is_null()) spec.erase(owner);
  }
  return json{{"apiVersion", api_version(id->kind)},
              {"kind", info(id->kind).name},
              {"metadata", {{"name", id->name}, {"resourceVersion", std::to_string(mod_revision)}}},
              {"spec", std::move(spec)}};
}

Result<std::string> ipam_key_of(const ObjectId& id, const json& manifest) {
  const json& spec = spec_of(manifest);
  const auto named = [&](const std::string& right) -> Status {
    if (right == id.name) return {};
    return invalid("metadata.name: must be " + right + " for what spec says");
  };
  if (id.kind == Kind::IPAMHandle) {
    const std::string handle = text_in(spec, "handleID");
    if (handle.empty()) return invalid("spec.handleID: is required");
    if (auto right = named(lower(handle)); !right) return std::move(right).error();
    return std::string{kHandles} + handle;
  }
  const std::string text = text_in(spec, "cidr");
  const auto block = text.find('/') == std::string::npos ? std::nullopt : Cidr::parse(text);
  if (!block || !Cidr::is_masked(text)) return invalid("spec.cidr: must be the block's CIDR");
  if (id.kind == Kind::IPAMBlock) {
    if (auto right = named(block_name(*block)); !right) return std::move(right).error();
    return block_key(*block);
  }
  const std::string owner = text_in(spec, "node"), type = text_in(spec, "type");
  if (owner.empty() || owner.find('/') != std::string::npos) return invalid("spec.node: must be a node's name");
  if (!type.empty() && type != "host" && type != "virtual") return invalid("spec.type: must be host or virtual");
  if (auto right = named(affinity_name(owner, *block)); !right) return std::move(right).error();
  return affinity_key(type != "virtual", owner, *block);
}

Result<std::string> ipam_value_of(const ObjectId& id, const json& manifest) {
  if (auto kept = check_metadata(manifest); !kept) return std::move(kept).error();
  json value = spec_of(manifest);
  const auto deleted = value.find("deleted");
  value["deleted"] = deleted != value.end() && (*deleted == true || *deleted == "true");
  switch (id.kind) {
    case Kind::BlockAffinity:
      for (const char* field : {"node", "type", "cidr"}) value.erase(field);  // the key says them
      if (text_in(value, "state").empty()) value["state"] = "confirmed";
      break;
    case Kind::IPAMHandle:
      value.erase("handleID");
      if (!value.contains("block")) value["block"] = json::object();
      break;
    default:
      rename(value, "affinityClaimTime", "affinity_claim_time");
      if (const auto strict = value.find("strictAffinity"); strict != value.end() && *strict == false) value.erase(strict);
      if (!value.contains("affinity")) value["affinity"] = nullptr;
      for (const char* list : {"allocations", "unallocated", "attributes"})
        if (!value.contains(list)) value[list] = json::array();
  }
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

IpamKeys ipam_keys_of(const ObjectId& id) {
  IpamKeys out;
  switch (id.kind) {
    case Kind::IPAMBlock:
      if (const auto block = parse_block_name(id.name)) out.likely.push_back(block_key(*block));
      break;
    case Kind::IPAMHandle:
      out.likely.push_back(std::string{kHandles} + id.name);
      out.others = true;  // the handle may have upper-case letters
      break;
    case Kind::BlockAffinity:
      // Where the owner's name ends is not to be seen: "a-fd00-1---64" is a and fd00:1::/64, or a-fd00 and 1::/64.
      for (auto dash = id.name.find('-', 1); dash != std::string::npos; dash = id.name.find('-', dash + 1)) {
        const std::string_view name{id.name};
        const auto block = parse_block_name(name.substr(dash + 1));
        if (!block) continue;
        for (const bool of_host : {true, false}) out.likely.push_back(affinity_key(of_host, name.substr(0, dash), *block));
      }
      out.others = id.name.size() == kMostName;  // the owner's name may be cut
      break;
    default: break;
  }
  return out;
}

std::string block_name(const Cidr& block) {
  std::string text = block.to_string();
  for (char& c : text)
    if (c == '.' || c == ':' || c == '/') c = '-';
  return text;
}

std::string affinity_name(std::string_view owner, const Cidr& block) {
  const std::string cidr = block_name(block);
  std::string name = std::string{owner} + "-" + cidr;
  if (name.size() <= kMostName) return name;
  const auto digest = sha256(std::string{owner} + "+" + cidr);
  return std::string{owner.substr(0, kMostName - cidr.size() - kHashDigits - 2)} + "-" + cidr + "-" +
         hex(digest.data(), digest.size()).substr(0, kHashDigits);
}

namespace {

// The stored document mixes its cases.
constexpr std::pair<const char*, const char*> kConfigFields[] = {{"strict_affinity", "strictAffinity"},
                                                                 {"auto_allocate_blocks", "autoAllocateBlocks"}};

}  // namespace

Result<json> ipam_config_of(std::optional<std::string_view> value) {
  if (!value) return json{{"strictAffinity", false}, {"autoAllocateBlocks", true}, {"kubeVirtVMAddressPersistence", "Enabled"}};
  auto spec = parse_value(*value);
  if (!spec) return spec;
  if (!spec->is_object()) return invalid("is no JSON object");
  for (const auto& [stored, name] : kConfigFields) {
    rename(*spec, stored, name);
    if (!spec->contains(name)) (*spec)[name] = false;
  }
  return spec;
}

std::string ipam_config_value(const json& spec) {
  json value = spec.is_object() ? spec : json::object();
  for (const auto& [stored, name] : kConfigFields) rename(value, name, stored);
  for (auto field = value.begin(); field != value.end();) {
    const bool zero = field->is_null() || *field == false || *field == "" || (field->is_number() && *field == 0);
    field = zero ? value.erase(field) : std::next(field);
  }
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace margay::datastore
