// Result<T>: a value or an Error, with std::expected's member names (g++ 12 has <expected> only in C++23 mode).
//
// For failures that are expected to happen: a bad resource, a refused system call, a lost race. Bugs use MARGAY_ASSERT.
// Going up, each layer adds one clause with Error::in("table filter"); the text then reads outermost first:
// "table filter: commit: resource busy".
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "margay/base/assert.hpp"

namespace margay {

enum class ErrorCode {
  Invalid,        // the input is wrong; trying again cannot help
  NotFound,       // the thing named does not exist
  AlreadyExists,  // create of a thing that is there
  Conflict,       // compare-and-swap lost, or the kernel table changed under us: read again and retry
  Busy,           // a lock or a reference is held by another; retry later
  Unavailable,    // the other side is not there (yet)
  Permission,     // refused by rights
  NoSpace,        // disk, set or table full
  Unsupported,    // this kernel or backend cannot do it
  Io,             // any other failed system call
};

struct Error {
  ErrorCode code = ErrorCode::Io;
  std::string text;

  // The same error with one more clause of context in front.
  [[nodiscard]] Error in(std::string_view context) && {
    text.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }
  [[nodiscard]] Error in(std::string_view context) const& { return Error{*this}.in(context); }
};

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_{std::in_place_index<0>, std::move(value)} {}
  Result(Error error) : state_{std::in_place_index<1>, std::move(error)} {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & { return checked(); }
  const T& value() const& { return const_cast<Result*>(this)->checked(); }
  T&& value() && { return std::move(checked()); }
  T& operator*() & { return checked(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &value(); }
  T value_or(T fallback) const& { return has_value() ? std::get<0>(state_) : std::move(fallback); }

  Error& error() & {
    MARGAY_ASSERT(!has_value());
    return std::get<1>(state_);
  }
  const Error& error() const& {
    MARGAY_ASSERT(!has_value());
    return std::get<1>(state_);
  }
  Error&& error() && {
    MARGAY_ASSERT(!has_value());
    return std::get<1>(std::move(state_));
  }

 private:
  T& checked() {
    MARGAY_ASSERT(has_value());
    return std::get<0>(state_);
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_{std::move(error)}, failed_{true} {}

  [[nodiscard]] bool has_value() const noexcept { return !failed_; }
  explicit operator bool() const noexcept { return has_value(); }

  Error& error() & {
    MARGAY_ASSERT(failed_);
    return error_;
  }
  const Error& error() const& {
    MARGAY_ASSERT(failed_);
    return error_;
  }
  Error&& error() && {
    MARGAY_ASSERT(failed_);
    return std::move(error_);
  }

 private:
  Error error_;
  bool failed_ = false;
};

using Status = Result<void>;

}  // namespace margay
