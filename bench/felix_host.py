"""A host in a network namespace of its own for benchmarks: veth pairs for the local pods, a margay-felix over a made-up cluster, and
what the kernel says of the process: its CPU time, memory and switches.
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent / "test/live"))
import lab  # noqa: E402
from cluster import NODE  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown CPU")
    kinds = {}
    options = Path(build_directory()) / "meson-info/intro-buildoptions.json"
    if options.exists():
        import json
        kinds = {o["name"]: o["value"] for o in json.loads(options.read_text())}
    return (f"{model}, {os.cpu_count()} CPUs, Linux {os.uname().release}; build type {kinds.get('buildtype', '?')}; "
            f"load {os.getloadavg()[0]:.1f}")


def build_directory():
    return os.environ.get("MARGAY_BUILD") or str(BENCH.parent / "build-bench")


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def skip_unless_possible():
    why = lab.why_not()
    if why:
        print(f"skipped: {why}")
        sys.exit(lab.SKIP)
    os.environ.setdefault("MARGAY_BUILD", build_directory())


class Process:
    """margay-felix, from exec to ready, by its own notice to the service manager."""

    def __init__(self, host, *args):
        address = str(host.base / f"notify-{time.monotonic_ns()}")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(address)
        environment = {**host.environment(), "NOTIFY_SOCKET": address, "MARGAY_LOG_LEVEL": "warning"}
        command = host.felix_command(*args)
        self.log = open(host.base / "felix.log", "ab")
        self.started = time.monotonic()
        self.child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.pid = self.child.pid  # `ip netns exec` becomes the program

    def wait_ready(self, timeout=300):
        self.notify.settimeout(timeout)
        while True:
            message = self.notify.recv(4096)
            if b"enforcing policy" in message:
                self.ready_after = time.monotonic() - self.started
                self.cpu_at_ready = self.cpu()
                return self

    def cpu(self):
        """(user, system) seconds so far."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) / TICK, int(fields[12]) / TICK

    def cpu_ns(self):
        with open(f"/proc/{self.pid}/schedstat") as file:
            return int(file.read().split()[0])

    def status(self, name):
        with open(f"/proc/{self.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))

    def stop(self):
        self.child.terminate()
        code = self.child.wait(60)
        self.log.close()
        self.notify.close()
        return code


class BenchHost:
    """One namespace, one daemon's directories, `cluster.local` veth pairs: both ends stay in it, the pods send nothing."""

    def __init__(self):
        self.lab = lab.Lab()
        self.host = self.lab.host(NODE)
        self.base = self.host.base
        self.directory = self.host.directory

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.close()

    def wire(self, cluster):
        names = [lab.interface_name(cluster.namespace(i), cluster.name(i)) for i in cluster.local_pods()]
        self.host.ip(*[f"link add {name} address {lab.GATEWAY_MAC} type veth peer name peer{n}" for n, name in enumerate(names)])
        self.host.ip(*[f"link set {name} up" for name in names], *[f"link set peer{n} up" for n in range(len(names))])

    def felix(self, *args):
        return Process(self.host, *args)

    def wipe_kernel(self):
        subprocess.run(self.host.felix_command("--cleanup"), env=self.host.environment(), check=True, capture_output=True)

    def wipe_state(self):
        shutil.rmtree(self.host.state_dir, ignore_errors=True)
        shutil.rmtree(self.host.run_dir, ignore_errors=True)


def scratch():
    return tempfile.TemporaryDirectory(prefix="margay-bench-")
