"""Work on untrusted text in child processes, whose time and memory are bounded."""

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import psutil

from lab_utils import files

LONGEST_REPLY = 32 << 20  # bytes; a reply is read into this process
POLL = 0.02  # seconds between two looks at the child's memory


@dataclass(frozen=True)
class Failure:
    """Why an item has no reply: "took more than 8 s", "needed more than 800 MB", "ended the converter"."""

    why: str


def replies(command: Sequence[str], items: Sequence[Any], *, seconds: float, memory: int) -> list[Any | Failure]:
    """Reply of a child to each item; an item that it cannot do costs no other item its reply.

    The child reads all items as one JSON list from its standard input and prints one line of JSON for each,
    in order. Where it hangs, grows or dies, the item that it was at has failed, and another child goes on after it.

    Parameters
    ----------
    command : sequence of str
    items : sequence of JSON values
    seconds : float
        Wall-clock time that one item may take.
    memory : int
        Bytes of resident memory that the child may take. It is polled, the same on every system: macOS enforces
        no address-space limit, Windows has none, and GHC's runtime reserves far more addresses than it uses.

    Returns
    -------
    list
        One reply or `Failure` for each item.
    """
    done: list[Any | Failure] = []
    while len(done) < len(items):
        before = len(done)
        with _child(command, items[before:]) as (process, lines):
            failure = _collect(process, lines, done, len(items), seconds, memory)
        alone = len(done) == before or failure == _too_slow(seconds)
        if failure and alone:
            done.append(failure)
    return done


def _collect(
    process: psutil.Popen, lines: queue.Queue, done: list[Any], wanted: int, seconds: float, memory: int
) -> Failure | None:
    """Append the child's replies to ``done``; why it stopped before the last."""
    deadline = time.monotonic() + seconds
    while len(done) < wanted:
        try:
            line = lines.get(timeout=POLL)
        except queue.Empty:
            if _resident(process) > memory:
                return Failure(f"needed more than {memory >> 20} MB")
            if time.monotonic() > deadline:
                return _too_slow(seconds)
            continue
        if not line.endswith(b"\n"):
            return Failure("ended the converter" if len(line) < LONGEST_REPLY else "became too large")
        done.append(json.loads(line))
        deadline = time.monotonic() + seconds
    return None


def _too_slow(seconds: float) -> Failure:
    return Failure(f"took more than {seconds:g} s")


@contextmanager
def _child(command: Sequence[str], items: Sequence[Any]) -> Iterator[tuple[psutil.Popen, queue.Queue]]:
    """A running child and the lines that it prints; it is killed at the end, and what it leaves is deleted."""
    lines: queue.Queue[bytes] = queue.Queue()
    with files.scratch() as scratch:
        environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
        with tempfile.TemporaryFile() as request:
            request.write(json.dumps(items).encode())
            request.seek(0)
            process = psutil.Popen(
                command, stdin=request, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            )
        reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
        reader.start()
        try:
            yield process, lines
        finally:
            process.kill()
            process.wait()
            reader.join()
            process.stdout.close()


def _read(stream: IO[bytes], lines: queue.Queue) -> None:
    """Put each line in the queue; the last is not a whole one: nothing, or the beginning of one that is too long."""
    while (line := stream.readline(LONGEST_REPLY)).endswith(b"\n"):
        lines.put(line)
    lines.put(line)


def _resident(process: psutil.Popen) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:  # it has just ended
        return 0
