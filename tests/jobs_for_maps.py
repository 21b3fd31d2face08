"""What the tests of the map run in other processes: found there by name."""

import os
import time
from pathlib import Path


def square(number, shared):
    return number * number + (shared or 0)


def threads(_, __):
    return os.environ["TF_NUM_INTRAOP_THREADS"]


def fail(number, _):
    if number == 3:
        raise ValueError("not three")
    return number


def die_once(path, _):
    """Kill the own process at the first call; the file tells."""
    if not Path(path).exists():
        Path(path).touch()
        os._exit(9)
    return "alive"


def die(number, _):
    if number == 1:
        os._exit(9)
    return number


def sleep(path, _):
    Path(path).with_name(f"{os.getpid()}.pid").touch()
    time.sleep(1000)
