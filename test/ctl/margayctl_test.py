#!/usr/bin/env python3
"""margayctl as a person uses it: the program itself, on a directory of manifests.

margayctl_test.py PROGRAM [unittest arguments]
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = None

POLICY = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == 'web'
  order: 10
  ingress:
  - {action: Allow, protocol: TCP, destination: {ports: [80]}}
"""
TIER = "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: sec}\nspec: {order: 50}\n"
TIERED = "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: deny}\nspec: {tier: sec}\n"
PEER = "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: tor}\nspec: {peerIP: 10.0.0.1, asNumber: 65001}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: bgp, namespace: shop}\ndata: {pw: aHVudGVyMg==}\n"


def pool(name, cidr, **more):
    spec = {"cidr": cidr, **more}
    return json.dumps({"apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": {"name": name}, "spec": spec})


class Base(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix="margayctl-test-")
        self.addCleanup(self.tmp.cleanup)
        self.dir = Path(self.tmp.name)
        self.store = self.dir / "store"
        self.store.mkdir()
        # Nothing of the machine's own settings may reach the program.
        self.env = {"PATH": os.environ.get("PATH", ""), "MARGAY_DATASTORE": f"file://{self.store}", "LC_ALL": "C"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def start(self, *args):
        return subprocess.Popen([PROGRAM, *map(str, args)], env=self.env, cwd=self.dir, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_ctl(self, *args, stdin=""):
        process = self.start(*args)
        out, err = process.communicate(stdin, timeout=60)
        return process.returncode, out, err

    def ok(self, *args, stdin=""):
        code, out, err = self.run_ctl(*args, stdin=stdin)
        self.assertEqual((code, err), (0, ""), f"margayctl {args}: {out}")
        return out

    def run_as_nobody(self, *args):
        # Where the program lies may be closed to others: it is handed down open.
        with open(PROGRAM, "rb") as program:
            done = subprocess.run([f"/proc/self/fd/{program.fileno()}", *args], env=self.env, cwd="/", capture_output=True, text=True, timeout=60,
                                  user=65534, group=65534, extra_groups=[], pass_fds=[program.fileno()])
        return done.returncode, done.stdout, done.stderr

    def fails(self, code, *args, stdin=""):
        got, out, err = self.run_ctl(*args, stdin=stdin)
        self.assertEqual(got, code, f"margayctl {args}: {out}{err}")
        self.assertTrue(err, "a failure says nothing")
        return err

    def apply(self, text):
        return self.ok("apply", "-f", "-", stdin=text)

    def get(self, *args):
        return json.loads(self.ok("get", *args, "-o", "json"))

    def file(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def snapshot(self):
        return {str(p.relative_to(self.store)): p.read_text() for p in self.store.rglob("*.yaml")}


class Writing(Base):
    def test_apply_creates_configures_and_leaves_alone(self):
        self.assertEqual(self.apply(POLICY), "networkpolicy.projectcalico.org/web created\n")
        self.assertIn("networkpolicies.projectcalico.org/shop/web.yaml", self.snapshot())
        self.assertEqual(self.apply(POLICY), "networkpolicy.projectcalico.org/web unchanged\n")
        self.assertEqual(self.apply(POLICY.replace("order: 10", "order: 20")), "networkpolicy.projectcalico.org/web configured\n")
        self.assertEqual(self.get("np", "web", "-n", "shop")["spec"]["order"], 20)

    def test_defaults_of_a_calico_client_are_written(self):
        self.apply(POLICY)
        web = self.get("np", "web", "-n", "shop")
        self.assertEqual((web["spec"]["tier"], web["spec"]["types"]), ("default", ["Ingress"]))
        self.assertEqual(web["metadata"]["labels"], {"projectcalico.org/tier": "default"})
        self.apply(pool("p", "10.0.0.0/16"))
        self.assertEqual(self.get("pool", "p")["spec"]["blockSize"], 26)

    def test_round_trip_changes_nothing(self):
        self.apply("---\n".join([POLICY, TIER, TIERED, PEER, pool("p", "10.0.0.0/16") + "\n"]))
        before = self.snapshot()
        for form in ("yaml", "json"):
            text = self.ok("get", "all", "-A", "-o", form)
            lines = self.ok("apply", "-f", "-", stdin=text).splitlines()
            self.assertGreater(len(lines), 8)
            self.assertEqual([l for l in lines if not l.endswith(" unchanged")], [])
        self.assertEqual(self.snapshot(), before)

    def test_a_hand_written_file_that_means_the_same_keeps_its_comments(self):
        (self.store / "mine.yaml").write_text("# mine\n" + POLICY)
        self.assertIn("unchanged", self.apply(POLICY))
        self.assertEqual(self.snapshot(), {"mine.yaml": "# mine\n" + POLICY})
        self.assertIn("configured", self.apply(POLICY.replace("order: 10", "order: 11")))
        self.assertEqual(list(self.snapshot()), ["mine.yaml"])

    def test_apply_replaces_labels_and_annotations_but_keeps_other_metadata(self):
        (self.store / "t.yaml").write_text(
            "apiVersion: projectcalico.org/v3\nkind: Tier\nstatus: {conditions: []}\n"
            "metadata: {name: sec, uid: u-1, creationTimestamp: '2026-01-01T00:00:00Z', labels: {old: '1'}}\nspec: {order: 1}\n")
        self.apply(TIER.replace("{name: sec}", "{name: sec, labels: {new: '1'}}"))
        tier = self.get("tier", "sec")
        self.assertEqual(tier["metadata"]["labels"], {"new": "1"})
        self.assertEqual(tier["metadata"]["uid"], "u-1")
        self.assertEqual(tier["status"], {"conditions": []})

    def test_create_refuses_what_exists(self):
        self.ok("create", "-f", "-", stdin=TIER)
        err = self.fails(1, "create", "-f", "-", stdin=TIER)
        self.assertIn("exists already; change it with apply or replace", err)
        self.assertIn("exists already", self.ok("create", "--skip-exists", "-f", "-", stdin=TIER))
        self.assertIn("exists already", self.fails(1, "create", "-f", "-", stdin=TIER.replace("sec", "default").replace("50", "1000000")))

    def test_replace_needs_the_object_and_honours_its_revision(self):
        self.assertIn("does not exist", self.fails(1, "replace", "-f", "-", stdin=TIER))
        self.apply(TIER)
        old = self.get("tier", "sec")
        self.assertEqual(self.ok("replace", "-f", "-", stdin=TIER.replace("50", "60")), "tier.projectcalico.org/sec replaced\n")
        old["spec"]["order"] = 70
        self.assertIn("resourceVersion", self.fails(1, "replace", "-f", "-", stdin=json.dumps(old)))
        self.assertEqual(self.get("tier", "sec")["spec"]["order"], 60)
        fresh = self.get("tier", "sec")
        fresh["spec"]["order"] = 80
        self.ok("replace", "-f", "-", stdin=json.dumps(fresh))
        self.assertEqual(self.get("tier", "sec")["spec"]["order"], 80)
        self.assertNotIn("resourceVersion", "".join(self.snapshot().values()))

    def test_errors_name_file_document_line_field_and_reason_and_the_rest_is_done(self):
        bad = "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: bad}\nspec: {selektor: all(), order: x}\n"
        path = self.file("many.yaml", TIER + "---\n" + bad + "---\n" + TIERED)
        code, out, err = self.run_ctl("apply", "-f", path)
        self.assertEqual(code, 1)
        self.assertEqual(out, "tier.projectcalico.org/sec created\nglobalnetworkpolicy.projectcalico.org/deny created\n")
        self.assertIn(f"error: {path}: document 2, line 6: GlobalNetworkPolicy bad: spec.selektor: unknown field\n", err)
        self.assertIn("spec.order", err)
        self.assertNotIn("bad", "".join(self.snapshot()))

    def test_a_file_that_does_not_parse_stops_no_other(self):
        bad = self.file("bad.yaml", "a: [1\nb: 2\n")
        good = self.file("good.yaml", TIER)
        code, out, err = self.run_ctl("apply", "-f", bad, "-f", good, "-f", self.dir / "absent.yaml")
        self.assertEqual((code, out), (1, "tier.projectcalico.org/sec created\n"))
        self.assertIn(f"{bad}: document 1, line 2", err)
        self.assertIn("absent.yaml: No such file or directory", err)

    def test_directories_lists_and_order(self):
        self.file("d/a.yaml", TIERED)  # needs the tier, which comes later
        self.file("d/b.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": {"name": "sec"}}]}))
        self.file("d/.hidden.yaml", "nonsense: [")
        self.file("d/notes.txt", "nonsense: [")
        self.file("d/below/c.yaml", PEER)
        self.assertEqual(self.ok("apply", "-f", "d").splitlines(),
                         ["tier.projectcalico.org/sec created", "globalnetworkpolicy.projectcalico.org/deny created"])
        self.assertIn("bgppeer.projectcalico.org/tor created", self.ok("apply", "-R", "-f", "d"))
        self.assertEqual(len(self.ok("delete", "-R", "-f", "d").splitlines()), 3)
        self.assertEqual(self.snapshot(), {})

    def test_nothing_to_do_is_said(self):
        self.assertIn("holds no object", self.fails(1, "apply", "-f", "-", stdin="# nothing\n"))
        self.ok("apply", "--skip-empty", "-f", "-", stdin="# nothing\n")
        (self.dir / "empty").mkdir()
        self.assertIn("no *.yaml", self.fails(1, "apply", "-f", "empty"))

    def test_namespace_of_the_command_line(self):
        plain = POLICY.replace(", namespace: shop", "")
        self.ok("apply", "-n", "prod", "-f", "-", stdin=plain)
        self.assertEqual(self.get("np", "web", "-n", "prod")["metadata"]["namespace"], "prod")
        self.assertIn("metadata.namespace", self.fails(1, "apply", "-n", "prod", "-f", "-", stdin=POLICY))

    def test_kubernetes_kinds_and_kinds_not_decoded_are_kept(self):
        self.apply(PEER)
        self.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
        self.assertEqual(self.get("bgppeer", "tor")["spec"]["asNumber"], 65001)
        self.assertEqual(self.ok("get", "ns", "-o", "name"), "namespace/shop\n")


class Guards(Base):
    def test_tiers(self):
        for name in ("default", "kube-admin", "kube-baseline"):
            self.assertIn("built in", self.fails(1, "delete", "tier", name))
        self.assertIn("there is no tier sec; create it first", self.fails(1, "apply", "-f", "-", stdin=TIERED))
        self.apply(TIER + "---\n" + TIERED)
        self.assertIn("GlobalNetworkPolicy deny", self.fails(1, "delete", "tier", "sec"))
        self.ok("delete", "gnp", "deny")
        self.ok("delete", "tier", "sec")

    def test_profile_and_cluster_information(self):
        allow = "apiVersion: projectcalico.org/v3\nkind: Profile\nmetadata: {name: projectcalico-default-allow}\nspec: {ingress: [{action: Deny}]}\n"
        self.assertIn("built in", self.fails(1, "apply", "-f", "-", stdin=allow))
        self.assertIn("built in", self.fails(1, "delete", "profile", "projectcalico-default-allow"))
        cluster = "apiVersion: projectcalico.org/v3\nkind: ClusterInformation\nmetadata: {name: default}\nspec: {datastoreReady: true}\n"
        self.assertIn("node stack", self.fails(1, "apply", "-f", "-", stdin=cluster))
        self.assertIn("knp.default.", self.fails(1, "apply", "-f", "-", stdin=POLICY.replace("name: web", "name: knp.default.web")))
        self.assertEqual(self.snapshot(), {})

    def test_pools(self):
        self.apply(pool("a", "10.0.0.0/16"))
        self.assertIn("overlaps 10.0.0.0/16 of IPPool a", self.fails(1, "apply", "-f", "-", stdin=pool("b", "10.0.1.0/24")))
        self.assertIn("cannot be changed", self.fails(1, "apply", "-f", "-", stdin=pool("a", "10.1.0.0/16")))
        self.assertIn("cannot be changed", self.fails(1, "patch", "pool", "a", "-p", '{"spec": {"blockSize": 28}}'))
        self.apply(pool("a", "10.0.0.0/16", natOutgoing=True))
        self.apply(pool("six", "fd00:1::/64"))
        self.assertIn("unchanged", self.apply(pool("six", "fd00:1:0::/64").replace("fd00:1:0::", "fd00:1::")))

    def test_secrets_are_never_shown(self):
        self.apply(SECRET)
        for form in ("yaml", "json", "wide", "ps", "name"):
            for what in (("secrets", "-A"), ("secret", "bgp", "-n", "shop"), ("all", "-A")):
                self.assertNotIn("aHVudGVyMg", self.ok("get", *what, "-o", form))
        shown = self.ok("get", "secret", "bgp", "-n", "shop", "-o", "yaml")
        self.assertIn("<hidden: 7 bytes>", shown)
        err = self.fails(1, "apply", "-f", "-", stdin=shown)
        self.assertIn("data.pw", err)
        stored = self.store / "secrets/shop/bgp.yaml"
        self.assertIn("aHVudGVyMg", stored.read_text())
        self.assertEqual(stored.stat().st_mode & 0o007, 0)
        self.assertNotIn("aHVudGVyMg", self.ok("label", "secret", "bgp", "-n", "shop", "a=b"))


class Reading(Base):
    def test_tables(self):
        self.apply(POLICY + "---\n" + POLICY.replace("name: web", "name: api").replace("namespace: shop", "namespace: prod"))
        self.assertEqual(self.ok("get", "np", "-n", "shop"), "NAMESPACE   NAME    TIER\nshop        web     default\n")
        self.assertEqual(self.ok("get", "policy", "-A", "-o", "wide"),
                         "NAMESPACE   NAME    TIER      ORDER   SELECTOR\n"
                         "prod        api     default   10      app == 'web'\n"
                         "shop        web     default   10      app == 'web'\n")
        self.assertEqual(self.ok("get", "tiers").splitlines()[0], "NAME            ORDER")
        self.assertEqual(self.ok("get", "np,tier", "-A", "-o", "name").splitlines()[:3],
                         ["networkpolicy.projectcalico.org/api", "networkpolicy.projectcalico.org/web", "tier.projectcalico.org/default"])

    def test_one_object_or_a_list(self):
        self.apply(TIER)
        self.assertEqual(self.get("tier", "sec")["kind"], "Tier")
        self.assertEqual(self.get("tier/sec")["kind"], "Tier")
        both = self.get("tier", "sec", "default")
        self.assertEqual((both["kind"], [o["metadata"]["name"] for o in both["items"]]), ("List", ["sec", "default"]))
        self.assertEqual(self.get("np"), {"apiVersion": "v1", "kind": "List", "items": []})
        self.assertNotIn("resourceVersion", self.ok("get", "tier", "sec", "--export", "-o", "yaml"))

    def test_the_two_networkpolicies_and_nodes(self):
        self.apply(POLICY)
        self.apply("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: k, namespace: shop}\nspec: {podSelector: {}}\n")
        self.assertEqual(self.ok("get", "networkpolicy", "-A", "-o", "name"), "networkpolicy.projectcalico.org/web\n")
        self.assertEqual(self.ok("get", "networkpolicy.networking.k8s.io", "-A", "-o", "name"), "networkpolicy.networking.k8s.io/k\n")
        self.apply("apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n")
        self.assertEqual(self.ok("get", "node.v1", "-o", "name"), "node.v1/n1\n")
        code, out, err = self.run_ctl("get", "node")
        self.assertEqual((code, out, err), (0, "", "No resources found.\n"))

    def test_what_is_not_there(self):
        self.apply(POLICY)
        self.assertIn('did you mean "web"', self.fails(1, "get", "np", "wbe", "-n", "shop"))
        self.assertIn("namespace shop", self.fails(1, "get", "np", "web"))
        code, out, err = self.run_ctl("get", "np", "web", "nope", "-n", "shop", "-o", "name")
        self.assertEqual((code, out), (1, "networkpolicy.projectcalico.org/web\n"))
        code, out, err = self.run_ctl("get", "np", "-n", "empty")
        self.assertEqual((code, out), (0, ""))
        self.assertIn("No resources found in namespace empty", err)
        self.assertEqual(self.ok("get", "np", "web", "-A", "-o", "name"), "networkpolicy.projectcalico.org/web\n")

    def test_wrong_usage_is_2(self):
        for args in (("get",), ("get", "polcy"), ("get", "np", "-A", "-n", "x"), ("get", "np", "-o", "xml"), ("frob",), (),
                     ("apply",), ("delete",), ("delete", "np"), ("delete", "np", "web", "-f", "x"), ("patch", "np", "web"),
                     ("patch", "np", "web", "-p", "{"), ("patch", "np", "web", "-p", "[]"), ("label", "np", "web"),
                     ("label", "np", "web", "=x"), ("validate",), ("get", "tiers", "--datastore", "ftp://x"),
                     ("get", "tiers", "--config", "/nonexistent/margay.conf"), ("delete", "np", "../../x"), ("get", "np/../x"),
                     ("get", "np", "-n", "../x")):
            self.assertTrue(self.fails(2, *args), args)

    def test_an_unreachable_datastore_is_3(self):
        for verb in (("get", "tiers"), ("delete", "np", "x"), ("version",), ("label", "tier", "default", "a=b")):
            self.assertIn("--datastore", self.fails(3, *verb, "--datastore", f"file://{self.dir}/nowhere"))
        self.assertIn("No such file", self.fails(3, "apply", "-f", "-", "--datastore", f"file://{self.dir}/nowhere", stdin=TIER))
        self.assertIn("etcd", self.fails(3, "get", "tiers", "--datastore", "etcd://127.0.0.1:1"))

    def test_settings_come_from_flag_environment_and_file(self):
        other = self.dir / "other"
        other.mkdir()
        conf = self.file("m.conf", f"[datastore]\nurl = file://{other}\n")
        self.ok("apply", "-f", "-", "--datastore", f"file://{other}", stdin=TIER)
        self.assertNotIn("sec", self.ok("get", "tiers"))
        del self.env["MARGAY_DATASTORE"]
        self.assertIn("sec", self.ok("--config", conf, "get", "tiers"))

    def test_version_and_help(self):
        self.assertRegex(self.ok("version", "--client"), r"^Client Version: +\d+\.\d+\.\d+\n$")
        (self.store / "c.yaml").write_text("apiVersion: projectcalico.org/v3\nkind: ClusterInformation\nmetadata: {name: default}\n"
                                           "spec: {calicoVersion: v3.30.0, clusterType: 'k8s,bgp'}\n")
        self.assertRegex(self.ok("version"), r"Cluster Version: +v3\.30\.0\nCluster Type: +k8s,bgp\n")
        self.assertRegex(self.ok("--version"), r"^margayctl \d")
        self.assertIn("globalnetworkpolicy", self.ok("get", "--help"))
        for verb in ("apply", "create", "replace", "delete", "patch", "label", "validate"):
            self.assertIn("Example", self.ok(verb, "--help"))

    def test_an_object_may_be_named_like_a_verb(self):
        self.apply(TIER.replace("sec", "version"))
        self.assertEqual(self.get("tier", "version")["metadata"]["name"], "version")
        self.ok("label", "tier", "version", "get=apply", "--overwrite")
        self.ok("delete", "tier", "version", "--datastore", f"file://{self.store}")

    def test_arguments_that_are_no_text_are_refused(self):
        for args in ((b"get", b"np", b"\xff"), (b"get", b"\xff"), (b"get", b"np", b"-n", b"\xff"),
                     (b"label", b"tier", b"default", b"a=\xff"), (b"label", b"tier", b"default", b"\xff=b"),
                     (b"patch", b"tier", b"default", b"-p", b'{"a": "\xff"}'), (b"delete", b"np", b"\xff"),
                     (b"apply", b"-f", b"\xff")):
            done = subprocess.run([PROGRAM, *args], env=self.env, cwd=self.dir, capture_output=True, timeout=60)
            self.assertIn(done.returncode, (1, 2), args)
            self.assertNotIn(b"margayctl failed", done.stderr)
            self.assertTrue(done.stderr.startswith(b"error: "))

    def test_no_colours_without_a_terminal(self):
        self.assertNotIn("\033", self.fails(1, "get", "np", "x"))


PODS = "---\n".join(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {n}, namespace: {ns}, labels: {{{labels}}}}}\n" for n, ns, labels in (
    ("web-0", "shop", "app: web, tier: front"), ("web-1", "shop", "app: web, old: ''"), ("db", "shop", "app: db"), ("web-9", "prod", "app: web")))


class Selecting(Base):
    def names(self, *args):
        return [line.split("/")[1] for line in self.ok("get", *args, "-o", "name").splitlines()]

    def test_get_by_labels_in_either_language(self):
        self.apply(PODS)
        for selector, want in (("app=web", ["web-0", "web-1"]), ("app==web,tier!=front", ["web-1"]), ("app in (db, x)", ["db"]),
                               ("app notin (web)", ["db"]), ("!old, app", ["db", "web-0"]), ("old=", ["web-1"]),
                               ("app == 'web' && has(tier)", ["web-0"]), ("!has(old) && app in {'web'}", ["web-0"]),
                               ("all()", ["db", "web-0", "web-1"]), ("has", [])):
            if want:
                self.assertEqual(self.names("pods", "-n", "shop", "-l", selector), want, selector)
            else:
                code, out, err = self.run_ctl("get", "pods", "-n", "shop", "-l", selector)
                self.assertEqual((code, out), (0, ""))
                self.assertIn("No resources found", err)
        self.assertEqual(self.names("pods", "-A", "--selector", "app=web"), ["web-9", "web-0", "web-1"])
        self.assertIn("exclude", self.fails(2, "get", "pods", "web-0", "-l", "app=web"))
        self.assertIn("is no label selector", self.fails(2, "get", "pods", "-l", "app ~ web"))

    def test_delete_by_labels(self):
        self.apply(PODS)
        self.assertEqual(self.ok("delete", "pods", "-n", "shop", "-l", "app=web"), "pod/web-0 deleted\npod/web-1 deleted\n")
        self.assertEqual(self.names("pods", "-A"), ["web-9", "db"])
        self.assertIn("No resources found", self.run_ctl("delete", "pods", "-n", "shop", "-l", "app=web")[2])
        self.assertIn("empty", self.fails(2, "delete", "pods", "-l", ""))
        # As a script with an empty variable asks: kubectl refuses it too.
        self.assertIn("is no label selector", self.fails(2, "delete", "pods", "-A", "-l", "app notin ()"))
        self.assertIn("exclude", self.fails(2, "delete", "pods", "db", "-l", "app=db"))
        self.assertIn("-A goes with -l", self.fails(2, "delete", "pods", "db", "-A"))
        self.assertEqual(self.names("pods", "-A"), ["web-9", "db"])
        # What others need goes last.
        self.apply(TIER.replace("{name: sec}", "{name: sec, labels: {set: one}}") + "---\n" + TIERED.replace("{name: deny}", "{name: deny, labels: {set: one}}"))
        self.assertEqual(self.ok("delete", "tier,gnp", "-l", "set=one").splitlines(),
                         ["globalnetworkpolicy.projectcalico.org/deny deleted", "tier.projectcalico.org/sec deleted"])

    def test_label_by_labels(self):
        self.apply(PODS)
        self.assertEqual(self.ok("label", "pods", "-A", "-l", "app=web", "seen=yes"), "".join(f"pod/{n} labeled\n" for n in ("web-9", "web-0", "web-1")))
        self.assertEqual(self.names("pods", "-A", "-l", "seen"), ["web-9", "web-0", "web-1"])
        self.ok("label", "pods", "-n", "prod", "-l", "seen", "seen-")
        self.assertEqual(self.names("pods", "-A", "-l", "seen"), ["web-0", "web-1"])


class DryRun(Base):
    def test_everything_is_judged_and_said_and_nothing_is_written(self):
        self.apply(POLICY)
        before = self.snapshot()
        many = TIER + "---\n" + TIERED + "---\n" + POLICY.replace("order: 10", "order: 11")
        # The tier that the policy needs exists in the dry run only.
        self.assertEqual(self.ok("apply", "--dry-run", "-f", "-", stdin=many).splitlines(),
                         ["tier.projectcalico.org/sec created (dry run)", "globalnetworkpolicy.projectcalico.org/deny created (dry run)",
                          "networkpolicy.projectcalico.org/web configured (dry run)"])
        self.assertEqual(self.ok("create", "--dry-run=server", "-f", "-", stdin=TIER), "tier.projectcalico.org/sec created (server dry run)\n")
        self.assertEqual(self.ok("replace", "--dry-run=client", "-f", "-", stdin=POLICY.replace("order: 10", "order: 12")),
                         "networkpolicy.projectcalico.org/web replaced (dry run)\n")
        at = ("np", "web", "-n", "shop")
        self.assertEqual(self.ok("patch", *at, "--dry-run", "-p", '{"spec": {"order": 5}}'), "networkpolicy.projectcalico.org/web patched (dry run)\n")
        self.assertEqual(self.ok("label", *at, "a=b", "--dry-run"), "networkpolicy.projectcalico.org/web labeled (dry run)\n")
        self.assertEqual(self.ok("delete", *at, "--dry-run"), "networkpolicy.projectcalico.org/web deleted (dry run)\n")
        self.assertEqual(self.ok("delete", "np", "-A", "-l", "all()", "--dry-run"), "networkpolicy.projectcalico.org/web deleted (dry run)\n")
        self.assertEqual(self.ok("delete", "--dry-run", "-f", "-", stdin=POLICY), "networkpolicy.projectcalico.org/web deleted (dry run)\n")
        self.assertIn("there is no tier sec", self.fails(1, "apply", "--dry-run", "-f", "-", stdin=TIERED))
        self.assertIn("exists already", self.fails(1, "create", "--dry-run", "-f", "-", stdin=POLICY))
        # Twice in one run: the second sees the first.
        self.assertIn("exists already", self.fails(1, "create", "--dry-run", "-f", "-", stdin=TIER + "---\n" + TIER))
        self.assertIn("does not exist", self.fails(1, "delete", "--dry-run", "-f", "-", stdin=POLICY + "---\n" + POLICY))
        self.assertIn("--dry-run", self.fails(2, "apply", "--dry-run=maybe", "-f", "-", stdin=TIER))
        self.assertEqual(self.snapshot(), before)
        self.assertEqual(self.ok("create", "--dry-run=none", "-f", "-", stdin=TIER), "tier.projectcalico.org/sec created\n")
        # A tier whose policies are listed is empty once the dry run has deleted them.
        self.apply(TIERED)
        self.assertIn("deny", self.fails(1, "delete", "--dry-run", "-f", "-", stdin=TIER))
        self.assertEqual(self.ok("delete", "--dry-run", "-f", "-", stdin=TIER + "---\n" + TIERED).splitlines(),
                         ["globalnetworkpolicy.projectcalico.org/deny deleted (dry run)", "tier.projectcalico.org/sec deleted (dry run)"])


class OrdinaryUser(Base):
    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_get_lists_what_may_be_read_and_names_what_may_not(self):
        self.apply(PODS + "---\n" + SECRET)
        self.dir.chmod(0o755)
        secret = self.store / "secrets/shop/bgp.yaml"
        code, out, err = self.run_as_nobody("get", "pods,np", "-n", "shop", "-o", "name")
        self.assertEqual((code, out), (0, "pod/db\npod/web-0\npod/web-1\n"), err)
        self.assertEqual(len(err.splitlines()), 1, "once, not once a kind")
        self.assertTrue(err.startswith("warning: "), err)
        self.assertIn(f"{secret}: Permission denied", err)
        # What it asks for by name may be in there: that is no answer of "does not exist".
        code, out, err = self.run_as_nobody("get", "pod", "nope", "-n", "shop")
        self.assertEqual(code, 1)
        self.assertIn("Permission denied", err)
        self.assertEqual(self.run_as_nobody("get", "pod", "db", "-n", "shop", "-o", "name"), (0, "pod/db\n", ""))
        # A selector that deletes must know all.
        code, out, err = self.run_as_nobody("delete", "pods", "-n", "shop", "-l", "app=db")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("Permission denied", err)


class Editing(Base):
    def test_delete(self):
        self.apply(POLICY + "---\n" + TIER)
        self.assertEqual(self.ok("delete", "np", "web", "-n", "shop"), "networkpolicy.projectcalico.org/web deleted\n")
        self.assertIn("does not exist", self.fails(1, "delete", "np", "web", "-n", "shop"))
        self.ok("delete", "np", "web", "-n", "shop", "--ignore-not-found")
        code, out, _ = self.run_ctl("delete", "tier", "nope", "sec")
        self.assertEqual((code, out), (1, "tier.projectcalico.org/sec deleted\n"))
        self.assertEqual(self.snapshot(), {})

    def test_patch(self):
        self.apply(POLICY)
        at = ("np", "web", "-n", "shop")
        self.assertEqual(self.ok("patch", *at, "-p", '{"spec": {"order": 5}}'), "networkpolicy.projectcalico.org/web patched\n")
        self.assertIn("no change", self.ok("patch", *at, "-p", "spec: {order: 5}"))
        self.ok("patch", *at, "--type", "json", "-p", '[{"op": "remove", "path": "/spec/order"}]')
        self.ok("patch", *at, "--type", "merge", "-p", '{"spec": {"ingress": null, "egress": [{"action": "Deny"}]}}')
        spec = self.get(*at)["spec"]
        self.assertNotIn("order", spec)
        self.assertEqual(spec["egress"], [{"action": "Deny"}])
        before = self.snapshot()
        self.assertIn("spec.ordr: unknown field", self.fails(1, "patch", *at, "-p", '{"spec": {"ordr": 5}}'))
        self.assertIn("cannot be changed", self.fails(1, "patch", *at, "-p", '{"metadata": {"name": "x"}}'))
        self.assertIn("does not apply", self.fails(1, "patch", *at, "--type", "json", "-p", '[{"op": "remove", "path": "/nope"}]'))
        self.assertIn("does not exist", self.fails(1, "patch", "np", "nope", "-p", "{}"))
        self.assertEqual(self.snapshot(), before)
        self.ok("patch", *at, "--patch-file", self.file("p.json", '{"spec": {"order": 9}}'))
        self.assertEqual(self.get(*at)["spec"]["order"], 9)

    def test_label(self):
        self.apply(POLICY)
        at = ("np", "web", "-n", "shop")
        self.assertEqual(self.ok("label", *at, "a=1", "b=2"), "networkpolicy.projectcalico.org/web labeled\n")
        self.assertIn("no change", self.ok("label", *at, "a=1"))
        self.assertIn("--overwrite", self.fails(1, "label", *at, "a=9"))
        self.ok("label", *at, "a=9", "b-", "--overwrite")
        labels = self.get(*at)["metadata"]["labels"]
        self.assertEqual(labels, {"a": "9", "projectcalico.org/tier": "default"})
        self.ok("label", *at, "a", "--remove")
        self.assertNotIn("a", self.get(*at)["metadata"]["labels"])
        self.assertIn("metadata.labels", self.fails(1, "label", *at, "a=not a value"))
        self.ok("label", "tier", "default", "x=y")  # built in: written once it differs
        self.assertEqual(self.get("tier", "default")["metadata"]["labels"], {"x": "y"})

    def test_two_at_once_lose_nothing(self):
        self.apply(POLICY)
        processes = [self.start("label", "np", "web", "-n", "shop", f"l{i}=1") for i in range(16)]
        for process in processes:
            out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, err), (0, ""))
        labels = self.get("np", "web", "-n", "shop")["metadata"]["labels"]
        self.assertEqual({l for l in labels if l.startswith("l")}, {f"l{i}" for i in range(16)})

    def test_one_of_many_creators_wins(self):
        processes = [self.start("create", "-f", "-") for _ in range(8)]
        for process in processes:
            process.stdin.write(TIER)
            process.stdin.flush()
        for process in processes:  # the end of the manifest sets each off
            process.stdin.close()
            process.stdin = None
        codes = []
        for process in processes:
            process.communicate(timeout=60)
            codes.append(process.returncode)
        self.assertEqual(sorted(codes), [0] + [1] * 7)


class Validating(Base):
    def test_touches_no_datastore(self):
        self.env["MARGAY_DATASTORE"] = f"file://{self.dir}/nowhere"
        path = self.file("t.yaml", TIER + "---\n" + POLICY)
        self.assertEqual(self.ok("validate", "-f", path), "2 objects in 1 file: valid\n")

    def test_a_directory_with_what_is_below(self):
        self.file("d/a.yaml", TIER)
        self.file("d/x/b.yaml", TIER)
        self.file("d/x/c.yaml", "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: UPPER}\n")
        self.file("d/x/d.yaml", SECRET).chmod(0o644)
        err = self.fails(1, "validate", "d")
        self.assertIn("d/x/b.yaml: document 1, line 1: Tier sec: is there twice, first in d/a.yaml", err)
        self.assertIn("d/x/c.yaml: document 1, line 1: metadata.name", err)
        self.assertIn("d/x/d.yaml: document 1, line 1: Secret shop/bgp: everybody may read", err)

    def test_unknown_kind_and_field(self):
        err = self.fails(1, "validate", "-f", "-", stdin=TIER.replace("Tier", "Teir") + "---\n" + TIER.replace("order", "odrer"))
        self.assertIn('standard input: document 1, line 1: kind: there is no kind "Teir"', err)
        self.assertIn('did you mean "Tier"', err)
        self.assertIn("standard input: document 2, line 6: Tier sec: spec.odrer: unknown field", err)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
