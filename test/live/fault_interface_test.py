#!/usr/bin/env python3
"""Faults of interfaces and of what the kernel tells: they come early, late, by dozens, unheard or with another's address, before the
daemon or without it, on a kernel without IPv6. What nobody has described is closed."""
import os
import signal
import time

from faults import Faults
from lab import HERE, allow, deny, policy, sh
from live import main, patience


class InterfaceFaults(Faults):
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


if __name__ == "__main__":
    main()
