// Dispatcher: hands an update to those who asked for its kind, in the order they asked. Kinds nobody asked for are ignored.
#pragma once

#include <array>
#include <functional>
#include <variant>
#include <vector>

#include "margay/base/assert.hpp"
#include "margay/model/update.hpp"

namespace margay::calc {

class Dispatcher {
 public:
  // handle(key, value); a null value: gone. T must be what the kind decodes to.
  template <class T, class F>
  void on(Kind kind, F handle) {
    handlers_[static_cast<std::size_t>(kind)].push_back(
        [handle = std::move(handle)](const Key& key, const std::optional<Resource>& value) {
          if (!value) return handle(key, Ref<T>{});
          const auto* resource = std::get_if<Ref<T>>(&*value);
          MARGAY_ASSERT(resource != nullptr && *resource != nullptr);
          handle(key, *resource);
        });
  }
  void dispatch(const Update& update) const {
    for (const auto& handle : handlers_[static_cast<std::size_t>(update.key.kind)]) handle(update.key, update.value);
  }

 private:
  using Handler = std::function<void(const Key&, const std::optional<Resource>&)>;
  std::array<std::vector<Handler>, 64> handlers_;
};

}  // namespace margay::calc
