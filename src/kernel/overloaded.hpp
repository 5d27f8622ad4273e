// Overloaded: a visitor of a variant, made of lambdas.
#pragma once

namespace margay::kernel {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace margay::kernel
