#!/usr/bin/env python3
"""margayctl node init finds addresses as the kernel has them: in network namespaces of its own, each gone with its shell.

node_live_test.py PROGRAM [unittest arguments]
"""
import json
import os
import shutil
import subprocess
import sys
import unittest

import margayctl_test as common

LINKS = """\
ip link set lo up
ip link add eth0 type veth peer name far0
ip link add eth1 type veth peer name far1
for i in eth0 far0 eth1 far1; do ip link set $i up; done
ip addr add 10.0.0.5/24 dev eth0
ip addr add fd00::5/64 dev eth0 nodad
ip addr add 10.1.0.5/24 dev eth1
ip addr add fd01::5/64 dev eth1 nodad
"""


class Live(common.Base):
    def init(self, setup, *args):
        """Exit code, the node's addresses, and all that was said."""
        script = f"set -e\n{LINKS}{setup}\nexec \"$@\""
        done = subprocess.run(["unshare", "--net", "sh", "-c", script, "sh", common.PROGRAM, "--node", "n1", "node", "init", *args],
                              env={**self.env, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}, cwd=self.dir, capture_output=True,
                              text=True, timeout=60)
        bgp = {}
        if done.returncode == 0:
            bgp = self.get("node", "n1")["spec"].get("bgp", {})
            self.ok("delete", "node", "n1")
        return done.returncode, bgp, done.stdout + done.stderr

    def test_two_that_would_do_are_named(self):
        code, _, said = self.init("")
        self.assertEqual(code, 1)
        self.assertIn("several IPv4 addresses of this host would do: 10.1.0.5/24 (eth1), 10.0.0.5/24 (eth0)", said)

    def test_asked_again_the_answer_stays(self):
        # Two of each would do; the node has one of them.
        bgp = {"ipv4Address": "10.0.0.5/24", "ipv6Address": "fd00::5/64"}
        node = {"apiVersion": "projectcalico.org/v3", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"bgp": bgp}}
        self.apply(json.dumps(node))
        code, has, said = self.init("", "--ip", "autodetect", "--ip6", "autodetect")
        self.assertEqual((code, has), (0, bgp), said)
        self.assertIn("as the node has it", said)

    def test_the_default_route_decides_in_both_families(self):
        code, bgp, said = self.init("ip route add default via 10.0.0.1\nip -6 route add default via fd01::1", "--ip6", "autodetect")
        self.assertEqual((code, bgp), (0, {"ipv4Address": "10.0.0.5/24", "ipv6Address": "fd01::5/64"}), said)
        self.assertIn("10.0.0.5/24 (eth0), where the default route leaves", said)

    def test_of_two_default_routes_the_better_one(self):
        code, bgp, said = self.init("ip route add default via 10.0.0.1 metric 200\nip route add default via 10.1.0.1 metric 100")
        self.assertEqual((code, bgp), (0, {"ipv4Address": "10.1.0.5/24"}), said)

    def test_a_default_route_over_both_uplinks_does_not_decide(self):
        both = ("ip route add default nexthop via 10.0.0.1 dev eth0 nexthop via 10.1.0.1 dev eth1\n"
                "ip -6 route add default nexthop via fd00::1 dev eth0 nexthop via fd01::1 dev eth1\n")
        for args in ((), ("--ip", "none", "--ip6", "autodetect")):
            code, _, said = self.init(both, *args)
            self.assertEqual(code, 1)
            self.assertIn("(eth1)", said)
            self.assertIn("(eth0)", said)
        loopback = both + "ip addr add 10.255.0.5/32 dev lo\nip addr add fdff::5/128 dev lo\n"
        code, bgp, said = self.init(loopback, "--ip", "interface=lo", "--ip6", "cidr=fdff::/16")
        self.assertEqual((code, bgp), (0, {"ipv4Address": "10.255.0.5/32", "ipv6Address": "fdff::5/128"}), said)

    def test_a_default_route_over_several_gateways_of_one_uplink_decides(self):
        code, bgp, said = self.init("ip route add default nexthop via 10.0.0.1 dev eth0 nexthop via 10.0.0.2 dev eth0\n"
                                    "ip -6 route add default nexthop via fd00::1 dev eth0 nexthop via fd00::2 dev eth0",
                                    "--ip", "autodetect", "--ip6", "autodetect")
        self.assertEqual((code, bgp), (0, {"ipv4Address": "10.0.0.5/24", "ipv6Address": "fd00::5/64"}), said)

    def test_a_route_in_another_table_does_not_count(self):
        code, _, said = self.init("ip route add default via 10.0.0.1 table 100")
        self.assertEqual(code, 1, said)

    def test_a_default_route_with_a_source(self):
        code, bgp, said = self.init("ip addr add 10.9.0.5/24 dev eth0\nip route add default via 10.0.0.1 src 10.9.0.5")
        self.assertEqual((code, bgp), (0, {"ipv4Address": "10.9.0.5/24"}), said)

    def test_secondary_deprecated_and_down(self):
        code, bgp, said = self.init("ip link set eth1 down\nip addr add 10.0.0.6/24 dev eth0\n"
                                    "ip addr add fd00::6/64 dev eth0 preferred_lft 0 nodad", "--ip6", "autodetect")
        self.assertEqual((code, bgp), (0, {"ipv4Address": "10.0.0.5/24", "ipv6Address": "fd00::5/64"}), said)

    def test_the_other_methods(self):
        default = "ip route add default via 10.0.0.1\nip -6 route add default via fd00::1\n"
        self.assertEqual(self.init(default, "--ip", "can-reach=10.1.0.9")[1], {"ipv4Address": "10.1.0.5/24"})
        self.assertEqual(self.init(default, "--ip", "none", "--ip6", "can-reach=fd01::9")[1], {"ipv6Address": "fd01::5/64"})
        self.assertEqual(self.init("", "--ip", "first-found")[1], {"ipv4Address": "10.1.0.5/24"})
        self.assertEqual(self.init("", "--ip", "skip-interface=eth1")[1], {"ipv4Address": "10.0.0.5/24"})
        self.assertEqual(self.init("", "--ip", "10.1.0.5")[1], {"ipv4Address": "10.1.0.5/24"})
        code, _, said = self.init("", "--ip", "can-reach=10.5.0.1")
        self.assertEqual(code, 1)
        self.assertIn("Network is unreachable", said)

    def test_the_internal_ip_of_kubernetes(self):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
                "status": {"addresses": [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "10.0.0.5"},
                                         {"type": "InternalIP", "address": "fd01::5"}]}}
        self.apply(json.dumps(node))
        code, bgp, said = self.init("", "--ip", "kubernetes-internal-ip", "--ip6", "kubernetes-internal-ip")
        self.assertEqual((code, bgp), (0, {"ipv4Address": "10.0.0.5/24", "ipv6Address": "fd01::5/64"}), said)

    def test_without_any_address(self):
        alone = "ip link del eth0\nip link del eth1\n"
        code, _, said = self.init(alone)
        self.assertEqual(code, 1)
        self.assertIn("no IPv4 address of this host will do", said)
        self.assertEqual(self.init(alone + "ip addr add fdff::5/128 dev lo", "--ip6", "interface=lo")[:2], (0, {"ipv6Address": "fdff::5/128"}))


def why_not():
    if not shutil.which("ip") and not os.path.exists("/usr/sbin/ip"):
        return "needs iproute2"
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return f"needs root: {done.stderr.strip()}" if done.returncode else None


if __name__ == "__main__":
    common.PROGRAM = os.path.abspath(sys.argv.pop(1))
    if reason := why_not():
        print("skipped:", reason)
        sys.exit(77)
    unittest.main()
