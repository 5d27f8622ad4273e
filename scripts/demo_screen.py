"""How the demonstrations write: colours on a terminal only, marks, numbered steps, and what should hold and does not."""
import os
import sys

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
UTF8 = "utf" in (sys.stdout.encoding or "").lower()
YES, NO = ("✓", "✗") if UTF8 else ("ok", "no")
ARROW, DOT = ("→", "·") if UTF8 else ("->", "-")


def paint(text, *codes):
    return f"\033[{';'.join(codes)}m{text}\033[0m" if COLOUR else text


def good(text):
    return paint(text, "32")


def bad(text):
    return paint(text, "31")


def dim(text):
    return paint(text, "2")


def bold(text):
    return paint(text, "1")


def say(text=""):
    print(text, flush=True)


def head(number, text, *more):
    say()
    say(paint(f" {number} ", "1", "7") + " " + bold(text) if COLOUR else f"{number}. {text}")
    for line in more:
        say("    " + line)


problems = []


def should(what, holds):
    if not holds:
        problems.append(what)
        say(bad(f"    NOT AS IT SHOULD BE: {what}"))


def ms(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
