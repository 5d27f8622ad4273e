"""Routes as the kernels of a lab have them, and waiting for them by the kernel's own notices."""
import json
import os
import select
import subprocess
import time

from bgp_peers import die_with_parent


def routes(place, family, *filters):
    text = place.run("ip", f"-{family}", "-j", "route", "show", *filters, check=False)
    return json.loads(text or "[]")


def nexthops(place, net):
    """Where the namespace's kernel sends packets for exactly this prefix, over all routes that BGP speakers made."""
    found = set()
    for route in routes(place, 6 if ":" in net else 4, net):
        if route.get("protocol") not in ("bird", "bgp"):
            continue
        for hop in route.get("nexthops") or [route]:
            via = hop.get("gateway") or hop.get("via", {}).get("host")
            if via and "dead" not in hop.get("flags", []) and "linkdown" not in hop.get("flags", []):
                found.add(via)
    return found


class RouteWatch:
    """Wakes when a route of the namespace changes, so that waiting costs nothing; close() it."""

    def __init__(self, place):
        self.process = subprocess.Popen(["ip", "-n", place.netns, "monitor", "route"], stdout=subprocess.PIPE,
                                        preexec_fn=die_with_parent)

    def fileno(self):
        return self.process.stdout.fileno()

    def drain(self):
        return os.read(self.fileno(), 1 << 16).decode(errors="replace")

    def text(self):
        """What was noticed since the last time."""
        out = ""
        while select.select([self], [], [], 0)[0]:
            out += self.drain()
        return out

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def wait_for_routes(wanted, within):
    """wanted: place → {prefix: how many next hops at least}. Returns the seconds it took; looks again whenever a route changed."""
    began = time.monotonic()
    watches = {RouteWatch(place): place for place in wanted}
    try:
        open_places = set(wanted)
        while True:
            lacking = {}
            for place in list(open_places):
                missing_here = {net: n for net, n in wanted[place].items() if len(nexthops(place, net)) < n}
                if missing_here:
                    lacking[place] = missing_here
                else:
                    open_places.discard(place)
            if not lacking:
                return time.monotonic() - began
            left = began + within - time.monotonic()
            if left <= 0:
                raise AssertionError("routes that did not come: " + "; ".join(f"{p}: {sorted(nets)}" for p, nets in lacking.items()))
            ready, _, _ = select.select(list(watches), [], [], min(left, 0.25))
            for watch in ready:
                watch.drain()
    finally:
        for watch in watches:
            watch.close()
