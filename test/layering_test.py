#!/usr/bin/env python3
"""Holds every #include under include/ and src/ to the layer table of docs/architecture.md.

The table is read from the document, so the document cannot go stale. Exit 0: all obey. Exit 1: each offence on a line.
With --self-test: plants offences in a copy of the table's world and checks that each is found.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Which external headers a word of the table's third column allows.
EXTERNAL = {
    "fmt": r"fmt/.*",
    "nlohmann/json_fwd.hpp": r"nlohmann/json_fwd\.hpp",
    "nlohmann": r"nlohmann/.*",
    "openssl": r"openssl/.*",
    "spdlog": r"spdlog/.*|fmt/.*",
    "yaml": r"yaml\.h",
    "boost": r"boost/.*",
    "libiptc": r"libiptc/.*|iptables\.h|xtables.*\.h",
    "libipset": r"libipset/.*",
    "libmnl": r"libmnl/.*",
    "linux": r"linux/.*",
    "CLI11": r"CLI/.*",
    "prometheus": r"prometheus/.*",
    "systemd": r"systemd/.*",
    "system": r"(sys|net|netinet|arpa|bits)/.*|[a-z_]+\.h",
}
# C++ standard headers have no dot and no slash; the C ones of <cxxx> form neither.
STANDARD = re.compile(r"^[a-z_0-9]+$")


class Part:
    def __init__(self, folder, may, external):
        self.folder, self.may, self.external = folder, may, external


def read_table(text):
    """The parts of the layer table, longest folder first so that the innermost part owns a file."""
    parts = []
    in_table = False
    for line in text.splitlines():
        if line.startswith("| part |"):
            in_table = True
            continue
        if not in_table or line.startswith("|---"):
            continue
        if not line.startswith("|"):
            break
        cells = [c.strip() for c in line.strip("|").split("|")]
        folder = cells[0].strip("`")
        may = re.sub(r"`", "", cells[1])
        external = re.sub(r"`", "", cells[2])
        # "boost (in `file_source`, `connect`)" limits a library to files whose stem is named.
        allowed = []
        for item in re.findall(r"([\w/.\-–]+)\s*(\([^)]*\))?", external):
            word, where = item
            if word in EXTERNAL or word in ("anything", "std"):
                stems = re.findall(r"[\w.*]+", where.removeprefix("(in ")) if where.startswith("(in ") else None
                allowed.append((word, stems))
        # A restriction after the last of several libraries in one parenthesis covers the ones before it too.
        for i in range(len(allowed) - 2, -1, -1):
            if allowed[i][1] is None and allowed[i + 1][1] and "only" in external:
                allowed[i] = (allowed[i][0], allowed[i + 1][1])
        parts.append(Part(folder, [m.strip() for m in may.split(",")], allowed))
    if not parts:
        sys.exit("layering: no layer table in docs/architecture.md")
    return sorted(parts, key=lambda p: -len(p.folder))


def owner(parts, path):
    return next((p for p in parts if path == p.folder or path.startswith(p.folder + "/")), None)


def stem_allowed(stems, path):
    if stems is None:
        return True
    name = Path(path).name
    for s in stems:
        if s == "only":
            continue
        if s == ".cpp" and name.endswith(".cpp"):
            return True
        if "*" in s and re.fullmatch(s.replace(".", r"\.").replace("*", ".*"), name):
            return True
        if name.split(".")[0] == s:
            return True
    return False


def offences(parts, path, include, system, exists):
    """Why this include is not allowed, or None. `exists`: whether a path below the root is one of our files."""
    part = owner(parts, path)
    if part is None:
        return f"{path}: belongs to no part of the layer table"
    if "anything" in part.may:
        return None
    folder = str(Path(path).parent)
    # Ours: include/margay/…, or a file beside it, or one named from src/, src/felix or the part's folder.
    if include.startswith("margay/"):
        return None if "include" in part.may or part.folder == "include/margay" else f"{path}: may not include {include}"
    if not system:
        for base in (folder, part.folder, "src", "src/felix", "src/bgp-config"):
            target = str(Path(base) / include)
            if exists(target) or exists(target + ".in"):  # generated
                other = owner(parts, target)
                if other is part:
                    return None
                name = other.folder.removeprefix("src/") if other else target
                for m in part.may:
                    if m == name or m == target.removeprefix("src/"):
                        return None
                return f"{path}: {part.folder} may not include {target.removeprefix('src/')} (layer table)"
    if STANDARD.match(include):
        return None
    if include.startswith("fmt/"):
        return None
    for word, stems in part.external:
        if word in EXTERNAL and re.fullmatch(EXTERNAL[word], include) and stem_allowed(stems, path):
            return None
    return f"{path}: {part.folder} may not use <{include}> here (layer table)"


def check(root, parts):
    found = []
    for top in ("include", "src"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in (".hpp", ".cpp"):
                continue
            path = str(file.relative_to(root))
            for m in re.finditer(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', file.read_text(errors="replace"), re.M):
                why = offences(parts, path, m.group(2), m.group(1) == "<", lambda p: (root / p).is_file())
                if why:
                    found.append(why)
    return found


def self_test(parts):
    ours = {"src/felix/rules/names.hpp", "src/felix/calc/messages.hpp", "src/felix/calc/graph.hpp", "src/kernel/xt_encode.hpp",
            "src/datastore/yaml.hpp"}
    cases = [  # path, include, <>?, allowed?
        ("src/felix/calc/graph.cpp", "felix/rules/names.hpp", False, False),
        ("src/felix/calc/graph.cpp", "rules/names.hpp", False, False),
        ("src/felix/rules/names.cpp", "calc/messages.hpp", False, True),
        ("src/felix/rules/names.cpp", "calc/graph.hpp", False, False),
        ("src/felix/dataplane/x.cpp", "rules/names.hpp", False, True),
        ("src/felix/dataplane/x.cpp", "boost/asio.hpp", True, False),
        ("src/datastore/yaml.cpp", "boost/asio.hpp", True, False),
        ("src/datastore/file_source.cpp", "boost/asio/io_context.hpp", True, True),
        ("src/kernel/ports.hpp", "libiptc/libiptc.h", True, False),
        ("src/kernel/iptc_tables.cpp", "libiptc/libiptc.h", True, True),
        ("src/kernel/iptc_tables.cpp", "datastore/yaml.hpp", False, False),
        ("include/margay/base/ip.hpp", "nlohmann/json.hpp", True, False),
        ("include/margay/base/ip.hpp", "vector", True, True),
        ("src/felix/daemon/main.cpp", "boost/asio.hpp", True, True),
        ("src/elsewhere/x.cpp", "vector", True, False),
    ]
    bad = [c for c in cases if (offences(parts, c[0], c[1], c[2], lambda p: p in ours) is None) != c[3]]
    for c in bad:
        print("layering self-test: wrong verdict for", c)
    return bad


def main():
    parts = read_table((ROOT / "docs/architecture.md").read_text())
    bad = self_test(parts)
    found = check(ROOT, parts)
    for line in found:
        print("layering:", line)
    return 1 if bad or found else 0


if __name__ == "__main__":
    sys.exit(main())
