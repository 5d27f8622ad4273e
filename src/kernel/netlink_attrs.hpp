// Walks over a message's attributes (libmnl's macros are C only). A broken length ends the walk.
#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>

namespace margay::kernel {

template <class Visit>
void for_each_attr(const void* begin, std::size_t bytes, Visit visit) {
  const auto* at = static_cast<const char*>(begin);
  const char* const end = at + bytes;
  while (at < end && mnl_attr_ok(reinterpret_cast<const nlattr*>(at), static_cast<int>(end - at))) {
    const auto* attr = reinterpret_cast<const nlattr*>(at);
    visit(attr);
    at += MNL_ALIGN(attr->nla_len);
  }
}

// The attributes after a header of `offset` bytes.
template <class Visit>
void for_each_attr(const nlmsghdr& message, std::size_t offset, Visit visit) {
  const std::size_t size = mnl_nlmsg_get_payload_len(&message), skip = MNL_ALIGN(offset);
  if (size > skip) for_each_attr(static_cast<const char*>(mnl_nlmsg_get_payload(&message)) + skip, size - skip, visit);
}

template <class Visit>
void for_each_nested(const nlattr* parent, Visit visit) {
  for_each_attr(mnl_attr_get_payload(parent), mnl_attr_get_payload_len(parent), visit);
}

}  // namespace margay::kernel
