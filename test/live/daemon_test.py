#!/usr/bin/env python3
"""The daemon as an operator meets it: exit codes, health, metrics, status files, signals, configuration, render and cleanup."""
import json
import shutil
import signal
import unittest
import urllib.parse

from lab import calico, deny, namespace, policy
from live import LiveTest, main


class DaemonTest(LiveTest):
    @classmethod
    def set_up_lab(cls, lab):
        pass

    def setUp(self):
        super().setUp()
        self.lab.close()
        self.lab.directory.mkdir(exist_ok=True)
        self.host = self.lab.host("n1")
        self.pod = self.host.pod("default", "pod", {"name": "pod"})
        self.other = self.host.pod("default", "other", {"name": "other"})

    def kernel(self):
        text = ""
        for family in (4, 6):
            for table in ("raw", "mangle", "nat", "filter"):
                text += "\n".join(l.split(" [")[0] for l in self.host.iptables(family, table).splitlines() if not l.startswith("#"))
            text += json.dumps(self.host.routes(family))
        return text + "\n".join(sorted(self.host.sets()))

    def exit_code(self, within=20):
        code = self.host.felix.wait(within)
        self.host.felix = None
        return code

    # ---- once, render, cleanup

    def test_once_applies_and_ends(self):
        self.apply(policy("p", "name == 'pod'", ingress=[deny()]))
        self.assertEqual(self.host.once("--once").returncode, 0)
        self.assertIn("cali-FORWARD", self.host.iptables(4))
        self.expect({(self.other, self.pod, 80): False, (self.pod, self.other, 80): True})

    def test_once_without_a_datastore_is_3_and_touches_nothing_but_the_closed_base(self):
        shutil.rmtree(self.host.directory)
        done = self.host.once("--once", check=False)
        self.assertEqual(done.returncode, 3, done.stderr)

    def test_a_second_run_writes_nothing(self):
        self.host.once("--once")
        before = self.kernel()
        self.host.run("iptables-legacy", "-w", "-Z")
        done = self.host.once("--once", "--log-level", "debug")
        self.assertEqual(self.kernel(), before, done.stderr)

    def test_render_touches_no_kernel_and_says_what_once_would_do(self):
        self.apply(policy("p", "name == 'pod'", ingress=[deny(source={"selector": "name == 'other'"})]))
        before = self.kernel()
        text = self.host.once("render").stdout
        self.assertEqual(self.kernel(), before)
        self.assertIn(self.pod.interface, text)
        data = json.loads(self.host.once("render", "--format", "json").stdout)
        self.host.once("--once")
        for family, key in ((4, "ipv4"), (6, "ipv6")):
            self.assertEqual(sorted(data[key]["sets"]), sorted(s for s in self.host.sets() if s.startswith(f"cali{family}")))
            for table in ("raw", "mangle", "nat", "filter"):
                # iptables after 1.8.9 prints protocol 4 as a number
                have = [l.replace("-p 4 ", "-p ipencap ") for l in self.host.iptables(family, table).splitlines()
                        if l.startswith("-A cali")]
                want = [l for chain in data[key]["tables"][table]["chains"].values() for l in chain]
                self.assertEqual(sorted(have), sorted(want), f"{table} IPv{family}")

    def test_render_staged_shows_what_staged_policies_would_do(self):
        self.apply(calico("StagedNetworkPolicy", "s", {"selector": "name == 'pod'", "types": ["Ingress"],
                                                       "ingress": [deny(protocol="UDP", destination={"ports": [53]})]}, "default"))
        self.assertNotIn("snp", self.host.once("render").stdout)
        text = self.host.once("render", "--staged").stdout
        self.assertIn("cali-pi-snp/default/s", text)
        self.assertRegex(text, r"-A cali-pi-snp/default/s -p udp .*53 -j DROP")

    def test_cleanup_takes_all_that_is_ours_and_nothing_else(self):
        self.host.run("iptables-legacy", "-w", "-A", "FORWARD", "-s", "203.0.113.1", "-m", "comment", "--comment", "mine", "-j", "DROP")
        self.host.run("ipset", "create", "mine", "hash:ip")
        self.host.run("iptables-legacy", "-w", "-N", "mine")
        before = self.kernel()
        self.host.start_felix()
        self.apply(policy("p", "name == 'pod'", ingress=[deny(source={"selector": "name == 'other'"})]))
        self.wait_for(lambda: "default/p" in self.host.iptables(4))
        self.host.stop_felix()
        self.assertNotEqual(self.kernel(), before)
        self.assertEqual(self.host.once("--cleanup").returncode, 0)
        self.assertEqual(self.kernel(), before)

    # ---- settings

    def test_wrong_settings_are_exit_2_with_a_reason(self):
        for config, word in (("HealthPort = x\n", "HealthPort"), ("Nonsense = 1\n", "Nonsense")):
            done = self.host.once("--once", config=config, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(word, done.stderr)
        for args in (["--nonsense"], ["--log-level", "loud"], ["--node", "a/b"], ["--datastore", "nfs://x"], ["--once", "--cleanup"]):
            done = self.host.once(*args, check=False)
            self.assertEqual(done.returncode, 2, f"{args}: {done.stderr}")
            self.assertTrue(done.stderr.strip())
        done = self.host.once("--once", "--datastore", "etcd://127.0.0.1:2379", check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("file:///", done.stderr)

    def test_a_setting_that_needs_a_restart_ends_with_129_and_leaves_the_kernel(self):
        self.host.start_felix()
        self.apply(calico("FelixConfiguration", "default", {"logSeverityScreen": "Debug"}))
        self.wait_for(lambda: " debug " in self.host.log() or self.host.felix.poll() is not None)
        self.assertIsNone(self.host.felix.poll())
        before = self.kernel()
        self.apply(calico("FelixConfiguration", "default", {"logPrefix": "other", "healthPort": "x"}))
        # healthPort is no number: the manifest is invalid, and what the file last said holds.
        self.wait_for(lambda: "healthPort" in self.host.log())
        self.assertIsNone(self.host.felix.poll())
        self.apply(calico("FelixConfiguration", "default", {"logPrefix": "other"}))
        self.assertEqual(self.exit_code(), 129)
        self.assertEqual(self.kernel(), before)

    def test_sighup_reads_the_file_again_and_refuses_a_wrong_one(self):
        self.host.start_felix()
        self.host.felix_command(config="HealthPort = x\n")
        self.host.felix.send_signal(signal.SIGHUP)
        self.wait_for(lambda: "refused" in self.host.log())
        self.assertIsNone(self.host.felix.poll())
        self.host.felix_command(config="LogSeverityScreen = Info\n")
        self.host.felix.send_signal(signal.SIGHUP)
        self.wait_for(lambda: "was read again" in self.host.log())
        self.assertIsNone(self.host.felix.poll())
        self.host.felix_command(config="LogPrefix = other\n")
        self.host.felix.send_signal(signal.SIGHUP)
        self.assertEqual(self.exit_code(), 129)

    def test_two_daemons_of_one_node_do_not_run_at_once(self):
        self.host.start_felix()
        done = self.host.once(check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another margay-felix", done.stderr)

    def test_sigterm_is_exit_0_and_the_kernel_keeps_what_it_has(self):
        self.host.start_felix()
        before = self.kernel()
        self.assertEqual(self.host.stop_felix(), 0)
        self.assertEqual(self.kernel(), before)
        self.expect({(self.other, self.pod, 80): True})

    # ---- what it tells

    def test_it_says_that_it_is_held_also_at_start(self):
        held = calico("ClusterInformation", "default", {"datastoreReady": False})
        self.apply(held)
        self.assertEqual(self.host.once("--once", check=False).returncode, 3)
        self.host.start_felix(wait=False)
        self.wait_for(lambda: "the datastore is not ready" in self.host.log())
        self.assertIn("datastoreReady is false", self.host.get("/readiness")[1])
        self.delete("default")
        self.host.wait_ready()
        self.assertIn("ready again", self.host.log())

    def test_it_says_that_nf_tables_filters_as_well(self):
        self.host.start_felix()
        self.assertNotIn("nf_tables", self.host.log())
        self.host.stop_felix()
        if not shutil.which("iptables-nft"):
            self.skipTest("no iptables-nft")
        self.host.run("iptables-nft", "-w", "-P", "FORWARD", "DROP")
        self.host.start_felix()
        self.assertEqual(self.host.log().count("nf_tables filters packets too"), 1)
        self.assertIn("ip filter FORWARD (policy drop, 0 rules)", self.host.log())
        self.assertEqual(self.host.get("/readiness")[0], 200)

    def curl(self, port, path):
        code = ("import sys,urllib.request,urllib.error\n"
                "try:\n r=urllib.request.urlopen(sys.argv[1],timeout=5); print(r.status); print(r.read().decode())\n"
                "except urllib.error.HTTPError as e: print(e.code); print(e.read().decode())")
        out = self.host.run("python3", "-c", code, f"http://127.0.0.1:{port}{path}")
        status, _, body = out.partition("\n")
        return int(status), body

    def test_health_says_why_it_is_not_ready(self):
        shutil.move(self.host.directory, self.host.base / "away")
        self.host.start_felix(wait=False)
        self.wait_for(lambda: "waiting" in self.host.log())
        status, body = self.curl(9099, "/readiness")
        self.assertEqual(status, 503)
        self.assertIn("waiting for the datastore", body)
        self.assertEqual(self.curl(9099, "/liveness")[0], 200)
        self.assertEqual(self.curl(9099, "/metrics")[0], 404)
        shutil.move(self.host.base / "away", self.host.directory)
        self.host.wait_ready()
        self.assertEqual(self.curl(9099, "/readiness")[0], 200)

    def test_metrics_have_calicos_names_and_count(self):
        self.host.start_felix(config="PrometheusMetricsEnabled = true\n")

        def value(name):
            for line in self.curl(9091, "/metrics")[1].splitlines():
                if line.rsplit(" ", 1)[0] == name:
                    return float(line.rsplit(" ", 1)[1])
            return None

        self.assertEqual(value("felix_active_local_endpoints"), 2)
        self.assertEqual(value("felix_resync_state"), 3)
        rules = value('felix_iptables_rules{ip_version="4",table="filter"}')
        self.apply(policy("p", "name == 'pod'", ingress=[deny(source={"selector": "name == 'other'"})]))
        self.wait_for(lambda: value('felix_iptables_rules{ip_version="4",table="filter"}') > rules)
        self.assertEqual(value("felix_active_local_policies"), 1)
        self.assertEqual(value('felix_ipsets_calico{ip_version="4"}') >= 1, True)
        self.assertGreaterEqual(value('margay_enforcement_seconds_bucket{le="+Inf"}'), 1)
        # Gauges count what is there: they fall again by what they rose.
        self.delete("p")
        self.wait_for(lambda: value('felix_iptables_rules{ip_version="4",table="filter"}') == rules)
        self.assertEqual(value("felix_active_local_policies"), 0)

    def test_a_taken_health_port_is_an_error_in_the_log_and_no_more(self):
        self.host.serve([9099])
        self.host.start_felix()
        self.assertIn("cannot listen", self.host.log())
        self.expect({(self.other, self.pod, 80): True})

    def test_132_status_files_are_there_exactly_while_policy_is_in_the_kernel(self):
        directory = self.host.run_dir / "endpoint-status"
        directory.mkdir(parents=True)
        (directory / "k8s default%2Fgone eth0").write_text("{}")
        self.host.start_felix()
        files = lambda: sorted(urllib.parse.unquote(p.name) for p in directory.iterdir())
        self.wait_for(lambda: files() == ["k8s default/other eth0", "k8s default/pod eth0"], what=f"status files {files()}")
        text = json.loads((directory / "k8s default%2Fpod eth0").read_text())
        self.assertEqual(text, {"ifaceName": self.pod.interface, "ipv4Nets": [self.pod.ip4 + "/32"], "ipv6Nets": [self.pod.ip6 + "/128"]})
        inode = (directory / "k8s default%2Fpod eth0").stat().st_ino
        self.host.stop_felix()
        self.host.start_felix()
        self.assertEqual((directory / "k8s default%2Fpod eth0").stat().st_ino, inode)
        self.host.delete(self.other.manifest())
        self.wait_for(lambda: files() == ["k8s default/pod eth0"])

    def test_a_workload_that_is_a_bgp_peer(self):
        pod = self.host.run_dir / "endpoint-status" / "k8s default%2Fpod eth0"
        peer = lambda: json.loads(pod.read_text()).get("bgpPeerName")

        def addresses(of):
            found = json.loads(self.host.run("ip", "-j", "addr", "show", "dev", of.interface))[0]["addr_info"]
            return sorted((a["local"], a["prefixlen"], a["scope"]) for a in found if not a["local"].startswith("fe80"))

        own = [("169.254.7.1", 32, "link"), ("fd00:7::1", 128, "global")]
        self.apply(calico("BGPConfiguration", "default", {"localWorkloadPeeringIPV4": "169.254.7.1", "localWorkloadPeeringIPV6": "fd00:7::1"}),
                   calico("BGPPeer", "zone", {"localWorkloadSelector": "name == 'pod'", "asNumber": 65001}),
                   calico("BGPPeer", "not-here", {"node": "n2", "localWorkloadSelector": "all()", "asNumber": 65001}))
        self.host.start_felix()
        self.wait_for(lambda: peer() == "zone" and addresses(self.pod) == own)
        self.assertEqual(addresses(self.other), [])

        # A deleted address is back, and with it the routes and neighbours that the kernel drops with the last one of IPv4.
        workload = lambda: ([r["dst"] for r in self.host.routes(4) if r["dev"] == self.pod.interface and "gateway" not in r],
                            self.host.run("ip", "-4", "neigh", "show", "dev", self.pod.interface, "nud", "permanent").split()[:1])
        before = workload()
        self.assertEqual(before[0], [self.pod.ip4])
        for address in ("169.254.7.1/32", "fd00:7::1/128"):
            self.host.ip(f"addr del {address} dev {self.pod.interface}")
        self.wait_for(lambda: addresses(self.pod) == own and workload() == before, what="what was deleted coming back")

        # What BIRD learns over it stays, what it learns over others does not.
        learnt = lambda: [r["dst"] for r in self.host.routes(4) if r.get("protocol") == "bird"]
        self.host.ip(f"route add 10.77.0.0/16 via {self.pod.ip4} dev {self.pod.interface} proto bird metric 768 onlink",
                     f"route add 10.78.0.0/16 via {self.other.ip4} dev {self.other.interface} proto bird metric 768 onlink")
        self.wait_for(lambda: learnt() == ["10.77.0.0/16"], within=30, what="only the peer's route staying")

        # The first by name has it. Between two runs a peer ends: its address goes all the same.
        self.apply(calico("BGPPeer", "a", {"localWorkloadSelector": "has(name)", "asNumber": 65001}))
        self.wait_for(lambda: peer() == "a" and addresses(self.other) == own)
        self.host.stop_felix()
        self.delete("a")
        self.host.start_felix()
        self.wait_for(lambda: peer() == "zone" and addresses(self.pod) == own and addresses(self.other) == [])
        self.assertEqual(learnt(), ["10.77.0.0/16"])

        self.delete("zone")
        self.wait_for(lambda: peer() is None and addresses(self.pod) == [] and learnt() == [] and workload() == before)

    def test_a_workload_that_is_a_bgp_peer_needs_an_address_to_talk_to(self):
        self.apply(calico("BGPPeer", "zone", {"localWorkloadSelector": "has(name)", "asNumber": 65001}))
        self.host.start_felix()
        self.wait_for(lambda: "localWorkloadPeeringIPV4" in self.host.log() and "localWorkloadPeeringIPV6" in self.host.log())
        self.apply(calico("BGPPeer", "a", {"localWorkloadSelector": "has(name)", "asNumber": 65001}))
        pod = self.host.run_dir / "endpoint-status" / "k8s default%2Fpod eth0"
        self.wait_for(lambda: json.loads(pod.read_text()).get("bgpPeerName") == "a")
        self.assertEqual(self.host.log().count("localWorkloadPeeringIPV4"), 1)

    def test_125_a_configuration_that_selects_this_node(self):
        self.apply(calico("Node", "n1", {}, labels={"rack": "1"}))
        self.apply(calico("FelixConfiguration", "rack1", {"nodeSelector": "rack == '1'", "logPrefix": "rack-one"}))
        self.apply(policy("p", "name == 'pod'", ingress=[{"action": "Log"}]))
        self.host.start_felix()
        self.assertIn("rack-one", self.host.iptables(4))
        self.apply(calico("Node", "n1", {}, labels={"rack": "2"}))
        self.assertEqual(self.exit_code(), 129)

    def test_another_interface_prefix(self):
        self.apply(calico("FelixConfiguration", "default", {"interfacePrefix": "pod,tapx"}))
        self.host.ip(f"link set {self.pod.interface} down", f"link set {self.pod.interface} name pod{self.pod.interface[4:]}",
                     f"link set pod{self.pod.interface[4:]} up")
        self.pod.interface = "pod" + self.pod.interface[4:]
        self.host.start_felix()
        for family in (4, 6):
            text = self.host.iptables(family)
            self.assertIn(f"cali-tw-{self.pod.interface}", text)
            self.assertIn("-i tapx+", text)


if __name__ == "__main__":
    main()
