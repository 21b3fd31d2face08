"""A process without a network, where Linux gives it. Imports nothing that starts threads."""

import ctypes
import functools
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def leave_network() -> bool:
    """Put this process, and all that it starts, into a network of its own that holds nothing but loopback.

    It needs no rights: the process becomes its own user in a namespace of its own, as ``unshare --net --map-user``
    does it. It must have one thread still, so call it before NumPy is imported. The kernel of a notebook is reached
    through loopback, which is why that is switched on.

    Returns
    -------
    bool
        False where the system does not give it (macOS, Windows, some containers): the process is as it was.
    """
    if sys.platform != "linux":
        return False
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return False
    import fcntl

    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    return True


@functools.cache
def possible() -> bool:
    """Whether `leave_network` works here, tried in a process of its own."""
    program = "from lab_utils.running.isolation import leave_network; raise SystemExit(not leave_network())"
    try:
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
