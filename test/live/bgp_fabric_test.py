#!/usr/bin/env python3
"""Routes between two racks, through edits, restarts and faults, under pings every 10 ms whose losses are counted and printed."""
import atexit
import re
import signal
import subprocess
import sys
import unittest

from bgp_kernel import nexthops, routes
from bgp_lab import LINKS, POOL4, POOL6, Fabric
from bgp_nodes import why_not
from bgp_peers import die_with_parent, until
from lab import SKIP, allow, calico, deny, policy
from live import LiveTest, patience as stretched

SHUTDOWN = {"gracefulShutdown", "65535:0", "graceful-shutdown"}  # RFC 8326, as FRR spells it in one place or another


def patience(seconds):
    """On a busy machine more, but an end must come."""
    return min(stretched(seconds), 3 * seconds)


def service(name, cluster_ips, policy_name="Local", **more):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
            "spec": {"type": "LoadBalancer", "clusterIP": cluster_ips[0], "clusterIPs": cluster_ips, "externalTrafficPolicy": policy_name,
                     "ipFamilies": ["IPv6" if ":" in ip else "IPv4" for ip in cluster_ips], "ports": [{"port": 80}], **more}}


def slices(name, ready):
    """One EndpointSlice a family; ready: node → whether its endpoint is."""
    return [{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": f"IPv{family}",
             "metadata": {"name": f"{name}-{family}", "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
             "ports": [{"port": 80}],
             "endpoints": [{"addresses": [f"10.65.9.{i}" if family == 4 else f"fd00:65:0:9::{i}"], "nodeName": node,
                            "conditions": {"ready": good}} for i, (node, good) in enumerate(ready.items(), 1)]} for family in (4, 6)]


class RacksTest(LiveTest):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.fabric = Fabric()
        try:
            cls.took = cls.fabric.start(within=patience(60))
            cls.fabric.wait_sessions(patience(30))
            cls.pods = {name: node.pod("default", f"pod-{name}", {"name": f"pod-{name}"}, serve=[80, 81])
                        for name, node in cls.fabric.nodes.items()}
            cls.fabric.expect({(a, b, 80): True for a in cls.pods.values() for b in cls.pods.values() if a is not b}, within=patience(30))
        except BaseException:
            cls.tell()
            cls.lab.close()
            raise
        atexit.register(cls.lab.close)  # a test run that is interrupted does not come to tearDownClass

    @classmethod
    def tell(cls):
        for tor in cls.fabric.tors.values():
            print(tor.frr.text(), file=sys.stderr)
        for node in cls.fabric.nodes.values():
            print(f"--- log of {node.node}\n{node.log()[-6000:]}\n{node.bird.sessions()}", file=sys.stderr)

    def setUp(self):
        super().setUp()
        self.host = self.fabric.nodes["r1n1"]  # whom manifests are written through
        self.n11, self.n12, self.n21, self.n22 = self.fabric.nodes.values()
        self.tor1, self.tor2 = self.fabric.tors.values()
        self.a, self.b = self.pods["r1n1"], self.pods["r2n2"]

    def tearDown(self):
        if any(e for _, e in getattr(self._outcome, "errors", []) if e):
            self.tell()
        for name in list(self.applied):
            self.delete(name)
        # The next test finds everything as this one did.
        for node in self.fabric.nodes.values():
            for link in LINKS:
                self.fabric.mend(node, link)
            node.apply(self.fabric.manifest_of(node))
            if not node.bird.running():
                node.bird.process = None
                node.start_bird(recover=True)
            if not node.routing.running():
                node.routing.process = None
                node.start_routing()
        self.fabric.wait_converged(patience(60))
        self.fabric.wait_sessions(patience(60))

    # ---- what the tests are made of

    def say(self, text):
        print(f"\n    {text}", file=sys.stderr, flush=True)

    def settled(self, nodes=None):
        """Every daemon has dealt with everything written so far: a block written last is in the routers' tables. The block is in no
        pool: of those in pools BIRD learns from felix's blackholes too, whatever margay-bgp-config does."""
        RacksTest.markers = getattr(RacksTest, "markers", 0) + 1
        for i, node in enumerate(nodes or self.fabric.nodes.values(), 1):
            block = f"10.201.{i}.{RacksTest.markers % 4 * 64}/26"
            marker = node.block_manifest(block)
            node.apply(marker)
            try:
                until(lambda: node.tor.frr.route(block), patience(10), f"{block}, new on {node}, in {node.tor}'s table")
            finally:
                node.delete(marker)
            until(lambda: not node.tor.frr.route(block), patience(10), f"{block}, gone from {node}, gone from {node.tor}'s table")

    def unflapped(self, before, but=()):
        """No session but those of the nodes in `but` went down or came up since `before`."""
        exempt = {(str(n.tor), peer) for n in but for peer in self.fabric.sessions_of(n)}
        now = self.fabric.uptimes()
        changed = {key: (was, now.get(key)) for key, was in before.items()
                   if now.get(key) != was and key not in exempt and key[0] not in {str(n) for n in but}}
        self.assertEqual(changed, {}, "sessions that should have stayed")

    def no_loss(self, lost, what):
        for family, (sent, gone, _) in lost.items():
            self.assertGreater(sent, 20)
            self.assertEqual(gone, 0, f"{what}: {gone} of {sent} lost over IPv{family}")
        self.say(f"{what}: 0 of {sum(sent for sent, _, _ in lost.values())} pings lost")

    def outage(self, lost, what, at_most):
        text = ", ".join(f"IPv{family} {gone} of {sent} lost, no flow more than {worst * 10} ms"
                         for family, (sent, gone, worst) in lost.items())
        self.say(f"{what}: {text}")
        for family, (_, gone, worst) in lost.items():
            self.assertLessEqual(worst * 0.01, at_most, f"{what}, IPv{family}")

    # ---- the tests


class Steady(RacksTest):
    """Nothing fails here."""

    def test_all_routes_are_in_all_kernels(self):
        self.say(f"start of the fabric to all routes in all kernels: {self.took:.2f} s")
        for node in self.fabric.nodes.values():
            for family in (4, 6):
                pool = POOL4.split(".0")[0] if family == 4 else "fd00:65:"
                learned = {r["dst"]: r for r in routes(node, family, "proto", "bird") if r["dst"].startswith(pool)}
                others = {other.blocks[family] for other in self.fabric.nodes.values() if other is not node}
                self.assertEqual(set(learned), others, f"{node}: the others' blocks and no address by itself")
                for net, route in learned.items():
                    self.assertEqual(route["metric"], 768, net)
                    self.assertEqual(len(nexthops(node, net)), 2, net)
        for tor in (self.tor1, self.tor2):
            for family, version in ((4, "ipv4"), (6, "ipv6")):
                table = tor.frr.json(f"show bgp {version} unicast")["routes"]
                single = [net for net in table if net.endswith("/32" if family == 4 else "/128")]
                self.assertEqual(single, [], f"{tor}: addresses inside of blocks are not announced")

    def test_pods_reach_each_other_across_racks_as_policy_says(self):
        a, b, c = self.a, self.b, self.pods["r2n1"]
        open_ = {(x, y, p): True for x in (a, b, c) for y in (a, b, c) if x is not y for p in (80, 81, "icmp")}
        self.expect(open_)
        self.apply(calico("GlobalNetworkPolicy", "racks",
                          {"selector": "name == 'pod-r2n2'", "types": ["Ingress"],
                           "ingress": [allow(protocol="TCP", source={"selector": "name == 'pod-r1n1'"}, destination={"ports": [80]})]}))
        self.expect({(a, b, 80): True, (a, b, 81): False, (a, b, "icmp"): False, (c, b, 80): False, (a, c, 81): True, (b, a, 81): True})
        self.apply(policy("racks", "name == 'pod-r2n2'", ingress=[deny()], namespace=None))
        self.expect({(a, b, 80): False, (c, b, 80): False, (b, a, 80): True})
        self.delete("racks")
        self.expect(open_)

    def test_an_edit_of_any_kind_leaves_unrelated_sessions_alone(self):
        before = self.fabric.uptimes()
        pings = self.fabric.ping(self.a, self.b)
        new_peer = calico("BGPPeer", "newcomer", {"peerIP": "10.1.1.99", "asNumber": 65099, "node": "r1n1"})
        filter_ = calico("BGPFilter", "unused", {"exportV4": [{"action": "Accept", "cidr": "10.99.0.0/16", "matchOperator": "In"}]})
        steps = {
            "BGPPeer added": lambda: self.apply(new_peer),
            "BGPFilter added": lambda: self.apply(filter_),
            "BGPPeer with a filter": lambda: self.apply({**new_peer, "spec": {**new_peer["spec"], "filters": ["unused"]}}),
            "BGPFilter edited": lambda: self.apply({**filter_, "spec": {"importV6": [{"action": "Reject"}]}}),
            "BGPPeer removed": lambda: self.delete("newcomer"),
            "BGPFilter removed": lambda: self.delete("unused"),
            "BGPConfiguration": lambda: self.host.apply(self.configuration(
                logSeverityScreen="Debug", communities=[{"name": "pods", "value": "65000:7"}],
                prefixAdvertisements=[{"cidr": POOL4, "communities": ["pods"]}])),
            "service ranges": lambda: self.host.apply(self.configuration(serviceClusterIPs=[{"cidr": "10.96.0.0/16"}])),
            "Service": lambda: self.apply(service("edits", ["10.96.0.77"])),
            "EndpointSlice": lambda: self.apply(*slices("edits", {"r1n1": True})),
            "IPPool added": lambda: self.apply(calico("IPPool", "third", {"cidr": "10.67.0.0/16", "ipipMode": "Never"})),
            "IPPool edited": lambda: self.apply(calico("IPPool", "third", {"cidr": "10.67.0.0/16", "ipipMode": "Never",
                                                                           "disableBGPExport": True})),
            "Node labelled": lambda: self.host.apply(self.fabric.manifest_of(self.n22, {"more": "labels"})),
            "Node added": lambda: self.apply(calico("Node", "elsewhere", {"bgp": {"ipv4Address": "10.3.1.11/24"}})),
            "BlockAffinity": lambda: self.apply(self.n11.block_manifest("10.65.77.0/26")),
            "configuration as before": lambda: self.host.apply(self.configuration()),
        }
        for what, edit in steps.items():
            with self.subTest(what):
                edit()
                self.settled()
                self.unflapped(before)
        self.no_loss(self.fabric.lost(pings), f"{len(steps)} edits")

    @staticmethod
    def configuration(**more):
        return calico("BGPConfiguration", "default", {"nodeToNodeMeshEnabled": False, "asNumber": 64512, **more})

    def test_a_wrong_resource_is_refused_alone(self):
        before = self.fabric.uptimes()
        wrong = [{"peerIP": "10.1.1.999", "asNumber": 65001},
                 {"peerIP": "10.1.1.98", "asNumber": 65001, "node": "r1n1", "nodeSelector": "all()"}]
        for spec in wrong:
            self.apply(calico("BGPPeer", "wrong", spec))
            self.settled()
            until(lambda: "wrong" in self.n11.routing.text(20000), patience(10), "a word about the wrong peer in the log")
            self.unflapped(before)
        # One that was right stays in force as it was when it becomes wrong.
        good = self.fabric.peer_manifest(self.tor1, 1, 4, "10.1.1.1")
        self.host.apply({**good, "spec": {**good["spec"], "asNumber": "sixty"}})
        try:
            self.settled()
            self.unflapped(before)
        finally:
            self.host.apply(good)
        self.settled()
        self.unflapped(before)

    def test_an_edited_filter_takes_effect_and_the_session_stays(self):
        net = self.n22.blocks[4]
        peers = [self.fabric.peer_manifest(self.tor1, link, 4, f"10.1.{link}.1", filters=["lab"]) for link in LINKS]
        reject = {"action": "Reject", "cidr": net, "matchOperator": "Equal"}
        self.apply(calico("BGPFilter", "lab", {"importV4": [{**reject, "cidr": "10.99.0.0/16"}]}))
        for peer in peers:
            self.host.apply(peer)
        try:
            self.settled()
            self.fabric.wait_sessions(patience(30))
            before = self.fabric.uptimes()
            self.assertEqual(len(nexthops(self.n11, net)), 2)
            self.apply(calico("BGPFilter", "lab", {"importV4": [reject]}))
            until(lambda: not nexthops(self.n11, net) and not nexthops(self.n12, net), patience(10), f"{net} gone from rack 1's nodes")
            self.assertEqual(len(nexthops(self.n21, net)), 2, "the other rack has no such filter")
            own = self.n11.blocks[4]
            self.apply(calico("BGPFilter", "lab", {"exportV4": [{"action": "Accept", "cidr": own, "matchOperator": "Equal", "operations": [
                {"addCommunity": {"value": "65000:42"}}]}]}))
            until(lambda: len(nexthops(self.n11, net)) == 2, patience(10), f"{net} back on r1n1")
            until(lambda: "65000:42" in self.tor1.frr.communities(own), patience(10), "the community at the router")
            self.unflapped(before)
        finally:
            for link in LINKS:
                self.host.apply(self.fabric.peer_manifest(self.tor1, link, 4, f"10.1.{link}.1"))

    def test_a_service_is_announced_where_an_endpoint_is_ready(self):
        self.host.apply(self.configuration(serviceClusterIPs=[{"cidr": "10.96.0.0/16"}, {"cidr": "fd96::/112"}]))
        try:
            addresses = ["10.96.0.10", "fd96::10"]
            nets = ["10.96.0.10/32", "fd96::10/128"]

            def from_(tor, net):
                """The nodes' numbers that the router would send packets for the service to."""
                return {re.split(r"[.:]+", hop.get("ip", ""))[-1] for path in tor.frr.route(net) for hop in path.get("nexthops", [])
                        if hop.get("scope") != "link-local" and hop.get("afi") == ("ipv6" if ":" in net else "ipv4")}

            def announced(tor, wanted):
                for net in nets:
                    until(lambda: from_(tor, net) & {"11", "12"} == wanted, patience(10),
                          lambda: f"{tor}: {net} from {sorted(wanted)}, not {from_(tor, net)}")

            self.apply(service("local", addresses), *slices("local", {"r1n1": True, "r1n2": False}))
            announced(self.tor1, {"11"})
            self.apply(*slices("local", {"r1n1": True, "r1n2": True}))
            announced(self.tor1, {"11", "12"})
            for net in nets:  # anycast: over both links to both nodes
                until(lambda: len(nexthops(self.tor1, net)) == 4, patience(10), f"four ways to {net}")
            self.apply(*slices("local", {"r1n1": False, "r1n2": True}))
            announced(self.tor1, {"12"})
            self.apply(*slices("local", {"r1n1": False, "r1n2": False}))
            announced(self.tor1, set())
            # The range itself comes from everywhere, and is in no node's kernel.
            until(lambda: len(nexthops(self.tor1, "10.96.0.0/16")) == 4, patience(10), "the range from both nodes")
            self.assertEqual(nexthops(self.n11, "10.96.0.0/16"), set())
        finally:
            self.host.apply(self.configuration())


class Faults(RacksTest):
    def test_a_cut_link_is_noticed_by_bfd_and_the_other_carries_on(self):
        before = self.fabric.uptimes()
        pings = self.fabric.ping(self.a, self.b, flows=8)
        self.fabric.go_on(pings, 30, patience(20))
        self.fabric.cut(self.n11, 1)
        blocks = list(self.n22.blocks.values())
        until(lambda: all(len(nexthops(self.n11, net)) == 1 for net in blocks), patience(5), "one next hop left on the node")
        until(lambda: all(len(nexthops(self.tor1, net)) == 1 for net in self.n11.blocks.values()), patience(5), "and on the router")
        self.fabric.go_on(pings, 30, patience(20))
        lost = self.fabric.lost(pings)
        self.assertTrue(any(gone for _, gone, _ in lost.values()), "no ping went over the link that was cut")
        self.outage(lost, "a link cut (BFD 5 × 100 ms)", patience(1.0))
        self.unflapped(before, but=[self.n11])
        pings = self.fabric.ping(self.a, self.b, flows=8)
        self.fabric.go_on(pings, 30, patience(20))
        self.fabric.mend(self.n11, 1)
        self.fabric.wait_converged(patience(30))
        self.fabric.go_on(pings, 30, patience(20))
        self.no_loss(self.fabric.lost(pings), "the link mended")

    def test_a_router_reboots(self):
        before = self.fabric.uptimes()
        pings = self.fabric.ping(self.a, self.b)
        self.fabric.go_on(pings, 30, patience(20))
        self.fabric.power_off(self.tor2)
        gone = [net for node in (self.n21, self.n22) for net in node.blocks.values()]
        until(lambda: all(not nexthops(self.n11, net) for net in gone), patience(20), "the rebooting rack's routes gone from the other")
        self.fabric.power_on(self.tor2)
        took = self.fabric.wait_converged(patience(60))
        self.fabric.go_on(pings, 30, patience(20))
        lost = self.fabric.lost(pings)
        self.say(f"a router reboots: all routes back {took:.2f} s after its start; "
                 + ", ".join(f"IPv{f} {n} of {sent} lost" for f, (sent, n, _) in lost.items()))
        now = self.fabric.uptimes()
        for node in (self.n11, self.n12):
            for peer in self.fabric.sessions_of(node):
                self.assertEqual(now[str(self.tor1), peer], before[str(self.tor1), peer], "rack 1's sessions stay")

    def test_a_node_leaves_and_comes_back(self):
        before = self.fabric.uptimes()
        pings = self.fabric.ping(self.a, self.b)
        self.fabric.go_on(pings, 30, patience(20))
        leaving = self.n12
        leaving.routing.end(signal.SIGTERM)
        leaving.bird.end(signal.SIGTERM)  # as on leaving for good: sessions are closed, nothing is kept
        for net in leaving.blocks.values():
            until(lambda: not any(nexthops(place, net) for place in (self.tor1, self.tor2, self.n11, self.n21, self.n22)), patience(5),
                  f"{net} gone everywhere")
        self.unflapped(before, but=[leaving])
        leaving.start_bird()
        leaving.start_routing()
        self.fabric.wait_converged(patience(30))
        self.fabric.go_on(pings, 30, patience(20))
        self.unflapped(before, but=[leaving])
        self.no_loss(self.fabric.lost(pings), "a node left and came back, pings between others")

    def test_a_node_is_drained(self):
        """RFC 8326: what a drained node announces says that it will go, and the other way is preferred; nothing is lost."""
        before = self.fabric.uptimes()
        pings = self.fabric.ping(self.a, self.b)
        self.fabric.go_on(pings, 30, patience(20))
        for annotations in ({"bgp.margay.io/drain": "true"}, {}):
            self.host.apply(self.fabric.manifest_of(self.n11, annotations=annotations))
            for net in self.n11.blocks.values():
                until(lambda: bool(self.tor1.frr.communities(net) & SHUTDOWN) == bool(annotations), patience(10),
                      lambda: f"{net} at {self.tor1}: {self.tor1.frr.communities(net)}, annotations {annotations}")
        for net in self.n12.blocks.values():
            self.assertFalse(self.tor1.frr.communities(net) & SHUTDOWN, "only the drained node's")
        self.unflapped(before)
        self.fabric.go_on(pings, 30, patience(20))
        self.no_loss(self.fabric.lost(pings), "a node drained and back")

    def test_the_daemon_is_killed_and_started_again(self):
        before = self.fabric.uptimes()
        pings = self.fabric.ping(self.a, self.b)
        self.fabric.go_on(pings, 30, patience(20))
        self.n11.routing.end(signal.SIGKILL)
        self.apply(self.n11.block_manifest("10.202.78.0/26"))
        self.settled(nodes=[self.n12, self.n21, self.n22])
        self.assertFalse(self.tor1.frr.route("10.202.78.0/26"))
        self.n11.start_routing()
        until(lambda: self.tor1.frr.route("10.202.78.0/26"), patience(10), "what was written meanwhile is announced")
        self.settled()
        self.unflapped(before)
        self.fabric.go_on(pings, 30, patience(20))
        self.no_loss(self.fabric.lost(pings), "margay-bgp-config killed and started again")

    def bird_restarts(self, end, what):
        before = self.fabric.uptimes()
        pings = [self.fabric.ping(self.a, self.b, flows=2), self.fabric.ping(self.b, self.pods["r1n2"])]
        for p in pings:
            self.fabric.go_on(p, 30, patience(20))
        end()
        for p in pings:
            self.fabric.go_on(p, 100, patience(20))
        self.n11.start_bird(recover=True)
        self.fabric.wait_sessions(patience(30))
        until(lambda: "recovery" not in str(self.n11.bird.ask("show status")), patience(40), "the end of BIRD's recovery")
        self.fabric.wait_converged(patience(30))
        for p in pings:
            self.fabric.go_on(p, 30, patience(20))
        for p in pings:
            self.no_loss(self.fabric.lost(p), what)
        self.settled()
        self.unflapped(before, but=[self.n11])

    def test_bird_is_killed_and_started_again(self):
        self.bird_restarts(lambda: self.n11.bird.end(signal.SIGKILL), "BIRD killed, away for a second, started with -R")

    def test_bird_restarts_gracefully(self):
        def gracefully():
            self.n11.bird.ask("graceful restart")
            self.n11.bird.end(None)
        self.bird_restarts(gracefully, "BIRD ended by `graceful restart`, away for a second, started with -R")

    def test_somebody_takes_the_port_first(self):
        """A BIRD that cannot listen must be told to try again; when it can, nobody need do anything."""
        self.n11.bird.end(signal.SIGTERM)
        program = ("import socket\nfor f, a in ((socket.AF_INET6, '::'), (socket.AF_INET, '0.0.0.0')):\n s = socket.socket(f)\n"
                   " s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
                   " f == socket.AF_INET6 and s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)\n s.bind((a, 179)); s.listen()\n"
                   " globals()[a] = s\nprint('held', flush=True)\nimport time\ntime.sleep(600)\n")
        holder = subprocess.Popen(["ip", "netns", "exec", self.n11.netns, sys.executable, "-c", program], stdout=subprocess.PIPE,
                                  preexec_fn=die_with_parent)
        try:
            self.assertEqual(holder.stdout.readline().strip(), b"held")
            self.n11.start_bird()
            until(lambda: "No listening socket" in str(self.n11.bird.try_ask("show protocols")), patience(15), "BIRD without its port")
            self.assertEqual(self.n11.bird.established(), set())
        finally:
            holder.kill()
            holder.wait()
            holder.stdout.close()
        self.fabric.wait_sessions(patience(60))
        self.fabric.wait_converged(patience(30))

    def test_the_nodes_address_goes_and_comes_back(self):
        before = self.fabric.uptimes()
        addresses = [("4", f"{self.n11.ip4}/24"), ("6", f"{self.n11.ip6}/64")]
        for _, address in addresses:
            self.n11.ip(f"addr del {address} dev eth1")
        for net in self.n22.blocks.values():
            until(lambda: len(nexthops(self.n11, net)) == 1, patience(30), "only network b is left")
        for family, address in addresses:
            self.n11.ip(f"addr add {address} dev eth1" + (" nodad" if family == "6" else ""))
        self.fabric.wait_sessions(patience(60))
        self.fabric.wait_converged(patience(30))
        self.unflapped(before, but=[self.n11])


def main():
    reason = why_not("bgpd")
    if reason:
        print(f"skipped: {reason}")
        sys.exit(SKIP)
    unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
