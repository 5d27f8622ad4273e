#!/usr/bin/env python3
"""One remote pod's label change: from the file's rename to its member in the kernel's set, and what it costs the daemon.

    bench/label_change.py                 by size of the cluster
    bench/label_change.py 100000:2000     pods:policies
    CHANGES=100                           so many changes each

A change moves a pod in or out of one peer selector's set, in both families. The kernel is asked with `test` through its own
netlink socket, over and over until it says so: the time includes half such a round trip.
"""
import os
import socket
import struct
import sys
import time

from cluster import Cluster, address4
from felix_host import BenchHost, machine, median, skip_unless_possible

TARGET_MS = 10.0
SIZES = [(1000, 100), (10000, 1000), (100000, 2000)]


class SetTester:
    """Is this address in that set? One netlink round trip, about 20 us."""

    def __init__(self, netns):
        self.socket = in_netns(netns, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12))  # NETLINK_NETFILTER
        self.socket.bind((0, 0))
        self.sequence = 0

    @staticmethod
    def attribute(kind, payload):
        raw = struct.pack("=HH", 4 + len(payload), kind) + payload
        return raw + b"\0" * (-len(raw) % 4)

    def test(self, name, ip4):
        nested = 0x8000
        address = self.attribute(1 | 0x4000, socket.inet_aton(ip4))                       # IPSET_ATTR_IPADDR_IPV4, net order
        data = self.attribute(1 | nested, address) + self.attribute(3, b"\x20")            # IPSET_ATTR_IP, IPSET_ATTR_CIDR
        body = struct.pack("=BBH", socket.AF_INET, 0, 0) + self.attribute(1, b"\x07") + self.attribute(2, name.encode() + b"\0") \
            + self.attribute(7 | nested, data)                                             # PROTOCOL, SETNAME, DATA
        self.sequence += 1
        head = struct.pack("=IHHII", 16 + len(body), 6 << 8 | 11, 1 | 4, self.sequence, 0)  # IPSET_CMD_TEST, REQUEST | ACK
        self.socket.send(head + body)
        reply = self.socket.recv(4096)
        code = struct.unpack_from("=i", reply, 16)[0]
        if code not in (0, -4103):                                                         # IPSET_ERR_EXIST: it is not in it
            raise RuntimeError(f"ipset test {name} {ip4}: error {code}")
        return code == 0


def in_netns(name, make):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as here, open(f"/run/netns/{name}") as there:
        if libc.setns(there.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return make()
        finally:
            libc.setns(here.fileno(), 0x40000000)


def run(pods, policies, changes):
    with BenchHost() as bench:
        cluster = Cluster(bench.directory, pods, policies)
        cluster.write()
        bench.wire(cluster)
        felix = bench.felix().wait_ready(600)
        walls, cpus = change_labels(bench, cluster, felix, changes)
        felix.stop()
    verdict = f"wanted {TARGET_MS:g} ms: {'reached' if median(walls) <= TARGET_MS else 'MISSED'}" if pods == 100000 else ""
    print(f"{pods:>7} {policies:>8} {changes:>7}  {median(walls):>9.2f} {walls[len(walls) * 9 // 10]:>7.2f} {walls[-1]:>7.2f} "
          f"{median(cpus):>9.2f}  {verdict}", flush=True)


def change_labels(bench, cluster, felix, changes):
    """Sorted milliseconds to the kernel set, and milliseconds of the daemon's CPU time."""
    tester = SetTester(bench.host.netns)

    # A remote pod whose address is in a set: taken from the kernel, so that the bench knows nothing of set names.
    by_address = {address4(i): i for i in range(cluster.local, cluster.pods)}
    chosen = []
    for name in bench.host.sets():
        if not name.startswith("cali40s"):
            continue
        for member in bench.host.members(name):
            if member in by_address:
                chosen.append((name, member, by_address[member]))
                break
        if len(chosen) >= 20:
            break
    assert chosen, "no set has a remote pod"
    for name, address, _ in chosen:
        assert tester.test(name, address)

    time.sleep(3)
    walls, cpus = [], []
    for n in range(changes):
        name, address, pod = chosen[n // 2 % len(chosen)]
        inside = n % 2 == 1  # out, then in again
        path = cluster.pod_path(pod)
        text = cluster.pod_text(pod)
        if not inside:
            text = text.replace(f"    app: {cluster.app_of(pod)}\n", "    app: elsewhere\n")
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text(text)
        cpu = felix.cpu_ns()
        begin = time.monotonic()
        os.rename(temporary, path)
        while tester.test(name, address) != inside:
            if time.monotonic() - begin > 10:
                raise RuntimeError(f"{address} is not {'in' if inside else 'out of'} {name} after 10 s")
        walls.append((time.monotonic() - begin) * 1e3)
        time.sleep(0.02)
        cpus.append((felix.cpu_ns() - cpu) / 1e6)
        time.sleep(0.2)
    return sorted(walls), cpus


def main():
    skip_unless_possible()
    sizes = [tuple(map(int, a.split(":"))) for a in sys.argv[1:]] or SIZES
    changes = int(os.environ.get("CHANGES", "60"))
    print(f"Label change of a remote pod, rename to kernel set: {machine()}")
    print(f"{'pods':>7} {'policies':>8} {'changes':>7}  {'median ms':>9} {'90% ms':>7} {'max ms':>7} {'CPU ms':>9}")
    for pods, policies in sizes:
        run(pods, policies, changes)


if __name__ == "__main__":
    main()
