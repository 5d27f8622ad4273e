#!/usr/bin/env python3
"""margayctl node as a person uses it, with daemons that a small server stands for.

node_test.py PROGRAM [unittest arguments]
"""
import json
import os
import socket
import socketserver
import sys
import threading
import unittest

import margayctl_test as common

NODE = "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: n1}\nspec: {bgp: {ipv4Address: 10.0.0.1/24}}\n"
STATUS = {"node": "n1", "bird": {"running": True, "version": "2.0.12", "routerID": "10.0.0.1"}, "inSync": True, "inForce": True,
          "draining": False, "problems": [{"owner": "BGPPeer x", "text": "the Secret is missing"}],
          "sessions": [{"name": "Mesh_10_0_0_2", "type": "node-to-node mesh", "family": 4, "peer": "10.0.0.2", "state": "up",
                        "bgpState": "Established", "since": "10:00:00", "uptimeSeconds": 12.0, "prefixesIn": 3, "prefixesOut": 2}]}
REPORTED = {"lastUpdated": "2026-08-01T10:00:10Z", "agent": {"birdV4": {"state": "Ready"}, "birdV6": {"state": "NotReady"}},
            "bgp": {"numberEstablishedV4": 2, "numberNotEstablishedV4": 1, "numberEstablishedV6": 0, "numberNotEstablishedV6": 0},
            "routes": {}}


class Daemon(socketserver.ThreadingUnixStreamServer):
    """Answers each GET with the next of `answers`, (status code, text); the last one for ever."""
    daemon_threads = True

    def __init__(self, path, *answers):
        self.answers, self.asked = list(answers), []
        super().__init__(str(path), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.asked.append(self.rfile.readline().decode().split()[1])
        while self.rfile.readline().strip():
            pass
        code, text = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        body = text.encode()
        self.wfile.write(f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)


class Base(common.Base):
    def setUp(self):
        super().setUp()
        self.run_dir = self.dir / "run"
        self.run_dir.mkdir()
        self.env["MARGAY_CONFIG"] = str(self.file("m.conf", f"[node]\nname = n1\nrun_dir = {self.run_dir}\n"))

    def daemon(self, name, *answers):
        texts = [(code, text if isinstance(text, str) else json.dumps(text)) for code, text in answers]
        server = Daemon(self.run_dir / f"{name}.sock", *texts)
        self.addCleanup(server.close)
        return server

    def noted(self, *args):
        """For verbs that succeed and say something beside."""
        code, out, err = self.run_ctl(*args)
        self.assertEqual(code, 0, out + err)
        return out, err


class Init(Base):
    def test_makes_the_cluster_and_the_node_once(self):
        out, err = self.noted("node", "init", "--ip", "10.0.0.1/24", "--ip6", "fd00::1/64", "--as", "1.10")
        self.assertEqual(out, "clusterinformation.projectcalico.org/default created\nnode.projectcalico.org/n1 created\n")
        self.assertIn("10.0.0.1 is on no interface of this host", err)
        self.assertEqual(self.get("node", "n1")["spec"],
                         {"bgp": {"ipv4Address": "10.0.0.1/24", "ipv6Address": "fd00::1/64", "asNumber": 65546}})
        cluster = self.get("clusterinfo", "default")["spec"]
        self.assertRegex(cluster["clusterGUID"], "^[0-9a-f]{32}$")
        self.assertEqual((cluster["datastoreReady"], cluster["clusterType"]), (True, "bgp"))
        self.assertNotIn("calicoVersion", cluster)  # any calicoctl may talk to it
        before = self.snapshot()
        self.assertEqual(self.ok("node", "init"),
                         "clusterinformation.projectcalico.org/default unchanged\nnode.projectcalico.org/n1 unchanged\n")
        self.noted("node", "init", "--ip", "10.0.0.1", "--as", "65546")
        self.assertEqual(self.snapshot(), before)
        self.assertIn("no address", self.noted("--node", "n2", "node", "init", "--ip", "none")[1])
        self.assertEqual(self.get("clusterinfo", "default")["spec"], cluster)

    def test_what_the_operator_set_stays(self):
        mine = "# mine\n" + NODE.replace("{name: n1}", "{name: n1, labels: {rack: a}, annotations: {note: mine}}")
        (self.store / "n1.yaml").write_text(mine)
        (self.store / "c.yaml").write_text("apiVersion: projectcalico.org/v3\nkind: ClusterInformation\nmetadata: {name: default}\n"
                                           "spec: {clusterGUID: g, clusterType: k8s, datastoreReady: false}\n")
        before = self.snapshot()
        _, err = self.noted("node", "init")
        self.assertIn("the datastore is locked", err)
        err = self.fails(1, "node", "init", "--ip", "10.0.0.2/24")
        self.assertIn('spec.bgp.ipv4Address is "10.0.0.1/24", not "10.0.0.2/24"; --overwrite changes that', err)
        self.assertEqual(self.snapshot(), before)
        self.noted("node", "init", "--ip", "10.0.0.2/24", "--as", "64513", "--overwrite")
        node = self.get("node", "n1")
        self.assertEqual(node["spec"]["bgp"], {"ipv4Address": "10.0.0.2/24", "asNumber": 64513})
        self.assertEqual((node["metadata"]["labels"], node["metadata"]["annotations"]), ({"rack": "a"}, {"note": "mine"}))

    def test_an_address_belongs_to_one_node(self):
        self.apply(NODE.replace("n1", "n2"))
        self.assertIn("10.0.0.1 is already the address of Node n2", self.fails(1, "node", "init", "--ip", "10.0.0.1/32"))
        self.assertNotIn("n1", "".join(self.snapshot()))
        self.noted("node", "init", "--ip", "10.0.0.1/32", "--allow-duplicate-ip")

    def test_wrong_usage_is_2(self):
        for args in (("--ip", "x"), ("--ip", "fd00::1"), ("--ip6", "10.0.0.1"), ("--as", "0"), ("--as", "x"), ("--ip", "interface=("),
                     ("--node", "a_b"), ("--node", "A"), ("n1",)):
            self.assertTrue(self.fails(2, "node", "init", *args), args)
        self.assertTrue(self.fails(2, "node"))
        self.assertIn("--ip", self.ok("node", "init", "--help"))
        self.assertEqual(self.snapshot(), {})
        self.assertIn("--datastore", self.fails(3, "node", "init", "--ip", "none", "--datastore", f"file://{self.dir}/nowhere"))

    def test_several_at_once_make_one_cluster(self):
        processes = [self.start("--node", f"n{i}", "node", "init", "--ip", "none") for i in range(8)]
        outputs = []
        for process in processes:
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, err)
            outputs.append(out)
        self.assertEqual(sum("default created" in out for out in outputs), 1)
        self.assertEqual(len(self.get("node")["items"]), 8)


class Drain(Base):
    def drained(self):
        return self.get("node", "n1")["metadata"].get("annotations", {}).get("bgp.margay.io/drain")

    def test_marks_and_unmarks(self):
        self.apply(NODE.replace("{name: n1}", "{name: n1, annotations: {note: mine}}"))
        out = self.ok("node", "drain")
        self.assertTrue(out.startswith("node.projectcalico.org/n1 drained\n"), out)
        self.assertIn("graceful-shutdown", out)
        self.assertEqual(self.drained(), "true")
        self.assertIn("drained (no change)", self.ok("node", "drain", "n1"))
        self.assertEqual(self.ok("node", "undrain"), "node.projectcalico.org/n1 undrained\n")
        self.assertEqual(self.ok("node", "undrain"), "node.projectcalico.org/n1 undrained (no change)\n")
        self.assertEqual(self.get("node", "n1")["metadata"]["annotations"], {"note": "mine"})

    def test_another_node_and_one_that_is_not_there(self):
        self.apply(NODE.replace("n1", "n2"))
        self.ok("node", "drain", "n2")
        self.assertIn("bgp.margay.io/drain", self.get("node", "n2")["metadata"]["annotations"])
        self.assertIn('margayctl node init makes it; did you mean "n2"', self.fails(1, "node", "drain"))
        self.fails(2, "node", "drain", "n2", "--node", "n1")
        self.fails(2, "node", "drain", "../x")

    def test_a_race_loses_nothing(self):
        self.apply(NODE)
        processes = [self.start("label", "node", "n1", f"l{i}=1") for i in range(8)] + [self.start("node", "drain")]
        for process in processes:
            self.assertEqual((process.communicate(timeout=60)[1], process.returncode), ("", 0))
        node = self.get("node", "n1")["metadata"]
        self.assertEqual((len(node["labels"]), node["annotations"]), (8, {"bgp.margay.io/drain": "true"}))

    def test_wait_ends_when_it_is_in_force(self):
        self.apply(NODE)
        seen = {**STATUS, "draining": True}
        server = self.daemon("bgp-config", (200, STATUS), (200, {**seen, "inForce": False}), (200, {**seen, "inSync": False}), (200, seen))
        self.assertTrue(self.ok("node", "drain", "--wait").endswith("\ndrain is in force\n"))
        self.assertEqual(server.asked, ["/v1/status"] * 4)

    def test_wait_that_cannot_end_says_why(self):
        self.apply(NODE)
        err = self.fails(1, "node", "drain", "--wait")
        self.assertIn("margay-bgp-config is not running", err)
        self.assertEqual(self.drained(), "true")
        self.daemon("bgp-config", (200, {**STATUS, "inForce": False}))
        self.assertIn("not in force after 0 s: margay-bgp-config has not seen it", self.fails(1, "node", "drain", "--wait", "--timeout", "0"))
        self.assertIn("BIRD has not taken the configuration", self.fails(1, "node", "undrain", "--wait", "--timeout", "0"))
        self.apply(NODE.replace("n1", "n2"))
        self.assertIn("is the one of node n1", self.fails(1, "node", "drain", "n2", "--wait"))


class Status(Base):
    def test_sessions_problems_and_felix(self):
        self.daemon("bgp-config", (200, STATUS))
        felix = self.daemon("felix", (200, "COMPONENT\n"))
        out = self.ok("node", "status")
        self.assertEqual(out.splitlines()[3:5],
                         ["IPv4 BGP status",
                          "PEER ADDRESS   PEER TYPE           STATE   SINCE      INFO          IN      OUT     UPTIME   LAST ERROR"])
        self.assertIn("10.0.0.2       node-to-node mesh   up      10:00:00   Established   3       2       12s      -\n", out)
        self.assertIn("No IPv6 peers found.\n\nProblems\n", out)
        self.assertTrue(out.endswith("\nmargay-felix is ready\n"), out)
        self.assertEqual(felix.asked, ["/readiness"])

    def test_json_is_the_daemons_own(self):
        self.daemon("bgp-config", (200, STATUS))
        self.daemon("felix", (503, "COMPONENT   READINESS\nkernel      not ready\n"))
        out = json.loads(self.ok("node", "status", "-o", "json"))
        self.assertEqual(out.pop("felix"), {"running": True, "ready": False})
        self.assertEqual(out, STATUS)
        self.assertIn("margay-felix is not ready:\nCOMPONENT   READINESS\n", self.ok("node", "status"))

    def test_a_daemon_that_does_not_run_is_1(self):
        err = self.fails(1, "node", "status")
        self.assertIn("margay-bgp-config is not running", err)
        self.assertIn("margay-felix is not running", err)
        self.assertIn("systemctl start margay-felix", err)
        self.daemon("felix", (200, ""))
        code, out, err = self.run_ctl("node", "status", "-o", "json")
        self.assertEqual((code, json.loads(out)["sessions"], json.loads(out)["felix"]["ready"]), (1, [], True))
        self.daemon("bgp-config", (200, {**STATUS, "bird": {"running": False}}))
        code, out, err = self.run_ctl("node", "status")
        self.assertEqual(code, 1)
        self.assertIn("start it (systemctl start bird)", err)
        self.assertIn("10.0.0.2", out)

    def test_a_daemon_that_hangs_is_named_with_its_log(self):
        with socket.socket(socket.AF_UNIX) as deaf:  # takes the question and never answers
            deaf.bind(str(self.run_dir / "bgp-config.sock"))
            deaf.listen()
            err = self.fails(1, "node", "status")
        self.assertIn("margay-bgp-config hangs", err)
        self.assertIn("journalctl -u margay-bgp-config", err)

    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_a_daemon_that_may_not_be_asked_says_who_may(self):
        self.daemon("bgp-config", (200, STATUS))
        self.dir.chmod(0o755)
        (self.run_dir / "bgp-config.sock").chmod(0o600)
        code, _, err = self.run_as_nobody("node", "status")
        self.assertEqual(code, 1)
        self.assertIn("margay-bgp-config cannot be asked", err)
        self.assertIn("be root, or a member of the group margay", err)

    def test_needs_no_datastore_and_survives_nonsense(self):
        self.daemon("felix", (200, ""))
        self.daemon("bgp-config", (404, "known here: /x\n"), (200, "[]"), (200, "{"), (200, {"sessions": 5, "bird": {"running": True}}))
        self.env["MARGAY_DATASTORE"] = f"file://{self.dir}/nowhere"
        for _ in range(3):
            self.assertIn("are both of one version?", self.fails(1, "node", "status"))
        self.assertIn("No IPv4 peers found.", self.ok("node", "status"))


class NodeStatusObjects(Base):
    OBJECT = ("apiVersion: projectcalico.org/v3\nkind: CalicoNodeStatus\nmetadata: {name: mine}\n"
              "spec: {node: n1, classes: [Agent, BGP], updatePeriodSeconds: 10}\n")

    def setUp(self):
        super().setUp()
        self.apply(self.OBJECT + "---\n" + self.OBJECT.replace("mine", "other").replace("n1", "n2"))
        (self.run_dir / "node-status").mkdir()
        for name in ("mine", "other"):
            (self.run_dir / "node-status" / f"{name}.json").write_text(json.dumps(REPORTED))

    def test_get_joins_what_the_node_reports(self):
        self.assertEqual(self.get("caliconodestatus", "mine")["status"], REPORTED)
        self.assertIn("lastUpdated: ", self.ok("get", "caliconodestatuses", "-o", "yaml"))
        self.assertNotIn("lastUpdated", json.dumps(self.get("caliconodestatus", "other")))  # this host's file, another node's object
        lines = self.ok("get", "caliconodestatuses", "-o", "wide").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "NODE", "CLASSES", "LASTUPDATED", "BIRDV4", "BIRDV6", "ESTABLISHEDV4", "ESTABLISHEDV6"])
        self.assertEqual(lines[1].split(), ["mine", "n1", "Agent,BGP", "2026-08-01T10:00:10Z", "Ready", "NotReady", "2/3", "0/0"])
        self.assertEqual(lines[2].split()[3:], ["-"] * 5)

    def test_what_is_shown_is_not_written_back(self):
        before = self.snapshot()
        shown = self.ok("get", "caliconodestatus", "mine", "-o", "yaml")
        self.assertIn("unchanged", self.apply(shown))
        self.assertEqual(self.snapshot(), before)

    def test_a_damaged_file_is_named(self):
        (self.run_dir / "node-status/mine.json").write_text("{")
        code, out, err = self.run_ctl("get", "caliconodestatus", "-o", "name")
        self.assertEqual((code, len(out.splitlines())), (1, 2))
        self.assertIn("node-status/mine.json: is no JSON object", err)


if __name__ == "__main__":
    common.PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
