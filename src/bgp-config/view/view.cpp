#include "view.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "blocks.hpp"
#include "pools.hpp"
#include "services.hpp"
#include "sessions.hpp"
#include "sorted.hpp"

namespace margay::bgp {

using namespace view;

namespace {

bool wireguard_differs(const Node* before, const Node* now) {
  static const Node kNone;
  const Node& a = before != nullptr ? *before : kNone;
  const Node& b = now != nullptr ? *now : kNone;
  return a.wireguard != b.wireguard || std::any_of(kFamilies.begin(), kFamilies.end(), [&](Family family) {
           return b.wireguard[index(family)] && address(a, family) != address(b, family);
         });
}

}  // namespace

struct View::State {
  explicit State(ViewOptions given)
      : options{std::move(given)}, inputs{options.node, options.secrets_namespace}, sessions{inputs, options}, services{inputs} {
    dirt.globals = dirt.blocks = dirt.pools = dirt.workloads = true;
  }

  void make(const Node& self);
  void make_statics(const std::set<Cidr>& changed);
  void make_blocks(const Node& self, std::set<Cidr>& changed);
  void make_nodes(const Dirt& now);
  void make_workloads();
  void make_problems(std::vector<Problem> found);

  ViewOptions options;
  Inputs inputs;
  Dirt dirt;  // since the last router
  Sessions sessions;
  Services services;
  Blocks blocks;
  std::vector<Problem> global_problems;
  Router router;
  std::vector<Problem> problems;
};

void View::State::make(const Node& self) {
  const Dirt now = std::exchange(dirt, {});
  std::vector<Problem> found;
  const ServiceContext context = service_context(inputs, options, self, found);
  if (now.globals) {
    std::vector<Problem> of_globals;
    set_globals(inputs, options, self, router, of_globals);
    global_problems = std::move(of_globals);
    for (const Family family : kFamilies) {
      FamilyView& view = router.families[index(family)];
      view.kernel_reject = rejected_ranges(context, family);
      view.reflected = router.cluster_id ? reflected_ranges(context, family) : std::vector<Cidr>{};
    }
  }
  if (now.globals || now.pools)
    for (const Family family : kFamilies) router.families[index(family)].pools = pool_rules(inputs, family);

  std::set<Cidr> changed = services.update(context, now);
  changed.merge(sessions.update(session_context(inputs, options, self), now, router.sessions));
  if (now.blocks) make_blocks(self, changed);
  make_statics(changed);

  router.filters.clear();
  for (const auto& [name, uses] : sessions.filters()) router.filters.emplace(name, inputs.filters.at(name));
  make_nodes(now);
  if (now.workloads) make_workloads();
  make_problems(std::move(found));
}

void View::State::make_blocks(const Node& self, std::set<Cidr>& changed) {
  for (const auto& [net, route] : blocks.routes) changed.insert(net);
  blocks = own_blocks(inputs, options, self);
  for (const auto& [net, route] : blocks.routes) changed.insert(net);
  for (const Family family : kFamilies) router.families[index(family)].blocks = blocks.aggregated[index(family)];
}

// Of several routes to one net: the way to a peer, else its session could not be; then a block; then a service.
void View::State::make_statics(const std::set<Cidr>& changed) {
  for (const Family family : kFamilies) {
    FamilyView& view = router.families[index(family)];
    std::vector<Cidr> nets;
    std::copy_if(changed.begin(), changed.end(), std::back_inserter(nets),
                 [&](const Cidr& net) { return net.family() == family; });
    patch_sorted(
        view.services, [](const Cidr& net) -> const Cidr& { return net; }, nets,
        [&](const Cidr& net) { return services.route(net) ? std::optional{net} : std::nullopt; });
    patch_sorted(
        view.statics, [](const StaticRoute& route) -> const Cidr& { return route.net; }, nets,
        [&](const Cidr& net) {
          if (auto route = sessions.route_to(net)) return route;
          if (const auto block = blocks.routes.find(net); block != blocks.routes.end()) return std::optional{block->second};
          return services.route(net);
        });
  }
}

void View::State::make_nodes(const Dirt& now) {
  const bool differs = std::any_of(now.nodes.begin(), now.nodes.end(), [&](const auto& changed) {
    const auto at = inputs.nodes.find(changed.first);
    return wireguard_differs(changed.second.get(), at == inputs.nodes.end() ? nullptr : at->second.get());
  });
  if (!differs) return;
  for (const Family family : kFamilies)
    router.families[index(family)].wireguard_nodes = wireguard_nodes(inputs, options.node, family);
}

void View::State::make_workloads() {
  if (!options.wait_for_policy) return;
  std::array<std::set<Cidr>, 2> ready;
  for (const WorkloadStatus& workload : inputs.workloads)
    for (const Cidr& net : workload.nets) ready[index(net.family())].insert(net);
  for (const Family family : kFamilies) {
    const auto& nets = ready[index(family)];
    router.families[index(family)].ready_workloads.emplace(nets.begin(), nets.end());
  }
}

void View::State::make_problems(std::vector<Problem> found) {
  found.insert(found.end(), global_problems.begin(), global_problems.end());
  sessions.append_problems(found);
  for (const auto& [owner, refusal] : inputs.quarantine)
    found.push_back(
        {owner, fmt::format("BIRD refused what is made of it ({}); it is left out until it is changed", refusal.reason)});
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  problems = std::move(found);
}

View::View(ViewOptions options) : state_{std::make_unique<State>(std::move(options))} {}
View::~View() = default;

void View::on_update(const Update& update) { state_->inputs.apply(update, state_->dirt); }

void View::set_workloads(std::vector<WorkloadStatus> workloads) {
  std::sort(workloads.begin(), workloads.end(),
            [](const WorkloadStatus& a, const WorkloadStatus& b) { return a.interface < b.interface; });
  if (workloads == state_->inputs.workloads) return;
  state_->inputs.workloads = std::move(workloads);
  state_->dirt.workloads = true;
}

void View::quarantine(const Key& owner, std::string reason) { state_->inputs.refuse(owner, std::move(reason), state_->dirt); }

Result<const Router*> View::router() {
  State& state = *state_;
  const auto self = state.inputs.nodes.find(state.options.node);
  if (self == state.inputs.nodes.end())
    return Error{ErrorCode::NotFound, fmt::format("there is no Node {} yet", state.options.node)};
  const auto id = router_id(state.options, *self->second);
  if (!id)
    return Error{ErrorCode::Invalid, fmt::format("CALICO_ROUTER_ID is \"{}\", which is neither \"hash\" nor an IPv4 address",
                                                 state.options.router_id)};
  state.router.router_id = id;
  const Ref<Node> held = self->second;
  state.make(*held);
  return &std::as_const(state.router);
}

const std::vector<Problem>& View::problems() const { return state_->problems; }

std::set<Kind> View::kinds() {
  return {Kind::Node,    Kind::BGPConfiguration, Kind::BGPPeer,       Kind::BGPFilter, Kind::IPPool,
          Kind::Service, Kind::EndpointSlice,    Kind::BlockAffinity, Kind::Secret,    Kind::FelixConfiguration};
}

}  // namespace margay::bgp
