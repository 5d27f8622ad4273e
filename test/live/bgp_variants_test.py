#!/usr/bin/env python3
"""Who a node can be a peer of, and how: small labs, each of a few places on one network."""
import base64
import os
import signal
import sys
import time
import unittest

from bgp_kernel import RouteWatch, nexthops
from bgp_nodes import BFD, Segment, why_not
from bgp_peers import Bird, ExaBgp, Frr, GoBgp, missing, until
from lab import SKIP, calico
from live import patience as stretched

PEER_NETS = {4: "198.51.100.0/24", 6: "2001:db8:51::/48"}


def patience(seconds):
    return min(stretched(seconds), 3 * seconds)


def needs(*programs):
    gone = missing(*programs)
    return unittest.skipIf(gone, f"not installed: {', '.join(gone)} (scripts/packages test)")


def foreign_bird(router, asn, peers, lines=()):
    """Somebody else's BIRD 2 that announces PEER_NETS. peers: (address, remote AS[, options of the protocol])."""
    text = [f"log stderr all; router id 10.255.0.{asn % 250 + 1};", "protocol device { }", *lines]
    for family, net in PEER_NETS.items():
        text.append(f"protocol static own{family} {{ ipv{family}; route {net} blackhole; }}")
    for i, (address, remote, *options) in enumerate(peers):
        both = address.startswith("fe80:")  # one session for both families
        text.append(f"protocol bgp p{i} {{ local as {asn}; neighbor {address} as {remote}; {' '.join(options)} connect delay time 1; "
                    "connect retry time 1; error wait time 1,2;")
        for family in (4, 6) if both else (6,) if ":" in address else (4,):
            text.append(f"ipv{family} {{ {'extended next hop on; ' if both and family == 4 else ''}import all; "
                        "export where source = RTS_STATIC; };")
        text.append("}")
    bird = router.speaker = Bird(router, router.base)
    bird.config.write_text("\n".join(text) + "\n")
    return bird.start()


class VariantTest(unittest.TestCase):
    def setUp(self):
        self.lab = Segment()
        self.addCleanup(self.lab.close)
        self.addCleanup(self.tell_if_failed)

    def tell_if_failed(self):
        if any(e for _, e in getattr(self._outcome, "errors", []) if e):
            for place in self.lab.places:
                if place in self.lab.nodes.values():
                    print(f"--- log of {place.node}\n{place.log()[-6000:]}\n{place.bird.sessions()}", file=sys.stderr)
                    print(place.bird.config.read_text()[-6000:] if place.bird.config.exists() else "no bird.conf", file=sys.stderr)
                elif getattr(place, "speaker", None):
                    print(f"--- {place}\n{place.speaker.text()}", file=sys.stderr)

    def pair(self, families=(4, 6), **node):
        """A node and somebody else's router."""
        node = self.lab.node("n1", 11, asn=node.pop("asn", 65011), families=families, **node)
        router = self.lab.router("peer", 1, families)
        self.lab.cluster()
        return node, router

    def peer_with(self, node, router, asn=65001, annotations=None, **spec):
        for family in (4, 6):
            if router.address(family):
                node.apply(calico("BGPPeer", f"peer-v{family}", {"peerIP": router.address(family), "asNumber": asn, **spec},
                                  annotations=annotations or {}))

    def established(self, node, count):
        until(lambda: len(node.bird.established()) == count, patience(30), lambda: f"{count} sessions of {node}: {node.bird.sessions()}")

    def learned(self, place, net, via):
        """The place's kernel sends packets for the prefix to exactly these next hops."""
        until(lambda: nexthops(place, net) == set(via), patience(30), lambda: f"{place}: {net} via {via}, not {nexthops(place, net)}")

    def exchanged(self, node, router, announced, families=(4, 6)):
        """The node's blocks are with the peer, and the peer's networks in the node's kernel."""
        self.established(node, len(families))
        for family in families:
            until(lambda: announced(node.blocks[family]), patience(30), f"{node.blocks[family]} at the peer")
            # A peer on the link may name its link-local address as next hop.
            until(lambda: nexthops(node, PEER_NETS[family]) == {router.address(family)} or
                  [hop[:5] for hop in nexthops(node, PEER_NETS[family])] == ["fe80:"], patience(30),
                  lambda: f"{node}: {PEER_NETS[family]} via {router}, not {nexthops(node, PEER_NETS[family])}")


class Peers(VariantTest):
    @needs("gobgpd", "gobgp")
    def test_gobgp_with_a_password(self):
        node, router = self.pair()
        secret(node, "tor", {"password": "s3cret pass"})
        self.peer_with(node, router, password={"secretKeyRef": {"name": "tor", "key": "password"}})
        router.speaker = gobgp = GoBgp(router, router.base, 65001, "10.77.0.1",
                                       [(node.ip4, 65011, "s3cret pass"), (node.ip6, 65011, "s3cret pass")]).start()
        self.lab.start()
        for family, net in PEER_NETS.items():
            gobgp.announce(net, router.address(family))
        self.exchanged(node, router, gobgp.has)

    @needs("exabgp")
    def test_exabgp(self):
        node, router = self.pair()
        self.peer_with(node, router)
        # Every attribute that a route server may put on a route.
        attributes = "community [ 65000:1 no-export ] large-community [ 65000:1:2 ] med 50"
        router.speaker = exabgp = ExaBgp(router, router.base, 65001, "10.77.0.1", [
            (router.address(f), node.address(f), 65011, [f"route {PEER_NETS[f]} next-hop {router.address(f)} {attributes}"])
            for f in (4, 6)]).start()
        self.lab.start()
        self.exchanged(node, router, lambda net: net in exabgp.received())
        self.assertIn("(65000,1,2)", node.bird.routes(f"{PEER_NETS[4]} all").replace(" ", ""))

    def test_another_bird(self):
        node, router = self.pair()
        self.peer_with(node, router)
        other = foreign_bird(router, 65001, [(node.ip4, 65011), (node.ip6, 65011)])
        self.lab.start()
        self.exchanged(node, router, lambda net: "BGP" in str(other.routes(f"{net} all")) or "unicast" in other.routes(net))

    def test_ipv6_only(self):
        """No IPv4 address anywhere, nor a router id: one is made from the node's name."""
        node, router = self.pair(families=(6,))
        self.peer_with(node, router)
        other = foreign_bird(router, 65001, [(node.ip6, 65011)])
        self.lab.start()
        self.exchanged(node, router, lambda net: "unicast" in other.routes(net), families=(6,))

    def test_unnumbered(self):
        """A link-local peer on an interface with no other address; the node waits for whoever dials."""
        node = self.lab.node("n1", 11, asn=65011, families=(), manifest=False)
        router = self.lab.router("peer", 1, families=())
        node.ip("addr add 10.77.0.11/32 dev lo", "addr add fd77::11/128 dev lo", "addr add fe80::11/64 dev eth0 nodad")
        router.ip("addr add fe80::1/64 dev eth0 nodad")
        node.apply(node.node_manifest(65011, None, "10.77.0.11/32", "fd77::11/128"))
        node.give_block("10.66.11.0/26")
        node.give_block("fd66:11::/122")
        self.lab.cluster()
        node.apply(calico("BGPPeer", "tor", {"node": "n1", "asNumber": 65001}, annotations={"bgp.margay.io/unnumbered": "eth0"}))
        other = foreign_bird(router, 65001, [("fe80::11%eth0", 65011)])
        self.lab.start()
        for family, net in PEER_NETS.items():
            until(lambda: "unicast" in other.routes(node.blocks[family]), patience(30), lambda: f"the node's block: {other.sessions()}")
            until(lambda: [hop[:5] for hop in nexthops(node, net)] == ["fe80:"], patience(30), f"{net} in the node's kernel")


def secret(node, name, values, namespace="kube-system"):
    """With the mode that secrets must have from the first moment on."""
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace},
                "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}}
    old = os.umask(0o077)
    try:
        node.apply(manifest)
    finally:
        os.umask(old)


class Sessions(VariantTest):
    @needs("bgpd")
    def test_a_password_right_wrong_and_corrected(self):
        node, router = self.pair()
        self.peer_with(node, router, password={"secretKeyRef": {"name": "tor", "key": "password"}})
        secret(node, "tor", {"password": "right"})
        router.speaker = frr = Frr(router, router.base / "frr", 65001, "10.77.0.1", [
            {"peer": peer, "remote_as": 65011, "password": "right"} for peer in (node.ip4, node.ip6)], list(PEER_NETS.values())).start()
        self.lab.start()
        both = {node.ip4, node.ip6}
        until(lambda: frr.established() == both, patience(30), "sessions with the right password")
        secret(node, "tor", {"password": "wrong"})
        until(lambda: not frr.established() and not node.bird.established(), patience(30), "no session with the wrong one")
        secret(node, "tor", {"password": "right"})
        until(lambda: frr.established() == both, patience(30), "sessions with the corrected one")
        # A quote would end BIRD's string and begin whatever follows: refused, and what is in force stays.
        secret(node, "tor", {"password": 'ri"ght; } protocol device evil { '})
        until(lambda: "ERROR" in node.routing.text().upper() or "WARN" in node.routing.text().upper(), patience(20), "a word in the log")
        self.assertNotIn("evil", node.bird.config.read_text() + "".join(p.read_text() for p in node.bird_dir.glob("*.conf")))
        self.assertNotIn("evil", node.routing.text(100000), "a password is never logged")

    def test_bfd_brings_a_silent_session_down(self):
        node, router = self.pair()
        self.peer_with(node, router, annotations=BFD)
        bfd = 'protocol bfd { interface "*" { min rx interval 100 ms; min tx interval 100 ms; multiplier 5; }; }'
        other = foreign_bird(router, 65001, [(node.ip4, 65011, "direct; bfd on;"), (node.ip6, 65011, "direct; bfd on;")], [bfd])
        self.lab.start()
        self.exchanged(node, router, lambda net: "unicast" in other.routes(net))
        until(lambda: str(node.bird.ask("show bfd sessions")).count(" Up ") == 2, patience(20), "two BFD sessions")
        self.lab.cut(router)
        until(lambda: not node.bird.established(), patience(5), "BFD tells of the silence")
        for net in PEER_NETS.values():
            self.learned(node, net, [])
        self.lab.mend(router)
        self.exchanged(node, router, lambda net: "unicast" in other.routes(net))

    def test_a_restarted_bird_keeps_the_kernels_routes_until_its_peers_have_sent_theirs(self):
        node, router = self.pair()
        self.peer_with(node, router)
        other = foreign_bird(router, 65001, [(node.ip4, 65011), (node.ip6, 65011)])
        self.lab.start()
        self.exchanged(node, router, lambda net: "unicast" in other.routes(net))
        watch = RouteWatch(node)
        self.addCleanup(watch.close)
        node.bird.end(signal.SIGKILL)
        for net in node.blocks.values():
            self.assertIn("unicast", other.routes(net), "the peer keeps the node's routes for the while")
        node.start_bird(recover=True)
        until(lambda: len(node.bird.established()) == 2 and "recovery" not in str(node.bird.try_ask("show status")), patience(40),
              "sessions up and recovery over")
        self.exchanged(node, router, lambda net: "unicast" in other.routes(net))
        node.ip("route add blackhole 203.0.113.1/32")  # when this is noticed, all before it was
        seen = []
        until(lambda: seen.append(watch.text()) or "203.0.113.1" in "".join(seen), patience(10), "the last notice")
        self.assertNotRegex("".join(seen), r"Deleted (198\.51\.100\.0|2001:db8:51)")

    def test_a_storm_of_nodes_is_a_few_configurations(self):
        """100 new nodes a second: BIRD is configured at most ten times a second, and no session notices."""
        node, router = self.pair()
        self.peer_with(node, router)
        other = foreign_bird(router, 65001, [(node.ip4, 65011), (node.ip6, 65011)])
        self.lab.cluster(mesh=True)
        self.lab.start()
        self.exchanged(node, router, lambda net: "unicast" in other.routes(net))
        sessions = set(node.bird.established())
        before, configured, began = node.bird.uptimes(), node.configured(), time.monotonic()
        for i in range(300):
            node.apply(calico("Node", f"other-{i}", {"bgp": {"ipv4Address": f"10.77.{1 + i // 250}.{1 + i % 250}/16"}}))
            time.sleep(max(0.0, began + i / 100 - time.monotonic()))
        until(lambda: "Mesh_10_77_2_50" in node.bird.sessions(), patience(20), "the last node's session in BIRD")
        took = time.monotonic() - began
        count = node.configured() - configured
        print(f"\n    300 nodes in {took:.1f} s: {count} configurations", file=sys.stderr, flush=True)
        self.assertGreaterEqual(count, 1)
        self.assertLessEqual(count, 10 * took + 2)
        now = node.bird.uptimes()
        self.assertEqual({name: now.get(name) for name in sessions}, {name: before[name] for name in sessions})

    def test_a_dead_peer_does_not_hold_a_restarted_node_back(self):
        """Graceful restart waits for every peer's routes, but not for ever: for 20 s."""
        nodes = [self.lab.node(f"n{i}", 10 + i) for i in (1, 2, 3)]
        self.lab.cluster(mesh=True)
        self.lab.start()
        for node in nodes:
            self.established(node, 4)
        nodes[2].routing.end()
        nodes[2].bird.end(signal.SIGKILL)
        nodes[0].bird.end(signal.SIGKILL)
        nodes[0].start_bird(recover=True)
        self.established(nodes[0], 2)
        until(lambda: "recovery" not in str(nodes[0].bird.try_ask("show status")), patience(25), "recovery given up")
        for family in (4, 6):
            self.learned(nodes[1], nodes[0].blocks[family], [nodes[0].address(family)])

    def test_a_mesh_of_three(self):
        """No BGPPeer at all: every node is every other's peer, in both families."""
        nodes = [self.lab.node(f"n{i}", 10 + i) for i in (1, 2, 3)]
        self.lab.cluster(mesh=True)
        self.lab.start()
        for node in nodes:
            self.established(node, 4)
            for other in nodes:
                for family in (4, 6):
                    if other is not node:
                        self.learned(node, other.blocks[family], [other.address(family)])

    def test_a_pair_of_route_reflectors(self):
        """Clients know only the reflectors, and have each other's routes with each other's next hops."""
        reflectors = [self.lab.node(f"rr{i}", 20 + i, labels={"rr": "true"}, bgp={"routeReflectorClusterID": "244.0.0.1"})
                      for i in (1, 2)]
        clients = [self.lab.node(f"n{i}", 10 + i) for i in (1, 2)]
        self.lab.cluster(mesh=False)
        clients[0].apply(calico("BGPPeer", "to-reflectors", {"nodeSelector": "!has(rr)", "peerSelector": "has(rr)"}),
                         calico("BGPPeer", "reflectors", {"nodeSelector": "has(rr)", "peerSelector": "has(rr)"}))
        self.lab.start()
        for node in clients:
            self.established(node, 4)
        for node in reflectors:
            self.established(node, 6)
        for node in clients:
            for other in [*clients, *reflectors]:
                if other is not node:
                    for family in (4, 6):
                        self.learned(node, other.blocks[family], [other.address(family)])
        # One reflector goes: the other has it all.
        reflectors[0].bird.end()
        for family in (4, 6):
            self.learned(clients[0], clients[1].blocks[family], [clients[1].address(family)])


def main():
    reason = why_not()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(SKIP)
    unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
