#!/usr/bin/env python3
"""Faults: the daemon killed at random points under changing policy and traffic, tables and sets tampered with, manifests broken.

What must hold through all of it: nothing forbidden is answered even once, nothing allowed is lost.
"""
import os
import random
import signal
import shutil
import threading
import time
import unittest

from lab import HERE, allow, calico, deny, policy, sh
from live import LiveTest, main, patience

BASES = ("deny first", "one by one", "by address", "the others", "pass")
TABLES = ("raw", "mangle", "nat", "filter")
SEED = int(os.environ.get("MARGAY_SEED", "0")) or random.SystemRandom().randrange(1 << 32)


class Stopped:
    def __init__(self, process):
        self.process = process

    def __enter__(self):
        self.process.send_signal(signal.SIGSTOP)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)


class Writer(threading.Thread):
    """Commits iptables-restore inputs one after the other until stopped. `text`: of the round, or one a tool (then the whole table)."""

    def __init__(self, host, tool, text, locked):
        super().__init__(daemon=True)
        self.family = 4 if tool == "iptables-legacy" else 6
        self.text = (lambda _: text[tool]) if isinstance(text, dict) else text
        self.command = [f"{tool}-restore", "-w", *([] if isinstance(text, dict) else ["--noflush"])]
        self.how = host.locked if locked else host.run
        self.stop, self.rounds, self.failures = threading.Event(), 0, []

    def run(self):
        while not self.stop.is_set():
            try:
                self.how(*self.command, stdin=self.text(self.rounds))
                self.rounds += 1
            except RuntimeError as e:
                self.failures.append(str(e))
                self.rounds += self.how.__name__ == "run"

    def end(self):
        self.stop.set()
        self.join(30)


class Watch(threading.Thread):
    """Tries what is forbidden without a pause, until stopped; remembers every answer."""

    def __init__(self, lab, forbidden):
        super().__init__(daemon=True)
        self.lab, self.forbidden, self.stopped = lab, forbidden, threading.Event()
        self.answered, self.rounds, self.error = [], 0, None

    def run(self):
        try:
            while not self.stopped.is_set():
                results = self.lab.probe({k: False for k in self.forbidden}, timeout=0.25)
                self.answered += [(k, f) for (k, f), r in results.items() if r["how"] == "ok"]
                self.rounds += 1
        except Exception as e:
            self.error = e

    def end(self):
        self.stopped.set()
        self.join(30)
        if self.error:
            raise self.error
        return self.answered


class Faults(LiveTest):
    @classmethod
    def set_up_lab(cls, lab):
        cls.host = lab.host("n1")
        names = ["server", "friend", "enemy", "flow"]
        cls.server, cls.friend, cls.enemy, cls.flow = (cls.host.pod("default", n, {"name": n}) for n in names)
        cls.outside = cls.host.outside()
        cls.base = policy("base", "name == 'server'", types=["Ingress"], namespace=None, order=100,
                          ingress=[deny(source={"selector": "name == 'enemy'"}), allow(source={"selector": "name in {'friend', 'flow'}"})])

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        print(f"seed {SEED} (MARGAY_SEED)", flush=True)
        self.apply(self.base)
        if not self.host.felix:
            self.host.start_felix()
        self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False, (self.outside, self.server, 80): False})

    def start_flows(self):
        for family in (4, 6):
            for proto in ("tcp", "udp"):
                self.flow.agent(do="flow", name=f"{proto}{family}", dst=self.server.address(family), port=80, proto=proto)

    def end_flows(self, lossless=True):
        for family in (4, 6):
            for proto in ("tcp", "udp"):
                report = self.flow.agent(do="stop_flow", name=f"{proto}{family}")
                self.assertIsNone(report["error"], f"{proto}{family}: {report}")
                self.assertGreater(report["sent"], 100, report)
                if lossless:
                    self.assertEqual(report["got"], report["sent"], f"{proto} over IPv{family} lost packets: {report}")

    def start_sprays(self, closed=(80, 443), spoofed=9999):
        """Packets of new connections all the time: what is allowed must all arrive, what is forbidden never. A test that lets them
        through on purpose uses other ports: connection tracking remembers, and source ports come again."""
        self.closed, self.spoofed = closed, spoofed
        self.server.agent(do="sniff")
        to = lambda *ports: [{"dst": self.server.address(f), "port": p} for f in (4, 6) for p in ports]
        self.friend.agent(do="spray", name="spray", targets=to(81))
        for place in (self.enemy, self.outside):
            place.agent(do="spray", name="spray", targets=to(*closed), interval=0.002)
        spoofs = [{"dst": self.server.address(f), "src": self.friend.address(f), "port": spoofed} for f in (4, 6)]
        self.flow.agent(do="spray", name="spray", targets=spoofs, interval=0.002)

    def arrived(self, source, port):
        counts = self.server.agent(do="sniffed")["counts"]
        return [counts.get(f"{source.address(f)} 17 {port}", 0) for f in (4, 6)]

    def end_sprays(self, lossless=True, closed=True):
        sent = {}
        for place in (self.friend, self.enemy, self.outside, self.flow):
            report = place.agent(do="stop_spray", name="spray")
            self.assertIsNone(report["error"], place)
            self.assertGreater(min(report["sent"]), 100, place)
            sent[place] = report["sent"]
        if lossless:
            self.wait_for(lambda: self.arrived(self.friend, 81) == sent[self.friend], within=20,
                          what=f"arrival of all of {sent[self.friend]} packets of new connections")
        if closed:
            for source, port in [(s, p) for s in (self.enemy, self.outside) for p in self.closed] + [(self.friend, self.spoofed)]:
                self.assertEqual(self.arrived(source, port), [0, 0], f"forbidden packets from {source} to port {port} arrived, the last at "
                                 f"{self.server.agent(do='sniffed')['last']}")

    def base_again(self, how):
        pods = [self.friend, self.flow]
        rules = {
            "deny first": [deny(source={"selector": "name == 'enemy'"}), allow(source={"selector": "name in {'friend', 'flow'}"})],
            "one by one": [allow(source={"selector": "name == 'friend'"}), allow(source={"selector": "name == 'flow'"})],
            "by address": [allow(source={"nets": [f"{p.ip4}/32" for p in pods]}), allow(source={"nets": [f"{p.ip6}/128" for p in pods]})],
            "the others": [deny(source={"notSelector": "name in {'friend', 'flow', 'nobody'}"}), allow()],
            "pass": [{"action": "Pass", "protocol": "SCTP"}, allow(source={"selector": "has(name) && name != 'enemy'"}), deny()],
        }[how]
        return policy("base", "name == 'server'", types=["Ingress"], namespace=None, order=self.random.choice([50, 100]), ingress=rules)

    def mutate(self, step):
        """One change of policy that neither opens nor closes what the watch and the flows look at: the old and the new state say the
        same of it, in other words, by other rules and sets."""
        r = self.random
        if r.random() < 0.4:
            return self.apply(self.base_again(r.choice(BASES)))
        name = f"noise{r.randrange(8)}"
        if r.random() < 0.3 and name in self.applied:
            return self.delete(name)
        rules = [r.choice([deny, allow])(protocol="TCP", source={"selector": f"x == '{r.randrange(20)}'"},
                                         destination={"ports": [r.randrange(1000, 2000)]}) for _ in range(r.randrange(1, 6))]
        self.apply(policy(name, r.choice(["name == 'server'", "name == 'other'"]), ingress=rules, order=r.randrange(200),
                          types=["Ingress"], namespace=None))

    def test_killed_at_random_under_changing_policy_and_traffic(self):
        self.start_flows()
        self.start_sprays()
        watch = Watch(self.lab, [(self.enemy, self.server, 80), (self.enemy, self.server, "icmp")])
        watch.start()
        kills = int(os.environ.get("MARGAY_ITERATIONS", "0")) or 25
        for step in range(kills):
            for _ in range(self.random.randrange(1, 5)):
                self.mutate(step)
            time.sleep(self.random.random() * 0.15)  # where the kill falls is the point
            self.host.felix.send_signal(signal.SIGKILL)
            self.host.felix.wait()
            self.host.felix = None
            for _ in range(self.random.randrange(3)):
                self.mutate(step)
            self.host.start_felix(wait=False)
            time.sleep(self.random.random() * 0.2)
        self.host.wait_ready()
        self.assertEqual(watch.end(), [])
        self.assertGreater(watch.rounds, 5)
        self.end_sprays()
        self.end_flows()
        self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False})

    def test_flushed_and_deleted_rules_are_back_within_two_seconds(self):
        self.start_flows()

        whole, before = self.whole, self.whole()
        dispatch = "cali-from-wl-dispatch"
        for command in (["-F"], ["-F", "FORWARD"], ["-t", "raw", "-F"], ["-t", "mangle", "-F"], ["-t", "nat", "-F"], ["-F", dispatch],
                        ["-D", "FORWARD", "1"], ["-A", "cali-FORWARD", "-j", "ACCEPT"], ["-I", "FORWARD", "-j", "RETURN"],
                        ["-R", dispatch, "1", "-j", "RETURN"], ["-I", dispatch, "-j", "ACCEPT"]):
            for tool in ("iptables-legacy", "ip6tables-legacy"):
                self.host.run(tool, "-w", *command)
            start = time.monotonic()
            self.wait_for(lambda: whole() == before or (command[:2] == ["-I", "FORWARD"] and self.hook_first()), within=patience(4), what=f"repair after {command}")
            took = time.monotonic() - start
            self.assertLess(took, patience(2.5), f"{command} was mended only after {took:.2f} s")
            if command[:2] == ["-I", "FORWARD"]:
                for tool in ("iptables-legacy", "ip6tables-legacy"):
                    self.host.run(tool, "-w", "-D", "FORWARD", "-j", "RETURN")
                self.wait_for(lambda: whole() == before, within=patience(4))
        self.end_flows(lossless=True)

    def whole(self):
        return [self.chains(f, t) for f in (4, 6) for t in TABLES]

    def stopped(self):
        """The daemon stands still meanwhile: what is done within is there at once when it looks again."""
        return Stopped(self.host.felix)

    def clear_kernel(self):
        """All that is ours out of the kernel, as far as it lets go."""
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            for table in TABLES:
                self.host.run(tool, "-w", "-t", table, "-F")
                self.host.run(tool, "-w", "-t", table, "-X")
        ours = [s for s in self.host.sets() if s.startswith("cali")]
        self.assertTrue(ours)
        for name in ours:
            self.host.run("ipset", "destroy", name)
        for pod in (self.server, self.friend, self.enemy, self.flow):
            self.host.run("ip", "route", "del", f"{pod.ip4}/32")
            self.host.run("ip", "-6", "route", "del", f"{pod.ip6}/128")

    def everything(self):
        sets = sorted(self.host.sets())
        ours = lambda f: sorted((r["dst"], r["dev"]) for r in self.host.routes(f) if r.get("dev", "").startswith("cali"))
        return self.whole(), [(s, self.host.members(s)) for s in sets], ours(4), ours(6)

    def test_everything_deleted_is_back_within_two_seconds(self):
        before = self.everything()
        self.start_sprays((8055, 8056), 8057)
        with self.stopped():
            # Nothing is closed now, which shows that the other tests would see it.
            for table in ("raw", "filter"):
                for tool in ("iptables-legacy", "ip6tables-legacy"):
                    self.host.run(tool, "-w", "-t", table, "-F")
            for source, port in ((self.enemy, 8055), (self.outside, 8056), (self.friend, 8057)):
                self.wait_for(lambda: min(self.arrived(source, port)) > 10, what=f"the arrival of what {source} may not send")
            self.clear_kernel()
            self.assertNotEqual(self.everything(), before)
        start = time.monotonic()
        self.wait_for(lambda: self.everything() == before, within=20)
        self.assertLess(time.monotonic() - start, patience(2.5))
        self.end_sprays(lossless=False, closed=False)
        # The same while it is dead: a start finds and mends it.
        self.host.stop_felix(signal.SIGKILL)
        self.clear_kernel()
        self.host.start_felix()
        self.assertEqual(self.everything(), before)
        # And altered while it is dead, which leaves shapes as they were.
        self.host.stop_felix(signal.SIGKILL)
        name = next(s for s in self.host.sets() if s.startswith("cali40s:") and self.friend.ip4 in self.host.members(s))
        self.host.run("ipset", "del", name, self.friend.ip4)
        self.host.run("ipset", "add", name, self.enemy.ip4)
        self.host.run("iptables-legacy", "-w", "-R", "cali-from-wl-dispatch", "1", "-j", "ACCEPT")
        self.host.ip(f"route replace {self.server.ip4}/32 dev {self.friend.interface}")
        self.host.start_felix()
        self.assertEqual(self.everything(), before)
        self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False})

    def write_beside(self, command, locked):
        """Another program that rewrites the same tables as fast as it can, while policy changes; what it says it wrote."""
        writers = [Writer(self.host, tool, command, locked) for tool in ("iptables-legacy", "ip6tables-legacy")]
        for w in writers:
            w.start()
        rounds = 0
        while rounds < 40 or min(w.rounds for w in writers) < 40:
            self.mutate(rounds)
            rounds += 1
            time.sleep(0.02)  # the pace of changes, not a wait
        for w in writers:
            w.end()
        self.apply(self.base)
        for name in [n for n in self.applied if n.startswith("noise")]:
            self.delete(name)
        return writers

    def test_another_writer_under_the_lock_loses_nothing_nor_do_we(self):
        before = self.whole()
        self.start_flows()
        self.start_sprays()
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.host.locked(tool, "-w", "-N", "foreign")
            self.host.locked(tool, "-w", "-A", "FORWARD", "-s", "203.0.113.0/24" if tool[2] == "t" else "2001:db8:113::/48", "-j", "foreign")
        append = lambda n: f"*filter\n-A foreign -m comment --comment n{n} -j RETURN\nCOMMIT\n"
        for writer in self.write_beside(append, locked=True):
            self.assertEqual(writer.failures, [])
            have = [l.split("--comment ")[1].split()[0].strip('"') for l in self.host.iptables(writer.family).splitlines() if l.startswith("-A foreign ")]
            self.assertEqual(have, [f"n{i}" for i in range(writer.rounds)], "the other program's rules")
        ours = lambda: [[l for l in t if "foreign" not in l] for t in self.whole()]
        self.wait_for(lambda: ours() == before, within=patience(4))
        self.end_sprays()
        self.end_flows()
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.assertEqual(len([l for l in self.host.iptables(4 if tool[2] == "t" else 6).splitlines() if "-j foreign" in l]), 1)
            self.host.locked(tool, "-w", "-D", "FORWARD", "-s", "203.0.113.0/24" if tool[2] == "t" else "2001:db8:113::/48", "-j", "foreign")
            self.host.locked(tool, "-w", "-F", "foreign")
            self.host.locked(tool, "-w", "-X", "foreign")

    def test_another_writer_without_the_lock_does_not_keep_ours_from_coming_right(self):
        before = self.whole()
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.host.run(tool, "-w", "-N", "foreign")
        append = lambda n: f"*filter\n-A foreign -m comment --comment n{n} -j RETURN\nCOMMIT\n"
        self.write_beside(append, locked=False)
        ours = lambda: [[l for l in t if "foreign" not in l] for t in self.whole()]
        self.wait_for(lambda: ours() == before, within=patience(4))
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.host.run(tool, "-w", "-F", "foreign")
            self.host.run(tool, "-w", "-X", "foreign")
        # Worse: one that puts back old copies of whole tables, ours included.
        old = {t: self.host.run(f"{t}-save", "-t", "filter") for t in ("iptables-legacy", "ip6tables-legacy")}
        self.apply(policy("newer", "name == 'flow'", types=["Ingress"], namespace=None))
        self.expect({(self.friend, self.flow, 80): False}, hold=0)
        now = self.whole()
        self.write_beside(old, locked=False)
        self.wait_for(lambda: self.whole() == now, within=patience(4))
        self.expect({(self.friend, self.flow, 80): False, (self.friend, self.server, 80): True, (self.enemy, self.server, 80): False}, hold=0)

    def wait_for_everything(self, wanted, within=15):
        """Waits until all that is ours is as wanted; says what differs if it does not become so."""
        try:
            self.wait_for(lambda: self.everything() == wanted, within=patience(within))
        except AssertionError:
            self.maxDiff = None
            self.assertEqual(self.everything(), wanted)

    def test_lost_notices_of_the_kernel_are_made_good_by_reading(self):
        before = self.everything()
        churn = "".join(f"route add 198.18.{i // 250}.{i % 250} dev churn\n" for i in range(16000))  # more than the daemon's socket holds
        late = self.host.pod("default", "unheard", {"name": "unheard"}, wire=False)
        self.addCleanup(self.retire, late)
        self.wait_for(lambda: late.interface in self.host.iptables(4))
        self.assertNotIn("were lost", self.host.log())
        with self.stopped():
            self.host.ip("link add churn type veth peer name churned", "link set churn up", "link set churned up")
            sh("ip", "-n", self.host.netns, "-batch", "-", stdin=churn)
            self.host.ip("link del churn")
            late.wire()
            for pod in (self.server, self.friend):
                self.host.run("ip", "route", "del", f"{pod.ip4}/32")
                self.host.run("ip", "-6", "route", "del", f"{pod.ip6}/128")
        self.wait_for(lambda: "were lost" in self.host.log(), what="the loss")
        self.expect({(self.friend, late, 80): True, (self.friend, self.server, 80): True, (self.enemy, self.server, 80): False}, within=patience(5))
        self.host.delete(late.manifest())
        late.unwire()
        self.wait_for_everything(before)
        self.host.apply(late.manifest())  # for retire()

    def test_many_interfaces_at_once(self):
        pods = []
        with self.stopped():
            for i in range(20):
                pods.append(self.host.pod("default", f"many{i}", {"name": "many"}, serve=[80] if i % 7 == 0 else None))
                self.addCleanup(self.retire, pods[-1])
        self.expect({(self.friend, p, 80): True for p in pods[::7]})
        for p in pods:
            for family in (4, 6):
                self.assertIn(p.interface, [r.get("dev") for r in self.host.routes(family)], p)

    def test_a_fresh_boot_is_closed_before_any_datastore(self):
        host = self.lab.host("n2")
        a, b = host.pod("default", "a", register=False), host.pod("default", "b", register=False)
        outside = host.outside()
        for pod in (a, b):
            host.ip(f"route add {pod.ip4}/32 dev {pod.interface}", f"route add {pod.ip6}/128 dev {pod.interface}")
        host.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", f"net.ipv4.conf.{a.interface}.proxy_arp=1")
        self.lab.expect({(a, b, 80): True, (outside, a, 80): True, (host, a, 80): True}, hold=0)  # nobody is in charge yet
        host.directory.rmdir()
        host.start_felix(wait=False)
        self.wait_for(lambda: "waiting" in host.log())
        never = [(a, b, 80), (b, a, 81, "udp"), (outside, a, 80), (a, outside, 80), (a, outside, "icmp")]
        self.lab.expect({n: False for n in never}, hold=1)
        host.stop_felix(signal.SIGKILL)
        self.lab.never(never)
        host.directory.mkdir()
        host.start_felix(wait=False)
        self.lab.never(never)
        for pod in (a, b):
            host.register(pod)
        host.wait_ready()
        self.lab.expect({(a, b, 80): True, (a, outside, 80): True}, hold=0)
        host.stop_felix()

    def test_an_interface_that_comes_while_the_daemon_is_down_is_closed(self):
        self.host.stop_felix(signal.SIGKILL)
        new = self.host.pod("default", "stranger", {"name": "friend"}, register=False)
        self.addCleanup(self.retire, new)
        self.host.ip(f"route add {new.ip4}/32 dev {new.interface}", f"route add {new.ip6}/128 dev {new.interface}")
        never = [(new, self.server, 80), (new, self.friend, 80), (new, self.outside, 80), (self.friend, new, 80), (self.outside, new, 80),
                 (new, self.friend, 81, "udp"), (new, self.friend, "icmp")]
        self.lab.expect({n: False for n in never}, within=1)
        self.host.start_felix()
        self.lab.expect({n: False for n in never}, within=1)
        self.host.register(new)
        self.expect({(new, self.friend, 80): True, (self.friend, new, 80): True})

    def hook_first(self):
        lines = [l for l in self.host.iptables(4).splitlines() if l.startswith("-A FORWARD")]
        return "cali-FORWARD" in lines[0]

    def chains(self, family, table):
        return [l for l in self.host.iptables(family, table).splitlines() if l.startswith("-A")]

    def test_110_sets_changed_by_hand_are_mended_at_the_refresh(self):
        self.host.stop_felix()
        self.host.start_felix(config="IpsetsRefreshInterval = 1\nRouteRefreshInterval = 1\n")
        name = next(s for s in self.host.sets() if s.startswith("cali40s:") and self.friend.ip4 in self.host.members(s))
        before = self.host.members(name)
        self.host.run("ipset", "del", name, self.friend.ip4)
        self.host.run("ipset", "add", name, self.enemy.ip4)
        self.wait_for(lambda: self.host.members(name) == before)
        self.host.run("ipset", "flush", name)
        self.wait_for(lambda: self.host.members(name) == before)
        self.host.run("ipset", "create", "cali40s:stray", "hash:net")
        self.wait_for(lambda: "cali40s:stray" not in self.host.sets())
        self.host.run("ipset", "create", "foreign", "hash:net")
        self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False})
        self.assertIn("foreign", self.host.sets())
        self.host.run("ipset", "destroy", "foreign")
        self.host.stop_felix()

    def test_deleted_routes_are_back_at_once_and_foreign_ones_elsewhere_stay(self):
        self.host.ip("route add 198.18.0.0/24 via 192.0.2.2", "route add 2001:db8:18::/64 via 2001:db8::2")
        for pod in (self.server, self.friend):
            self.host.run("ip", "route", "del", f"{pod.ip4}/32")
            self.host.run("ip", "-6", "route", "del", f"{pod.ip6}/128")
        self.expect({(self.friend, self.server, 80): True}, within=patience(5))
        self.host.ip(f"route replace {self.server.ip4}/32 dev {self.friend.interface}")
        self.expect({(self.friend, self.server, 80): True}, within=patience(5))
        self.host.ip(f"route add 198.18.9.9/32 dev {self.friend.interface}")
        self.wait_for(lambda: not any(r["dst"] == "198.18.9.9" for r in self.host.routes(4)), within=15)
        self.assertTrue(any(r["dst"] == "198.18.0.0/24" for r in self.host.routes(4)))
        self.host.ip("route del 198.18.0.0/24", "route del 2001:db8:18::/64")

    def test_broken_manifests_leave_in_force_what_was_also_after_a_restart(self):
        path = self.host.path(self.base)
        good = path.read_bytes()
        nonsense = b"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: base}\nspec: {selector: '((('}\n"
        bomb = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(12))
        bad = {"empty": b"", "a brace": b"{", "a list left open": b"kind: [", "not UTF-8": b"\xff\xfe", "bad UTF-8 within": good[:-3] + b"\xc3\n}",
               "maps in a line": b"a: " * 100000, "too deep": b"[" * 100000, "deep JSON": b'{"a":' * 100000, "an alias in itself": b"- &a [*a]\n",
               "a bomb": bomb, "enormous": good + b"#" * (33 << 20), "nonsense": nonsense, "half": good[:len(good) // 2]}
        self.start_sprays()
        for what, text in bad.items():
            temporary = path.with_suffix(".tmp")
            temporary.write_bytes(text)
            temporary.rename(path)
            # A marker after it tells when it was read: the daemon does not hang, and others' changes go on.
            self.apply(policy("marker", "name == 'flow'", types=["Ingress"], namespace=None))
            self.expect({(self.friend, self.flow, 80): False, (self.friend, self.server, 80): True, (self.enemy, self.server, 80): False},
                        hold=0, message=what)
            self.delete("marker")
            if what in ("nonsense", "half", "empty", "a bomb"):
                self.host.stop_felix(signal.SIGKILL)
                self.host.start_felix()
                self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False}, hold=0, message=f"{what}, restarted")
            temporary.write_bytes(good)
            temporary.rename(path)
        # Written in place, slowly, by a program that does not rename.
        with open(path, "wb", buffering=0) as f:
            for start in range(0, len(good), len(good) // 6):
                f.write(good[start:start + len(good) // 6])
                self.lab.never([(self.enemy, self.server, 80)])
        self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False}, hold=0)
        # The same object in a second file does not replace the first, whatever it says.
        other = self.host.directory / "zz.yaml"
        other.write_bytes(b"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: base}\n"
                          b"spec: {selector: all(), ingress: [{action: Allow}]}\n")
        self.apply(policy("marker", "name == 'flow'", types=["Ingress"], namespace=None))
        self.expect({(self.friend, self.flow, 80): False, (self.enemy, self.server, 80): False, (self.friend, self.server, 80): True}, hold=0)
        other.unlink()
        self.end_sprays()

    def test_a_policy_that_was_never_valid_closes_what_it_selects(self):
        self.apply(calico("GlobalNetworkPolicy", "bad", {"selector": "name == 'flow'", "order": 1, "types": ["Ingress"],
                                                         "ingress": [{"action": "Allow", "protocol": "NONSENSE"}]}))
        self.expect({(self.friend, self.flow, 80): False, (self.flow, self.friend, 80): True, (self.friend, self.server, 80): True})

    def test_a_directory_that_vanishes_and_comes_back_empty_is_an_outage(self):
        directory, away = self.host.directory, self.host.base / "away"
        for method in ("rename", "empty"):
            if method == "rename":
                directory.rename(away)
            else:
                shutil.copytree(directory, away)
                for p in list(directory.iterdir()):
                    p.unlink()
            if method == "rename":
                self.wait_for(lambda: self.host.get("/readiness")[0] == 503)
                self.lab.never([(self.enemy, self.server, 80)])
                self.expect({(self.friend, self.server, 80): True}, hold=0)
                directory.mkdir()
                # An empty directory announces nothing: the probes take longer than the daemon would.
                self.lab.expect({(self.enemy, self.server, 80): False, (self.friend, self.server, 80): True}, within=1)
                self.host.stop_felix(signal.SIGKILL)
                self.host.start_felix(wait=False)
                self.wait_for(lambda: "waiting" in self.host.logs[-1].read_text())
                self.lab.never([(self.enemy, self.server, 80)])
                self.expect({(self.friend, self.server, 80): True}, hold=0)
                for p in away.iterdir():
                    p.rename(directory / p.name)
                away.rmdir()
                self.host.wait_ready()
                self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False})
            else:
                # Emptied while seen full: deletions of every object. What nobody describes any more is closed.
                self.wait_for(lambda: self.server.interface not in self.host.iptables(4))
                self.lab.never([(self.enemy, self.server, 80), (self.friend, self.server, 80)])
                for p in away.iterdir():
                    p.rename(directory / p.name)
                away.rmdir()
                self.host.wait_ready()
                self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False})

    def test_a_kernel_without_ipv6_is_no_failure_but_a_forbidden_socket_is(self):
        host = self.lab.host("n3")
        a, b = host.pod("default", "a"), host.pod("default", "b")
        wrap = str(HERE / "no_ipv6.py")
        before = os.environ.get("MARGAY_WRAP")
        try:
            os.environ["MARGAY_WRAP"] = f"{wrap} --sandbox"
            host.start_felix(wait=False)
            self.wait_for(lambda: "not applied" in host.log())
            self.assertEqual(host.get("/readiness")[0], 503)
            self.assertNotIn("has no IPv6", host.log())
            host.stop_felix()
            os.environ["MARGAY_WRAP"] = wrap
            host.start_felix()
        finally:
            os.environ["MARGAY_WRAP"] = before or ""
        self.assertIn("has no IPv6", host.logs[-1].read_text())
        self.assertNotIn("not applied", host.logs[-1].read_text())
        self.lab.expect({(a, b, 80): True}, families=[4], hold=0)
        host.stop_felix()

    def test_interfaces_may_come_before_or_after_their_endpoint(self):
        early = self.host.pod("default", "early", {"name": "early"}, register=False)
        self.addCleanup(self.retire, early)
        time.sleep(0.2)
        self.lab.never([(self.friend, early, 80), (early, self.friend, 80)])
        self.host.register(early)
        self.expect({(self.friend, early, 80): True, (early, self.friend, 80): True})
        late = self.host.pod("default", "late", {"name": "late"}, wire=False)
        self.addCleanup(self.retire, late)
        self.wait_for(lambda: late.interface in self.host.iptables(4))
        late.wire()
        self.expect({(self.friend, late, 80): True, (late, self.friend, 80): True})
        # Down and up again, and renamed away and back: routes follow.
        self.host.ip(f"link set {late.interface} down")
        self.host.ip(f"link set {late.interface} up")
        self.expect({(self.friend, late, 80): True})
        self.host.ip(f"link set {late.interface} down", f"link set {late.interface} name elsewhere")
        self.host.ip(f"link set elsewhere name {late.interface}", f"link set {late.interface} up")
        self.expect({(self.friend, late, 80, "tcp", 4): True})

    def test_an_address_that_moves_between_pods_within_one_batch_takes_its_route_and_drops_its_connections(self):
        old = self.host.pod("default", "old", {"name": "old"})
        self.expect({(self.friend, old, 80): True})
        self.friend.agent(do="flow", name="moved", dst=old.ip4, port=80, proto="udp", sport=5555)
        new = self.host.pod("default", "new", {"name": "new"}, register=False, wire=False)
        self.addCleanup(self.retire, new)
        new.ip4, new.ip6 = old.ip4, old.ip6
        new.wire()
        # Both ways: an answer on its way when connections are forgotten would begin the conversation anew, from the other end.
        self.apply(policy("closed", "name == 'new'", types=["Ingress", "Egress"], namespace=None,
                          ingress=[deny(source={"selector": "name == 'friend'"}), allow()],
                          egress=[deny(destination={"selector": "name == 'friend'"}), allow()]))
        with self.stopped():  # one batch
            self.host.delete(old.manifest())
            self.host.apply(new.manifest())
        self.lab.places.remove(old)
        self.expect({(self.flow, new, 80): True, (self.friend, new, 80): False})
        got = self.friend.agent(do="flow_report", name="moved")["got"]
        time.sleep(0.3)
        report = self.friend.agent(do="stop_flow", name="moved")
        self.assertEqual(report["got"], got, "an established flow outlived the address's move")
        old.close()

    def test_a_set_that_overflows_closes_what_depends_on_it_only(self):
        self.host.stop_felix()
        self.host.start_felix(config="MaxIpsetSize = 8\n")
        nets = [f"198.18.{i}.0/24" for i in range(50)]
        self.apply(calico("GlobalNetworkSet", "big", {"nets": nets}, labels={"big": "yes"}),
                   policy("needs", "name == 'flow'", types=["Ingress"], namespace=None, order=1,
                          ingress=[deny(source={"selector": "big == 'yes'"}), allow()]))
        self.expect({(self.friend, self.flow, 80, "tcp", 4): False, (self.friend, self.server, 80): True})
        self.apply(calico("GlobalNetworkSet", "big", {"nets": nets[:3]}, labels={"big": "yes"}))
        self.expect({(self.friend, self.flow, 80): True, (self.enemy, self.server, 80): False})
        self.host.stop_felix()


if __name__ == "__main__":
    main()
