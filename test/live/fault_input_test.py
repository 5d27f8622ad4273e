#!/usr/bin/env python3
"""Faults of the input: manifests broken, policies never valid, a directory that goes, a set too large. What was valid stays in force."""
import shutil
import signal

from faults import Faults
from lab import allow, calico, deny, policy
from live import main


class InputFaults(Faults):
    def test_broken_manifests_leave_in_force_what_was_also_after_a_restart(self):
        path = self.host.path(self.base)
        good = path.read_bytes()
        nonsense = b"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: base}\nspec: {selector: '((('}\n"
        bomb = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(12))
        bad = {"empty": b"", "a brace": b"{", "a list left open": b"kind: [", "not UTF-8": b"\xff\xfe", "bad UTF-8 within": good[:-3] + b"\xc3\n}",
               "maps in a line": b"a: " * 100000, "too deep": b"[" * 100000, "deep JSON": b'{"a":' * 100000, "an alias in itself": b"- &a [*a]\n",
               "a bomb": bomb, "enormous": good + b"#" * (33 << 20), "nonsense": nonsense, "half": good[:len(good) // 2]}
        self.start_sprays()
        for what, text in bad.items():
            temporary = path.with_suffix(".tmp")
            temporary.write_bytes(text)
            temporary.rename(path)
            # A marker after it tells when it was read: the daemon does not hang, and others' changes go on.
            self.apply(policy("marker", "name == 'flow'", types=["Ingress"], namespace=None))
            self.expect({(self.friend, self.flow, 80): False, (self.friend, self.server, 80): True, (self.enemy, self.server, 80): False},
                        hold=0, message=what)
            self.delete("marker")
            if what in ("nonsense", "half", "empty", "a bomb"):
                self.host.stop_felix(signal.SIGKILL)
                self.host.start_felix()
                self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False}, hold=0, message=f"{what}, restarted")
            temporary.write_bytes(good)
            temporary.rename(path)
        # Written in place, slowly, by a program that does not rename.
        with open(path, "wb", buffering=0) as f:
            for start in range(0, len(good), len(good) // 6):
                f.write(good[start:start + len(good) // 6])
                self.lab.never([(self.enemy, self.server, 80)])
        self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False}, hold=0)
        # The same object in a second file does not replace the first, whatever it says.
        other = self.host.directory / "zz.yaml"
        other.write_bytes(b"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: base}\n"
                          b"spec: {selector: all(), ingress: [{action: Allow}]}\n")
        self.apply(policy("marker", "name == 'flow'", types=["Ingress"], namespace=None))
        self.expect({(self.friend, self.flow, 80): False, (self.enemy, self.server, 80): False, (self.friend, self.server, 80): True}, hold=0)
        other.unlink()
        self.end_sprays()

    def test_a_policy_that_was_never_valid_closes_what_it_selects(self):
        self.apply(calico("GlobalNetworkPolicy", "bad", {"selector": "name == 'flow'", "order": 1, "types": ["Ingress"],
                                                         "ingress": [{"action": "Allow", "protocol": "NONSENSE"}]}))
        self.expect({(self.friend, self.flow, 80): False, (self.flow, self.friend, 80): True, (self.friend, self.server, 80): True})

    def test_a_directory_that_vanishes_and_comes_back_empty_is_an_outage(self):
        directory, away = self.host.directory, self.host.base / "away"
        for method in ("rename", "empty"):
            if method == "rename":
                directory.rename(away)
            else:
                shutil.copytree(directory, away)
                for p in list(directory.iterdir()):
                    p.unlink()
            if method == "rename":
                self.wait_for(lambda: self.host.get("/readiness")[0] == 503)
                self.lab.never([(self.enemy, self.server, 80)])
                self.expect({(self.friend, self.server, 80): True}, hold=0)
                directory.mkdir()
                # An empty directory announces nothing: the probes take longer than the daemon would.
                self.lab.expect({(self.enemy, self.server, 80): False, (self.friend, self.server, 80): True}, within=1)
                self.host.stop_felix(signal.SIGKILL)
                self.host.start_felix(wait=False)
                self.wait_for(lambda: "waiting" in self.host.logs[-1].read_text())
                self.lab.never([(self.enemy, self.server, 80)])
                self.expect({(self.friend, self.server, 80): True}, hold=0)
                for p in away.iterdir():
                    p.rename(directory / p.name)
                away.rmdir()
                self.host.wait_ready()
                self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False})
            else:
                # Emptied while seen full: deletions of every object. What nobody describes any more is closed.
                self.wait_for(lambda: self.server.interface not in self.host.iptables(4))
                self.lab.never([(self.enemy, self.server, 80), (self.friend, self.server, 80)])
                for p in away.iterdir():
                    p.rename(directory / p.name)
                away.rmdir()
                self.host.wait_ready()
                self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False})

    def test_a_set_that_overflows_closes_what_depends_on_it_only(self):
        self.host.stop_felix()
        self.host.start_felix(config="MaxIpsetSize = 8\n")
        nets = [f"198.18.{i}.0/24" for i in range(50)]
        self.apply(calico("GlobalNetworkSet", "big", {"nets": nets}, labels={"big": "yes"}),
                   policy("needs", "name == 'flow'", types=["Ingress"], namespace=None, order=1,
                          ingress=[deny(source={"selector": "big == 'yes'"}), allow()]))
        self.expect({(self.friend, self.flow, 80, "tcp", 4): False, (self.friend, self.server, 80): True})
        self.apply(calico("GlobalNetworkSet", "big", {"nets": nets[:3]}, labels={"big": "yes"}))
        self.expect({(self.friend, self.flow, 80): True, (self.enemy, self.server, 80): False})
        self.host.stop_felix()


if __name__ == "__main__":
    main()
