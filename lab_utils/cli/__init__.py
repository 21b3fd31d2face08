"""The ``dae-lab`` command: one thin function per verb.

What a verb needs is imported inside it, so that ``--help`` answers at once. A ``LabError`` is shown as its message,
without a traceback, and ends the command with exit code 2; a run that did not complete ends it with 1.
"""

from lab_utils.cli import basics, course  # noqa: F401  (each adds its verbs)
from lab_utils.cli.group import main

__all__ = ["main"]
