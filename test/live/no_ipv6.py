#!/usr/bin/env python3
"""Runs a command as on a kernel without IPv6: sockets of that family are refused and its /proc/sys tree is hidden; with
`--sandbox` first, only the sockets are. Lives in the mount namespace that `ip netns exec` made."""
import ctypes
import errno
import os
import platform
import socket
import struct
import subprocess
import sys

SOCKET_CALL = {"x86_64": 41, "aarch64": 198}


def refuse_sockets():
    allow, refuse = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
    load, equal, ret = 0x20, 0x15, 0x06
    program = b"".join(struct.pack("HBBI", *i) for i in (
        (load, 0, 0, 0),  # the call's number
        (equal, 0, 3, SOCKET_CALL[platform.machine()]),
        (load, 0, 0, 16),  # its first argument
        (equal, 0, 1, socket.AF_INET6),
        (ret, 0, 0, refuse),
        (ret, 0, 0, allow)))
    code = ctypes.create_string_buffer(program)
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filters, 0, 0):
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")


def main():
    command = sys.argv[1:]
    if command[0] == "--sandbox":
        command = command[1:]
    else:
        subprocess.run(["mount", "-t", "tmpfs", "none", "/proc/sys/net/ipv6"], check=True)
    refuse_sockets()
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
