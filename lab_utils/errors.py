"""The one exception family of the lab."""

import errno
import shutil
from pathlib import Path


class LabError(Exception):
    """Something a student or an instructor can cause, said in three parts.

    Parameters
    ----------
    what : str
        What is wrong, with the offending value.
    allowed : str
        What is allowed instead.
    next_step : str
        What to do next.
    """

    def __init__(self, what: str, allowed: str, next_step: str) -> None:
        super().__init__(what, allowed, next_step)
        self.what, self.allowed, self.next_step = what, allowed, next_step

    def __str__(self) -> str:
        return f"{self.what}\n  Allowed: {self.allowed}\n  Next:    {self.next_step}"

    def _render_traceback_(self) -> list[str]:
        """Show the message without a stack of frames: IPython calls this hook."""
        return [f"{type(self).__name__}: {self}"]


def explained(error: OSError) -> LabError:
    """What the operating system refused, for a person: the file or folder, the reason, and the space that is left."""
    path = error.filename2 or error.filename
    where = f"'{str(path)[:200]}'" if path else "a file"
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LabError(
            f"The disk is full: {where} cannot be written{_space(path)}.",
            "some free space",
            "Free some, and try again.",
        )
    return LabError(
        f"{where} cannot be used: {reason}.",
        "a file or folder that may be read and written, and is not open elsewhere",
        "Check its name and its permissions, or close the program that holds it.",
    )


def _space(path: object) -> str:
    """The free space of the disk that a path lies on, where it can be told."""
    folder = Path(str(path or ".")).absolute()
    while not folder.exists():
        folder = folder.parent
    try:
        return f" ({shutil.disk_usage(folder).free / 1e6:.1f} MB are free in '{folder}')"
    except OSError:
        return ""
