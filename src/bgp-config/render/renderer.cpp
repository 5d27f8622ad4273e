#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "chunks.hpp"
#include "decisions.hpp"
#include "filters.hpp"
#include "render.hpp"
#include "sessions.hpp"
#include "text.hpp"

namespace margay::bgp {
namespace {

// Sessions that differ only in name, peer and password share one.
struct Template {
  std::string name, body;
  std::vector<Symbol> filters;
};

struct SessionKind {
  using Item = Session;
  using Extra = std::shared_ptr<const Template>;
  static std::uint64_t id(const Session& s) noexcept { return hash_bytes(s.name.data(), s.name.size()); }
  static Key owner(const Session& s) { return s.owner; }
};

struct StaticKind {
  using Item = StaticRoute;
  struct Extra {};
  static std::uint64_t id(const StaticRoute& r) noexcept { return std::hash<Cidr>{}(r.net); }
  static Key owner(const StaticRoute& r) { return r.owner; }
};

constexpr unsigned kRestartWait = 20;  // seconds a restarted BIRD holds everything back for a dead peer (specification §3.3)

const char* debug_of(Router::LogLevel level) noexcept {
  switch (level) {
    case Router::LogLevel::Debug: return "debug protocols all;\n";
    case Router::LogLevel::Info: return "debug protocols { states };\n";
    case Router::LogLevel::Quiet: break;
  }
  return "debug protocols off;\n";
}

std::string interfaces_of(const std::vector<std::string>& ignored) {
  std::string out;
  for (const std::string& pattern : ignored)
    if (!pattern.empty()) out += fmt::format("-\"{}\", ", quotable(pattern, 15));
  return out + R"(-"cali*", -"kube-ipvs*", "*")";
}

}  // namespace

struct Renderer::State {
  std::string directory;
  std::optional<SessionContext> context;
  Chunks<SessionKind> sessions;
  std::array<Chunks<StaticKind>, 2> nets, reachable;                 // by Family
  std::map<std::string, std::shared_ptr<const Template>> templates;  // by body
  // Sorted by name, each with who answers for it: the owner of the first session that uses it.
  std::vector<std::pair<const Template*, Key>> templates_in_file;
  std::shared_ptr<const RenderedFile> templates_file, functions_file;

  // Functions of one filter, with what they were made from.
  struct Filter {
    Ref<BgpFilter> from;
    std::array<std::uint32_t, 2> normal{};
    std::string text;
    unsigned lines = 0;
    bool used = false;
  };
  std::map<Symbol, Filter> filters;

  std::shared_ptr<const Template> template_of(const Session& session) {
    std::string body = template_body(session, *context);
    auto& slot = templates[body];
    if (!slot) slot = std::make_shared<Template>(Template{"margay_t_" + short_digest(body), body, session.filters});
    return slot;
  }

  void update_sessions(const Router& router);
  void update_templates();
  void update_statics(const Router& router, Family family);
  void update_functions(const Router& router);
  std::string main(const Router& router, Rendered& out) const;
  void include(std::string& text, Rendered& out, const std::shared_ptr<const RenderedFile>& file) const {
    text += fmt::format("include \"{}/{}\";\n", directory, file->name);
    out.parts.push_back(file);
  }
};

void Renderer::State::update_sessions(const Router& router) {
  SessionContext now{
      {router.families[0].node_ip, router.families[1].node_ip}, router.listen_port.value_or(179), router.bind_node_ip};
  if (now.port == 0) now.port = 179;
  if (context != now) {
    sessions.clear();
    context = now;
  }
  std::vector<const Session*> wanted;
  wanted.reserve(router.sessions.size());
  for (const Session& session : router.sessions)
    if (renderable(session)) wanted.push_back(&session);
  const auto by_name = [](const Session* a, const Session* b) { return a->name < b->name; };
  if (!std::is_sorted(wanted.begin(), wanted.end(), by_name)) std::stable_sort(wanted.begin(), wanted.end(), by_name);
  const auto same_name = [](const Session* a, const Session* b) { return a->name == b->name; };
  wanted.erase(std::unique(wanted.begin(), wanted.end(), same_name), wanted.end());
  sessions.update(wanted, "peers", [&](auto& entry) {
    entry.extra = template_of(entry.item);
    entry.text = render_session(entry.item, protocol_name(entry.item.name), entry.extra->name);
  });
}

void Renderer::State::update_templates() {
  std::map<std::string_view, std::pair<const Template*, Key>> used;
  for (const auto& chunk : sessions.chunks()) {
    const Template* last = nullptr;
    for (const auto& entry : chunk->entries) {
      if (entry.extra.get() == last) continue;
      last = entry.extra.get();
      used.try_emplace(last->name, last, entry.item.owner);
    }
  }
  std::vector<std::pair<const Template*, Key>> wanted;
  for (const auto& [name, at] : used) wanted.push_back(at);
  if (templates_file && wanted == templates_in_file) return;
  Lines lines;
  for (const auto& [made, owner] : wanted) {
    lines.own(owner);
    lines.add("template bgp {} {{\n", made->name);
    lines.add_text(made->body);
    lines.add("}}\n");
  }
  templates_in_file = std::move(wanted);
  templates_file = std::move(lines).file("templates");
  std::erase_if(templates, [](const auto& t) { return t.second.use_count() == 1; });
}

void Renderer::State::update_statics(const Router& router, Family family) {
  const FamilyView& view = router.families[index(family)];
  std::vector<const StaticRoute*> own, via;
  own.reserve(view.statics.size());
  for (const StaticRoute& route : view.statics) {
    if (route.net.family() != family || (route.via && route.via->family != family)) continue;
    auto& list = route.via ? via : own;
    if (!list.empty() && list.back()->net == route.net) {
      if (marked(route)) list.back() = &route;
    } else {
      list.push_back(&route);
    }
  }
  nets[index(family)].update(own, fmt::format("routes{}", digit(family)), [](auto& entry) {
    entry.text = fmt::format("route {} blackhole{};\n", entry.item.net.to_string(),
                             marked(entry.item) ? fmt::format(" {{ preference = {}; margay_service = 1; }}", kServiceRoute) : "");
  });
  reachable[index(family)].update(via, fmt::format("reach{}", digit(family)), [](auto& entry) {
    entry.text = fmt::format("route {} via {};\n", entry.item.net.to_string(), entry.item.via->to_string());
  });
}

void Renderer::State::update_functions(const Router& router) {
  Lines lines;
  lines.add("attribute int margay_service;\nattribute int margay_held;\n");
  for (const Family family : kFamilies) render_decisions(lines, router, family);

  std::set<Symbol> wanted;
  for (const auto& [made, owner] : templates_in_file) wanted.insert(made->filters.begin(), made->filters.end());
  std::erase_if(filters, [&](const auto& f) { return !wanted.contains(f.first); });
  const std::array<std::uint32_t, 2> normal{router.families[0].normal_priority, router.families[1].normal_priority};
  for (const Symbol& name : wanted) {
    const auto found = router.filters.find(name);
    const Ref<BgpFilter> from = found == router.filters.end() ? nullptr : found->second;
    Filter& filter = filters[name];
    if (filter.text.empty() || filter.from != from || filter.normal != normal) {
      filter.text.clear();
      for (const Family family : kFamilies)
        for (const bool import : {true, false})
          filter.text += render_filter(name.view(), from.get(), import, family, normal[index(family)]);
      filter.lines = static_cast<unsigned>(std::count(filter.text.begin(), filter.text.end(), '\n'));
      filter.from = from;
      filter.normal = normal;
    }
    lines.own(Key{Kind::BGPFilter, {}, name});
    lines.add_text(filter.text, filter.lines);
  }
  if (!functions_file || functions_file->text != lines.text()) functions_file = std::move(lines).file("functions");
}

std::string Renderer::State::main(const Router& router, Rendered& out) const {
  std::string text =
      fmt::format("# BIRD of node {}, written by margay-bgp: changes made here are lost.\n", quotable(router.node, 253));
  text += "log stderr all;\n";
  if (router.router_id && router.router_id->family == Family::V4)
    text += fmt::format("router id {};\n", router.router_id->to_string());
  for (const char* what : {"protocol", "route", "base"}) text += fmt::format("timeformat {} \"%FT%T%z\";\n", what);
  text += fmt::format("graceful restart wait {};\n", kRestartWait);
  text += debug_of(router.log_level);
  include(text, out, functions_file);
  text += "protocol device margay_device { scan time 10; }\n";
  text +=
      fmt::format("protocol direct margay_direct {{ ipv4; ipv6; interface {}; }}\n", interfaces_of(router.ignored_interfaces));
  for (const Family family : kFamilies) {
    const char f = digit(family);
    text += fmt::format(
        "protocol kernel margay_kernel{} {{\n  learn; persist; metric {}; scan time 10; graceful restart; merge paths on limit "
        "16;\n"
        "  ipv{} {{ preference {}; import filter margay_from_kernel{}; export filter margay_to_kernel{}; }};\n}}\n",
        f, router.families[index(family)].kernel_metric, f, kKernel, f, f);
    for (const auto& [name, chunks] : {std::pair{"own", &nets[index(family)]}, std::pair{"reach", &reachable[index(family)]}}) {
      text += fmt::format("protocol static margay_{}{} {{\n  ipv{} {{ preference {}; }};\n", name, f, f, kStatic);
      for (const auto& chunk : chunks->chunks()) include(text, out, chunk->file);
      text += "}\n";
    }
  }
  bool bfd = false;
  for (const auto& chunk : sessions.chunks())
    for (const auto& entry : chunk->entries) bfd = bfd || entry.item.extensions.bfd;
  if (bfd) text += "protocol bfd margay_bfd { }\n";
  if (!templates_in_file.empty()) include(text, out, templates_file);
  for (const auto& chunk : sessions.chunks()) include(text, out, chunk->file);
  return text;
}

Renderer::Renderer(std::string directory) : state_{std::make_unique<State>()} {
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  state_->directory = std::move(directory);
}
Renderer::~Renderer() = default;

Rendered Renderer::render(const Router& router) {
  state_->update_sessions(router);
  state_->update_templates();
  for (const Family family : kFamilies) state_->update_statics(router, family);
  state_->update_functions(router);
  Rendered out;
  out.main = state_->main(router, out);
  return out;
}

std::optional<Key> owner_of(const Rendered& rendered, std::string_view file, unsigned line) {
  file.remove_prefix(file.rfind('/') + 1);  // npos + 1 is 0
  for (const auto& part : rendered.parts) {
    if (part->name != file) continue;
    const auto after = std::upper_bound(part->marks.begin(), part->marks.end(), line,
                                        [](unsigned l, const RenderedFile::Mark& mark) { return l < mark.line; });
    if (after == part->marks.begin() || std::prev(after)->owner.name.empty()) return std::nullopt;
    return std::prev(after)->owner;
  }
  return std::nullopt;
}

}  // namespace margay::bgp
