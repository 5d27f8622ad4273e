#!/usr/bin/env python3
"""What an idle daemon does: wake-ups, system calls and CPU time over a while.

    bench/idle.py                     SECONDS_IDLE=30 over 10,000 pods and 1,000 policies
    bench/idle.py 1000:100

Wanted: the drift look once a second, the refreshes, nothing else. Nobody asks for health meanwhile, and no watchdog is set.
"""
import os
import shutil
import signal
import subprocess
import sys
import time

from cluster import Cluster
from felix_host import BenchHost, machine, skip_unless_possible


def run(pods, policies, seconds):
    with BenchHost() as bench:
        cluster = Cluster(bench.directory, pods, policies)
        cluster.write()
        bench.wire(cluster)
        felix = bench.felix().wait_ready()
        time.sleep(12)  # what follows a start: late events of interfaces, trimming
        switches, cpu = felix.status("voluntary_ctxt_switches"), felix.cpu_ns()
        time.sleep(seconds)
        switches = felix.status("voluntary_ctxt_switches") - switches
        cpu = (felix.cpu_ns() - cpu) / 1e6
        calls = ""
        if shutil.which("strace"):
            trace = subprocess.Popen(["strace", "-c", "-f", "-p", str(felix.pid)], stderr=subprocess.PIPE, text=True)
            time.sleep(min(seconds, 10))
            trace.send_signal(signal.SIGINT)
            calls = trace.communicate()[1]
        felix.stop()
    rate = switches / seconds
    print(f"{pods:>7} {policies:>8} {seconds:>8}  {switches:>9} {rate:>8.2f} {cpu / seconds:>11.3f}  "
          f"wanted about 1 a second: {'reached' if rate <= 1.5 else 'MISSED'}")
    if calls:
        print(f"system calls of {min(seconds, 10)} s:\n{calls}")


def main():
    skip_unless_possible()
    sizes = [tuple(map(int, a.split(":"))) for a in sys.argv[1:]] or [(10000, 1000)]
    seconds = int(os.environ.get("SECONDS_IDLE", "30"))
    print(f"Idle: {machine()}")
    print(f"{'pods':>7} {'policies':>8} {'seconds':>8}  {'wake-ups':>9} {'a second':>8} {'CPU ms/s':>11}")
    for pods, policies in sizes:
        run(pods, policies, seconds)


if __name__ == "__main__":
    main()
