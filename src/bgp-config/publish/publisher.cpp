#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "bird/bird_status.hpp"
#include "margay/base/hash.hpp"
#include "publish.hpp"

namespace margay::bgp {
namespace {

using namespace std::chrono_literals;

constexpr Clock::duration kRetryFirst = 250ms, kRetryCap = 30s;
constexpr Clock::duration kPoll = 100ms;
constexpr Clock::duration kPatience = 30s;  // with a reconfiguration in progress

// How a reply ended, or what a line of `configure status` says.
enum Code { Reconfigured = 3, InProgress = 4, Queued = 5, ShuttingDown = 6, Unqueued = 17, CheckedOk = 20, ConfigError = 8002 };

std::string digest_of(const std::string& text) {
  const auto digest = sha256(text);
  return hex(digest.data(), digest.size());
}

}  // namespace

std::optional<Place> parse_place(std::string_view message) {
  const auto number = [&](std::size_t& at) -> std::optional<unsigned> {
    unsigned value = 0;
    const char* const begin = message.data() + at;
    const auto [end, error] = std::from_chars(begin, message.data() + message.size(), value);
    if (error != std::errc{} || end == begin) return std::nullopt;
    at += static_cast<std::size_t>(end - begin);
    return value;
  };
  // A path may have colons; the place is the first ":digits:digits ".
  for (std::size_t colon = message.find(':'); colon != std::string_view::npos; colon = message.find(':', colon + 1)) {
    std::size_t at = colon + 1;
    const auto line = number(at);
    if (!line || at >= message.size() || message[at++] != ':') continue;
    const auto column = number(at);
    if (!column || at >= message.size() || message[at] != ' ') continue;
    return Place{std::string{message.substr(0, colon)}, *line, *column, std::string{message.substr(at + 1)}};
  }
  return std::nullopt;
}

struct Publisher::State : std::enable_shared_from_this<State> {
  State(Bird& b, ConfigFiles& f, const Clock& c, After a, Report r)
      : bird{b}, files{f}, clock{c}, after{std::move(a)}, report{std::move(r)} {}

  enum class Step { Idle, Due, Waiting, Running };

  // ---- when ------------------------------------------------------------------------------------------------------------
  void wake_in(Clock::duration delay, Step meanwhile) {
    step = meanwhile;
    after(delay, [weak = weak_from_this(), mine = ++turn] {
      if (const auto self = weak.lock(); self && self->turn == mine) self->begin();
    });
  }

  // Continues with the reply, if the publisher and this run are still there. A lost connection leaves open what BIRD runs.
  void ask(std::string command, std::function<void(const Reply&)> then, std::function<void(Error)> otherwise = {}) {
    bird.command(std::move(command), [weak = weak_from_this(), mine = turn, then = std::move(then),
                                      otherwise = std::move(otherwise)](const Result<Reply>& reply) {
      const auto self = weak.lock();
      if (!self || self->turn != mine) return;
      if (reply) return then(*reply);
      self->forget();
      if (otherwise) return otherwise(reply.error());
      self->fail(reply.error());
    });
  }

  // ---- the algorithm ---------------------------------------------------------------------------------------------------
  // What BIRD runs is not known any more.
  void forget() {
    runs.reset();
    note.reset();
  }

  void begin() {
    step = Step::Running;
    ++turn;
    verdict.reset();
    if (newer) {
      wanted = std::move(*newer);
      newer.reset();
      digest = digest_of(wanted->main);
    }
    if (!looked) return look();
    decide();
  }

  void look() {
    ask("show status", [this](const Reply& reply) {
      const auto status = parse_status(reply);
      if (!status) return fail(status.error());
      const Baseline now{status->last_reboot, status->last_reconfiguration};
      read_note();
      if (note == now) runs = noted_digest;
      else forget();
      looked = true;
      decide();
    });
  }

  void decide() {
    if (!forced && runs == digest) return finish({Outcome::Kind::InForce, {}, {}, clock.now() - asked, false, cause});
    check();
  }

  void check() {
    if (Status staged = files.stage(*wanted); !staged) return fail(std::move(staged).error());
    ask("configure check \"" + files.staged_path() + "\"", [this](const Reply& reply) {
      if (reply.code == CheckedOk) return commit();
      judge(reply);
    });
  }

  void commit() {
    forget();
    if (Status committed = files.commit(); !committed) return fail(std::move(committed).error());
    configure(digest);
  }

  // Makes BIRD read the live file, whose main text has this digest.
  void configure(const std::string& what) {
    forced = false;
    forget();
    ask("configure \"" + files.live_path() + "\"", [this, what](const Reply& reply) {
      switch (reply.code) {
        case Reconfigured: return acknowledged(what);
        case InProgress:
        case Queued:
        case Unqueued: return poll(what, clock.now() + kPatience);
        case ShuttingDown: return fail({ErrorCode::Unavailable, "BIRD is shutting down"});
        default: judge(reply);
      }
    });
  }

  void poll(const std::string& what, Clock::time_point until) {
    after(kPoll, [weak = weak_from_this(), mine = turn, what, until] {
      const auto self = weak.lock();
      if (!self || self->turn != mine) return;
      self->ask("configure status", [state = self.get(), what, until](const Reply& reply) {
        for (const ReplyLine& line : reply.lines) {
          if (line.code == Reconfigured) return state->acknowledged(what);
          if (line.code == ShuttingDown) return state->fail({ErrorCode::Unavailable, "BIRD is shutting down"});
          if (line.code != InProgress && line.code != Queued) continue;
          if (state->clock.now() < until) return state->poll(what, until);
          return state->fail({ErrorCode::Busy, fmt::format("BIRD still reconfigures after {} s", kPatience / 1s)});
        }
        state->fail({ErrorCode::Unavailable, "configure status: " + reply.text()});
      });
    });
  }

  void acknowledged(const std::string& what) {
    failures = 0;
    runs = what;
    const auto took = clock.now() - asked;
    if (!verdict) {
      files.discard_unused(*wanted);
      verdict = Outcome{Outcome::Kind::InForce, {}, {}, took, true, cause};
    }
    // Without the note we only configure once more after the next loss or restart.
    ask(
        "show status",
        [this, what](const Reply& reply) {
          if (const auto status = parse_status(reply)) {
            note = Baseline{status->last_reboot, status->last_reconfiguration};
            (void)files.remember(fmt::format("{}\n{}\n{}\n", what, note->reboot, note->reconfiguration));
          }
          finish(*verdict);
        },
        [this](const Error&) { finish(*verdict); });
  }

  // ---- how it ends -----------------------------------------------------------------------------------------------------
  // BIRD did not take it: for what it says, or for what lies around it.
  void judge(const Reply& reply) {
    const std::string text = reply.lines.empty() ? std::string{} : reply.lines.back().text;
    const auto place = reply.code == ConfigError ? parse_place(text) : std::nullopt;
    if (!place) return fail({ErrorCode::Io, "BIRD: " + reply.text()});
    if (verdict) return finish(*verdict);  // not even what lies live, which was good once
    failures = 0;
    verdict = Outcome{Outcome::Kind::Refused,
                      owner_of(*wanted, place->file, place->line),
                      {ErrorCode::Invalid, "BIRD: " + text},
                      clock.now() - asked,
                      false,
                      cause};
    // What was valid stays in force: also in a BIRD that was restarted, or that somebody else configured.
    const auto live = files.live_main();
    if ((runs && !forced) || !live) {
      forced = false;
      return finish(*verdict);
    }
    configure(digest_of(*live));
  }

  void fail(Error error) {
    if (verdict) return finish(*verdict);
    if (error.code == ErrorCode::Unavailable && !files.live_main())
      if (Status made = files.bootstrap(); !made) error = std::move(made).error();
    const auto delay = std::min(kRetryCap, kRetryFirst * (1 << std::min(failures, 10u)));
    ++failures;
    wake_in(delay, Step::Waiting);
    tell({Outcome::Kind::Failed, {}, std::move(error), clock.now() - asked, false, cause});
  }

  void finish(const Outcome& outcome) {
    step = Step::Idle;
    ++turn;
    cause.clear();
    if (newer || forced) wake_in(Clock::duration::zero(), Step::Due);
    tell(outcome);
  }

  // The last thing a step does: the publisher may be gone afterwards.
  void tell(Outcome outcome) {
    const Report copy = report;
    copy(outcome);
  }

  void read_note() {
    const auto text = files.remembered();
    const auto live = files.live_main();
    if (!text || !live) return;
    const std::size_t first = text->find('\n');
    const std::size_t second = first == std::string::npos ? first : text->find('\n', first + 1);
    if (second == std::string::npos || !text->ends_with('\n')) return;
    noted_digest = text->substr(0, first);
    if (noted_digest != digest_of(*live)) return;
    note = Baseline{text->substr(first + 1, second - first - 1), text->substr(second + 1, text->size() - second - 2)};
  }

  Bird& bird;
  ConfigFiles& files;
  const Clock& clock;
  After after;
  Report report;

  Step step = Step::Idle;
  std::uint64_t turn = 0;  // of timers and commands: those of an older one are not heard
  std::optional<Rendered> wanted, newer;
  std::string digest;  // of wanted's main
  Clock::time_point asked{};
  std::string cause;
  bool forced = false;              // configure, whatever BIRD is known to run
  bool looked = false;              // whether BIRD still runs what we noted in an earlier life
  std::optional<std::string> runs;  // digest of what BIRD is known to run
  std::optional<Baseline> note;
  std::string noted_digest;
  std::optional<Outcome> verdict;  // reached, not told yet
  unsigned failures = 0;
};

Publisher::Publisher(Bird& bird, ConfigFiles& files, const Clock& clock, After after, Report report)
    : state_{std::make_shared<State>(bird, files, clock, std::move(after), std::move(report))} {
  bird.on_lost([weak = std::weak_ptr{state_}] {
    const auto self = weak.lock();
    if (!self) return;
    self->forget();
    // Between two commands: another BIRD may answer the next one.
    if (self->step == State::Step::Running) return self->fail({ErrorCode::Unavailable, "BIRD closed the connection"});
    if (self->step == State::Step::Idle && self->wanted) {
      self->asked = self->clock.now();
      self->wake_in(Clock::duration::zero(), State::Step::Due);
    }
  });
}

Publisher::~Publisher() = default;

void Publisher::publish(Rendered rendered) {
  state_->newer = std::move(rendered);
  state_->asked = state_->clock.now();
  if (state_->step == State::Step::Idle) state_->wake_in(Clock::duration::zero(), State::Step::Due);
}

void Publisher::again(std::string_view why) {
  if (!state_->wanted && !state_->newer) return;
  state_->forced = true;
  state_->cause = why;
  state_->asked = state_->clock.now();
  if (state_->step == State::Step::Idle || state_->step == State::Step::Waiting)
    state_->wake_in(Clock::duration::zero(), State::Step::Due);
}

bool Publisher::in_force() const { return state_->step == State::Step::Idle && state_->wanted && state_->runs == state_->digest; }

std::optional<Publisher::Baseline> Publisher::baseline() const {
  if (state_->step != State::Step::Idle) return std::nullopt;
  return state_->note;
}

}  // namespace margay::bgp
