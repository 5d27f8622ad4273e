"""Two racks of hosts behind top-of-rack routers, made of network namespaces: what the live tests of routing and the demo act on.

        tor1 ═══════ tor2          FRR, one AS a rack; two links between them
       ║    ║       ║    ║         each node has two links to its router (networks a and b of the rack)
     r1n1  r1n2   r2n1  r2n2       BIRD, margay-bgp-config, margay-felix; one AS a node
      pods  pods   pods  pods      veth pairs, addresses of the node's own blocks

A router's port to a link is a port of a bridge, as in a switch that routes. Disabling it in the bridge cuts the link without either
end seeing the carrier go: only BFD, or the hold time, can tell.

    with Fabric() as fabric:
        fabric.start()                          seconds from nothing running to all routes in all kernels
        a = fabric.nodes["r1n1"].pod("default", "a")
"""
import signal
import time

from bgp_kernel import wait_for_routes
from bgp_nodes import BFD, Node, Router, wire
from bgp_peers import Frr, until
from lab import Lab, calico

LINKS = (1, 2)  # networks a and b of a rack, and the two links between the routers
POOL4, POOL6 = "10.65.0.0/16", "fd00:65::/48"


class Fabric(Lab):
    RACKS = {"r1": (65001, ("r1n1", "r1n2")), "r2": (65002, ("r2n1", "r2n2"))}

    def __init__(self, prefix="mg"):
        super().__init__(prefix)
        self.resources = self.directory / "resources"
        self.resources.mkdir()
        self.nodes, self.tors = {}, {}
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        for number, (rack, (asn, names)) in enumerate(self.RACKS.items(), 1):
            self._rack(number, rack, asn, names)
        for k in LINKS:  # two links between the routers
            one, two = self.tors.values()
            wire(one, f"p{k}", two, f"p{k}")
            for last, tor in ((1, one), (2, two)):
                tor.ip(f"link add spine{k} type bridge", f"link set spine{k} up", f"link set p{k} master spine{k}",
                       f"addr add 10.255.{k}.{last}/24 dev spine{k}", f"addr add fd10:255:{k}::{last}/64 dev spine{k} nodad")
        for number, tor in enumerate(self.tors.values(), 1):
            self._router(number, tor)
        self._resources()

    def _rack(self, number, rack, asn, names):
        tor = self.tors[rack] = Router(self, f"tor{number}")
        tor.number, tor.asn, tor.rack = number, asn, rack
        for k in LINKS:
            tor.ip(f"link add br{k} type bridge", f"link set br{k} up", f"addr add 10.{number}.{k}.1/24 dev br{k}",
                   f"addr add fd10:{number}:{k}::1/64 dev br{k} nodad")
        for i, name in enumerate(names, 1):
            node = self.nodes[name] = Node(self, name, self.resources)
            node.rack, node.tor, node.asn, node.number = rack, tor, asn + 100 * number + i, 10 + i
            for k in LINKS:
                wire(tor, f"{name}e{k}", node, f"eth{k}")
                tor.ip(f"link set {name}e{k} master br{k}")
                node.ip(f"addr add 10.{number}.{k}.{node.number}/24 dev eth{k}",
                        f"addr add fd10:{number}:{k}::{node.number}/64 dev eth{k} nodad")
            node.ip4, node.ip6 = f"10.{number}.1.{node.number}", f"fd10:{number}:1::{node.number}"
            # As hosts have it from their installation. It also carries what BGP's routes do not for the second after a BIRD that was
            # restarted with -R believes itself recovered: an FRR younger than two minutes calls itself restarting too, and is not
            # waited for (RFC 4724, §4.1).
            for family, net in ((4, f"10.{number}."), (6, f"fd10:{number}:")):
                last = ".1" if family == 4 else "::1"
                via = "".join(f" nexthop via {net}{k}{last} dev eth{k}" for k in LINKS)
                node.run("ip", f"-{family}", "route", "add", "default", *via.split())

    def _router(self, number, tor):
        neighbors = []
        for node in self.nodes.values():
            if node.tor is tor:
                for k in LINKS:
                    for net in (f"10.{number}.{k}.", f"fd10:{number}:{k}::"):
                        neighbors.append({"peer": f"{net}{node.number}", "remote_as": node.asn, "bfd": True})
        other = next(t for t in self.tors.values() if t is not tor)
        for k in LINKS:
            for net in (f"10.255.{k}.", f"fd10:255:{k}::"):
                neighbors.append({"peer": f"{net}{3 - number}", "remote_as": other.asn, "bfd": True})
        tor.speaker = tor.frr = Frr(tor, tor.base / "frr", tor.asn, f"10.255.255.{number}", neighbors,
                                    networks=[f"10.{number}.1.0/24", f"fd10:{number}:1::/64"])

    def _resources(self):
        first = next(iter(self.nodes.values()))
        first.apply(calico("IPPool", "pods4", {"cidr": POOL4, "blockSize": 26, "ipipMode": "Never", "vxlanMode": "Never"}),
                    calico("IPPool", "pods6", {"cidr": POOL6, "blockSize": 122, "ipipMode": "Never", "vxlanMode": "Never"}),
                    calico("BGPConfiguration", "default", {"nodeToNodeMeshEnabled": False, "asNumber": 64512}))
        for tor in self.tors.values():
            for k in LINKS:
                for family, address in ((4, f"10.{tor.number}.{k}.1"), (6, f"fd10:{tor.number}:{k}::1")):
                    first.apply(self.peer_manifest(tor, k, family, address))
        for index, node in enumerate(self.nodes.values(), 1):
            node.apply(self.manifest_of(node))
            node.give_block(f"10.65.{index}.0/26")
            node.give_block(f"fd00:65:0:{index}::/122")

    @staticmethod
    def manifest_of(node, labels=None, **metadata):
        return node.node_manifest(node.asn, {"rack": node.rack, **(labels or {})}, f"{node.ip4}/24", f"{node.ip6}/64", **metadata)

    @staticmethod
    def peer_manifest(tor, link, family, address, **more):
        # The node's address is on network a; towards network b the kernel chooses.
        spec = {"peerIP": address, "asNumber": tor.asn, "nodeSelector": f"rack == '{tor.rack}'", **more}
        if link == 2:
            spec["sourceAddress"] = "None"
        return calico("BGPPeer", f"tor{tor.number}-{'ab'[link - 1]}-v{family}", spec, annotations=dict(BFD))

    # ---- life

    def start(self, felix=True, within=60):
        """Seconds from nothing running to every block's routes in every kernel, over every path there is."""
        began = time.monotonic()
        for tor in self.tors.values():
            tor.frr.start()
        for node in self.nodes.values():
            if felix:
                node.start_felix(wait=False)
            node.start_bird()
            node.start_routing()
        self.wait_converged(within)
        took = time.monotonic() - began
        if felix:
            for node in self.nodes.values():
                node.wait_ready()
        return took

    def all_routes(self, without=()):
        """place → {prefix: how many next hops}: two from any node to any other's block and from router to router."""
        wanted = {}
        for owner in self.nodes.values():
            if owner in without:
                continue
            for place in [*self.nodes.values(), *self.tors.values()]:
                if place is not owner and place not in without:
                    for net in owner.blocks.values():
                        wanted.setdefault(place, {})[net] = 2
        return wanted

    def wait_converged(self, within=30, without=()):
        return wait_for_routes(self.all_routes(without), within)

    def wait_sessions(self, within=30):
        """Until every router sees every session up."""
        for tor in self.tors.values():
            want = {n["peer"] for n in tor.frr.neighbors}
            until(lambda: tor.frr.established() == want, within,
                  lambda: f"{tor}: sessions not up: {sorted(want - tor.frr.established())}")

    def sessions_of(self, node):
        """The routers' names for a node's sessions."""
        return {n["peer"] for n in node.tor.frr.neighbors if n["remote_as"] == node.asn}

    def uptimes(self):
        """How often each session came up and went down, as the routers count, and since when it is up, as BIRD says."""
        found = {(str(tor), peer): count for tor in self.tors.values() for peer, count in tor.frr.flaps().items()}
        for node in self.nodes.values():
            found.update({(str(node), name): since for name, since in node.bird.uptimes().items()})
        return found

    @staticmethod
    def cut(node, link):
        """The link carries nothing more, and the node still sees a carrier."""
        node.tor.run("bridge", "link", "set", "dev", f"{node}e{link}", "state", "disabled")

    @staticmethod
    def mend(node, link):
        node.tor.run("bridge", "link", "set", "dev", f"{node}e{link}", "state", "forwarding")

    def power_off(self, tor):
        """The router's ports go dark, its daemons die without a word to anybody, and its table is empty."""
        self._ports(tor, "down")
        tor.frr.kill(signal.SIGKILL)
        for family in (4, 6):
            tor.run("ip", f"-{family}", "route", "flush", "proto", "bgp", check=False)

    def power_on(self, tor):
        self._ports(tor, "up")
        tor.frr.start()

    def _ports(self, tor, state):
        names = [f"p{k}" for k in LINKS] + [f"{n}e{k}" for n in self.nodes.values() if n.tor is tor for k in LINKS]
        tor.ip(*(f"link set {name} {state}" for name in names))

    # ---- pings: numbered packets at a steady pace

    @staticmethod
    def ping(source, target, interval=0.01, flows=1, families=(4, 6)):
        """Starts numbered flows, each with a port of its own, so that they spread over the paths; lost() ends them."""
        names = [(f"ping-{target}-{family}-{i}", family, 30000 + i) for family in families for i in range(flows)]
        for name, family, port in names:
            source.agent(do="flow", name=name, dst=target.address(family), port=80, proto="udp", interval=interval, sport=port)
        return source, names

    @staticmethod
    def go_on(started, count, within=20):
        """Waits until each flow has had this many more answers: what was sent before that is answered or lost."""
        source, names = started

        def got(name):
            report = source.agent(do="flow_report", name=name)
            if report["error"]:
                raise AssertionError(f"{name}: {report['error']}")
            return report["got"]

        had = {name: got(name) for name, _, _ in names}
        for name in had:
            until(lambda: got(name) >= had[name] + count, within, f"{count} answers to {name}")

    @staticmethod
    def lost(started):
        """family → (sent, lost, lost by the flow that lost most)."""
        source, names = started
        total = {}
        reports = source.agent(do="stop_flows", names=[name for name, _, _ in names])["reports"]
        for (_, family, _), r in zip(names, reports):
            sent, lost, worst = total.get(family, (0, 0, 0))
            mine = r["sent"] - r["got"]
            total[family] = (sent + r["sent"], lost + mine, max(worst, mine))
        return total
