#include "margay/model/decode.hpp"

namespace margay {

// datastore-model §3.3, §1.6: contracts §4 lists what need not be written.
std::vector<std::pair<Key, Resource>> built_in_resources() {
  const auto tier = [](const char* name, double order, bool pass) {
    return std::pair<Key, Resource>{Key{Kind::Tier, {}, name}, std::make_shared<const Tier>(Tier{order, pass})};
  };
  Profile allow;
  allow.ingress = {Rule{}};  // Allow, matching everything
  allow.egress = {Rule{}};
  return {tier("kube-admin", 1000, true),
          tier("default", 1000000, false),
          tier("kube-baseline", 10000000, true),
          {Key{Kind::Profile, {}, "projectcalico-default-allow"}, std::make_shared<const Profile>(std::move(allow))}};
}

}  // namespace margay
