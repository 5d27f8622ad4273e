"""A host with workloads, made of network namespaces: what the live tests and the demo act on.

    with Lab() as lab:
        host = lab.host("n1")                    a namespace with a datastore directory and a margay-felix
        a = host.pod("default", "a", labels={"app": "a"})
        host.apply(policy)                       writes a manifest as margayctl would: beside, then renamed
        host.start_felix()
        lab.expect({(b, a, 80): True, (c, a, 80): False})

Pods hang on veth pairs named as the contract says, with /32 and /128 addresses and no bridge. Everything a lab makes carries the
lab's id in its name and is taken away by it; nothing is killed by name.
"""
import hashlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PORTS = [80, 81, 443, 8055]
GATEWAY4, GATEWAY6, GATEWAY_MAC = "169.254.1.1", "fe80::ecee:eeff:feee:eeee", "ee:ee:ee:ee:ee:ee"
SKIP = 77


def why_not():
    """Why live tests cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("ip", "iptables-legacy", "ip6tables-legacy", "ipset"):
        if not shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin:/bin"):
            return f"needs {tool}"
    probe = subprocess.run(["unshare", "--net", "iptables-legacy", "-S"], capture_output=True, text=True)
    return None if probe.returncode == 0 else "no network namespaces or no iptables: " + probe.stderr.strip()[:200]


def sh(*args, check=True, stdin=None):
    done = subprocess.run([str(a) for a in args], input=stdin, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def interface_name(namespace, pod, prefix="cali"):
    return prefix + hashlib.sha1(f"{namespace}.{pod}".encode()).hexdigest()[:11]


def felix_binary():
    build = os.environ.get("MARGAY_BUILD")
    candidates = [Path(build)] if build else [HERE.parent.parent / d for d in ("build-gcc", "build")]
    for directory in candidates:
        path = directory / "src/felix/daemon/margay-felix"
        if path.exists():
            return path
    raise RuntimeError("margay-felix is not built; set MARGAY_BUILD")


class Place:
    """A network namespace with an agent in it."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.netns = f"{lab.id}-{name}"[:60]
        sh("ip", "netns", "add", self.netns)
        lab.places.append(self)
        self.ip("link set lo up")
        self._agent = None
        self.ip4 = self.ip6 = None

    def __repr__(self):
        return self.name

    def ip(self, *commands):
        sh("ip", "-n", self.netns, "-batch", "-", stdin="\n".join(commands) + "\n")

    def run(self, *args, check=True, stdin=None):
        return sh("ip", "netns", "exec", self.netns, *args, check=check, stdin=stdin)

    def sysctl(self, *settings):
        self.run("sysctl", "-qw", *settings)

    def agent(self, **command):
        if not self._agent:
            self._agent = subprocess.Popen(
                ["ip", "netns", "exec", self.netns, sys.executable, str(HERE / "agent.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.ask(command)
        return self.hear()

    def ask(self, command):
        self._agent.stdin.write(json.dumps(command) + "\n")
        self._agent.stdin.flush()

    def hear(self):
        line = self._agent.stdout.readline()
        if not line:
            raise RuntimeError(f"the agent in {self.name} is gone")
        message = json.loads(line)
        if message.get("error") and "sent" not in message:
            raise RuntimeError(f"agent in {self.name}: {message['error']}")
        return message

    def serve(self, ports=PORTS):
        self.agent(do="serve", ports=list(ports))

    def address(self, family):
        return self.ip4 if family == 4 else self.ip6

    def close(self):
        if self._agent:
            self._agent.kill()
            self._agent.wait()
            self._agent.stdin.close()
            self._agent.stdout.close()
        sh("ip", "netns", "del", self.netns, check=False)


class Pod(Place):
    def __init__(self, host, namespace, name, number, labels=None, ports=None, wire=True, interface=None, ip4=None, ip6=None):
        super().__init__(host.lab, f"{host.name}-{namespace}.{name}")
        self.host, self.namespace, self.pod, self.labels = host, namespace, name, dict(labels or {})
        self.named_ports = dict(ports or {})
        self.ip4 = ip4 or f"10.65.{number // 250}.{number % 250 + 2}"
        self.ip6 = ip6 or f"fd00:65::{number + 2:x}"
        self.interface = interface or interface_name(namespace, name)
        if wire:
            self.wire()

    def __repr__(self):
        return self.pod

    def wire(self):
        """The veth pair, as a CNI plugin makes it."""
        h = self.host
        sh("ip", "link", "add", self.interface, "netns", h.netns, "address", GATEWAY_MAC, "type", "veth", "peer", "name", "eth0",
           "netns", self.netns)
        self.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0", "net.ipv6.conf.eth0.accept_ra=0")
        h.run("sysctl", "-qw", f"net.ipv6.conf.{self.interface}.accept_dad=0")
        h.ip(f"link set {self.interface} up")
        self.ip("link set eth0 up",
                f"addr add {self.ip4}/32 dev eth0",
                f"route add {GATEWAY4} dev eth0 scope link",
                f"route add default via {GATEWAY4} dev eth0",
                # Proxy ARP answers only where the host has a route to the gateway's address; a lab host need not.
                f"neigh add {GATEWAY4} lladdr {GATEWAY_MAC} dev eth0",
                f"addr add {self.ip6}/128 dev eth0 nodad",
                f"route add ::/0 via {GATEWAY6} dev eth0")
        return self

    def unwire(self):
        self.host.ip(f"link del {self.interface}")

    def manifest(self):
        containers = [{"name": "main", "image": "none"}]
        if self.named_ports:
            containers[0]["ports"] = [{"name": n, "containerPort": p, "protocol": proto} for n, (proto, p) in self.named_ports.items()]
        return {"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": self.pod, "namespace": self.namespace, "labels": self.labels},
                "spec": {"nodeName": self.host.node, "serviceAccountName": "default", "containers": containers},
                "status": {"phase": "Running", "podIP": self.ip4, "podIPs": [{"ip": self.ip4}, {"ip": self.ip6}]}}


class Host(Place):
    felix = None

    def __init__(self, lab, node):
        super().__init__(lab, node)
        self.node = node
        self.base = lab.directory / node
        self.directory = self.base / "resources"
        self.directory.mkdir(parents=True)
        self.run_dir, self.state_dir = self.base / "run", self.base / "state"
        self.logs = []
        self.namespaces = set()
        self._pod_number = itertools.count(0)

    # ---- the world around it

    def pod(self, namespace, name, labels=None, ports=None, serve=PORTS, register=True, **more):
        pod = Pod(self, namespace, name, next(self._pod_number), labels, ports, **more)
        if register:
            self.register(pod)
        if serve:
            pod.serve(serve)
        return pod

    def register(self, pod):
        if pod.namespace not in self.namespaces:
            self.apply(namespace(pod.namespace))
            self.namespaces.add(pod.namespace)
        self.apply(pod.manifest())

    def outside(self, name="outside", serve=PORTS):
        """A machine on the host's uplink, with routes to the pods."""
        other = Place(self.lab, f"{self.name}-{name}")
        sh("ip", "link", "add", "eth0", "netns", self.netns, "type", "veth", "peer", "name", "eth0", "netns", other.netns)
        for place, last in ((self, 1), (other, 2)):
            place.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0")
            place.ip("link set eth0 up", f"addr add 192.0.2.{last}/24 dev eth0", f"addr add 2001:db8::{last}/64 dev eth0 nodad")
        other.ip("route add 10.65.0.0/16 via 192.0.2.1", "route add fd00:65::/64 via 2001:db8::1")
        self.ip("route add default via 192.0.2.2", "route add ::/0 via 2001:db8::2")
        self.ip4, self.ip6, other.ip4, other.ip6 = "192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"
        if serve:
            other.serve(serve)
        return other

    # ---- the datastore directory

    def path(self, manifest):
        meta = manifest["metadata"]
        return self.directory / f"{manifest['kind'].lower()}_{meta.get('namespace', '')}_{meta['name']}.json"

    def apply(self, *manifests):
        for m in manifests:
            path = self.path(m)
            temporary = path.with_name(path.name + ".tmp")
            temporary.write_text(json.dumps(m, indent=1))
            temporary.rename(path)

    def delete(self, *manifests):
        for m in manifests:
            self.path(m).unlink()

    # ---- the daemon

    def felix_command(self, *args, config=""):
        conf = self.base / "margay.conf"
        conf.write_text(f"[node]\nname = {self.node}\nstate_dir = {self.state_dir}\nrun_dir = {self.run_dir}\n"
                        f"[datastore]\nurl = file://{self.directory}\n[felix]\n{config}")
        # MARGAY_WRAP="gdb -batch -ex run -ex bt --args" and the like: run the daemon under a debugger or profiler.
        return ["ip", "netns", "exec", self.netns, *os.environ.get("MARGAY_WRAP", "").split(), str(felix_binary()), *args,
                "--config", str(conf)]

    def environment(self):
        keep = {k: v for k, v in os.environ.items() if not k.upper().startswith(("FELIX_", "MARGAY_"))}
        level = {"MARGAY_LOG_LEVEL": os.environ["MARGAY_LOG_LEVEL"]} if "MARGAY_LOG_LEVEL" in os.environ else {}
        return {**keep, **level, "XTABLES_LOCKFILE": str(self.base / "xtables.lock")}

    def start_felix(self, *args, config="", wait=True):
        assert not self.felix
        log = open(self.base / f"felix-{len(self.logs)}.log", "wb")
        self.logs.append(Path(log.name))
        self.felix = subprocess.Popen(self.felix_command(*args, config=config), env=self.environment(), stderr=log,
                                      stdout=log, stdin=subprocess.DEVNULL)
        log.close()
        if wait:
            self.wait_ready()
        return self.felix

    def once(self, *args, config="", check=True):
        done = subprocess.run(self.felix_command(*args, config=config), env=self.environment(), capture_output=True, text=True,
                              timeout=300)
        if check and done.returncode:
            raise RuntimeError(f"margay-felix {' '.join(args)}: exit {done.returncode}: {done.stderr[-2000:]}")
        return done

    def get(self, target):
        """Asks the daemon's local socket; (status, body), or (0, why)."""
        connection = http.client.HTTPConnection("localhost", timeout=5)
        try:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(5)
            connection.sock.connect(str(self.run_dir / "felix.sock"))
            connection.request("GET", target)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        except OSError as e:
            return 0, str(e)
        finally:
            connection.close()

    def wait_ready(self, timeout=30):
        end = time.monotonic() + timeout
        while True:
            code = self.felix.poll()
            if code is not None:
                raise AssertionError(f"margay-felix ended with {code}:\n{self.log()[-4000:]}")
            status, body = self.get("/readiness")
            if status in (200, 204):
                return
            if time.monotonic() > end:
                raise AssertionError(f"margay-felix is not ready after {timeout} s: {body}\n{self.log()[-4000:]}")
            time.sleep(0.01)

    def stop_felix(self, how=signal.SIGTERM):
        self.felix.send_signal(how)
        code = self.felix.wait(20)
        self.felix = None
        return code

    def log(self):
        return "".join(p.read_text(errors="replace") for p in self.logs)

    # ---- the kernel, as its own tools show it

    def iptables(self, family, table="filter"):
        tool = "iptables-legacy-save" if family == 4 else "ip6tables-legacy-save"
        while True:
            try:
                return self.run(tool, "-t", table)
            except RuntimeError as error:
                # It reads the table and then asks for the names of sets: one may be gone by then.
                if "Set with index" not in str(error):
                    raise

    def sets(self):
        return self.run("ipset", "list", "-name").split()

    def locked(self, *args, check=True, stdin=None):
        """Runs an iptables command under the lock that the daemon takes (every host of a lab has its own)."""
        return self.run("env", f"XTABLES_LOCKFILE={self.base / 'xtables.lock'}", *args, check=check, stdin=stdin)

    def contents(self):
        """name → members of every set, in one look: a set that goes between a listing of names and one of members is no error."""
        found = {}
        for block in self.run("ipset", "list").split("\n\n"):
            head, _, members = block.partition("\nMembers:")
            if head.startswith("Name: "):
                found[head.splitlines()[0].removeprefix("Name: ")] = sorted(m for m in members.split("\n")[1:] if m)
        return found

    def members(self, name):
        """Of a set that is not there, none."""
        return self.contents().get(name, [])

    def routes(self, family):
        return json.loads(self.run("ip", f"-{family}", "-j", "route", "show") or "[]")

    def close(self):
        if self.felix:
            self.felix.kill()
            self.felix.wait()
        super().close()


class Lab:
    _count = itertools.count(0)

    def __init__(self, prefix="mg"):
        self.id = f"{prefix}{os.getpid()}x{next(Lab._count)}"
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.id}-"))
        self.places = []
        self.failed = False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind and kind is not KeyboardInterrupt:
            for place in self.places:
                if isinstance(place, Host) and place.logs:
                    print(f"--- log of {place.node}\n{place.log()[-6000:]}", file=sys.stderr)
        self.close()

    def close(self):
        for place in reversed(self.places):
            place.close()
        self.places = []
        shutil.rmtree(self.directory, ignore_errors=True)

    def host(self, node="n1"):
        return Host(self, node)

    # ---- probing

    def probe(self, wanted, timeout=0.4, families=(4, 6)):
        """wanted: (source, target, port or "icmp"[, proto[, family]]) → anything. Answers the same keys with family → result."""
        by_source, keys = {}, {}
        for number, key in enumerate(k for k in wanted):
            source, target, port, *rest = key
            proto = rest[0] if rest else ("icmp" if port == "icmp" else "tcp")
            for family in ([rest[1]] if len(rest) > 1 else families):
                ident = number * 2 + (family == 6)
                keys[ident] = (key, family)
                spec = {"id": ident, "dst": target if isinstance(target, str) else target.address(family), "proto": proto}
                if port != "icmp":
                    spec["port"] = port
                by_source.setdefault(source, []).append(spec)
        for source, specs in by_source.items():
            if not source._agent:
                source.serve([])
            source.ask({"do": "probe", "probes": specs, "timeout": timeout})
        results = {}
        for source in by_source:
            for r in source.hear()["results"]:
                results[keys[r["id"]]] = r
        return results

    def expect(self, wanted, within=15, families=(4, 6), hold=1, message=""):
        """Waits until every probe ends as wanted (True: answered, False: not), then sees that it stays so."""
        end = time.monotonic() + within
        held = 0
        while True:
            # A silent answer proves more the longer one listens, a good one comes at once: short rounds while waiting.
            results = self.probe(wanted, timeout=0.4 if not held else 0.6, families=families)
            wrong = [(k, f, r) for (k, f), r in results.items() if (r["how"] == "ok") != wanted[k]]
            if not wrong:
                held += 1
                if held > hold:
                    return results
                continue
            if held and time.monotonic() < end - within / 2:
                held = 0
                continue
            if time.monotonic() > end or held:
                lines = [f"{k[0]} -> {k[1]} {'/'.join(map(str, k[2:]))} over IPv{f}: {r['how']}, wanted "
                         f"{'an answer' if wanted[k] else 'none'}" for k, f, r in wrong]
                raise AssertionError((message + "\n" if message else "") + "\n".join(lines))

    def never(self, wanted, families=(4, 6)):
        """What must not be answered, tried once, right now."""
        results = self.probe({k: False for k in wanted}, families=families)
        bad = [f"{k[0]} -> {k[1]} {k[2:]} IPv{f}" for (k, f), r in results.items() if r["how"] == "ok"]
        if bad:
            raise AssertionError("answered though forbidden: " + ", ".join(bad))


# ---- manifests ------------------------------------------------------------------------------------------------------


def namespace(name, labels=None):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}


def calico(kind, name, spec, namespace=None, **metadata):
    meta = {"name": name, **metadata}
    if namespace:
        meta["namespace"] = namespace
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": meta, "spec": spec}


def policy(name, selector, ingress=None, egress=None, namespace="default", types=None, order=None, tier=None):
    spec = {"selector": selector}
    if ingress is not None:
        spec["ingress"] = ingress
    if egress is not None:
        spec["egress"] = egress
    if types is not None:
        spec["types"] = types
    if order is not None:
        spec["order"] = order
    if tier is not None:
        spec["tier"] = tier
    return calico("NetworkPolicy" if namespace else "GlobalNetworkPolicy", name, spec, namespace)


def allow(**match):
    return {"action": "Allow", **match}


def deny(**match):
    return {"action": "Deny", **match}
