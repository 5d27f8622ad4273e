#include "metadata.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "names.hpp"

namespace margay::model {

namespace {

constexpr std::size_t kMaxAnnotations = 256 * 1024;

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

}  // namespace

void check_labels(Field map) {
  map.entries([](std::string_view key, Field value) {
    if (!is_qualified_name(key)) value.error(shown(key) + " is not a label key");
    if (!value.present()) return;
    const auto text = value.text();
    if (text && !is_label_value(*text))
      value.error(shown(*text) +
                  " is not a label value: at most 63 letters, digits, '-', '_' and '.', first and last a letter or digit");
  });
}

void check_metadata(Field metadata) {
  metadata.known({"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "generateName",
                  "deletionTimestamp", "deletionGracePeriodSeconds", "finalizers", "ownerReferences", "managedFields",
                  "selfLink"});
  check_labels(metadata["labels"]);
  const Field annotations = metadata["annotations"];
  std::size_t total = 0;
  annotations.entries([&](std::string_view key, Field value) {
    total += key.size();
    // Kubernetes compares the lower-cased key with the form of a label key.
    if (!is_qualified_name(key) && !is_qualified_name(lower(key))) value.error(shown(key) + " is not an annotation key");
    if (const auto text = value.text()) total += text->size();
  });
  if (total > kMaxAnnotations) annotations.error(fmt::format("has {} bytes, at most {} are allowed", total, kMaxAnnotations));
}

void append_labels(Field map, std::string_view prefix, LabelPairs& out) {
  out.reserve(out.size() + map.size() + 3);
  std::string prefixed{prefix};
  map.texts([&](std::string_view key, std::string_view value) {
    if (prefix.empty()) {
      out.emplace_back(key, value);
      return;
    }
    prefixed.resize(prefix.size());
    prefixed.append(key);
    out.emplace_back(prefixed, value);
  });
}

Labels workload_labels(Field user, std::string_view ns, std::string_view orchestrator, std::string_view service_account) {
  LabelPairs pairs;
  append_labels(user, {}, pairs);
  // A pod cannot pretend to have a label of its namespace or service account.
  std::erase_if(pairs, [](const Labels::Pair& pair) {
    const std::string_view key = pair.first.view();
    return key.starts_with(kNamespacePrefix) || key.starts_with(kServiceAccountPrefix);
  });
  static const Symbol ns_label{kNamespaceLabel}, orchestrator_label{kOrchestratorLabel}, account_label{kServiceAccountLabel};
  pairs.emplace_back(ns_label, ns);
  pairs.emplace_back(orchestrator_label, orchestrator);
  if (!service_account.empty()) pairs.emplace_back(account_label, service_account);
  return Labels{std::move(pairs)};
}

}  // namespace margay::model
