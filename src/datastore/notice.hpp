// Notice: something about a manifest that a person should hear, made by pure code and logged by the source, once per event.
#pragma once

#include <cstdint>
#include <string>

namespace margay::datastore {

struct Notice {
  enum class Level { Info, Warning, Error };
  Level level = Level::Error;
  std::string what;                      // "object is invalid"
  std::string file;                      // relative to the directory
  std::uint32_t document = 0, line = 0;  // 0: the whole file
  std::string object;                    // "NetworkPolicy default/allow-web"; empty if unknown
  std::string field;                     // "spec.ingress[0].ports"; empty: the whole object
  std::string reason;
  std::string consequence;  // what stays in force
};

}  // namespace margay::datastore
