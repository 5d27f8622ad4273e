#!/usr/bin/env python3
"""Workload to host, address translation, service loops, forwarding: scenarios 1-6, 98-104, each with a configuration of its own."""
import unittest

from lab import Place, allow, calico, deny, policy, sh
from live import LiveTest, main


def felix_configuration(**spec):
    return calico("FelixConfiguration", "default", spec)


class HostTest(LiveTest):
    @classmethod
    def set_up_lab(cls, lab):
        cls.host = lab.host("n1")
        cls.pod = cls.host.pod("default", "pod", {"name": "pod"})
        cls.other = cls.host.pod("default", "other", {"name": "other"})
        cls.outside = cls.host.outside()
        cls.host.serve()

    def tearDown(self):
        super().tearDown()
        if self.host.felix:
            self.host.stop_felix()

    def chain_policy(self, chain, target):
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.host.run(tool, "-w", "-P", chain, target)


class EndpointToHost(HostTest):
    def test_1_to_6_input_policy_by_default_action(self):
        self.chain_policy("FORWARD", "DROP")
        # What a host that drops by default must let in itself: its neighbours' answers.
        self.host.run("ip6tables-legacy", "-w", "-A", "INPUT", "-i", "eth0", "-p", "icmpv6", "-j", "ACCEPT")
        for action, results in (("Accept", {"DROP": True, "ACCEPT": True}), ("Return", {"DROP": False, "ACCEPT": True}),
                                ("Drop", {"DROP": False, "ACCEPT": False})):
            self.apply(felix_configuration(defaultEndpointToHostAction=action))
            self.host.start_felix()
            for input_policy, verdict in results.items():
                self.chain_policy("INPUT", input_policy)
                self.expect({(self.pod, self.host, 80): verdict, (self.pod, self.host, 80, "udp"): verdict,
                             (self.pod, self.other, 80): True, (self.pod, self.outside, 80): True},
                            message=f"INPUT {input_policy}, {action}")
            # Egress policy decides before the host's setting.
            self.apply(policy("p", "name == 'pod'", egress=[deny(protocol="TCP"), allow()]))
            self.expect({(self.pod, self.host, 80): False, (self.pod, self.host, 80, "udp"): results["ACCEPT"],
                         (self.host, self.pod, 80): True})
            self.delete("p")
            self.host.stop_felix()
            self.chain_policy("INPUT", "ACCEPT")
        self.chain_policy("FORWARD", "ACCEPT")

    def test_the_host_reaches_its_workloads_whatever_policy_says(self):
        self.host.start_felix()
        self.apply(policy("p", "name == 'pod'", ingress=[deny()]))
        self.expect({(self.host, self.pod, 80): True, (self.other, self.pod, 80): False, (self.host, self.pod, "icmp"): True})


class Translation(HostTest):
    def pools(self, **more):
        self.apply(calico("IPPool", "p4", {"cidr": "10.65.0.0/16", "natOutgoing": True, **more}),
                   calico("IPPool", "p6", {"cidr": "fd00:65::/64", "natOutgoing": True, **more}))

    def seen(self, source, target, proto="tcp", families=(4, 6)):
        results = self.expect({(source, target, 80, proto): True}, families=families)
        return {family: r["seen"] for (_, family), r in results.items()}

    def test_outgoing_packets_bear_the_hosts_address_and_those_between_pods_their_own(self):
        self.host.start_felix()
        self.assertEqual(self.seen(self.pod, self.outside)[4]["peer"], self.pod.ip4)
        self.pools()
        self.wait_for(lambda: self.seen(self.pod, self.outside)[4]["peer"] == self.host.ip4)
        for proto in ("tcp", "udp"):
            seen = self.seen(self.pod, self.outside, proto)
            self.assertEqual((seen[4]["peer"], seen[6]["peer"]), (self.host.ip4, self.host.ip6))
            seen = self.seen(self.pod, self.other, proto)
            self.assertEqual((seen[4]["peer"], seen[6]["peer"]), (self.pod.ip4, self.pod.ip6))
        self.pools(disabled=True)
        self.assertEqual(self.seen(self.pod, self.outside)[4]["peer"], self.host.ip4)

    def test_98_99_interface_filter_and_port_range(self):
        self.pools()
        self.apply(felix_configuration(natPortRange="32768:32999", iptablesNATOutgoingInterfaceFilter="eth+"))
        self.host.start_felix()
        for proto in ("tcp", "udp"):
            for family, seen in self.seen(self.pod, self.outside, proto).items():
                self.assertEqual(seen["peer"], self.host.address(family))
                self.assertTrue(32768 <= seen["port"] <= 32999, seen)
        self.host.stop_felix()
        self.apply(felix_configuration(iptablesNATOutgoingInterfaceFilter="wlan+"))
        self.host.start_felix()
        self.assertEqual(self.seen(self.pod, self.outside)[4]["peer"], self.pod.ip4)

    def test_nat_outgoing_address(self):
        self.host.ip("addr add 192.0.2.77/24 dev eth0")
        self.pools()
        self.apply(felix_configuration(natOutgoingAddress="192.0.2.77"))
        self.host.start_felix()
        seen = self.seen(self.pod, self.outside)
        self.assertEqual((seen[4]["peer"], seen[6]["peer"]), ("192.0.2.77", self.host.ip6))


class ServiceLoops(HostTest):
    def test_101_102_packets_to_service_addresses_do_not_loop(self):
        # The rack sends service addresses to this host, which has a default route back to it: a loop until the TTL is gone.
        self.outside.ip("route add 10.96.0.0/16 via 192.0.2.1", "route add fd00:96::/112 via 2001:db8::1")
        self.outside.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        cidrs = [{"cidr": "10.96.0.0/16"}, {"cidr": "fd00:96::/112"}]
        self.outside.agent(do="sniff")

        def returned(key):
            return self.outside.agent(do="sniffed")["counts"].get(key, 0)

        for mode, field in (("Drop", "serviceClusterIPs"), ("Drop", "serviceExternalIPs"), ("Reject", "serviceLoadBalancerIPs")):
            self.apply(calico("BGPConfiguration", "default", {field: cidrs}), felix_configuration(serviceLoopPrevention=mode))
            self.host.start_felix()
            for family, address in ((4, "10.96.0.9"), (6, "fd00:96::9")):
                own = {4: "192.0.2.50", 6: "2001:db8::50"}[family]  # not its own: that would be a martian on the way back
                before = returned(f"{own} 17 7777")
                self.outside.agent(do="send", src=own, dst=address, udp=[1000, 7777], count=2)
                self.expect({(self.outside, self.pod, 80): True}, families=[family])
                self.assertEqual(returned(f"{own} 17 7777"), before, f"{mode} {field} IPv{family}")
            self.host.stop_felix()
        self.apply(calico("BGPConfiguration", "default", {"serviceClusterIPs": cidrs}), felix_configuration(serviceLoopPrevention="Disabled"))
        self.host.start_felix()
        self.outside.agent(do="send", src="192.0.2.50", dst="10.96.0.9", udp=[1000, 7777])
        self.wait_for(lambda: returned("192.0.2.50 17 7777") > 2)

    def test_104_what_is_not_ours_meets_the_hosts_own_rules(self):
        far = Place(self.lab, "far")
        sh("ip", "link", "add", "eth1", "netns", self.host.netns, "type", "veth", "peer", "name", "eth0", "netns", far.netns)
        far.ip4, far.ip6 = "198.51.100.2", "2001:db8:1::2"
        self.host.ip("link set eth1 up", "addr add 198.51.100.1/24 dev eth1", "addr add 2001:db8:1::1/64 dev eth1 nodad")
        far.ip("link set eth0 up", "addr add 198.51.100.2/24 dev eth0", "addr add 2001:db8:1::2/64 dev eth0 nodad",
               "route add default via 198.51.100.1", "route add ::/0 via 2001:db8:1::1")
        self.outside.ip("route add 198.51.100.0/24 via 192.0.2.1", "route add 2001:db8:1::/64 via 2001:db8::1")
        far.serve()
        self.host.start_felix()
        self.expect({(self.outside, far, 80): True})
        self.chain_policy("FORWARD", "DROP")
        self.expect({(self.outside, far, 80): False, (self.pod, self.other, 80): True, (self.outside, self.pod, 80): True})
        self.chain_policy("FORWARD", "ACCEPT")
        self.expect({(self.outside, far, 80): True})


del HostTest

if __name__ == "__main__":
    main()
