"""What the fault tests share: the lab of four pods, the traffic through it that must not suffer, and the kernel's state as it should be."""
import os
import random
import signal

from lab import allow, deny, policy
from live import LiveTest, patience

TABLES = ("raw", "mangle", "nat", "filter")
SEED = int(os.environ.get("MARGAY_SEED", "0")) or random.SystemRandom().randrange(1 << 32)


class Stopped:
    def __init__(self, process):
        self.process = process

    def __enter__(self):
        self.process.send_signal(signal.SIGSTOP)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)


class Faults(LiveTest):
    @classmethod
    def set_up_lab(cls, lab):
        cls.host = lab.host("n1")
        names = ["server", "friend", "enemy", "flow"]
        cls.server, cls.friend, cls.enemy, cls.flow = (cls.host.pod("default", n, {"name": n}) for n in names)
        cls.outside = cls.host.outside()
        cls.base = policy("base", "name == 'server'", types=["Ingress"], namespace=None, order=100,
                          ingress=[deny(source={"selector": "name == 'enemy'"}), allow(source={"selector": "name in {'friend', 'flow'}"})])

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        print(f"seed {SEED} (MARGAY_SEED)", flush=True)
        self.apply(self.base)
        if not self.host.felix:
            self.host.start_felix()
        self.expect({(self.friend, self.server, 80): True, (self.enemy, self.server, 80): False, (self.outside, self.server, 80): False})

    def start_flows(self):
        for family in (4, 6):
            for proto in ("tcp", "udp"):
                self.flow.agent(do="flow", name=f"{proto}{family}", dst=self.server.address(family), port=80, proto=proto)

    def sent(self, place, what, name):
        report = place.agent(do=f"{what}_report", name=name)
        self.assertIsNone(report["error"], f"{name} of {place}: {report}")
        return report["sent"] if what == "flow" else min(report["sent"])

    def wait_for_enough(self, senders, at_least=100, after=20):
        """Traffic proves something by its number, which depends on time and machine: until each of (place, "flow" or "spray", name)
        has sent so many in all, and some since the last fault."""
        had = {sender: self.sent(*sender) for sender in senders}
        for sender in senders:
            self.wait_for(lambda: self.sent(*sender) >= max(at_least, had[sender] + after), within=patience(60), what=f"enough of {sender}")

    def end_flows(self, lossless=True):
        names = [f"{proto}{family}" for family in (4, 6) for proto in ("tcp", "udp")]
        self.wait_for_enough([(self.flow, "flow", name) for name in names])
        for family in (4, 6):
            for proto in ("tcp", "udp"):
                report = self.flow.agent(do="stop_flow", name=f"{proto}{family}")
                self.assertIsNone(report["error"], f"{proto}{family}: {report}")
                if lossless:
                    self.assertEqual(report["got"], report["sent"], f"{proto} over IPv{family} lost packets: {report}")

    def start_sprays(self, closed=(80, 443), spoofed=9999):
        """Packets of new connections all the time: what is allowed must all arrive, what is forbidden never. A test that lets them
        through on purpose uses other ports: connection tracking remembers, and source ports come again."""
        self.closed, self.spoofed = closed, spoofed
        self.server.agent(do="sniff")
        to = lambda *ports: [{"dst": self.server.address(f), "port": p} for f in (4, 6) for p in ports]
        self.friend.agent(do="spray", name="spray", targets=to(81))
        for place in (self.enemy, self.outside):
            place.agent(do="spray", name="spray", targets=to(*closed), interval=0.002)
        spoofs = [{"dst": self.server.address(f), "src": self.friend.address(f), "port": spoofed} for f in (4, 6)]
        self.flow.agent(do="spray", name="spray", targets=spoofs, interval=0.002)

    def arrived(self, source, port):
        counts = self.server.agent(do="sniffed")["counts"]
        return [counts.get(f"{source.address(f)} 17 {port}", 0) for f in (4, 6)]

    def end_sprays(self, lossless=True, closed=True):
        sent, places = {}, (self.friend, self.enemy, self.outside, self.flow)
        self.wait_for_enough([(place, "spray", "spray") for place in places])
        for place in places:
            report = place.agent(do="stop_spray", name="spray")
            self.assertIsNone(report["error"], place)
            sent[place] = report["sent"]
        if lossless:
            self.wait_for(lambda: self.arrived(self.friend, 81) == sent[self.friend], within=20,
                          what=f"arrival of all of {sent[self.friend]} packets of new connections")
        if closed:
            for source, port in [(s, p) for s in (self.enemy, self.outside) for p in self.closed] + [(self.friend, self.spoofed)]:
                self.assertEqual(self.arrived(source, port), [0, 0], f"forbidden packets from {source} to port {port} arrived, the last at "
                                 f"{self.server.agent(do='sniffed')['last']}")

    def whole(self):
        return [self.chains(f, t) for f in (4, 6) for t in TABLES]

    def stopped(self):
        """The daemon stands still meanwhile: what is done within is there at once when it looks again."""
        return Stopped(self.host.felix)

    def everything(self):
        ours = lambda f: sorted((r["dst"], r["dev"]) for r in self.host.routes(f) if r.get("dev", "").startswith("cali"))
        return self.whole(), self.host.contents(), ours(4), ours(6)

    def wait_for_everything(self, wanted, within=15):
        """Waits until all that is ours is as wanted; says what differs if it does not become so."""
        try:
            self.wait_for(lambda: self.everything() == wanted, within=patience(within))
        except AssertionError:
            self.maxDiff = None
            self.assertEqual(self.everything(), wanted)

    def chains(self, family, table):
        return [l for l in self.host.iptables(family, table).splitlines() if l.startswith("-A")]
