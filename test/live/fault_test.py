#!/usr/bin/env python3
"""Faults of the node: the daemon killed at random points under changing policy and traffic, tables, sets and routes tampered with.

What must hold through all of it: nothing forbidden is answered even once, nothing allowed is lost.
"""
import os
import signal
import threading
import time

from faults import TABLES, Faults
from lab import allow, deny, policy
from live import main, patience

BASES = ("deny first", "one by one", "by address", "the others", "pass")


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


class NodeFaults(Faults):
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

    def hook_first(self):
        lines = [l for l in self.host.iptables(4).splitlines() if l.startswith("-A FORWARD")]
        return "cali-FORWARD" in lines[0]

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


if __name__ == "__main__":
    main()
