#!/usr/bin/env python3
"""The workload scenarios of policy-rendering §8 against a real kernel: numbers in the names are the specification's."""
import unittest

from lab import Lab, allow, calico, deny, namespace, policy
from live import LiveTest, main


class Workloads(LiveTest):
    """One host, three pods and a machine outside; every test begins without policy and with the profile's allow-all."""

    @classmethod
    def set_up_lab(cls, lab):
        cls.host = lab.host("n1")
        cls.w0 = cls.host.pod("default", "w0", {"name": "w0", "app": "server"}, {"http": ("TCP", 80), "dns": ("UDP", 81)})
        cls.w1 = cls.host.pod("default", "w1", {"name": "w1", "app": "client"}, {"http": ("TCP", 81)})
        cls.w2 = cls.host.pod("default", "w2", {"name": "w2"}, {"http": ("TCP", 443)})
        cls.outside = cls.host.outside()
        cls.host.start_felix()

    def pairs(self, port, proto="tcp", **verdicts):
        """w1_w0=True → {(w1, w0, port, proto): True}."""
        out = {}
        for pair, verdict in verdicts.items():
            source, target = (getattr(self, p) for p in pair.split("_"))
            out[(source, target, port, proto)] = verdict
        return out

    def test_51_without_policy_everybody_reaches_everybody(self):
        for port, proto in ((80, "tcp"), (80, "udp"), ("icmp", "icmp")):
            self.expect(self.pairs(port, proto, w0_w1=True, w1_w0=True, w1_w2=True, w2_w1=True, outside_w0=True, w0_outside=True))

    def test_52_ingress_only_policy(self):
        self.apply(policy("p", "name == 'w0'", ingress=[allow(source={"selector": "name == 'w1'"})]))
        for port, proto in ((80, "tcp"), (80, "udp"), ("icmp", "icmp")):
            self.expect(self.pairs(port, proto, w1_w0=True, w2_w0=False, w0_w1=True, w0_w2=True, outside_w0=False, w1_w2=True))

    def test_53_egress_only_policy(self):
        self.apply(policy("p", "name == 'w0'", egress=[allow(destination={"selector": "name == 'w1'"})]))
        self.expect(self.pairs(80, w0_w1=True, w0_w2=False, w1_w0=True, w2_w0=True, w0_outside=False))

    def test_54_both_types_with_ingress_rules_only(self):
        self.apply(policy("p", "name == 'w0'", ingress=[allow(source={"selector": "name == 'w1'"})], types=["Ingress", "Egress"]))
        self.expect(self.pairs(80, w1_w0=True, w2_w0=False, w0_w1=False, w0_w2=False))

    def test_55_56_egress_rules_count_only_with_their_type(self):
        self.apply(policy("p", "name == 'w0'", egress=[deny()], types=["Ingress"], ingress=[allow()]))
        self.expect(self.pairs(80, w0_w1=True, w1_w0=True))
        self.apply(policy("p", "name == 'w0'", egress=[deny()], types=["Ingress", "Egress"], ingress=[allow()]))
        self.expect(self.pairs(80, w0_w1=False, w1_w0=True))

    def test_57_58_a_policy_without_rules_denies_its_direction_only(self):
        self.apply(policy("p57", "name == 'w0'", types=["Ingress"]))
        self.expect(self.pairs(80, w1_w0=False, outside_w0=False, w0_w1=True))
        for family in (4, 6):
            self.assertIn("default/p57", self.host.iptables(family))
        self.apply(policy("p57", "name == 'w0'", types=["Egress"]))
        self.expect(self.pairs(80, w1_w0=True, w0_w1=False))

    def test_60_to_64_tiers(self):
        tier = lambda action: calico("Tier", "tier1", {"order": 1, "defaultAction": action})
        self.apply(tier("Deny"))
        self.apply(policy("tier1.p", "name == 'w0'", ingress=[allow(source={"selector": "name == 'w2'"})], types=["Ingress"],
                          tier="tier1", namespace=None))
        self.expect(self.pairs(80, w1_w0=False, w2_w0=True))
        self.apply(tier("Pass"))
        self.expect(self.pairs(80, w1_w0=True, w2_w0=True))
        self.apply(tier("Deny"))
        self.expect(self.pairs(80, w1_w0=False, w2_w0=True))
        # Pass skips to the next tier, whose policies decide; after the last tier the profile does.
        self.apply(policy("tier1.p", "name == 'w0'", ingress=[{"action": "Pass", "source": {"selector": "name == 'w1'"}}],
                          types=["Ingress"], tier="tier1", namespace=None))
        self.expect(self.pairs(80, w1_w0=True, w2_w0=False))
        self.apply(policy("d", "name == 'w0'", ingress=[deny(protocol="TCP", destination={"ports": [80]}), allow()], namespace=None))
        self.expect({**self.pairs(80, w1_w0=False), **self.pairs(81, w1_w0=True), **self.pairs(80, "udp", w1_w0=True)})

    def test_policy_order_decides_within_a_tier(self):
        self.apply(policy("a", "name == 'w0'", ingress=[deny()], order=20, namespace=None))
        self.apply(policy("b", "name == 'w0'", ingress=[allow(source={"selector": "name == 'w1'"})], order=10, namespace=None))
        self.expect(self.pairs(80, w1_w0=True, w2_w0=False))
        self.apply(policy("a", "name == 'w0'", ingress=[deny()], order=5, namespace=None))
        self.expect(self.pairs(80, w1_w0=False, w2_w0=False))

    def test_66_staged_policies_change_nothing(self):
        self.apply(calico("StagedNetworkPolicy", "s", {"selector": "name == 'w0'", "ingress": [deny()], "types": ["Ingress"]}, "default"))
        self.apply(policy("marker", "name == 'w2'", ingress=[deny()]))
        self.expect(self.pairs(80, w1_w0=True, w1_w2=False))
        self.assertNotIn("snp", self.host.iptables(4))

    def test_74_named_ports_of_the_destination(self):
        for numeric in ([], [8055], list(range(1000, 1016))):
            self.apply(policy("p", "all()", ingress=[allow(protocol="TCP", destination={"ports": ["http", *numeric]})]))
            self.expect({**self.pairs(80, w1_w0=True, w0_w1=False, w1_w2=False), **self.pairs(81, w1_w0=False, w0_w1=True),
                         **self.pairs(443, w1_w2=True, w1_w0=False), **self.pairs(8055, w1_w0=numeric == [8055])})

    def test_75_negated_named_ports(self):
        for numeric in ([], [8055], list(range(1000, 1016))):
            self.apply(policy("p", "all()", ingress=[allow(protocol="TCP", destination={"notPorts": ["http", *numeric]})]))
            self.expect({**self.pairs(80, w1_w0=False, w0_w1=True), **self.pairs(81, w1_w0=True, w0_w1=False),
                         **self.pairs(8055, w1_w0=numeric != [8055])})

    def test_82_85_named_ports_know_their_protocol(self):
        self.apply(policy("p", "name == 'w0'", ingress=[allow(destination={"ports": ["http", "dns"]})]))
        self.expect({**self.pairs(80, w1_w0=True), **self.pairs(81, w1_w0=False), **self.pairs(81, "udp", w1_w0=True),
                     **self.pairs(80, "udp", w1_w0=False)})
        self.apply(policy("p", "name == 'w0'", ingress=[allow(protocol="UDP", destination={"ports": ["http"]}),
                                                         allow(protocol="TCP", destination={"ports": ["dns"]})]))
        self.expect({**self.pairs(80, w1_w0=False), **self.pairs(81, w1_w0=False), **self.pairs(80, "udp", w1_w0=False),
                     **self.pairs(81, "udp", w1_w0=False)})

    def test_ports_ranges_and_more_than_fifteen(self):
        many = list(range(2000, 2040)) + ["440:450", 80]
        self.apply(policy("p", "name == 'w0'", ingress=[allow(protocol="TCP", destination={"ports": many})]))
        self.expect({**self.pairs(80, w1_w0=True), **self.pairs(443, w1_w0=True), **self.pairs(81, w1_w0=False),
                     **self.pairs(80, "udp", w1_w0=False)})
        self.apply(policy("p", "name == 'w0'", ingress=[allow(protocol="TCP", destination={"notPorts": many})]))
        self.expect({**self.pairs(80, w1_w0=False), **self.pairs(443, w1_w0=False), **self.pairs(81, w1_w0=True)})

    def test_nets_and_their_negation(self):
        def nets(p):
            return [f"{p.ip4}/32", f"{p.ip6}/128"]

        def rules(**entity):  # the two families cannot stand in one rule
            return [allow(source={k: [n for n in v if (":" in n) == v6] for k, v in entity.items()}) for v6 in (False, True)]

        self.apply(policy("p", "name == 'w0'", ingress=rules(nets=nets(self.w1))))
        self.expect(self.pairs(80, w1_w0=True, w2_w0=False, outside_w0=False))
        self.apply(policy("p", "name == 'w0'", ingress=rules(nets=nets(self.w1) + nets(self.w2))))
        self.expect(self.pairs(80, w1_w0=True, w2_w0=True, outside_w0=False))
        self.apply(policy("p", "name == 'w0'", ingress=rules(notNets=nets(self.w1) + nets(self.w2))))
        self.expect(self.pairs(80, w1_w0=False, w2_w0=False, outside_w0=True))
        self.apply(policy("p", "name == 'w0'", ingress=rules(nets=["10.65.0.0/16", "fd00:65::/64"], notNets=nets(self.w1))))
        self.expect(self.pairs(80, w1_w0=False, w2_w0=True, outside_w0=False))

    def test_icmp_types(self):
        icmp = [allow(protocol="ICMP", icmp={"type": 8, "code": 0}), allow(protocol="ICMPv6", icmp={"type": 128})]
        self.apply(policy("p", "name == 'w0'", ingress=icmp))
        self.expect({**self.pairs("icmp", "icmp", w1_w0=True), **self.pairs(80, w1_w0=False)})
        icmp = [allow(protocol="ICMP", icmp={"type": 13}), allow(protocol="ICMPv6", icmp={"type": 129})]
        self.apply(policy("p", "name == 'w0'", ingress=icmp))
        self.expect(self.pairs("icmp", "icmp", w1_w0=False))

    def test_122_neighbour_discovery_survives_a_policy_against_icmpv6(self):
        self.apply(policy("p", "name == 'w0'", ingress=[deny(protocol="ICMPv6"), allow()],
                          egress=[deny(protocol="ICMPv6"), allow()], types=["Ingress", "Egress"]))
        self.w0.run("ip", "-6", "neigh", "flush", "dev", "eth0")
        self.expect({**self.pairs(80, w1_w0=True, w0_w1=True), (self.w1, self.w0, "icmp", "icmp", 6): False})

    def test_81_a_negation_wins_over_what_is_named(self):
        self.apply(policy("p", "name == 'w0'", ingress=[allow(protocol="TCP", destination={"ports": [80, 81], "notPorts": [81]})]))
        self.expect({**self.pairs(80, w1_w0=True), **self.pairs(81, w1_w0=False)})

    def test_protocols_and_their_negation(self):
        self.apply(policy("p", "name == 'w0'", ingress=[allow(protocol="UDP")]))
        self.expect({**self.pairs(80, w1_w0=False), **self.pairs(80, "udp", w1_w0=True), **self.pairs("icmp", "icmp", w1_w0=False)})
        self.apply(policy("p", "name == 'w0'", ingress=[allow(notProtocol="UDP")]))
        self.expect({**self.pairs(80, w1_w0=True), **self.pairs(80, "udp", w1_w0=False), **self.pairs("icmp", "icmp", w1_w0=True)})

    def test_77_78_selectors_negated(self):
        self.apply(policy("p", "name == 'w0'", ingress=[allow(source={"notSelector": "name == 'w2'"})]))
        # A namespaced policy's purely negated selector still means its own namespace: nothing from outside.
        self.expect(self.pairs(80, w1_w0=True, w2_w0=False, outside_w0=False))
        self.delete("p")
        self.apply(policy("p", "name == 'w0'", ingress=[allow(source={"notSelector": "name == 'w2'"})], types=["Ingress"], namespace=None))
        self.expect(self.pairs(80, w1_w0=True, w2_w0=False, outside_w0=True))

    def test_86_to_92_network_sets(self):
        networks = lambda kind, name, nets, ns: calico(kind, name, {"nets": nets}, ns, labels={"role": "friend"})
        for kind, ns in (("NetworkSet", "default"), ("GlobalNetworkSet", None)):
            self.apply(policy("p", "name == 'w0'", ingress=[allow(source={"selector": "role == 'friend'"})], namespace=ns,
                              types=["Ingress"]))
            self.expect(self.pairs(80, w1_w0=False, w2_w0=False, outside_w0=False))
            one = [self.w1.ip4, f"{self.w1.ip6}/128"]
            self.apply(networks(kind, "s", one, ns))
            self.expect(self.pairs(80, w1_w0=True, w2_w0=False, outside_w0=False))
            self.apply(networks(kind, "s", ["0.0.0.0/0", "::/0"], ns))
            self.expect(self.pairs(80, w1_w0=True, w2_w0=True, outside_w0=True))
            self.apply(networks(kind, "s", one, ns), networks(kind, "t", ["10.65.0.0/16", "fd00:65::/64"], ns))
            self.expect(self.pairs(80, w1_w0=True, w2_w0=True, outside_w0=False))
            self.delete("t")
            self.expect(self.pairs(80, w1_w0=True, w2_w0=False))
            self.delete("s")
            self.expect(self.pairs(80, w1_w0=False, w2_w0=False))
            self.delete("p")

    def test_namespaces_and_service_accounts(self):
        other = self.host.pod("prod", "x", {"name": "x"})
        self.addCleanup(self.retire, other)
        self.apply(namespace("prod", {"env": "prod"}))
        self.expect({(other, self.w0, 80): True})
        self.apply(policy("p", "name == 'w0'", ingress=[allow(source={"namespaceSelector": "env == 'prod'"})]))
        self.expect({(other, self.w0, 80): True, (self.w1, self.w0, 80): False})
        self.apply(namespace("prod", {"env": "test"}))
        self.expect({(other, self.w0, 80): False, (self.w1, self.w0, 80): False})
        self.apply(policy("p", "name == 'w0'", ingress=[allow(source={"namespaceSelector": "kubernetes.io/metadata.name == 'prod' || "
                                                                      "projectcalico.org/name == 'prod'"})]))
        self.expect({(other, self.w0, 80): True, (self.w1, self.w0, 80): False})
        self.apply(policy("p", "name == 'w0'", ingress=[allow(source={"serviceAccounts": {"names": ["default"]}})]))
        self.expect({(other, self.w0, 80): False, (self.w1, self.w0, 80): True})
        self.apply(policy("p", "name == 'w0'", ingress=[allow(source={"serviceAccounts": {"names": ["robot"]}})]))
        self.expect({(self.w1, self.w0, 80): False})

    def test_kubernetes_network_policy(self):
        spec = {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}],
                             "ports": [{"protocol": "TCP", "port": "http"}, {"protocol": "TCP", "port": 440, "endPort": 450}]}]}
        self.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "k", "namespace": "default"},
                    "spec": spec})
        self.expect({**self.pairs(80, w1_w0=True, w2_w0=False, outside_w0=False), **self.pairs(443, w1_w0=True),
                     **self.pairs(81, w1_w0=False), **self.pairs(80, w0_w1=True, w1_w2=True)})

    def test_94_to_96_services(self):
        piece = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                 "metadata": {"name": "web-4", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
                 "endpoints": [{"addresses": [self.w0.ip4]}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
        v6 = {**piece, "addressType": "IPv6", "metadata": {**piece["metadata"], "name": "web-6"}, "endpoints": [{"addresses": [self.w0.ip6]}]}
        self.apply(piece, v6)
        self.apply(policy("p", "name == 'w1'", egress=[allow(destination={"services": {"name": "web", "namespace": "default"}})]))
        self.expect({**self.pairs(80, w1_w0=True, w1_w2=False), **self.pairs(81, w1_w0=False)})
        piece["endpoints"].append({"addresses": [self.w2.ip4]})
        v6["endpoints"].append({"addresses": [self.w2.ip6]})
        self.apply(piece, v6)
        self.expect(self.pairs(80, w1_w0=True, w1_w2=True))
        self.delete("p")
        self.apply(policy("p", "name == 'w1'", ingress=[allow(source={"services": {"name": "web", "namespace": "default"}})]))
        self.expect({**self.pairs(80, w0_w1=True, w2_w1=True, outside_w1=False), **self.pairs(81, w0_w1=True)})

    def test_103_a_workload_cannot_use_the_address_of_another(self):
        self.w0.agent(do="sniff")
        for family in (4, 6):
            target, own, stolen = self.w0.address(family), self.w1.address(family), self.w2.address(family)
            self.w1.agent(do="send", src=own, dst=target, udp=[1000, 8055], count=3)
            self.w1.agent(do="send", src=stolen, dst=target, udp=[1000, 8055], count=3)
            self.w1.agent(do="send", src=own, dst=target, udp=[1000, 8055], count=3)
            self.wait_for(lambda: self.w0.agent(do="sniffed")["counts"].get(f"{own} 17 8055", 0) >= 6)
            self.assertNotIn(f"{stolen} 17 8055", self.w0.agent(do="sniffed")["counts"])

    def test_111_workloads_cannot_send_encapsulated_packets(self):
        self.w0.agent(do="sniff")
        self.w1.agent(do="send", src=self.w1.ip4, dst=self.w0.ip4, udp=[1000, 4789], count=3)
        self.w1.agent(do="send", src=self.w1.ip4, dst=self.w0.ip4, protocol=4, payload="45" * 20, count=3)
        self.w1.agent(do="send", src=self.w1.ip4, dst=self.w0.ip4, udp=[1000, 8055], count=3)
        self.wait_for(lambda: self.w0.agent(do="sniffed")["counts"].get(f"{self.w1.ip4} 17 8055", 0) >= 3)
        counts = self.w0.agent(do="sniffed")["counts"]
        self.assertNotIn(f"{self.w1.ip4} 17 4789", counts)
        self.assertFalse([k for k in counts if k.startswith(f"{self.w1.ip4} 4 ")], counts)

    def test_119_groups_of_policies_decide_as_single_ones_do(self):
        for selectors in ("AAA", "AAB", "ABB", "ABA"):
            for which in range(3):
                for i, s in enumerate(selectors):
                    rules = [deny(source={"selector": "name == 'w1'"})] if i == which else [allow(source={"selector": "name == 'w2'"})]
                    self.apply(policy(f"g{i}", "name == 'w0'" if s == "A" else "name in {'w0'}", ingress=rules, order=i,
                                      types=["Ingress"], namespace=None))
                self.expect(self.pairs(80, w1_w0=False, w2_w0=True), hold=0)

    def test_121_annotations_with_odd_characters_become_comments_or_nothing_but_never_break_a_table(self):
        rule = {"action": "Allow", "metadata": {"annotations": {"why": "a\"b\n; `x` ümläut $(y)", "other": "z" * 500}}}
        self.apply(policy("p", "name == 'w0'", ingress=[rule]))
        self.apply(policy("q", "name == 'w2'", ingress=[deny()]))
        self.expect(self.pairs(80, w1_w0=True, w1_w2=False))

    def test_123_log_rules_do_not_decide(self):
        self.apply(policy("p", "name == 'w0'", ingress=[{"action": "Log"}, allow(source={"selector": "name == 'w1'"})]))
        self.expect(self.pairs(80, w1_w0=True, w2_w0=False))
        for family in (4, 6):
            self.assertIn("calico-packet", self.host.iptables(family))

    def test_93_names_at_every_length_limit(self):
        for length in (1, 18, 19, 27, 28, 29, 63):
            name = ("a" * length)
            self.apply(policy(name, "name == 'w0'", ingress=[deny(source={"selector": "name == 'w1'"}), allow()], types=["Ingress"], namespace=None))
            self.expect(self.pairs(80, w1_w0=False, w2_w0=True), hold=0)
            self.delete(name)
            self.expect(self.pairs(80, w1_w0=True), hold=0)


if __name__ == "__main__":
    main()
