#!/usr/bin/env python3
"""The demonstration itself; scripts/demo builds first and then runs this, as root, with MARGAY_BUILD set.

It is also a test: every matrix, flow and figure is compared with what it should be, and the exit code is 1 if one is not.
"""
import os
import re
import select
import signal
import sys
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test/live"))
import lab as labs  # noqa: E402
import demo_routes  # noqa: E402
from demo_screen import ARROW, DOT, NO, YES, bad, bold, dim, good, head, ms, problems, say, should  # noqa: E402

PODS = {"web": "shop", "api": "shop", "db": "shop", "guest": "visitors"}
ALL = [*PODS, "world"]

CLUSTER = """\
# The pods of this host, as Kubernetes describes them. Addresses and labels are what Margay reads.
{namespaces}{pods}"""

NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata: {{name: {name}, labels: {{team: {name}}}}}
---
"""

POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec: {{nodeName: {node}, containers: [{{name: main, image: none}}]}}
status: {{phase: Running, podIP: {ip4}, podIPs: [{{ip: {ip4}}}, {{ip: "{ip6}"}}]}}
---
"""

POLICIES = """\
# api takes connections from web only. (A Kubernetes policy.)
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
---
# db takes connections from api only, and begins none. (A Calico policy.)
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  selector: app == 'db'
  types: [Ingress, Egress]
  ingress:
  - {action: Allow, source: {selector: app == 'api'}}
---
# Visitors reach web and nothing else. (A Calico policy for all namespaces.)
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: visitors}
spec:
  namespaceSelector: team == 'visitors'
  types: [Egress]
  egress:
  - {action: Allow, destination: {selector: app == 'web'}}
"""

# from → whom it reaches once the policies are in force; the demonstration fails where the kernel says otherwise.
AFTER = {"web": {"api", "guest", "world"}, "api": {"web", "db", "guest", "world"}, "db": set(), "guest": {"web"},
         "world": {"web", "guest"}}
BEFORE = {a: {b for b in ALL if b != a} for a in ALL}

# ---- the screen -----------------------------------------------------------------------------------------------------


def draw(seen, before=None):
    """seen: (from, to) → (IPv4, IPv6). What differs from `before` is marked."""
    width = 2 * len(YES) + 6
    say("    " + f"{'from  to':<10}" + "".join(bold(f"{b:<{width}}") for b in ALL[:-1]) + bold(ALL[-1]))
    for a in ALL:
        line = f"    {bold(f'{a:<10}')}"
        for b in ALL:
            if a == b:
                line += dim(f"{DOT:<{width}}")
                continue
            pair = seen[a, b]
            changed = before is not None and before[a, b] != pair
            cell = " ".join((good if one else bad)(YES if one else NO) for one in pair) + ("*" if changed else " ")
            line += cell + " " * (width - 2 * len(YES) - 2)
        say(line.rstrip())


# ---- the host -------------------------------------------------------------------------------------------------------


class Demo:
    def __init__(self, lab):
        self.lab = lab
        self.host = lab.host("host")
        self.place = {}
        for name, namespace in PODS.items():
            self.place[name] = self.host.pod(namespace, name, register=False, serve=[80])
        self.place["world"] = self.host.outside("world", serve=[80])
        self.write("cluster.yaml", CLUSTER.format(
            namespaces="".join(NAMESPACE.format(name=n) for n in sorted(set(PODS.values()))),
            pods="".join(POD.format(name=p.pod, namespace=p.namespace, node=self.host.node, ip4=p.ip4, ip6=p.ip6)
                         for p in self.place.values() if isinstance(p, labs.Pod))))

    def write(self, name, text):
        """As configuration tools do it: beside, then renamed. Answers when."""
        temporary = self.host.directory / f".{name}.tmp"
        temporary.write_text(text)
        began = time.monotonic()
        temporary.rename(self.host.directory / name)
        return began

    def look(self):
        wanted = {(self.place[a], self.place[b], 80): None for a in ALL for b in ALL if a != b}
        seen = {}
        for (key, family), result in self.lab.probe(wanted, timeout=0.5).items():
            seen.setdefault((repr_of(key[0]), repr_of(key[1])), {})[family] = result["how"] == "ok"
        return {pair: (by[4], by[6]) for pair, by in seen.items()}

    def look_until(self, wanted, within=10):
        """Looks until it is as wanted, and then once more; what was seen last."""
        end = time.monotonic() + within
        while not matches(seen := self.look(), wanted) and time.monotonic() < end:
            pass
        return self.look() if matches(seen, wanted) else seen

    def metric(self, name):
        for line in self.host.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return 0.0

    def knock(self, name, source, target, **more):
        self.place[source].agent(do="knock", name=name, dst=self.place[target].address(more.pop("family", 4)), port=80, **more)

    def knocked(self, name, source):
        return self.place[source].agent(do="stop_knock", name=name)["tries"]


def cleanup(lab):
    # A Ctrl-C may have come between the making of a namespace and its being noted down.
    lab.close()
    for line in labs.sh("ip", "netns", "list", check=False).splitlines():
        if line.startswith(lab.id + "-"):
            labs.sh("ip", "netns", "del", line.split()[0], check=False)


def repr_of(place):
    return place.pod if isinstance(place, labs.Pod) else "world"


def matches(seen, wanted):
    return all(pair == ((b in wanted[a]),) * 2 for (a, b), pair in seen.items())


# ---- the story ------------------------------------------------------------------------------------------------------


def show_routes(fabric):
    demo_routes.show(fabric)
    return fabric


def show_policy(lab):
    demo = Demo(lab)
    host = demo.host
    say(bold("Margay") + " enforces network policy on a host. It reads Kubernetes and Calico resources,")
    say("here from a directory of manifests, and programs iptables and IP sets. This host has")
    say("four pods (web, api and db in namespace shop, guest in namespace visitors) and an")
    say("uplink to the world. Each matrix shows who can open TCP connections to whom:")
    say(f"rows try, columns are tried, over IPv4 and IPv6; {good(YES)} it works, {bad(NO)} it does not.")

    head(1, "The daemon starts. There is no policy yet: everybody reaches everybody")
    began = time.monotonic()
    host.start_felix()
    ready = time.monotonic() - began
    seen = demo.look_until(BEFORE)
    draw(seen)
    say(f"    Ready {bold(ms(ready))} after the daemon's start.")
    should("without policy everybody reaches everybody", matches(seen, BEFORE))

    head(2, "A file with three policies is put into the directory")
    for line in POLICIES.splitlines():
        if line.startswith("# "):
            say("    - " + line[2:])
    count, total = demo.metric("margay_enforcement_seconds_count"), demo.metric("margay_enforcement_seconds_sum")
    demo.knock("edit", "guest", "db", sport=10000, interval=0.001)
    time.sleep(0.3)
    edited = demo.write("policies.yaml", POLICIES)
    after = demo.look_until(AFTER)
    tries = demo.knocked("edit", "guest")
    draw(after, seen)
    say(dim("    * changed by the edit"))
    should("the policies decide who reaches whom", matches(after, AFTER))
    let_in = [when for when, answered in tries if answered]
    refused = [when for when, answered in tries if not answered and when > edited]
    should("guest reached db before the edit, and not after", bool(let_in and refused) and max(let_in) < edited + 5)
    if let_in and refused:
        late = max(let_in) - edited
        say("    guest tries to reach db anew each millisecond: " +
            (f"the last try that got through was {bold(ms(late))} after the edit." if late > 0 else "none since the edit got through."))
    events = demo.metric("margay_enforcement_seconds_count") - count
    if events:
        took = (demo.metric("margay_enforcement_seconds_sum") - total) / events
        say(f"    The daemon's own measure, file to kernel: {bold(ms(took))} (metric margay_enforcement_seconds).")

    head(3, "What stands behind it in the kernel: packets to db (IPv4; IPv6 has the same)")
    show_kernel(demo)

    head(4, "The daemon is killed (kill -9) and a second later started again, under traffic")
    show_kill(demo)
    return demo


def show_kernel(demo):
    interface = demo.place["db"].interface
    rules = demo.host.iptables(4).splitlines()
    meaning = [("RELATED,ESTABLISHED -j ACCEPT", "what has begun goes on"), ("-j cali-pi-np/shop/db", "ask the policy shop/db"),
               (r"--mark 0x0/0x\w+ -j DROP", "it did not allow the packet"), ("--match-set", "from a member of this set: allowed")]
    set_name = None
    for chain, what in ((f"cali-tw-{interface}", "every packet to db's interface"), ("cali-pi-np/shop/db", "the policy shop/db")):
        say(f"    {bold('chain ' + chain)}  {dim(what)}")
        shown = 0
        for rule in rules:
            if not rule.startswith(f"-A {chain} "):
                continue
            for pattern, words in meaning:
                if re.search(pattern, rule):
                    text = rule[len(f"-A {chain} "):]
                    say(f"      {text:<69} {dim(words)}")
                    shown += 1
                    meaning = [m for m in meaning if m[0] != pattern or "set" in pattern]
                    break
            if m := re.search(r"--match-set (\S+) src", rule):
                set_name = m.group(1)
        should(f"the kernel has the chain {chain}", shown > 0)
    members = demo.host.members(set_name) if set_name else []
    say(f"    {bold('set ' + str(set_name))}  {dim('app == api, by address')}")
    say(f"      {' '.join(members)}")
    should("the set of db's policy holds api's address", members == [demo.place["api"].ip4])
    chains = sum(r.startswith(":cali") for r in rules)
    say(dim(f"    In all {chains} chains, {sum(r.startswith('-A') for r in rules)} rules in the filter table, "
            f"{len(demo.host.sets())} sets in both families."))


def show_kill(demo):
    host = demo.host
    api, web = demo.place["api"], demo.place["web"]
    flows = [(proto, family) for proto in ("tcp", "udp") for family in (4, 6)]
    for proto, family in flows:
        web.agent(do="flow", name=f"{proto}{family}", dst=api.address(family), port=80, proto=proto, interval=0.002)
    for family in (4, 6):
        demo.knock(f"allowed{family}", "api", "db", family=family, sport=20000)
        demo.knock(f"forbidden{family}", "guest", "db", family=family, sport=20000)
    time.sleep(0.7)
    host.stop_felix(signal.SIGKILL)
    time.sleep(1.0)
    began = time.monotonic()
    host.start_felix()
    again = time.monotonic() - began
    time.sleep(0.7)

    def line(what, family, sent, answered, fine, note):
        mark = good(YES) if fine else bad(NO)
        say(f"    {mark} {what:<36} IPv{family} {sent:>6} sent {answered:>6} answered  {note}".rstrip())

    for proto, family in flows:
        report = web.agent(do="stop_flow", name=f"{proto}{family}")
        lost = report["sent"] - report["got"]
        fine = lost == 0 and not report["error"] and report["sent"] > 200
        line(f"web {ARROW} api, one {proto.upper()} connection", family, report["sent"], report["got"], fine, f"{lost} lost")
        should(f"no packet of the {proto} flow over IPv{family} is lost ({report})", fine)
    for kind, source in (("allowed", "api"), ("forbidden", "guest")):
        for family in (4, 6):
            tries = demo.knocked(f"{kind}{family}", source)
            answered = sum(a for _, a in tries)
            wanted = len(tries) if kind == "allowed" else 0
            fine = answered == wanted and len(tries) > 200
            line(f"{source} {ARROW} db, new each time, {kind}", family, len(tries), answered, fine,
                 f"{len(tries) - answered} lost" if kind == "allowed" else "none passed" if fine else f"{answered} passed")
            should(f"{source} to db over IPv{family}: {wanted} of {len(tries)} answered, not {answered}", fine)
    say(f"    The kernel goes on enforcing while the daemon is away. Ready again {bold(ms(again))} after the new start.")


def tell(shown):
    """Where everything is and what to try."""
    def short(path):
        return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else str(path)

    head("Play", "All of it is yours until you end it")
    rows = demo_routes.hints(shown["routes"]) if "routes" in shown else []
    if "policy" in shown:
        rows = policy_hints(shown["policy"], short) + rows
    for what, command, note in rows:
        say(f"    {bold(f'{what:<10}')} {command}" + (f"  {dim('# ' + note)}" if note else ""))


def policy_hints(demo, short):
    host, url = demo.host, f"file://{demo.host.directory}"
    enter = f"ip netns exec {host.netns}"
    ctl = Path(os.environ["MARGAY_BUILD"]) / "src/ctl/margayctl"
    rows = [("manifests", f"{host.directory}/", "edit, add, delete: the matrix is drawn again"),
            ("in a pod", f"ip netns exec {demo.place['guest'].netns} bash", f"web is {demo.place['web'].ip4}"),
            ("chains", f"{enter} iptables-legacy -S", "ip6tables-legacy for IPv6"),
            ("sets", f"{enter} ipset list", ""),
            ("health", f"curl --unix-socket {host.run_dir}/felix.sock http://x/readiness", "also /metrics"),
            ("log", f"{host.base}/felix-{len(host.logs) - 1}.log", "")]
    if ctl.exists():
        rows[1:1] = [("margayctl", f"export MARGAY_DATASTORE={url}", ""), ("", f"{short(ctl)} get np,gnp -A", ""),
                     ("", f"{short(ctl)} delete gnp visitors", "guest reaches the world again")]
    return rows


def stamp(directory):
    out = []
    for folder, _, files in os.walk(directory):
        for f in files:
            if not f.startswith(".") and f.endswith((".yaml", ".yml", ".json")):
                try:
                    s = os.stat(os.path.join(folder, f))
                    out.append((folder, f, s.st_mtime_ns, s.st_ino))
                except FileNotFoundError:
                    pass
    return sorted(out)


def play(demo):
    say()
    say(bold("    press Enter to end"))
    if not demo:
        sys.stdin.readline()
        return
    known, log_at = stamp(demo.host.directory), demo.host.logs[-1].stat().st_size
    seen = demo.look()
    while True:
        if select.select([sys.stdin], [], [], 0.3)[0]:
            return
        now = stamp(demo.host.directory)
        if now == known:
            continue
        known = now
        time.sleep(0.3)  # until an editor has written all it wants to write
        fresh = demo.look()
        say(f"\n    {time.strftime('%H:%M:%S')} the manifests changed" + ("" if fresh != seen else "; nobody's reach did"))
        with open(demo.host.logs[-1], errors="replace") as log:
            log.seek(log_at)
            for line in log.read().splitlines():
                if " warning " in line or " error " in line:
                    say("    " + bad(line.split(" ", 1)[1]))
            log_at = log.tell()
        draw(fresh, seen)
        seen = fresh


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    parts = [a for a in sys.argv[1:] if a != "--exit"] or ["policy", "routes"]
    reason = labs.why_not()
    if reason:
        sys.exit(f"scripts/demo: {reason}")
    made, shown = [], {}
    code = 0
    try:
        for part in parts:
            lab = labs.Lab("demo") if part == "policy" else demo_routes.fabric()
            made.append(lab)
            shown[part] = show_policy(lab) if part == "policy" else show_routes(lab)
            if problems:
                break
        if problems:
            say("\n" + bad(f"{len(problems)} of the things shown are not as they should be:") + "\n  " + "\n  ".join(problems))
            for place in made[-1].places:
                if isinstance(place, labs.Host):
                    say(textwrap.indent(place.log()[-3000:], "  "))
            code = 1
        elif "--exit" in sys.argv[1:]:
            say("\n" + good("Everything shown is as it should be."))
        if "--exit" not in sys.argv[1:]:
            tell(shown)
            play(shown.get("policy"))
    except KeyboardInterrupt:
        say("\nended")
        code = 130
    except Exception as e:
        say(bad(f"\nthe demonstration failed: {e}"))
        code = 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for lab in made:
            cleanup(lab)
    sys.exit(code)


if __name__ == "__main__":
    main()
