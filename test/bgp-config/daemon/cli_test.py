#!/usr/bin/env python3
"""margay-bgp-config from its command line: render, --once, and what it does about a BIRD that refuses. BIRD is a fake that speaks the
control socket's form and says of every configuration what the test wants it to say.

    cli_test.py PATH_TO_MARGAY_BGP_CONFIG
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

PROGRAM = None


def calico(kind, name, spec):
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": name}, "spec": spec}


NODE = calico("Node", "n1", {"bgp": {"ipv4Address": "10.0.0.1/24"}})
PEERS = [calico("BGPPeer", name, {"peerIP": address, "asNumber": 65001}) for name, address in (("good", "10.0.0.8"), ("bad", "10.0.0.9"))]


class FakeBird:
    """`judge` is called with the text of every file of a configuration by path; it answers (path, line) to refuse, or None."""

    def __init__(self, path, judge):
        self.judge, self.checked, self.configured = judge, 0, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection, connection.makefile("rw") as stream:
            stream.write("0001 BIRD 2.0.12 ready.\n")
            stream.flush()
            for line in stream:
                stream.write(self.answer(line.strip()))
                stream.flush()

    def answer(self, command):
        if command == "show status":
            return ("1000-BIRD 2.0.12\n1011-Router ID is 10.0.0.1\n Hostname is fake\n Current server time is 2026-01-01T00:00:00+0000\n"
                    " Last reboot on 2026-01-01T00:00:00+0000\n Last reconfiguration on 2026-01-01T00:00:00+0000\n"
                    "0013 Daemon is up and running\n")
        if command == "restrict":
            return "0016 Access restricted\n"
        match = re.fullmatch(r'configure (check )?"(.*)"', command)
        if not match:
            return "0000 \n"
        main = Path(match[2])
        files = {main: main.read_text()}
        for part in re.findall(r'include "([^"]*)"', files[main]):
            files[Path(part)] = Path(part).read_text()
        refused = self.judge(files)
        if refused:
            self.checked += 1
            return f"0002-Reading configuration from {main}\n8002 {refused[0]}:{refused[1]}:1 the fake does not like it\n"
        if match[1]:
            self.checked += 1
            return f"0002-Reading configuration from {main}\n0020 Configuration OK\n"
        self.configured += 1
        return f"0002-Reading configuration from {main}\n0003 Reconfigured\n"

    def close(self):
        self.listener.close()


def place_of(files, text):
    """(path, line) of the first line that has the text, or None."""
    for path, content in files.items():
        for number, line in enumerate(content.splitlines(), 1):
            if text in line:
                return path, number
    return None


class Cli(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="margay-test-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.resources = self.directory / "resources"
        self.resources.mkdir()
        self.bird_dir = self.directory / "bird"
        self.conf = self.directory / "margay.conf"
        self.conf.write_text(f"[node]\nname = n1\nrun_dir = {self.directory}/run\nstate_dir = {self.directory}/state\n"
                             f"[datastore]\nurl = file://{self.resources}\n"
                             f"[bgp]\nbird_socket = {self.directory}/bird.ctl\nbird_config_dir = {self.bird_dir}\n"
                             "health_port = 0\nmetrics_port = 0\n")

    def put(self, *manifests):
        for m in manifests:
            path = self.resources / f"{m['kind']}-{m['metadata']['name']}.json".lower()
            path.with_suffix(".tmp").write_text(json.dumps(m))
            path.with_suffix(".tmp").rename(path)

    def run_it(self, *args, code=0, **environment):
        done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **environment})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def once(self, code=0):
        return self.run_it("--once", "--config", self.conf, code=code)

    def fake(self, judge=lambda files: None):
        bird = FakeBird(self.directory / "bird.ctl", judge)
        self.addCleanup(bird.close)
        return bird

    def peers_in_force(self):
        text = "".join(p.read_text() for p in self.bird_dir.glob("peers-*.conf"))
        return set(re.findall(r"neighbor ([0-9.]+)", text))

    def start(self):
        daemon = subprocess.Popen([PROGRAM, "--config", self.conf], stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (daemon.terminate(), daemon.wait()))

    def readiness(self):
        """The answer's code and table; (0, "") while nobody answers."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(self.directory / "run/bgp-config.sock"))
                s.sendall(b"GET /readiness HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: s.recv(65536), b"")).decode()
            return int(answer.split()[1]), answer
        except OSError:
            return 0, ""

    def wait_readiness(self, code, text):
        end = time.monotonic() + 30
        while (said := self.readiness())[0] != code or text not in said[1]:
            self.assertLess(time.monotonic(), end, f"wanted {code} and {text!r}, not {said}")
            time.sleep(0.02)

    # ---- usage

    def test_usage(self):
        self.assertIn("margay-bgp-config ", self.run_it("--version"))
        self.assertIn("--output", self.run_it("render", "--help"))
        self.run_it("--nonsense", code=2)
        self.run_it("render", code=2)
        self.assertIn("--once", self.run_it("--once", "render", "--output", self.directory / "out", code=2))
        self.run_it("--config", self.directory / "nosuch.conf", code=2)
        self.assertIn("wait_for_policy", self.bad_setting("wait_for_policy = maybe"))

    def bad_setting(self, line):
        self.conf.write_text(self.conf.read_text() + line + "\n")
        return self.once(code=2)

    # ---- render

    def test_render(self):
        self.put(NODE, *PEERS, calico("BGPPeer", "secret", {"peerIP": "10.0.0.7", "asNumber": 65001,
                                                          "password": {"secretKeyRef": {"name": "none", "key": "k"}}}))
        out = self.directory / "out"
        said = self.run_it("render", "--config", self.conf, "--output", out)
        self.assertIn("BGPPeer secret: ", said)
        first = {p.name: p.read_bytes() for p in out.iterdir()}
        self.assertIn(f'include "{out}/peers-', first["bird.conf"].decode())
        if bird := shutil.which("bird", path="/usr/sbin:/sbin:/usr/bin"):
            subprocess.run([bird, "-p", "-c", out / "bird.conf"], check=True, timeout=30)
        # The same again, byte for byte; what another state made is gone.
        self.run_it("render", "--config", self.conf, "--output", out)
        self.assertEqual({p.name: p.read_bytes() for p in out.iterdir()}, first)
        (self.resources / "bgppeer-bad.json").unlink()
        self.run_it("render", "--config", self.conf, "--output", out)
        parts = [p.name for p in out.iterdir() if p.name.startswith("peers-")]
        self.assertEqual(len(parts), 1)
        self.assertFalse(self.bird_dir.exists(), "render touches no BIRD")

    def test_calicos_variables(self):
        out = self.directory / "out"
        self.put({**NODE, "status": {"podCIDRs": ["10.244.1.0/24"]}},
                 calico("BGPConfiguration", "default", {"serviceClusterIPs": [{"cidr": "10.96.0.0/12"}]}))

        def rendered(**environment):
            self.run_it("render", "--config", self.conf, "--output", out, **environment)
            return "".join(p.read_text() for p in out.iterdir())

        plain = rendered()
        self.assertIn("router id 10.0.0.1;", plain)
        self.assertIn("10.96.0.0/12", plain)
        self.assertNotIn("10.244.1.0/24", plain)
        self.assertIn("10.244.1.0/24", rendered(USE_POD_CIDR="true"))
        self.assertNotIn("router id 10.0.0.1;", rendered(CALICO_ROUTER_ID="hash"))
        self.assertIn("router id 192.0.2.9;", rendered(CALICO_ROUTER_ID="192.0.2.9"))
        replaced = rendered(CALICO_ADVERTISE_CLUSTER_IPS="10.100.0.0/16")
        self.assertIn("10.100.0.0/16", replaced)
        self.assertNotIn("10.96.0.0/12", replaced)

    def test_render_without_what_it_needs(self):
        out = self.directory / "out"
        self.put(*PEERS)
        self.assertIn("no Node n1", self.run_it("render", "--config", self.conf, "--output", out, code=1))
        shutil.rmtree(self.resources)
        self.assertIn("not there", self.run_it("render", "--config", self.conf, "--output", out, code=3))
        self.run_it("render", "--config", self.conf, "--datastore", "ftp://x", "--output", out, code=2)

    # ---- once

    def test_once(self):
        self.put(NODE, *PEERS)
        bird = self.fake()
        self.once()
        self.assertEqual((bird.checked, bird.configured), (1, 1))
        self.assertEqual(self.peers_in_force(), {"10.0.0.8", "10.0.0.9"})
        self.once()  # BIRD is known to run it
        self.assertEqual((bird.checked, bird.configured), (1, 1))

    def test_once_without_bird_leaves_it_something_to_start_with(self):
        self.put(NODE)
        self.assertIn("bird.ctl", self.once(code=1))
        self.assertTrue((self.bird_dir / "bird.conf").exists())

    def test_once_without_datastore_or_while_it_is_not_ready(self):
        bird = self.fake()
        self.once(code=3)  # an empty directory
        self.put(NODE, calico("ClusterInformation", "default", {"datastoreReady": False}))
        self.assertIn("not ready", self.once(code=3))
        self.assertEqual(bird.checked, 0)
        self.assertFalse(self.bird_dir.exists())

    # ---- a BIRD that refuses

    def test_the_resource_that_bird_refuses_is_left_out_alone(self):
        self.put(NODE, *PEERS)
        bird = self.fake(lambda files: place_of(files, "neighbor 10.0.0.9 "))
        said = self.once()
        self.assertIn("BGPPeer bad", said)
        self.assertEqual((bird.checked, bird.configured), (2, 1))
        self.assertEqual(self.peers_in_force(), {"10.0.0.8"})

    def test_a_mesh_that_bird_refuses_is_left_out_at_the_second_refusal(self):
        # The first one takes what else the BGPConfiguration says.
        self.put(NODE, calico("Node", "n2", {"bgp": {"ipv4Address": "10.0.0.2/24"}}), *PEERS)
        bird = self.fake(lambda files: place_of(files, "neighbor 10.0.0.2 "))
        self.assertIn("BGPConfiguration default", self.once())
        self.assertEqual((bird.checked, bird.configured), (3, 1))
        self.assertEqual(self.peers_in_force(), {"10.0.0.8", "10.0.0.9"})

    def test_a_refusal_that_is_nobodys_ends_it(self):
        self.put(NODE)
        bird = self.fake(lambda files: place_of(files, "router id"))
        self.assertIn("none that could be told", self.once(code=1))
        self.assertEqual((bird.checked, bird.configured), (1, 0))

    # ---- readiness

    def test_readiness_says_what_is_missing(self):
        self.put(NODE)
        answer = []
        self.fake(lambda files: answer and answer[0](files))
        self.start()
        self.wait_readiness(200, "in force")
        answer.append(lambda files: place_of(files, "router id"))
        self.put(calico("BGPConfiguration", "default", {"logSeverityScreen": "Debug"}))
        self.wait_readiness(503, "BIRD refused it")
        answer.clear()
        self.put(calico("BGPConfiguration", "default", {"logSeverityScreen": "Info"}))
        self.wait_readiness(200, "in force")
        self.put(calico("ClusterInformation", "default", {"datastoreReady": False}))
        self.wait_readiness(503, "datastoreReady is false")
        self.put(calico("ClusterInformation", "default", {"datastoreReady": True}))
        self.wait_readiness(200, "in sync")


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)
