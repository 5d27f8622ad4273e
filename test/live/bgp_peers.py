"""Routing daemons in namespaces: BIRD (as margay-bgp-config's engine, or as somebody else's router), FRR, GoBGP and ExaBGP.

Each is started by hand with sockets of its own, speaks through them without its command-line tool where that is simple, dies with
the process that started it (but for FRR, which changes its user and so is no longer told), and is ended by its own id.
"""
import ctypes
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

FRR = "/usr/lib/frr"
SEARCH = "/usr/sbin:/sbin:/usr/bin:/bin:" + FRR
LIBC = ctypes.CDLL(None)


def missing(*programs):
    """Those of the programs that are not installed."""
    return [p for p in programs if not shutil.which(p, path=SEARCH)]


def die_with_parent():
    LIBC.prctl(1, signal.SIGKILL)


def until(condition, within, what):
    end = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what() if callable(what) else what}: not within {within:.0f} s")
        time.sleep(0.005)
    return value


class Daemon:
    """A process in a place's namespace, with a log."""

    def __init__(self, place, name, directory):
        self.place, self.name, self.directory = place, name, Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process = None
        self.log = self.directory / f"{name}.log"

    def spawn(self, *command, env=None):
        assert not self.running(), f"{self.name} in {self.place} runs already"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.place.netns, *map(str, command)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=env, preexec_fn=die_with_parent)
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, how=signal.SIGKILL, within=20):
        """Sends the signal and waits for the end; the exit code."""
        if self.process is None:
            return None
        if how is not None and self.running():
            self.process.send_signal(how)
        code = self.process.wait(within)
        self.process = None
        return code

    def text(self, last=3000):
        return self.log.read_text(errors="replace")[-last:] if self.log.exists() else ""


# ---- BIRD -----------------------------------------------------------------------------------------------------------


class Bird(Daemon):
    def __init__(self, place, directory, config=None, socket_path=None):
        super().__init__(place, "bird", directory)
        self.config = Path(config or self.directory / "bird.conf")
        self.socket = Path(socket_path or self.directory / "bird.ctl")

    def start(self, recover=False):
        self.socket.unlink(missing_ok=True)
        self.spawn("bird", "-f", *(["-R"] if recover else []), "-c", self.config, "-s", self.socket, "-P", self.directory / "bird.pid")
        until(lambda: self.socket.exists() or not self.running(), 10, "BIRD's socket")
        if not self.running():
            raise AssertionError(f"BIRD in {self.place} ended at once:\n{self.text()}")
        return self

    def ask(self, command):
        """The lines of the reply as (code, text); continuation lines have the code before."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(10)
            s.connect(str(self.socket))
            stream = s.makefile("rb")
            self._reply(stream)
            s.sendall(command.encode() + b"\n")
            return self._reply(stream)

    @staticmethod
    def _reply(stream):
        lines, code = [], 0
        for raw in stream:
            line = raw.decode(errors="replace").rstrip("\n")
            if line.startswith("+"):
                continue
            if line[:4].isdigit() and line[4:5] in (" ", "-"):
                code = int(line[:4])
                lines.append((code, line[5:]))
                if line[4] == " ":
                    return lines
            else:
                lines.append((code, line[1:]))
        raise ConnectionError("BIRD closed the connection")

    def try_ask(self, command):
        try:
            return self.ask(command)
        except OSError:
            return []

    def sessions(self):
        """name → (state, since, info) of the BGP protocols."""
        found = {}
        for code, line in self.try_ask("show protocols"):
            row = re.match(r"(\S+)\s+BGP\s+\S+\s+(\S+)\s+(\S+(?: \d\S*)?)\s*(.*)", line)
            if code == 1002 and row:
                name, state, since, info = row.groups()
                found[name] = (state, since, info.strip())
        return found

    def established(self):
        return {name for name, (_, _, info) in self.sessions().items() if info.startswith("Established")}

    def uptimes(self):
        """name → since when, of sessions that are established: what must not change where nothing should flap."""
        return {name: since for name, (_, since, info) in self.sessions().items() if info.startswith("Established")}

    def details(self, name):
        return "\n".join(line for _, line in self.try_ask(f"show protocols all {name}"))

    def routes(self, what=""):
        return "\n".join(line for _, line in self.try_ask(f"show route {what}".strip()))


# ---- FRR ------------------------------------------------------------------------------------------------------------


@functools.lru_cache
def usage_of_bfdd():
    return subprocess.run([f"{FRR}/bfdd", "--help"], capture_output=True, text=True).stdout


class Frr:
    """zebra, bfdd and bgpd of one router. `neighbors`: dictionaries with peer, remote_as and any of interface, families, password,
    bfd, lines (more configuration of the neighbor); networks are announced."""

    DAEMONS = ("zebra", "bfdd", "bgpd")

    def __init__(self, place, directory, asn, router_id, neighbors, networks=(), lines=(), bfd_ms=100, bfd_multiplier=5):
        self.place, self.directory, self.asn, self.router_id = place, Path(directory), asn, router_id
        self.neighbors, self.networks, self.lines = neighbors, networks, lines
        self.bfd_ms, self.bfd_multiplier = bfd_ms, bfd_multiplier
        self.vty = self.directory / "vty"
        # FRR runs as its own user and insists: the way to its directory is open, what is in it is its own.
        self.directory.mkdir(parents=True)
        self.vty.mkdir()
        for directory in (self.directory, self.vty):
            shutil.chown(directory, "frr", "frr")
        for parent in (place.lab.directory, *self.directory.parents):
            if place.lab.directory in (parent, *parent.parents):
                parent.chmod(0o711)
        self.daemons = {name: Daemon(place, name, self.directory) for name in self.DAEMONS}

    def bgp_configuration(self):
        text = [f"router bgp {self.asn}", f" bgp router-id {self.router_id}", " no bgp ebgp-requires-policy",
                " no bgp default ipv4-unicast", " no bgp network import-check", " bgp graceful-restart",
                " bgp bestpath as-path multipath-relax", *(f" {line}" for line in self.lines)]
        families = {4: [" maximum-paths 16", " maximum-paths ibgp 16"], 6: [" maximum-paths 16", " maximum-paths ibgp 16"]}
        for n in self.neighbors:
            peer = n["peer"]
            text.append(f" neighbor {peer} remote-as {n['remote_as']}")
            if n.get("interface"):  # of a link-local peer
                text.append(f" neighbor {peer} interface {n['interface']}")
            text += [f" neighbor {peer} timers connect 1", f" neighbor {peer} advertisement-interval 0"]
            if n.get("bfd"):
                text.append(f" neighbor {peer} bfd profile fast")
            if n.get("password"):
                text.append(f" neighbor {peer} password {n['password']}")
            text += [f" neighbor {peer} {line}" for line in n.get("lines", ())]
            for family in n.get("families") or ([6] if ":" in peer else [4]):
                families[family] += [f" neighbor {peer} activate", f" neighbor {peer} soft-reconfiguration inbound"]
                families[family] += [f" neighbor {peer} {line}" for line in n.get("af_lines", ())]
        for net in self.networks:
            families[6 if ":" in net else 4].append(f" network {net}")
        for family, more in families.items():
            text += [f" address-family ipv{family} unicast", *(" " + line for line in more), " exit-address-family"]
        return "\n".join(text) + "\n"

    def start(self):
        conf = {"zebra": "", "bgpd": self.bgp_configuration(),
                "bfdd": f"bfd\n profile fast\n  detect-multiplier {self.bfd_multiplier}\n  receive-interval {self.bfd_ms}\n"
                        f"  transmit-interval {self.bfd_ms}\n"}
        zserv = self.directory / "zserv.api"
        zserv.unlink(missing_ok=True)
        for name, daemon in self.daemons.items():
            path = self.directory / f"{name}.conf"
            path.write_text(f"log stdout informational\n{conf[name]}")
            # -P 0: no TCP port for the terminal.
            # FRR 10 has this socket no more, nor the option.
            more = ["--bfdctl", self.directory / "bfdd.sock"] if name == "bfdd" and "--bfdctl" in usage_of_bfdd() else []
            # An IPv6 route that changes is replaced in one step, not taken away and put in again: packets between would be lost.
            more += ["--v6-rr-semantics"] if name == "zebra" else []
            daemon.spawn(f"{FRR}/{name}", "-f", path, "-i", self.directory / f"{name}.pid", "-z", zserv,
                         "--vty_socket", self.vty, "-P", "0", *more)
            if name == "zebra":  # the others try again only after seconds
                until(lambda: zserv.exists() or not daemon.running(), 10, "zebra's socket")
                if not daemon.running():
                    raise AssertionError(f"zebra of {self.place} ended at once:\n{self.text()}")
        return self

    def wait(self):
        """Until its terminal answers."""
        until(lambda: self.try_ask("show version"), 15, lambda: f"bgpd of {self.place} answers:\n{self.text()}")
        return self

    def kill(self, how=signal.SIGKILL):
        for daemon in reversed(self.daemons.values()):
            daemon.end(how)

    def text(self, last=2000):
        return "".join(f"--- {d.name} of {d.place}\n{d.text(last)}" for d in self.daemons.values())

    def ask(self, *commands, daemon="bgpd"):
        """Speaks vtysh's protocol: a command ends with a zero byte, its output with three and the result."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(10)
            s.connect(str(self.vty / f"{daemon}.vty"))
            output = ""
            for command in ("enable", *commands):
                s.sendall(command.encode() + b"\0")
                data = b""
                while not (len(data) >= 4 and data[-4:-1] == b"\0\0\0"):
                    more = s.recv(65536)
                    if not more:
                        raise ConnectionError(f"{daemon} closed the connection")
                    data += more
                output = data[:-4].decode(errors="replace")
                if data[-1] not in (0, 1) and command != "enable":
                    raise RuntimeError(f"{daemon} refuses {command!r} ({data[-1]}): {output}")
            return output

    def try_ask(self, *commands, daemon="bgpd"):
        try:
            return self.ask(*commands, daemon=daemon)
        except OSError:
            return ""

    def configure(self, *lines):
        self.ask("configure terminal", *lines, "end")

    def json(self, command):
        text = self.try_ask(command + " json")
        try:
            return json.loads(text) if text.strip() else {}
        except ValueError:
            return {}

    def peers(self):
        """peer → its state, as `show bgp neighbors` tells."""
        return {peer: state for peer, state in self.json("show bgp neighbors").items() if isinstance(state, dict)}

    def established(self):
        return {peer for peer, state in self.peers().items() if state.get("bgpState") == "Established"}

    def flaps(self):
        """peer → (times established, times dropped)."""
        return {peer: (s.get("connectionsEstablished"), s.get("connectionsDropped")) for peer, s in self.peers().items()}

    def route(self, net):
        """The paths of one prefix in the BGP table."""
        return self.json(f"show bgp ipv{6 if ':' in net else 4} unicast {net}").get("paths", [])

    def communities(self, net):
        return {c for path in self.route(net) for c in path.get("community", {}).get("list", [])} | {
            c for path in self.route(net) for c in path.get("largeCommunity", {}).get("list", [])}


# ---- GoBGP and ExaBGP -----------------------------------------------------------------------------------------------


class GoBgp(Daemon):
    """neighbors: (address, remote AS[, password])."""

    def __init__(self, place, directory, asn, router_id, neighbors):
        super().__init__(place, "gobgpd", directory)
        lines = [f"[global.config]\n as = {asn}\n router-id = \"{router_id}\""]
        for address, remote, *password in neighbors:
            lines.append(f"[[neighbors]]\n [neighbors.config]\n  neighbor-address = \"{address}\"\n  peer-as = {remote}")
            if password:
                lines.append(f"  auth-password = \"{password[0]}\"")
            lines.append(" [neighbors.timers.config]\n  connect-retry = 1\n  idle-hold-time-after-reset = 1\n"
                         " [neighbors.graceful-restart.config]\n  enabled = true\n  restart-time = 60")
            lines.append(f" [[neighbors.afi-safis]]\n  [neighbors.afi-safis.config]\n"
                         f"   afi-safi-name = \"ipv{6 if ':' in address else 4}-unicast\"\n"
                         "  [neighbors.afi-safis.mp-graceful-restart.config]\n   enabled = true")
        self.config = self.directory / "gobgpd.conf"
        self.config.write_text("\n".join(lines) + "\n")

    def start(self):
        self.spawn("gobgpd", "-t", "toml", "-f", self.config, "--api-hosts", "127.0.0.1:50051", "--pprof-disable")
        until(lambda: self.ask("global").strip() or not self.running(), 20, lambda: f"gobgpd answers:\n{self.text()}")
        return self

    def ask(self, *command):
        return self.place.run("gobgp", *command, check=False)

    def announce(self, net, nexthop):
        self.place.run("gobgp", "global", "rib", "add", "-a", "ipv6" if ":" in net else "ipv4", net, "nexthop", nexthop)

    def has(self, net):
        return net in json.loads(self.ask("global", "rib", "-a", "ipv6" if ":" in net else "ipv4", "-j") or "{}")


class ExaBgp(Daemon):
    """neighbors: (local address, peer address, remote AS, [announcements: "route P next-hop self …"])."""

    def __init__(self, place, directory, asn, router_id, neighbors):
        super().__init__(place, "exabgp", directory)
        self.seen = self.directory / "seen.json"
        program = self.directory / "receive.py"  # its input does not block, which cat would take for an error
        program.write_text(f"#!{sys.executable}\nimport os, select\nout = open({str(self.seen)!r}, 'ab', 0)\n"
                           "while select.select([0], [], []) and (data := os.read(0, 65536)):\n    out.write(data)\n")
        program.chmod(0o755)
        text = f"process seen {{ run {program}; encoder json; }}\n"
        for local, peer, remote, announcements in neighbors:
            family = 6 if ":" in peer else 4
            text += (f"neighbor {peer} {{\n router-id {router_id};\n local-address {local};\n local-as {asn};\n peer-as {remote};\n"
                     f" family {{ ipv{family} unicast; }}\n"
                     f" api {{ processes [ seen ]; receive {{ parsed; update; }} neighbor-changes; }}\n"
                     f" static {{\n{''.join(f'  {a};' + chr(10) for a in announcements)} }}\n}}\n")
        self.config = self.directory / "exabgp.conf"
        self.config.write_text(text)

    def start(self):
        env = {**os.environ, "exabgp.daemon.user": "root", "exabgp.daemon.drop": "false", "exabgp.api.ack": "false",
               "exabgp.log.level": "WARNING", "exabgp.tcp.bind": "", "exabgp.api.cli": "false"}
        return self.spawn("exabgp", self.config, env=env)

    def received(self):
        return self.seen.read_text(errors="replace") if self.seen.exists() else ""
