#!/usr/bin/env python3
"""A new address block: from the rename of its file to its route in a top-of-rack router's BGP table (FRR), on the lab of two racks.

    bench/block_route.py            BLOCKS=40 blocks come and go, one after another

The router is asked through bgpd's own terminal socket, over and over until it says so: the time includes half such a round trip. Needs
root, bird2 and frr.
"""
import os
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test/live"))
import lab  # noqa: E402
from bgp_lab import Fabric  # noqa: E402
from bgp_nodes import why_not  # noqa: E402
from felix_host import build_directory, machine, median  # noqa: E402

TARGET_MS = 15.0


class Terminal:
    """bgpd, asked as vtysh does: a command ends with a NUL, an answer with three of them and a status."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.ask("enable")

    def ask(self, command):
        self.socket.sendall(command.encode() + b"\0")
        answer = b""
        while not (len(answer) >= 4 and answer[-4:-1] == b"\0\0\0"):
            part = self.socket.recv(65536)
            if not part:
                raise RuntimeError("bgpd closed its terminal")
            answer += part
        return answer[:-4].decode()

    def has(self, net):
        return f'"prefix":"{net}"' in self.ask(f"show bgp ipv4 unicast {net} json").replace(" ", "")


def wait(condition, within=10):
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within:
            raise RuntimeError(f"not seen within {within} s")
    return (time.monotonic() - began) * 1e3


def main():
    reason = why_not("bgpd")
    if reason:
        print(f"skipped: {reason}")
        return lab.SKIP
    os.environ.setdefault("MARGAY_BUILD", build_directory())
    blocks = int(os.environ.get("BLOCKS", "40"))
    print(f"New block to its route in the router's BGP table: {machine()}")
    with Fabric("mgb") as fabric:
        start = fabric.start(felix=False)
        node = next(iter(fabric.nodes.values()))
        terminal = Terminal(node.tor.base / "frr" / "vty" / "bgpd.vty")
        come, gone = [], []
        for i in range(blocks):
            net = f"10.201.{i}.0/26"  # in no pool
            manifest = node.block_manifest(net)
            time.sleep(0.15)  # an idle daemon: publications of a busy one are 100 ms apart
            node.apply(manifest)
            come.append(wait(lambda: terminal.has(net)))
            time.sleep(0.15)
            node.delete(manifest)
            gone.append(wait(lambda: not terminal.has(net)))
    print(f"start of the fabric to all routes in all kernels: {start:.1f} s")
    print(f"{'':>10} {'changes':>8} {'median ms':>10} {'90% ms':>8} {'max ms':>8}")
    for name, times in (("appears", come), ("vanishes", gone)):
        times = sorted(times)
        note = f"  wanted {TARGET_MS:.0f} ms: {'reached' if median(times) <= TARGET_MS else 'MISSED'}" if name == "appears" else ""
        print(f"{name:>10} {len(times):>8} {median(times):>10.2f} {times[len(times) * 9 // 10]:>8.2f} {times[-1]:>8.2f}{note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
