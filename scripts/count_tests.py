#!/usr/bin/env python3
"""Counts the test cases of one meson test run, shows what failed, and gives the reason of every skip.

count_tests.py NAME TESTLOG.json COUNTS   appends "passed failed skipped" to COUNTS; exit 1 if anything failed
"""
import json
import re
import sys
from pathlib import Path

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def count(entry):
    """(passed, failed, skipped) of one test program, from its own closing lines; by exit code where it has none."""
    out = ANSI.sub("", (entry.get("stdout") or "") + "\n" + (entry.get("stderr") or ""))
    result = entry["result"]
    if result == "SKIP":
        return 0, 0, 1
    passed = failed = skipped = 0
    m = re.search(r"All tests passed \(.*? in (\d+) test cases?\)", out)
    if m:
        passed = int(m.group(1))
    m = re.search(r"^test cases:\s*(\d+)(.*)$", out, re.M)
    if m:
        for word in ("passed", "failed", "skipped"):
            n = re.search(r"(\d+) " + word, m.group(2))
            if n:
                if word == "passed":
                    passed += int(n.group(1))
                elif word == "failed":
                    failed += int(n.group(1))
                else:
                    skipped += int(n.group(1))
    m = re.search(r"^Ran (\d+) tests? in", out, re.M)  # Python's unittest
    if m:
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", out))
        skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", out))
        failed, passed = bad, int(m.group(1)) - bad - skipped
    if result == "OK":
        return (passed or (1 if not skipped else 0)), 0, skipped
    return passed, max(failed, 1), skipped


def main():
    name, log, counts = sys.argv[1:4]
    if not Path(log).exists():
        print(f"FAILED   {name}: no test log")
        Path(counts).open("a").write("0 1 0\n")
        return 1
    total = [0, 0, 0]
    for line in Path(log).read_text().splitlines():
        entry = json.loads(line)
        numbers = count(entry)
        total = [a + b for a, b in zip(total, numbers)]
        title = entry["name"].split(" / ")[-1]
        word = "FAILED  " if numbers[1] else "skipped " if not numbers[0] else "ok      "
        print(f"{word} {title:<32} {numbers[0]:4} passed  {entry['duration']:7.2f} s")
        out = ANSI.sub("", (entry.get("stdout") or "") + "\n" + (entry.get("stderr") or ""))
        for reason in re.findall(r"^.*\bskip(?:ped|ping)?:? .*$", out, re.M | re.I)[:10]:
            print("         ", reason.strip())
        if numbers[1]:
            print("\n".join("    " + l for l in out.strip().splitlines()[-80:]))
            print(f"    ({entry['result']}, exit {entry.get('returncode')})")
    Path(counts).open("a").write("%d %d %d\n" % tuple(total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
