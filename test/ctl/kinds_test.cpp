#include "ctl/kinds.hpp"

#include "ctl/suggest.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::ctl;

namespace {
std::vector<Selection> selected(std::vector<std::string> arguments) {
  auto out = parse_selections(arguments);
  return out ? *out : std::vector<Selection>{};
}
std::string refused(std::vector<std::string> arguments) {
  auto out = parse_selections(arguments);
  return out ? "accepted" : out.error().text;
}
}  // namespace

TEST_CASE("kinds: short names, plurals and any case") {
  CHECK(find_kind_word("np") == Kind::NetworkPolicy);
  CHECK(find_kind_word("NetworkPolicies") == Kind::NetworkPolicy);
  CHECK(find_kind_word("gnps") == Kind::GlobalNetworkPolicy);
  CHECK(find_kind_word("po") == Kind::Pod);
  CHECK(find_kind_word("pods") == Kind::Pod);
  CHECK(find_kind_word("skpol") == Kind::StagedKubernetesNetworkPolicy);
  CHECK(find_kind_word("caliconodestatuses") == Kind::CalicoNodeStatus);
  CHECK_FALSE(find_kind_word(""));
  CHECK_FALSE(find_kind_word("networkpolicy.apps"));
}

TEST_CASE("kinds: a bare networkpolicy or node is Calico's") {
  CHECK(find_kind_word("networkpolicy") == Kind::NetworkPolicy);
  CHECK(find_kind_word("networkpolicy.networking.k8s.io") == Kind::KubernetesNetworkPolicy);
  CHECK(find_kind_word("networkpolicies.v1.networking.k8s.io") == Kind::KubernetesNetworkPolicy);
  CHECK(find_kind_word("networkpolicies.v3.projectcalico.org") == Kind::NetworkPolicy);
  CHECK(find_kind_word("netpol") == Kind::KubernetesNetworkPolicy);
  CHECK(find_kind_word("node") == Kind::Node);
  CHECK(find_kind_word("nodes.v1") == Kind::KubernetesNode);
}

TEST_CASE("kinds: the word shown for a kind means that kind") {
  for (const KindInfo& kind : all_kinds()) {
    INFO(kind_word(kind.kind));
    CHECK(find_kind_word(kind_word(kind.kind)) == kind.kind);
    CHECK(find_kind_word(std::string{kind.plural} + "." + std::string{kind.group.empty() ? kind.version : kind.group}) ==
          kind.kind);
  }
  CHECK(kind_word(Kind::Pod) == "pod");
  CHECK(kind_word(Kind::KubernetesNode) == "node.v1");
  CHECK(object_word({Kind::Tier, "", "default"}) == "tier.projectcalico.org/default");
}

TEST_CASE("kinds: what to get") {
  CHECK(selected({"np,gnp"}) == std::vector<Selection>{{Kind::NetworkPolicy, ""}, {Kind::GlobalNetworkPolicy, ""}});
  CHECK(selected({"np", "b", "a"}) == std::vector<Selection>{{Kind::NetworkPolicy, "b"}, {Kind::NetworkPolicy, "a"}});
  CHECK(selected({"np/a", "tier/t"}) == std::vector<Selection>{{Kind::NetworkPolicy, "a"}, {Kind::Tier, "t"}});
  CHECK(selected({"np,np", "a", "a"}) == std::vector<Selection>{{Kind::NetworkPolicy, "a"}});
  CHECK(selected({"all"}).size() == all_kinds().size());
}

TEST_CASE("kinds: wrong words are answered with a way on") {
  CHECK(refused({"polcy"}).find("did you mean \"policy\"") != std::string::npos);
  CHECK(refused({"netwrokpolicy"}).find("did you mean \"networkpolicy\"") != std::string::npos);
  CHECK(refused({"zzzzzz"}).find("did you mean") == std::string::npos);
  CHECK(refused({"np/a", "b"}).find("KIND/NAME") != std::string::npos);
  CHECK(refused({"np", "tier/t"}).find("either") != std::string::npos);
  CHECK(refused({"np/"}) != "accepted");
  CHECK(refused({"np,"}) != "accepted");
  CHECK(refused({}).find("get --help") != std::string::npos);
}

TEST_CASE("kinds: an apiVersion that is not the kind's") {
  CHECK(unknown_kind("crd.projectcalico.org/v1", "Tier").find("apiVersion: projectcalico.org/v3, kind: Tier") !=
        std::string::npos);
  CHECK(unknown_kind("networking.k8s.io/v1beta1", "NetworkPolicy").find("apiVersion: networking.k8s.io/v1,") !=
        std::string::npos);
  CHECK(unknown_kind("projectcalico.org/v3", "networkpolicy").find("kind: NetworkPolicy") != std::string::npos);
  CHECK(unknown_kind("apps/v1", "Deployment").find("did you mean") == std::string::npos);
}

TEST_CASE("suggest: distances") {
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "abc") == 0);
  CHECK(edit_distance("abcd", "acbd") == 1);  // a swap
  CHECK(edit_distance("kitten", "sitting") == 3);
}
