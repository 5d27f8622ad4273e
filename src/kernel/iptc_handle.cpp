#include "iptc_handle.hpp"

namespace margay::kernel {

Error table_error(int error, std::string_view doing) {
  const auto with = [&](ErrorCode code, const char* text) { return Error{code, std::string{doing} + ": " + text}; };
  switch (error) {
    case EAGAIN: return with(ErrorCode::Conflict, "the table was changed by another program");
    case EPERM: return with(ErrorCode::Permission, "not permitted (CAP_NET_ADMIN)");
    case ENOPROTOOPT: return with(ErrorCode::Unavailable, "this kernel has no iptables (module ip_tables or ip6_tables)");
    case EAFNOSUPPORT: return with(ErrorCode::Unavailable, "this host has no such IP family");
    case ENOMEM: return with(ErrorCode::NoSpace, "the kernel has no memory for the table");
    case ELOOP: return with(ErrorCode::Invalid, "jump loop");
    case EPROTOTYPE: return with(ErrorCode::Unsupported, "an extension revision this kernel does not know");
    case EINVAL: return with(ErrorCode::Invalid, "the kernel refuses a rule");
    case ENOENT:
      if (doing == "read") return with(ErrorCode::Unavailable, "this kernel has no such table");
      return with(ErrorCode::NotFound, "a set or extension that a rule names does not exist");
    default: return with(ErrorCode::Io, std::strerror(error));
  }
}

namespace {
template <class F>
bool has_extension_of(int fd, bool target, const std::string& name, std::uint8_t revision) {
  xt_get_revision request{};
  std::strncpy(request.name, name.c_str(), sizeof request.name - 1);
  request.revision = revision;
  socklen_t size = sizeof request;
  return ::getsockopt(fd, F::kLevel, target ? F::kTargetRevision : F::kMatchRevision, &request, &size) >= 0;
}
}  // namespace

bool Iptc4::has_extension(int fd, bool target, const std::string& name, std::uint8_t revision) {
  return has_extension_of<Iptc4>(fd, target, name, revision);
}
bool Iptc6::has_extension(int fd, bool target, const std::string& name, std::uint8_t revision) {
  return has_extension_of<Iptc6>(fd, target, name, revision);
}

}  // namespace margay::kernel
