"""Nodes and routers in network namespaces, and segments that join them: the parts of every lab of routing."""
import os
import socket

from bgp_peers import Bird, Daemon, Frr, missing
from lab import HERE, Host, Lab, Place, calico, sh, why_not as why_no_lab

# 5 × 100 ms: quick, and a busy machine does not bring a session down.
BFD = {"bgp.margay.io/bfd": "true", "bgp.margay.io/bfd-min-rx": "100", "bgp.margay.io/bfd-min-tx": "100",
       "bgp.margay.io/bfd-multiplier": "5", "bgp.margay.io/direct": "true"}


def why_not(*programs):
    """Why tests of routing cannot run here, or None."""
    reason = why_no_lab()
    if reason:
        return reason
    gone = missing("bird", *programs)
    return f"not installed: {', '.join(gone)} (scripts/packages test)" if gone else None


def bgp_config_binary():
    build = os.environ.get("MARGAY_BUILD")
    for directory in [build] if build else [HERE.parent.parent / d for d in ("build-gcc", "build")]:
        path = os.path.join(directory, "src/bgp-config/daemon/margay-bgp-config")
        if os.path.exists(path):
            return path
    raise RuntimeError("margay-bgp-config is not built; set MARGAY_BUILD")


class Router(Place):
    """A namespace that forwards and runs somebody's routing daemon."""

    def __init__(self, lab, name):
        super().__init__(lab, name)
        self.base = lab.directory / name
        self.base.mkdir()
        self.speaker = None
        quiet(self)

    def close(self):
        if self.speaker:
            self.speaker.kill() if isinstance(self.speaker, Frr) else self.speaker.end()
        super().close()


def quiet(place):
    """Addresses usable at once, forwarding, and the transport's ports decide among several paths."""
    place.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.accept_dad=0",
                 "net.ipv6.conf.all.accept_dad=0", "net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1",
                 "net.ipv6.conf.all.keep_addr_on_down=1", "net.ipv6.conf.default.keep_addr_on_down=1")


def wire(a, name_a, b, name_b):
    sh("ip", "link", "add", name_a, "netns", a.netns, "type", "veth", "peer", "name", name_b, "netns", b.netns)
    a.ip(f"link set {name_a} up")
    b.ip(f"link set {name_b} up")


class Node(Host):
    """A host with BIRD and margay-bgp-config beside margay-felix."""

    def __init__(self, lab, name, directory=None):
        super().__init__(lab, name)
        if directory:
            self.directory = directory
        quiet(self)
        self.blocks = {}
        self.bird_dir = self.base / "bird"
        self.bird = Bird(self, self.base, config=self.bird_dir / "bird.conf")
        self.bird_dir.mkdir()
        self.routing = Daemon(self, "bgp-config", self.base)

    # ---- resources

    def node_manifest(self, asn=None, labels=None, ipv4=None, ipv6=None, more=None, **metadata):
        bgp = {key: value for key, value in (("asNumber", asn), ("ipv4Address", ipv4), ("ipv6Address", ipv6)) if value}
        bgp.update(more or {})
        return calico("Node", self.node, {"bgp": bgp} if bgp else {}, labels=labels or {}, **metadata)

    def block_manifest(self, cidr):
        name = self.node + "-" + cidr.replace(".", "-").replace(":", "-").replace("/", "-")
        return calico("BlockAffinity", name, {"cidr": cidr, "node": self.node, "state": "confirmed", "deleted": "false"})

    def give_block(self, cidr):
        self.blocks[6 if ":" in cidr else 4] = cidr
        self.apply(self.block_manifest(cidr))

    def pod(self, namespace, name, labels=None, **more):
        number = next(self._pod_number) + 2
        inside = {"ip4": self.blocks[4].split("/")[0].rsplit(".", 1)[0] + f".{number}" if 4 in self.blocks else None,
                  "ip6": self.blocks[6].split("/")[0] + f"{number:x}" if 6 in self.blocks else None}
        return super().pod(namespace, name, labels, **{**inside, **more})

    # ---- daemons

    def start_bird(self, recover=False):
        if not self.bird.config.exists():
            # What a package would install: BIRD runs and does nothing until margay-bgp-config tells it what to do. The name matters:
            # a device protocol that replaces one of another name learns of interfaces at its first scan only, 10 s later.
            self.bird.config.write_text("log stderr all;\nrouter id 192.0.2.1;\nprotocol device margay_device { scan time 10; }\n")
        return self.bird.start(recover)

    def start_routing(self, config=""):
        conf = self.base / "bgp.conf"
        conf.write_text(f"[node]\nname = {self.node}\nstate_dir = {self.state_dir}\nrun_dir = {self.run_dir}\n"
                        f"[datastore]\nurl = file://{self.directory}\n"
                        f"[bgp]\nbird_socket = {self.bird.socket}\nbird_config_dir = {self.bird_dir}\n"
                        f"secrets_dir = {self.base}/secrets\n{config}")
        self.routing.spawn(bgp_config_binary(), "--config", conf, env=self.environment())

    def configured(self):
        """How often margay-bgp-config has configured BIRD, as its metrics say."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{self.run_dir}/bgp-config.sock")
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        return int(float(answer.split('margay_bgp_publications{outcome="configured"} ')[1].split()[0]))

    def log(self):
        return (super().log() + f"--- bgp-config of {self.node}\n{self.routing.text(4000)}"
                f"--- BIRD of {self.node}\n{self.bird.text(3000)}")

    def close(self):
        self.routing.end()
        self.bird.end()
        super().close()


class Segment(Lab):
    """Places on one network: 10.77.0.0/24 and fd77::/64, a switch between them."""

    def __init__(self):
        super().__init__()
        self.resources = self.directory / "resources"
        self.resources.mkdir()
        self.switch = Place(self, "switch")
        self.switch.sysctl("net.ipv6.conf.default.disable_ipv6=1")
        self.switch.ip("link add sw type bridge", "link set sw up")
        self.nodes = {}

    def _join(self, place, number, families):
        wire(self.switch, f"{place.name}e", place, "eth0")
        self.switch.ip(f"link set {place.name}e master sw")
        if 4 in families:
            place.ip4 = f"10.77.0.{number}"
            place.ip(f"addr add {place.ip4}/24 dev eth0")
        if 6 in families:
            place.ip6 = f"fd77::{number}"
            place.ip(f"addr add {place.ip6}/64 dev eth0 nodad")
        return place

    def node(self, name, number, asn=None, labels=None, families=(4, 6), bgp=None, manifest=True):
        """With a block of each family: 10.66.<number>.0/26 and fd66:<number>::/122."""
        node = self.nodes[name] = self._join(Node(self, name, self.resources), number, families)
        if manifest:
            node.apply(node.node_manifest(asn, labels, f"{node.ip4}/24" if node.ip4 else None, f"{node.ip6}/64" if node.ip6 else None,
                                          bgp))
        for family, cidr in ((4, f"10.66.{number}.0/26"), (6, f"fd66:{number}::/122")):
            if family in families:
                node.give_block(cidr)
        return node

    def router(self, name, number, families=(4, 6)):
        return self._join(Router(self, name), number, families)

    def cluster(self, mesh=False, **configuration):
        """The pools and BGPConfiguration default."""
        host = next(iter(self.nodes.values()))
        host.apply(calico("IPPool", "pods4", {"cidr": "10.66.0.0/16", "blockSize": 26, "ipipMode": "Never", "vxlanMode": "Never"}),
                   calico("IPPool", "pods6", {"cidr": "fd66::/16", "blockSize": 122, "ipipMode": "Never", "vxlanMode": "Never"}),
                   calico("BGPConfiguration", "default", {"nodeToNodeMeshEnabled": mesh, "asNumber": 64512, **configuration}))

    def start(self):
        for node in self.nodes.values():
            node.start_bird()
            node.start_routing()

    def cut(self, place):
        self.switch.run("bridge", "link", "set", "dev", f"{place.name}e", "state", "disabled")

    def mend(self, place):
        self.switch.run("bridge", "link", "set", "dev", f"{place.name}e", "state", "forwarding")
