// BlockAffinity in its v3 form (datastore-model §3.7).
#include "decode_kinds.hpp"

namespace margay::model {

void decode_block_affinity(const ObjectId& id, Field root, Decoded& out) {
  using State = BlockAffinity::State;
  auto affinity = std::make_shared<BlockAffinity>();
  const Field spec = root["spec"];
  affinity->node = spec["node"].require().text().value_or("");
  if (const auto cidr = spec["cidr"].require().masked_cidr()) affinity->cidr = *cidr;
  static constexpr Choice<State> kStates[] = {
      {"confirmed", State::Confirmed}, {"pending", State::Pending}, {"pendingDeletion", State::PendingDeletion}};
  affinity->state = spec["state"].choice(kStates).value_or(State::Confirmed);
  static constexpr Choice<bool> kTypes[] = {{"host", true}, {"virtual", false}};
  affinity->of_host = spec["type"].choice(kTypes).value_or(true);
  const Field deleted = spec["deleted"];
  // Calico's v3 form writes it as a text.
  static constexpr Choice<bool> kDeleted[] = {{"false", false}, {"true", true}};
  const bool gone = (deleted.is_text() ? deleted.choice(kDeleted) : deleted.boolean()).value_or(false);
  if (gone && root.reader().strict()) deleted.error("is set by the datastore only");
  out.key = Key{Kind::BlockAffinity, {}, id.name};
  if (!gone) out.value = Ref<BlockAffinity>{std::move(affinity)};
}

}  // namespace margay::model
