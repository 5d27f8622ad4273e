"""What every live test file shares: one lab a class, policies that go after each test, exit 77 with a reason where it cannot run."""
import os
import sys
import time
import unittest

import lab as labs


def patience(seconds):
    """A limit as it holds on an idle machine, stretched by how busy this one is and by sanitizers in the daemon."""
    return seconds * max(1.0, os.getloadavg()[0] / os.cpu_count()) * (3 if "ASAN_OPTIONS" in os.environ else 1)


class LiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = labs.Lab()
        try:
            cls.set_up_lab(cls.lab)
        except BaseException:
            cls.lab.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.lab.close()

    def setUp(self):
        self.applied = {}

    def tearDown(self):
        host = getattr(self, "host", None)
        if host and any(e for _, e in getattr(self._outcome, "errors", []) if e):
            print(f"--- log of {host.node}\n{host.log()[-3000:]}", file=sys.stderr)
        for name in list(self.applied):
            self.delete(name)

    def apply(self, *manifests):
        self.host.apply(*manifests)
        for m in manifests:
            if m["kind"] != "Namespace":
                self.applied[m["metadata"]["name"]] = m

    def delete(self, name):
        self.host.delete(self.applied.pop(name))

    def retire(self, pod):
        self.host.path(pod.manifest()).unlink(missing_ok=True)
        self.lab.places.remove(pod)
        pod.close()

    def expect(self, wanted, **how):
        return self.lab.expect(wanted, **how)

    def wait_for(self, condition, within=15, what="the condition"):
        end = time.monotonic() + within
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not come true within {within} s")
            time.sleep(0.01)


def main():
    reason = labs.why_not()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(labs.SKIP)
    unittest.main(verbosity=2)
