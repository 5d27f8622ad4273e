#!/usr/bin/env python3
"""Runs inside one network namespace: answers probes of others, and probes them. Driven by lab.py over stdin and stdout,
one JSON object a line each way.

serve   listens on TCP and UDP ports of both families and echoes, with the peer's address, so that a prober sees how it looks
probe   many probes at once; each answers "ok" with what the peer saw, or why it failed ("timeout", "refused", …)
knock   conversations that begin anew all the time, so that connection tracking knows none of them; stop_knock tells of each when it
        began and whether it was answered
flow    a continuous numbered TCP or UDP flow to a peer's echo; stop_flow tells what was sent, answered and the longest silence;
        stop_flows ends many together
spray   UDP packets at a steady pace, each a connection of its own; what arrived is for a sniffer at the other end to say
send    raw packets, for spoofing and odd protocols; sniff counts what arrives
"""
import ctypes
import errno
import json
import os
import random
import select
import selectors
import signal
import socket
import struct
import sys
import threading
import time

ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # dies with its lab
signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the lab's to answer

OUT = threading.Lock()


def answer(message):
    with OUT:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# ---- echo servers ---------------------------------------------------------------------------------------------------


def listen(family, kind, port):
    s = socket.socket(family, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    if kind == socket.SOCK_STREAM:
        s.listen(64)
    return s


def serve_tcp(s):
    def client(c):
        try:
            while data := c.recv(65536):
                c.sendall(data)
        except OSError:
            pass
        finally:
            c.close()

    while True:
        c, peer = s.accept()
        try:
            c.sendall((json.dumps({"peer": peer[0], "port": peer[1]}) + "\n").encode())
        except OSError:
            c.close()
            continue
        threading.Thread(target=client, args=(c,), daemon=True).start()


def serve_udp(s):
    # Replies must leave from the address that was asked, also on hosts with several.
    family = s.family
    if family == socket.AF_INET:
        s.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    else:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    while True:
        data, control, _, peer = s.recvmsg(65536, 256)
        reply = data if data.startswith(b"seq") else json.dumps({"peer": peer[0], "port": peer[1]}).encode()
        back = []
        for level, kind, value in control:
            if family == socket.AF_INET and level == socket.IPPROTO_IP:
                back = [(level, kind, struct.pack("i", 0) + value[8:12] + b"\0\0\0\0")]
            elif family == socket.AF_INET6 and level == socket.IPPROTO_IPV6:
                back = [(level, kind, value[:16] + struct.pack("i", 0))]
        try:
            s.sendmsg([reply], back, 0, peer)
        except OSError:
            pass


def serve(ports):
    for family in (socket.AF_INET, socket.AF_INET6):
        for port in ports:
            for kind, work in ((socket.SOCK_STREAM, serve_tcp), (socket.SOCK_DGRAM, serve_udp)):
                threading.Thread(target=work, args=(listen(family, kind, port),), daemon=True).start()


# ---- probes ---------------------------------------------------------------------------------------------------------


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Probe:
    """One attempt to reach an address by a protocol. `sport`, `src` choose where it starts from."""

    def __init__(self, spec):
        self.spec, self.result, self.sock = spec, None, None
        # A number of its own each time: connection tracking would take a repeated one for the old conversation.
        self.ident = random.getrandbits(16)

    def start(self):
        spec = self.spec
        family = family_of(spec["dst"])
        proto = spec.get("proto", "tcp")
        try:
            if proto == "icmp":
                v6 = family == socket.AF_INET6
                self.sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
            else:
                self.sock = socket.socket(family, socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM)
            self.sock.setblocking(False)
            if spec.get("src") or spec.get("sport"):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.sock.bind((spec.get("src") or ("::" if family == socket.AF_INET6 else "0.0.0.0"), spec.get("sport", 0)))
            if proto == "tcp":
                self.sock.connect_ex((spec["dst"], spec["port"]))
            elif proto == "udp":
                self.sock.connect((spec["dst"], spec["port"]))
                self.sock.send(b"who am i")
            else:
                kind = spec.get("type", 128 if family == socket.AF_INET6 else 8)
                body = struct.pack("!BBHHH", kind, spec.get("code", 0), 0, self.ident, spec["id"] & 0xFFFF) + b"margay" * 4
                if family == socket.AF_INET:
                    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
                self.sock.sendto(body, (spec["dst"], 0))
        except OSError as e:
            self.finish(e.strerror.lower())
            return False
        return True

    def again(self):
        """UDP and ICMP are sent a second time half-way, so that one lost packet on a busy machine decides nothing."""
        proto = self.spec.get("proto", "tcp")
        try:
            if proto == "udp":
                self.sock.send(b"who am i")
        except OSError:
            pass

    def ready(self):
        spec = self.spec
        try:
            if spec.get("proto", "tcp") == "icmp":
                data, peer = self.sock.recvfrom(2048)
                if family_of(spec["dst"]) == socket.AF_INET:
                    data = data[(data[0] & 15) * 4:]
                    good = data[0] == 0
                else:
                    good = data[0] == 129
                if good and struct.unpack("!HH", data[4:8]) == (self.ident, spec["id"] & 0xFFFF):
                    self.finish("ok", {"peer": peer[0]})
                return
            data = self.sock.recv(4096)
            if data:
                self.finish("ok", json.loads(data.decode().splitlines()[0]))
            else:
                self.finish("closed")
        except BlockingIOError:
            pass
        except ConnectionRefusedError:
            self.finish("refused")
        except OSError as e:
            self.finish(e.strerror.lower())

    def finish(self, how, seen=None):
        self.result = {"id": self.spec["id"], "how": how, "seen": seen}
        if self.sock:
            self.sock.close()


def probe(specs, timeout):
    waiting = selectors.DefaultSelector()
    probes = [Probe(s) for s in specs]
    for p in probes:
        if p.start():
            waiting.register(p.sock, selectors.EVENT_READ, p)
    end, repeated = time.monotonic() + timeout, False
    while waiting.get_map():
        left = end - time.monotonic()
        if left <= 0:
            break
        if not repeated and left < timeout / 2:
            repeated = True
            for key in list(waiting.get_map().values()):
                key.data.again()
        for key, _ in waiting.select(min(left, timeout / 4)):
            sock = key.fileobj
            key.data.ready()
            if key.data.result:
                waiting.unregister(sock)
    for p in probes:
        if not p.result:
            p.finish("timeout")
    return [p.result for p in probes]


# ---- flows ----------------------------------------------------------------------------------------------------------

FLOWS = {}
UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH)


class Flow(threading.Thread):
    """Numbered packets at a steady pace; counts what comes back, and how long nothing came."""

    def __init__(self, spec):
        super().__init__(daemon=True)
        self.spec, self.stop = spec, threading.Event()
        self.sent = self.got = 0
        self.longest = 0.0
        self.error = None

    def run(self):
        spec = self.spec
        tcp = spec.get("proto", "udp") == "tcp"
        s = socket.socket(family_of(spec["dst"]), socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        try:
            s.settimeout(5)
            if spec.get("sport"):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("", spec["sport"]))
            s.connect((spec["dst"], spec["port"]))
            if tcp:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not s.recv(1).endswith(b"\n"):
                    pass
            self.loop(s, tcp)
        except OSError as e:
            self.error = e.strerror or str(e)
        finally:
            s.close()

    def loop(self, s, tcp):
        s.setblocking(False)
        last, buffer, interval = time.monotonic(), b"", self.spec.get("interval", 0.002)
        quiet_until = None
        while True:
            now = time.monotonic()
            if self.stop.is_set():
                quiet_until = quiet_until or now + 1.0
                if self.got >= self.sent or now > quiet_until:
                    return
            else:
                try:
                    if tcp:
                        s.send(b"seq%012d\n" % self.sent)
                    else:
                        s.send(b"seq%012d" % self.sent)
                    self.sent += 1
                except BlockingIOError:
                    pass
                except ConnectionRefusedError:
                    pass
                except OSError as e:
                    if tcp or e.errno not in UNREACHABLE:
                        raise
                    self.sent += 1  # somebody on the way said that there is no way: lost like any other
            deadline = now + interval
            while True:
                try:
                    data = s.recv(65536)
                    if tcp:
                        if not data:
                            self.error = "closed"
                            return
                        buffer += data
                        lines = buffer.split(b"\n")
                        buffer = lines.pop()
                        self.got += len(lines)
                    else:
                        self.got += 1
                    last = time.monotonic()
                except OSError as e:
                    if not isinstance(e, (BlockingIOError, ConnectionRefusedError)) and (tcp or e.errno not in UNREACHABLE):
                        raise
                    now = time.monotonic()
                    if self.sent > self.got:
                        self.longest = max(self.longest, now - last)
                    if now >= deadline:
                        break
                    select.select([s], [], [], deadline - now)

    def report(self):
        return {"sent": self.sent, "got": self.got, "longest_silence": round(self.longest, 4), "error": self.error}


class Knock(threading.Thread):
    """A new UDP conversation each interval, timed by the clock that all processes of a machine share. Source ports count up from
    `sport`: a port that comes again would be the old conversation to connection tracking."""

    def __init__(self, spec):
        super().__init__(daemon=True)
        self.spec, self.stop, self.began, self.answered = spec, threading.Event(), [], set()

    def run(self):
        family, interval = family_of(self.spec["dst"]), self.spec.get("interval", 0.002)
        waiting = selectors.DefaultSelector()
        due, end = time.monotonic(), None
        while True:
            now = time.monotonic()
            if self.stop.is_set():
                end = end or now + 0.3
                if now > end or not waiting.get_map():
                    break
            elif now >= due:
                due += interval
                s = socket.socket(family, socket.SOCK_DGRAM)
                s.setblocking(False)
                try:
                    number, when = len(self.began), time.monotonic()
                    s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", self.spec["sport"] + number))
                    s.connect((self.spec["dst"], self.spec["port"]))
                    s.send(b"seq%012d" % number)
                    self.began.append(when)
                    waiting.register(s, selectors.EVENT_READ, number)
                except OSError:
                    s.close()
            for key, _ in waiting.select(max(0.0002, min(due - time.monotonic(), interval))):
                try:
                    key.fileobj.recv(64)
                    self.answered.add(key.data)
                except OSError:
                    pass
                waiting.unregister(key.fileobj)
                key.fileobj.close()
            # Whoever has waited for long is not answered any more; their sockets are wanted again.
            if len(waiting.get_map()) > 400:
                oldest = min(waiting.get_map().values(), key=lambda k: k.data)
                waiting.unregister(oldest.fileobj)
                oldest.fileobj.close()
        for key in list(waiting.get_map().values()):
            key.fileobj.close()

    def report(self):
        return {"tries": [[when, number in self.answered] for number, when in enumerate(self.began)]}


class Spray(threading.Thread):
    """UDP packets that never belong to a known connection: each from a new port, or (with `src`) made by hand and spoofed."""

    def __init__(self, spec):
        super().__init__(daemon=True)
        self.spec, self.stop, self.error = spec, threading.Event(), None
        self.sent = [0] * len(spec["targets"])

    def run(self):
        try:
            while not self.stop.wait(self.spec.get("interval", 0.005)):
                for i, target in enumerate(self.spec["targets"]):
                    if target.get("src"):
                        send_raw({**target, "udp": [random.randrange(1024, 65536), target["port"]]})
                    else:
                        with socket.socket(family_of(target["dst"]), socket.SOCK_DGRAM) as s:
                            s.sendto(b"spray", (target["dst"], target["port"]))
                    self.sent[i] += 1
        except OSError as e:
            self.error = e.strerror or str(e)

    def report(self):
        return {"sent": list(self.sent), "error": self.error}


# ---- raw ------------------------------------------------------------------------------------------------------------


def send_raw(spec):
    """A hand-made IP packet: protocol, source and payload as given, whatever the namespace's own addresses are."""
    payload = bytes.fromhex(spec.get("payload", ""))
    if spec.get("udp"):
        sport, dport = spec["udp"]
        payload = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    number = 17 if spec.get("udp") else spec["protocol"]
    if family_of(spec["dst"]) == socket.AF_INET:
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, number, 0,
                             socket.inet_aton(spec["src"]), socket.inet_aton(spec["dst"]))
        s.sendto(header + payload, (spec["dst"], 0))
    else:
        src, dst = (socket.inet_pton(socket.AF_INET6, spec[k]) for k in ("src", "dst"))
        if spec.get("udp"):
            pseudo = src + dst + struct.pack("!II", len(payload), 17)
            payload = payload[:6] + struct.pack("!H", checksum(pseudo + payload) or 0xFFFF) + payload[8:]
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        header = struct.pack("!IHBB16s16s", 6 << 28, len(payload), number, 64, src, dst)
        s.sendto(header + payload, (spec["dst"], 0, 0, 0))
    s.close()


class Sniffer(threading.Thread):
    """Counts IP packets that arrive here, by source address, protocol and destination port."""

    def __init__(self):
        super().__init__(daemon=True)
        self.counts, self.last, self.lock = {}, {}, threading.Lock()
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        # Room for what comes while a busy machine does not let us run: a packet dropped here would look like one lost on the way.
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE: a busy machine must not cost a count

    def run(self):
        while True:
            data, (_, proto, kind, _, _) = self.sock.recvfrom(2048)
            if kind == 4:  # PACKET_OUTGOING
                continue
            if proto == 0x0800 and len(data) >= 20:
                src, number, rest = socket.inet_ntoa(data[12:16]), data[9], data[(data[0] & 15) * 4:]
            elif proto == 0x86DD and len(data) >= 40:
                src, number, rest = socket.inet_ntop(socket.AF_INET6, data[8:24]), data[6], data[40:]
            else:
                continue
            port = struct.unpack("!H", rest[2:4])[0] if number in (6, 17) and len(rest) >= 4 else 0
            with self.lock:
                key = f"{src} {number} {port}"
                self.counts[key] = self.counts.get(key, 0) + 1
                self.last[key] = time.time()


SNIFFER = None


def handle(command):
    global SNIFFER
    what = command["do"]
    if what == "serve":
        serve(command["ports"])
        return {}
    if what == "probe":
        return {"results": probe(command["probes"], command["timeout"])}
    if what == "flow":
        FLOWS[command["name"]] = Flow(command)
        FLOWS[command["name"]].start()
        return {}
    if what == "flow_report":
        return FLOWS[command["name"]].report()
    if what == "stop_flow":
        flow = FLOWS.pop(command["name"])
        flow.stop.set()
        flow.join(10)
        return flow.report()
    if what == "stop_flows":
        flows = [FLOWS.pop(name) for name in command["names"]]
        for flow in flows:
            flow.stop.set()
        for flow in flows:
            flow.join(10)
        return {"reports": [flow.report() for flow in flows]}
    if what == "knock":
        FLOWS[command["name"]] = Knock(command)
        FLOWS[command["name"]].start()
        return {}
    if what == "stop_knock":
        knock = FLOWS.pop(command["name"])
        knock.stop.set()
        knock.join(10)
        return knock.report()
    if what == "spray":
        FLOWS[command["name"]] = Spray(command)
        FLOWS[command["name"]].start()
        return {}
    if what == "spray_report":
        return FLOWS[command["name"]].report()
    if what == "stop_spray":
        spray = FLOWS.pop(command["name"])
        spray.stop.set()
        spray.join(10)
        return spray.report()
    if what == "send":
        for _ in range(command.get("count", 1)):
            send_raw(command)
        return {}
    if what == "sniff":
        SNIFFER = Sniffer()
        SNIFFER.start()
        return {}
    if what == "sniffed":
        with SNIFFER.lock:
            return {"counts": dict(SNIFFER.counts), "last": dict(SNIFFER.last)}
    raise ValueError(what)


def main():
    for line in sys.stdin:
        try:
            answer(handle(json.loads(line)))
        except Exception as e:  # the lab raises it again
            answer({"error": f"{type(e).__name__}: {e}"})


if __name__ == "__main__":
    main()
