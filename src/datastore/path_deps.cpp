#include "path_deps.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <deque>

namespace margay::datastore {
namespace {

void push_components(std::deque<std::string>& out, std::string_view path) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    if (slash > at) parts.emplace_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  out.insert(out.begin(), parts.begin(), parts.end());
}

}  // namespace

Status PathDeps::watch(const std::string& subject, const std::string& base, std::string_view rest) {
  std::vector<std::pair<int, std::string>> found;
  Status status;
  std::string at = base;
  std::deque<std::string> todo;
  push_components(todo, rest);
  for (int links = 0; !todo.empty();) {
    const std::string name = std::move(todo.front());
    todo.pop_front();
    if (name == ".") continue;
    if (name == "..") {
      const auto slash = at.rfind('/');
      at.erase(slash == std::string::npos ? 0 : slash);
      continue;
    }
    // Watch before looking: what changes in between is then an event.
    if (const auto wd = inotify_.watch(at.empty() ? "/" : at)) found.emplace_back(*wd, name);
    else if (wd.error().code == ErrorCode::NotFound) break;
    else status = wd.error();
    const std::string path = at + "/" + name;
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) break;
    if (S_ISLNK(st.st_mode)) {
      char target[PATH_MAX];
      const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
      if (size <= 0 || ++links > 40) break;
      const std::string_view text{target, static_cast<std::size_t>(size)};
      if (text.front() == '/') at.clear();
      push_components(todo, text);
      continue;
    }
    if (!S_ISDIR(st.st_mode)) break;
    at = path;
  }
  forget(subject);  // after the new watches are held: shared ones survive
  for (const auto& [wd, name] : found) by_watch_[wd].emplace(name, subject);
  subjects_[subject] = std::move(found);
  return status;
}

void PathDeps::forget(const std::string& subject) {
  const auto found = subjects_.find(subject);
  if (found == subjects_.end()) return;
  for (const auto& [wd, name] : found->second) {
    if (const auto watch = by_watch_.find(wd); watch != by_watch_.end()) {
      auto [at, end] = watch->second.equal_range(name);
      while (at != end && at->second != subject) ++at;
      if (at != end) watch->second.erase(at);
      if (watch->second.empty()) by_watch_.erase(watch);
    }
    inotify_.drop(wd);
  }
  subjects_.erase(found);
}

void PathDeps::forget_below(const std::string& prefix) {
  std::vector<std::string> doomed;
  for (auto at = subjects_.lower_bound(prefix); at != subjects_.end() && at->first.starts_with(prefix); ++at)
    doomed.push_back(at->first);
  for (const auto& subject : doomed) forget(subject);
}

std::vector<std::string> PathDeps::affected(int wd, std::string_view name) const {
  std::vector<std::string> out;
  const auto watch = by_watch_.find(wd);
  if (watch == by_watch_.end()) return out;
  if (name.empty()) {
    for (const auto& [entry, subject] : watch->second) out.push_back(subject);
    return out;
  }
  const auto [begin, end] = watch->second.equal_range(std::string{name});
  for (auto at = begin; at != end; ++at) out.push_back(at->second);
  return out;
}

}  // namespace margay::datastore
