"""The lab's own notebooks, as they are committed: what an executed or edited one is compared with."""

from pathlib import Path

import nbformat

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


def original(name: str) -> list[nbformat.NotebookNode]:
    """The cells of one of the lab's notebooks, such as "02_in_lab", with their outputs; none where it is not there."""
    try:
        return nbformat.reads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"), as_version=4).cells
    except (OSError, ValueError, AttributeError):
        return []
