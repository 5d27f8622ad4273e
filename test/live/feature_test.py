#!/usr/bin/env python3
"""Scenarios of policy-rendering §8 that need a configuration, a pod or a kernel state of their own."""
import threading
import time
import unittest

from lab import allow, calico, deny, policy
from live import LiveTest, main


class FeatureTest(LiveTest):
    @classmethod
    def set_up_lab(cls, lab):
        cls.host = lab.host("n1")
        cls.server = cls.host.pod("default", "server", {"name": "server"}, {"http": ("TCP", 80)})
        cls.client = cls.host.pod("default", "client", {"name": "client"}, {"http": ("TCP", 81)})
        cls.other = cls.host.pod("default", "other", {"name": "other"}, {"http": ("TCP", 443)})
        cls.outside = cls.host.outside()

    def setUp(self):
        super().setUp()
        if not self.host.felix:
            self.host.start_felix()


class Rules(FeatureTest):
    def reach(self, port=80, proto="tcp", **verdicts):
        return {(getattr(self, s), self.server, port, proto): v for s, v in verdicts.items()}

    def test_76_a_named_port_with_a_destination_selector(self):
        # One egress policy on the client: "http" on those whose name is not "other".
        for selector, server, other in (("name == 'server'", True, False), ("name != 'server'", False, True)):
            self.apply(policy("p", "name == 'client'", egress=[allow(protocol="TCP", destination={"ports": ["http"], "selector": selector})]))
            self.expect({(self.client, self.server, 80): server, (self.client, self.other, 443): other,
                         (self.client, self.server, 81): False, (self.client, self.outside, 80): False})

    def test_79_80_selectors_and_nets_of_both_sides(self):
        self.apply(policy("p", "name == 'server'", types=["Ingress"], namespace=None, ingress=[
            allow(protocol="TCP", source={"selector": "name == 'client'", "nets": ["10.65.0.0/16"]}, destination={"ports": ["http"]}),
            allow(protocol="TCP", source={"selector": "name == 'client'", "notNets": ["fd00:66::/64"]}, destination={"ports": [443]})]))
        self.expect({(self.client, self.server, 80, "tcp", 4): True, (self.client, self.server, 80, "tcp", 6): False,
                     (self.client, self.server, 443, "tcp", 6): True, (self.client, self.server, 443, "tcp", 4): False,
                     (self.other, self.server, 80): False, (self.client, self.server, 81): False})

    def test_source_ports(self):
        self.apply(policy("p", "name == 'server'", ingress=[allow(protocol="UDP", source={"ports": ["2000:2010"]})]))
        self.expect(self.reach(80, "udp", client=False))

        def from_port(port):
            results = []
            for family in (4, 6):
                probe = {"id": 1, "dst": self.server.address(family), "port": 80, "proto": "udp", "sport": port}
                results.append(self.client.agent(do="probe", probes=[probe], timeout=0.5)["results"][0]["how"])
            return results

        self.wait_for(lambda: from_port(2005) == ["ok", "ok"])
        self.assertEqual(from_port(2011), ["timeout", "timeout"])

    def test_97_a_service_rule_in_a_tier_of_its_own(self):
        self.apply(calico("Tier", "sec", {"order": 5}))
        piece = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                 "metadata": {"name": "web", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
                 "endpoints": [{"addresses": [self.server.ip4]}], "ports": [{"port": 80, "protocol": "TCP"}]}
        self.apply(piece)
        self.apply(policy("sec.p", "name == 'client'", tier="sec",
                          egress=[allow(destination={"services": {"name": "web", "namespace": "default"}}), {"action": "Pass", "protocol": "UDP"}]))
        self.expect({(self.client, self.server, 80, "tcp", 4): True, (self.client, self.server, 81, "tcp", 4): False,
                     (self.client, self.other, 80, "tcp", 4): False, (self.client, self.other, 80, "udp", 4): True})

    def test_phantom_tier_policies_are_enforced(self):
        self.apply(policy("ghost.p", "name == 'server'", tier="ghost", namespace=None, types=["Ingress"],
                          ingress=[allow(source={"selector": "name == 'client'"})]))
        self.expect(self.reach(client=True, other=False))

    def test_120_a_policy_needed_on_every_node_is_there_without_an_endpoint(self):
        spec = policy("everywhere", "name == 'nobody'", ingress=[deny(source={"selector": "name == 'client'"})], namespace=None)
        spec["spec"]["performanceHints"] = ["AssumeNeededOnEveryNode"]
        self.apply(spec)
        self.wait_for(lambda: all(":cali-pi-gnp/everywhere" in self.host.iptables(f) for f in (4, 6)))
        self.wait_for(lambda: any(self.client.ip4 in members for name, members in self.host.contents().items() if name.startswith("cali40s:")),
                      what="a set with the client")
        del spec["spec"]["performanceHints"]
        self.apply(spec)
        self.wait_for(lambda: ":cali-pi-gnp/everywhere" not in self.host.iptables(4))

    def test_128_packet_rate_and_connection_limits(self):
        limited = self.host.pod("default", "limited", {"name": "limited"}, register=False)
        self.addCleanup(self.retire, limited)
        manifest = limited.manifest()
        manifest["metadata"]["annotations"] = {"qos.projectcalico.org/ingressMaxConnections": "2"}
        self.host.apply(manifest)
        self.expect({(self.client, limited, 80): True})

        def connected(name):
            """Holds a connection open; a probe's that is still closing may count for a moment, so it is tried again."""
            self.client.agent(do="flow", name=name, dst=limited.ip4, port=80, proto="tcp", interval=0.05)
            while True:
                report = self.client.agent(do="flow_report", name=name)
                if report["got"] > 0:
                    return True
                if report["error"]:
                    self.client.agent(do="stop_flow", name=name)
                    return False
                time.sleep(0.01)

        for n in range(2):
            self.wait_for(lambda: connected(f"c{n}"))
        probe = {"id": 1, "dst": limited.ip4, "port": 81, "proto": "tcp"}
        self.wait_for(lambda: self.client.agent(do="probe", probes=[probe], timeout=0.5)["results"][0]["how"] in ("refused", "connection refused"))
        self.client.agent(do="stop_flow", name="c0")
        self.client.agent(do="stop_flow", name="c1")
        del manifest["metadata"]["annotations"]
        self.host.apply(manifest)
        self.expect({(self.client, limited, 81): True})

    def test_118_flapping_sets_lose_nothing(self):
        self.apply(policy("p", "name == 'server'", types=["Ingress"], namespace=None,
                          ingress=[allow(source={"selector": "name == 'client' || noise == 'yes'"})]))
        self.expect(self.reach(client=True, other=False))
        for family in (4, 6):
            self.client.agent(do="flow", name=f"f{family}", dst=self.server.address(family), port=80, proto="udp")
        for round_ in range(30):
            for i in range(10):
                name = f"noise{i}"
                if (round_ + i) % 3:
                    self.apply(calico("GlobalNetworkSet", name, {"nets": [f"198.18.{round_}.{i}/32", f"10.65.{100 + i}.0/24"]}, labels={"noise": "yes"}))
                elif name in self.applied:
                    self.delete(name)
        for family in (4, 6):
            report = self.client.agent(do="stop_flow", name=f"f{family}")
            self.assertEqual(report["sent"], report["got"], report)
        self.expect(self.reach(client=True, other=False))

    def test_115_leftovers_go_and_foreign_chains_stay(self):
        self.host.stop_felix()
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            for command in (["-N", "cali-old"], ["-A", "cali-old", "-j", "ACCEPT"], ["-I", "FORWARD", "-j", "cali-old"], ["-N", "KUBE-X"],
                            ["-A", "KUBE-X", "-j", "RETURN"], ["-A", "FORWARD", "-j", "KUBE-X"],
                            ["-I", "FORWARD", "-m", "comment", "--comment", "cali:abcdefgh", "-j", "ACCEPT"]):
                self.host.run(tool, "-w", *command)
        self.host.run("ipset", "create", "cali40s:leftover", "hash:net")
        self.host.start_felix()
        self.wait_for(lambda: "cali40s:leftover" not in self.host.sets())
        for family in (4, 6):
            text = self.host.iptables(family)
            self.assertNotIn("cali-old", text)
            self.assertNotIn("cali:abcdefgh", text)
            self.assertIn("-A FORWARD -j KUBE-X", text)
            self.assertIn("-A KUBE-X -j RETURN", text)
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            for command in (["-D", "FORWARD", "-j", "KUBE-X"], ["-F", "KUBE-X"], ["-X", "KUBE-X"]):
                self.host.run(tool, "-w", *command)

    def test_130_of_two_endpoints_with_one_address_one_has_it_and_the_other_takes_over(self):
        twin = self.host.pod("default", "twin", {"name": "twin"}, register=False, wire=False)
        twin.ip4, twin.ip6 = self.other.ip4, self.other.ip6
        twin.wire()
        self.host.register(twin)
        route = lambda: [r["dev"] for r in self.host.routes(4) if r["dst"] == twin.ip4]
        self.wait_for(lambda: route() == [twin.interface])  # the higher interface index
        self.retire(twin)
        self.wait_for(lambda: route() == [self.other.interface])
        self.expect({(self.client, self.other, 80): True})

    def test_a_finished_pod_and_one_without_addresses_carry_nothing(self):
        gone = self.host.pod("default", "done", {"name": "done"})
        self.addCleanup(self.retire, gone)
        self.expect({(self.client, gone, 80): True})
        manifest = gone.manifest()
        manifest["status"]["phase"] = "Succeeded"
        self.host.apply(manifest)
        self.expect({(self.client, gone, 80): False, (gone, self.client, 80): False})
        self.wait_for(lambda: not [r for r in self.host.routes(4) if r["dst"] == gone.ip4])


class Settings(FeatureTest):
    def tearDown(self):
        super().tearDown()
        self.host.stop_felix()

    def restart(self, config):
        self.host.stop_felix()
        self.host.start_felix(config=config)

    def test_131_routes_are_left_alone_if_so_asked(self):
        self.restart("RouteSyncDisabled = true\n")
        self.host.run("ip", "route", "flush", "dev", self.server.interface)
        self.host.run("ip", "-6", "route", "flush", self.server.ip6)
        self.apply(policy("p", "name == 'other'", ingress=[deny()]))
        self.expect({(self.client, self.other, 80): False})
        self.assertFalse([r for r in self.host.routes(4) if r["dst"] == self.server.ip4])

    def test_routes_bear_the_protocol_source_and_metric_asked_for(self):
        self.restart("DeviceRouteProtocol = 123\nDeviceRouteSourceAddress = 192.0.2.1\nIPv4NormalRoutePriority = 77\n")
        route = next(r for r in self.host.routes(4) if r["dst"] == self.server.ip4 and r.get("metric") == 77)
        self.assertEqual((str(route["protocol"]), route["prefsrc"]), ("123", "192.0.2.1"))
        self.assertEqual(len([r for r in self.host.routes(4) if r["dst"] == self.server.ip4]), 1)

    def test_reject_answers(self):
        self.restart("IptablesFilterDenyAction = REJECT\n")
        self.apply(policy("p", "name == 'server'", ingress=[deny()]))
        results = self.expect({(self.client, self.server, 80, "udp"): False})
        self.assertEqual({r["how"] for r in results.values()}, {"refused"}, results)

    def test_allowed_packets_may_meet_the_rules_after_ours(self):
        self.restart("IptablesFilterAllowAction = RETURN\n")
        self.expect({(self.client, self.server, 80): True})
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.host.run(tool, "-w", "-A", "FORWARD", "-p", "tcp", "--dport", "81", "-j", "DROP")
        self.expect({(self.client, self.server, 80): True, (self.client, self.server, 81): False})
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.host.run(tool, "-w", "-D", "FORWARD", "-p", "tcp", "--dport", "81", "-j", "DROP")

    def test_append_stands_after_what_others_have(self):
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.host.run(tool, "-w", "-A", "FORWARD", "-p", "tcp", "--dport", "81", "-j", "DROP")
        self.restart("ChainInsertMode = append\n")
        lines = [l for l in self.host.iptables(4).splitlines() if l.startswith("-A FORWARD")]
        self.assertIn("--dport 81", lines[0])
        self.expect({(self.client, self.server, 80): True, (self.client, self.server, 81): False})
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.host.run(tool, "-w", "-D", "FORWARD", "-p", "tcp", "--dport", "81", "-j", "DROP")

    def test_without_ipv6_support_only_ipv4_is_ours(self):
        self.host.stop_felix()
        self.host.once("--cleanup")
        self.host.start_felix(config="Ipv6Support = false\n")
        self.assertIn("cali-FORWARD", self.host.iptables(4))
        self.assertNotIn("cali-FORWARD", self.host.iptables(6))
        self.assertFalse([s for s in self.host.sets() if s.startswith("cali6")])

    def test_another_mark_mask(self):
        self.restart("IptablesMarkMask = 0xff00\n")
        self.apply(policy("p", "name == 'server'", ingress=[allow(source={"selector": "name == 'client'"})]))
        self.expect({(self.client, self.server, 80): True, (self.other, self.server, 80): False})
        self.assertNotIn("0x10000", self.host.iptables(4))

    def test_floating_addresses(self):
        self.restart("FloatingIPs = Enabled\n")
        manifest = self.server.manifest()
        manifest["metadata"]["annotations"] = {"cni.projectcalico.org/floatingIPs": '["198.51.100.7"]'}
        self.host.apply(manifest)
        self.outside.ip("route add 198.51.100.0/24 via 192.0.2.1")
        self.expect({(self.outside, "198.51.100.7", 80, "tcp", 4): True, (self.client, "198.51.100.7", 80, "tcp", 4): True})
        self.host.apply(self.server.manifest())
        self.expect({(self.outside, "198.51.100.7", 80, "tcp", 4): False})

    def test_sources_a_pod_may_use_beside_its_own(self):
        self.restart("WorkloadSourceSpoofing = Any\n")
        manifest = self.client.manifest()
        manifest["metadata"]["annotations"] = {"cni.projectcalico.org/allowedSourcePrefixes": '["198.18.7.0/24"]'}
        self.host.apply(manifest)
        self.server.agent(do="sniff")

        def arrived(source):
            self.client.agent(do="send", src=source, dst=self.server.ip4, udp=[1000, 8055])
            return self.server.agent(do="sniffed")["counts"].get(f"{source} 17 8055", 0)

        self.wait_for(lambda: arrived("198.18.7.9") > 0)
        for _ in range(3):
            self.assertEqual(arrived("198.18.8.9"), 0)
        self.host.apply(self.client.manifest())

    def test_28_forwarding_is_left_alone_if_so_asked(self):
        self.host.sysctl("net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
        self.restart("IPForwarding = Disabled\n")
        self.assertEqual(self.host.run("sysctl", "-n", "net.ipv4.ip_forward").strip(), "0")
        self.restart("")
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.assertEqual(self.host.run("sysctl", "-n", key).strip(), "1")


del FeatureTest

if __name__ == "__main__":
    main()
