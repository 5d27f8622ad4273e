"""The demonstration's part on routing: two racks, a pod reached across them, a policy, a link that fails; run by demo_show.py."""
import signal
import time

import bgp_lab
from bgp_kernel import nexthops, routes
from bgp_nodes import why_not
from bgp_peers import until
from demo_screen import ARROW, UTF8, YES, NO, bad, bold, dim, good, head, ms, say, should
from lab import calico

PICTURE = """\
        tor1 AS 65001 ═══════════ tor2 AS 65002      FRR, two links between the racks
         ║       ║                 ║       ║         two links to each node, BFD on each
       r1n1    r1n2              r2n1    r2n2        BIRD, margay-bgp-config, margay-felix
       web                               client      pods, a block of addresses a node"""

POLICY = {"selector": "app == 'web'", "types": ["Ingress"],
          "ingress": [{"action": "Deny", "source": {"selector": "app == 'client'"}}, {"action": "Allow"}]}


def both(results):
    """IPv4 and IPv6 of one pair, as marks."""
    return " ".join(f"IPv{family} {good(YES) if results[family] else bad(NO)}" for family in (4, 6))


def reach(fabric, source, target):
    return {family: r["how"] == "ok" for (_, family), r in fabric.probe({(source, target, 80): None}, timeout=0.5).items()}


def until_reach(fabric, source, target, wanted, within=10):
    end = time.monotonic() + within
    while set((seen := reach(fabric, source, target)).values()) != {wanted} and time.monotonic() < end:
        pass
    return seen


def way(place, net):
    route = next((r for r in routes(place, 6 if ":" in net else 4, net) if r.get("protocol") == "bird"), {})
    hops = route.get("nexthops") or [route]
    text = "   ".join(f"via {hop.get('gateway')} dev {hop.get('dev')}" for hop in hops if hop.get("gateway"))
    return f"{net:<18} {text}"


def lost_line(lost, note):
    for family, (sent, gone, worst) in lost.items():
        mark = good(YES) if not gone else dim("·" if UTF8 else "-")
        say(f"    {mark} IPv{family} {sent:>5} pings, one each 10 ms in each flow: {bold(str(gone))} lost"
            + (f", no flow silent for more than {bold(ms(worst * 0.01))}" if gone else "") + (f"  {dim(note)}" if note else ""))


def show(fabric):
    say()
    say(bold("Routes to the rack.") + " margay-bgp-config turns Calico's BGP resources into a configuration of BIRD 2.")
    say(PICTURE if UTF8 else PICTURE.replace("═", "=").replace("║", "|"))
    nodes, (tor1, tor2) = fabric.nodes, fabric.tors.values()
    here, there = nodes["r1n1"], nodes["r2n2"]

    head(1, "Routers, BIRDs and daemons start, all at once")
    took = fabric.start()
    fabric.wait_sessions()
    wanted = fabric.all_routes()
    say(f"    All {sum(len(nets) for nets in wanted.values())} routes are in all {len(wanted)} kernels, each over two links, "
        f"{bold(f'{took:.1f} s')} after the start. On {there}, to {here}'s pods:")
    for net in here.blocks.values():
        say("      " + way(there, net))
    should("every node reaches every block over two links", all(len(nexthops(p, n)) >= 2 for p, nets in wanted.items() for n in nets))

    head(2, "A pod is reached from the other rack, until a policy says no")
    web = here.pod("shop", "web", {"app": "web"}, serve=[80])
    client = there.pod("visitors", "client", {"app": "client"}, serve=[80])
    seen = until_reach(fabric, client, web, True)
    say(f"    client {ARROW} web   {both(seen)}")
    should("the client reaches web in the other rack", all(seen.values()))
    policy = calico("GlobalNetworkPolicy", "no-clients", POLICY)
    client.agent(do="knock", name="edit", dst=web.ip4, port=80, sport=10000, interval=0.002)
    time.sleep(0.2)
    edited = time.monotonic()
    here.apply(policy)
    seen = until_reach(fabric, client, web, False)
    tries = client.agent(do="stop_knock", name="edit")["tries"]
    late = max([when for when, answered in tries if answered], default=edited) - edited
    say(f"    client {ARROW} web   {both(seen)}   policy no-clients; the last new connection that got through began "
        + (f"{bold(ms(late))} after the edit" if late > 0 else "before the edit"))
    should("the policy cuts the client off", not any(seen.values()))
    here.delete(policy)
    seen = until_reach(fabric, client, web, True)
    say(f"    client {ARROW} web   {both(seen)}   the policy is deleted")
    should("without the policy the client reaches web again", all(seen.values()))

    head(3, f"One of {here}'s two links is cut; neither end sees the carrier go")
    flows = fabric.ping(client, web, flows=8)
    fabric.go_on(flows, 20)
    cut = time.monotonic()
    fabric.cut(here, 1)
    until(lambda: all(len(nexthops(here, net)) == 1 for net in there.blocks.values())
          and all(len(nexthops(tor1, net)) == 1 for net in here.blocks.values()), 10, "the link found dead")
    noticed = time.monotonic() - cut
    fabric.go_on(flows, 30)
    lost = fabric.lost(flows)
    lost_line(lost, "")
    say(f"    BFD (5 × 100 ms) found it; both ends use the other link after {bold(ms(noticed))}. On {here}, to {there}'s pods:"
        if UTF8 else f"    BFD (5 x 100 ms) found it; both ends use the other link after {ms(noticed)}.")
    say("      " + way(here, there.blocks[4]))
    should("at most two seconds of a flow are lost", all(worst * 0.01 < 2 for _, _, worst in lost.values()))
    flows = fabric.ping(client, web, flows=8)
    fabric.go_on(flows, 10)
    fabric.mend(here, 1)
    back = fabric.wait_converged()
    fabric.go_on(flows, 10)
    lost = fabric.lost(flows)
    say(f"    The link is mended: both are used again after {bold(f'{back:.1f} s')}; {sum(l for _, l, _ in lost.values())} of "
        f"{sum(s for s, _, _ in lost.values())} pings lost.")
    should("no ping is lost when the link comes back", not any(gone for _, gone, _ in lost.values()))

    head(4, f"{here}'s daemons die: margay-bgp-config and BIRD (kill -9), started again a second later")
    fabric.wait_sessions()
    flows = fabric.ping(client, web, flows=4)
    fabric.go_on(flows, 20)
    here.routing.end(signal.SIGKILL)
    here.bird.end(signal.SIGKILL)
    fabric.go_on(flows, 100)
    here.start_bird(recover=True)
    here.start_routing()
    fabric.wait_sessions()
    fabric.wait_converged()
    fabric.go_on(flows, 10)
    lost = fabric.lost(flows)
    lost_line(lost, "")
    should("no ping is lost while BIRD restarts", not any(gone for _, gone, _ in lost.values()))


def hints(fabric):
    node, tor = fabric.nodes["r1n1"], fabric.tors["r1"]
    enter = f"ip netns exec {node.netns}"
    return [("racks", f"{fabric.resources}/", "the resources of all four nodes"),
            ("", f"{enter} birdc -s {node.bird.socket} show protocols", ""),
            ("", f"{enter} ip route", "bird: the other nodes' blocks"),
            ("", f"ip netns exec {tor.netns} vtysh --vty_socket {tor.frr.vty} -c 'show bgp summary'", "")]


def fabric():
    """The racks, or why there are none."""
    reason = why_not("bgpd")
    if reason:
        raise RuntimeError(reason)
    return bgp_lab.Fabric("demo")
