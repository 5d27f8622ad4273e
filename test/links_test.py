#!/usr/bin/env python3
"""Holds every relative link in the project's Markdown files to something that exists: the file, and the heading after a '#'.

Exit 0: all do. Exit 1: each dead link on a line. What is inside code is no link. A planted dead link must be found.
"""
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(text):
    """As web forges make them of headings."""
    heads = re.findall(r"^#+ +(.*?)\s*$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


def dead(file, text):
    for link in LINK.findall(without_code(text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        if not target.exists():
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors(text if target == file else target.read_text()):
            yield f"{link}: no such heading"


def main():
    planted = list(dead(ROOT / "README.md", "# A b\n[1](nowhere.md) [2](#a-b) [3](#c) [4](https://x.y/z) `[5](no.md)`"))
    if len(planted) != 2:
        print("links self-test: found", planted)
        return 1
    bad = 0
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [d for d in folders if not d.startswith((".", "build"))]
        for name in sorted(files):
            if name.endswith(".md"):
                file = Path(folder) / name
                for why in dead(file, file.read_text()):
                    print(f"links: {file.relative_to(ROOT)}: {why}")
                    bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
