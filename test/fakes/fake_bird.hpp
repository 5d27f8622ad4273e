// A BIRD that keeps its state: what it runs, since when; refuses what says SYNTAX, reconfigures slowly on request, dies.
//
// Its language: lines, of which `include "PATH"` are followed. Nothing happens by itself: answer() answers one command.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bird/bird.hpp"
#include "fakes/fuse.hpp"

namespace margay::fakes {

class FakeBird final : public bgp::Bird {
 public:
  using Read = std::function<std::optional<std::string>(const std::string& path)>;
  FakeBird(Fuse& fuse, Read read) : fuse_{fuse}, read_{std::move(read)} {}

  bool alive = false;
  std::string running;  // the text in force, includes filled in
  int now = 100;        // its clock, in no unit; tests move it
  int reboot = 0, reconfiguration = 0;
  int slow_for = 0;         // so many times a reconfiguration is said to be in progress
  bool queued = false;      // the next one is answered 0005
  bool unreadable = false;  // "Permission denied"
  std::vector<std::string> heard;
  int configured = 0;

  // As `bird -c PATH`; false: it does not start on this.
  bool start(const std::string& path) {
    std::string text;
    if (load(path, text)) return false;
    alive = true;
    running = text;
    reboot = reconfiguration = now;
    return true;
  }
  void die() {
    alive = false;
    progress_ = 0;
    running.clear();
    auto lost = std::exchange(queue_, {});
    for (const auto& [text, done] : lost) done(Error{ErrorCode::Unavailable, "closed by BIRD"});
    const auto handlers = lost_;
    for (const auto& handler : handlers) handler();
  }
  // Somebody else's `configure "PATH"`.
  void meddle(const std::string& text) {
    running = text;
    reconfiguration = now;
  }

  void command(std::string text, Done done) override { queue_.emplace_back(std::move(text), std::move(done)); }
  void on_lost(std::function<void()> handler) override { lost_.push_back(std::move(handler)); }
  [[nodiscard]] bool waiting() const { return !queue_.empty(); }

  // Answers the oldest command. The fuse may kill whoever asked before BIRD hears it, or before they hear BIRD.
  void answer() {
    auto [text, done] = std::move(queue_.front());
    queue_.pop_front();
    const std::string call = "bird." + text.substr(0, text.find(" \""));
    if (auto error = fuse_.before(call)) return done(*error);
    if (!alive) return done(Error{ErrorCode::Unavailable, "connection refused"});
    heard.push_back(text);
    bgp::Reply reply = obey(text);
    fuse_.after(call);
    done(std::move(reply));
  }
  void forget_clients() {
    queue_.clear();
    lost_.clear();
  }

 private:
  static bgp::Reply say(std::vector<bgp::ReplyLine> lines) {
    const int code = lines.back().code;
    return {std::move(lines), code};
  }
  // Nothing, or what is wrong.
  std::optional<std::string> load(const std::string& path, std::string& out) {
    const auto text = read_(path);
    if (!text) return path + ": No such file or directory";
    if (unreadable) return path + ": Permission denied";
    unsigned line = 0;
    for (std::size_t at = 0; at < text->size(); ++line) {
      const std::size_t end = std::min(text->find('\n', at), text->size());
      const std::string one = text->substr(at, end - at);
      at = end + 1;
      const std::string place = path + ":" + std::to_string(line + 1) + ":1 ";
      if (one.find("SYNTAX") != std::string::npos) return place + "syntax error, unexpected CF_SYM_UNDEFINED";
      if (!one.starts_with("include \"")) {
        out += one + "\n";
      } else {
        const std::string included = one.substr(9, one.size() - 10);
        if (!read_(included)) return place + "Unable to open included file " + included + ": No such file or directory";
        if (auto wrong = load(included, out)) return wrong;
      }
    }
    return std::nullopt;
  }
  bgp::Reply obey(const std::string& text) {
    if (text == "show status")
      return say({{1000, "BIRD 2.0.12"},
                  {1011, "Last reboot on " + std::to_string(reboot)},
                  {1011, "Last reconfiguration on " + std::to_string(reconfiguration)},
                  {13, "Daemon is up and running"}});
    if (text == "configure status") {
      if (progress_ > 0) {
        --progress_;
        return say({{4, "Reconfiguration in progress"}, {0, ""}});
      }
      return say({{3, "Daemon is up and running"}, {0, ""}});
    }
    const bool check = text.starts_with("configure check \"");
    if (!check && !text.starts_with("configure \"")) return say({{9001, "syntax error"}});
    const std::size_t quote = text.find('"');
    const std::string path = text.substr(quote + 1, text.size() - quote - 2);
    std::string loaded;
    const auto wrong = load(path, loaded);
    if (wrong) return say({{2, "Reading configuration from " + path}, {8002, *wrong}});
    if (check) return say({{2, "Reading configuration from " + path}, {20, "Configuration OK"}});
    running = loaded;
    reconfiguration = now;
    ++configured;
    progress_ = slow_for;
    const bgp::ReplyLine end = queued          ? bgp::ReplyLine{5, "Reconfiguration in progress, next one queued"}
                               : progress_ > 0 ? bgp::ReplyLine{4, "Reconfiguration in progress"}
                                               : bgp::ReplyLine{3, "Reconfigured"};
    return say({{2, "Reading configuration from " + path}, end});
  }

  Fuse& fuse_;
  Read read_;
  std::deque<std::pair<std::string, Done>> queue_;
  std::vector<std::function<void()>> lost_;
  int progress_ = 0;
};

}  // namespace margay::fakes
