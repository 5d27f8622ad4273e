"""A made-up cluster in a file datastore: one object a file, in the YAML and under the names that margayctl writes.

`local` pods are on node "n1". Every policy selects a local pod; of its rules (five) every second one names a peer by selector, each a
selector of its own, which about PODS_PER_APP pods match: half of them in the policy's namespace, half across all namespaces.
Objects are the same for the same sizes: nothing is random.
"""
import os
from pathlib import Path

PODS_PER_APP = 10
NODE = "n1"


def address4(i):
    return f"10.{64 + (i >> 16)}.{i >> 8 & 255}.{i & 255}"


def address6(i):
    return f"fd00:65::{i >> 16:x}:{i & 0xffff:x}"


class Cluster:
    def __init__(self, directory, pods, policies, rules_per_policy=5, local=100, namespaces=200):
        self.directory = Path(directory)
        self.pods, self.policies, self.rules_per_policy = pods, policies, rules_per_policy
        self.local, self.namespaces = min(local, pods), min(namespaces, max(1, pods // 10))
        # Pods of an application share a namespace.
        self.apps = max(1, pods // PODS_PER_APP)

    # ---- who is who

    def namespace(self, i):
        return f"team-{i % self.namespaces}"

    def app_of(self, i):
        """Pods i, i+N, i+2N … (N namespaces) share a namespace; runs of PODS_PER_APP of them are one application."""
        return f"app-{i % self.namespaces}-{i // self.namespaces // PODS_PER_APP}"

    def name(self, i):
        return f"{self.app_of(i)}-6f7c9d8b5-{i:05}"

    def is_local(self, i):
        return i < self.local

    def local_pods(self):
        return range(self.local)

    # ---- files

    def path(self, *parts):
        return self.directory.joinpath(*parts)

    def pod_path(self, i):
        return self.path("pods", self.namespace(i), f"{self.name(i)}.yaml")

    def pod_text(self, i, version="v1"):
        node = NODE if self.is_local(i) else f"node-{i % 500}"
        app = self.app_of(i)
        return f"""apiVersion: v1
kind: Pod
metadata:
  name: {self.name(i)}
  namespace: {self.namespace(i)}
  labels:
    app: {app}
    pod-template-hash: 6f7c9d8b5
    tier: {"front" if i % 3 == 0 else "back"}
    version: {version}
spec:
  containers:
  - image: registry.example.com/{app}:1.4.2
    name: main
    ports:
    - containerPort: 8080
      name: http
      protocol: TCP
  nodeName: {node}
  serviceAccountName: default
status:
  phase: Running
  podIP: {address4(i)}
  podIPs:
  - ip: {address4(i)}
  - ip: {address6(i)}
"""

    def policy_text(self, p):
        chosen = p % self.local  # the local pod it selects
        rules = []
        for r in range(self.rules_per_policy):
            number = p * self.rules_per_policy + r
            # The first rule has a peer where the policy's number is even, and so half of all rules have.
            if (p + r) % 2 == 0:
                if number % 4 < 2:  # an application of the same namespace
                    other = (number * 7 * self.namespaces + chosen) % self.pods
                    other -= (other - chosen) % self.namespaces
                    peer = f"      selector: app == '{self.app_of(max(other, chosen))}' && version != 'x{number}'\n"
                else:
                    other = number * 7919 % self.pods
                    peer = (f"      namespaceSelector: all()\n      selector: app == '{self.app_of(other)}' && version != 'x{number}'\n")
            else:
                peer = f"      nets:\n      - 192.168.{number >> 8 & 255}.{number & 255}/32\n"
            rules.append(f"  - action: Allow\n    destination:\n      ports:\n      - {1000 + number % 50000}\n"
                         f"    protocol: TCP\n    source:\n{peer}")
        return f"""apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata:
  name: policy-{p}
  namespace: {self.namespace(chosen)}
spec:
  ingress:
{"".join(rules)}  order: {p % 100}
  selector: app == '{self.app_of(chosen)}'
  types:
  - Ingress
"""

    def objects(self):
        for n in range(self.namespaces):
            yield self.path("namespaces", f"team-{n}.yaml"), (
                f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team-{n}\n  labels:\n    department: d{n % 10}\n")
        for i in range(self.pods):
            yield self.pod_path(i), self.pod_text(i)
        for p in range(self.policies):
            yield (self.path("networkpolicies.projectcalico.org", self.namespace(p % self.local), f"policy-{p}.yaml"),
                   self.policy_text(p))

    def write(self):
        made, count = set(), 0
        for path, text in self.objects():
            parent = os.path.dirname(path)
            if parent not in made:
                os.makedirs(parent, exist_ok=True)
                made.add(parent)
            with open(path, "w") as file:
                file.write(text)
            count += 1
        return count
