#!/usr/bin/env python3
"""From process start to everything enforced, by size of the cluster: time, CPU and memory.

    bench/cold_start.py                 all sizes
    bench/cold_start.py 10000:1000      pods:policies, as many as given
    ROUNDS=3                            each is run so often; the table shows medians

"first" is a node's first start: an empty kernel, no state directory. "again" is a restart over what the first one left.
"""
import os
import sys
import time

from cluster import Cluster
from felix_host import BenchHost, machine, median, skip_unless_possible

SIZES = [(1000, 100), (3000, 300), (10000, 1000), (30000, 1500), (100000, 2000)]
TARGETS = {(10000, 1000): (2.0, 80), (100000, 2000): (15.0, 500)}


def measure(bench):
    felix = bench.felix().wait_ready()
    peak, resident = felix.status("VmHWM") / 1024, felix.status("VmRSS") / 1024
    time.sleep(2)
    settled = felix.status("VmRSS") / 1024
    code = felix.stop()
    assert code == 0, code
    user, system = felix.cpu_at_ready
    return {"wall": felix.ready_after, "user": user, "sys": system, "peak": peak, "ready": resident, "settled": settled}


def run(pods, policies, rounds):
    with BenchHost() as bench:
        cluster = Cluster(bench.directory, pods, policies)
        objects = cluster.write()
        bench.wire(cluster)
        first, again = [], []
        for _ in range(rounds):
            bench.wipe_kernel()
            bench.wipe_state()
            first.append(measure(bench))
            again.append(measure(bench))
        sets = len(bench.host.sets())
    for name, samples in (("first", first), ("again", again)):
        m = {key: median([s[key] for s in samples]) for key in samples[0]}
        best = min(s["wall"] for s in samples)
        cpu = m["user"] + m["sys"]
        verdict = ""
        if (pods, policies) in TARGETS and name == "first":
            seconds, megabytes = TARGETS[pods, policies]
            verdict = (f"wanted {seconds:g} s, {megabytes} MB: "
                       f"{'reached' if m['wall'] <= seconds and m['peak'] < megabytes else 'MISSED'}")
        print(f"{pods:>7} {policies:>8} {objects:>8} {sets:>6}  {name:<5} {m['wall']:>8.2f} {best:>8.2f} {m['user']:>7.2f} "
              f"{m['sys']:>6.2f} {cpu * 1e6 / objects:>10.1f} {m['peak']:>8.0f} {m['settled']:>8.0f} "
              f"{m['settled'] * 1024 * 1024 / objects:>8.0f}  {verdict}", flush=True)


def main():
    skip_unless_possible()
    sizes = [tuple(map(int, a.split(":"))) for a in sys.argv[1:]] or SIZES
    rounds = int(os.environ.get("ROUNDS", "3"))
    print(f"Cold start: {machine()}; {rounds} rounds, medians")
    print(f"{'pods':>7} {'policies':>8} {'objects':>8} {'sets':>6}  {'start':<5} {'wall s':>8} {'best s':>8} {'user s':>7} {'sys s':>6} "
          f"{'us/object':>10} {'peak MB':>8} {'after MB':>8} {'B/object':>8}")
    for pods, policies in sizes:
        run(pods, policies, rounds)


if __name__ == "__main__":
    main()
