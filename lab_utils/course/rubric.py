"""The marks of each answer, from one readable file."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.places import existing_path

RUBRIC = Path(__file__).with_name("rubric.toml")


def read_rubric(path: Path | None, answers: Iterable[str]) -> dict[str, float]:
    """The points of each answer, in the rubric's order, known to add up.

    Parameters
    ----------
    path : Path, optional
        By default the lab's own ``rubric.toml``.
    answers : iterable of str
        Ids of all answers: the rubric must mark these and no other.

    Raises
    ------
    LabError
        For a file that is no rubric, an answer that is missing or unknown, points that are no positive number, and a
        sum that is not the total. All problems are in it.
    """
    path = path or RUBRIC
    try:
        told = tomllib.loads(existing_path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise _refused(path, [str(error)]) from error
    total, answers = told.pop("total", None), set(answers)
    stray = [name for name, section in told.items() if not isinstance(section, dict)]
    rows = [row for section in told.values() if isinstance(section, dict) for row in section.items()]
    points, names = dict(rows), [name for name, _ in rows]
    wrong = [name for name, value in rows if type(value) not in (int, float) or not 0 < value < 1e6]
    found = [f"{name} stands in no section" for name in stray]
    found += [f"{name} = {points[name]!r} is no positive number of points" for name in wrong]
    found += [f"{name} stands there twice" for name in points if names.count(name) > 1]
    found += [f"there is no answer {name}" for name in points if name not in answers]
    found += [f"the answer {name} has no points" for name in sorted(answers - points.keys())]
    if not found and sum(points.values()) != total:
        found = [f"the points add up to {sum(points.values()):g}, and the total is {total}"]
    if found:
        raise _refused(path, found)
    return points


def lab_points(answers: Iterable[str]) -> dict[str, float]:
    """The lab's own points of these answers alone, such as those of one part.

    Raises
    ------
    LabError
        An answer that the lab does not ask for.
    """
    told, wanted = tomllib.loads(RUBRIC.read_text(encoding="utf-8")), set(answers)
    points = {id: worth for part in told.values() if isinstance(part, dict) for id, worth in part.items()}
    return {id: points[id] for id in points if id in wanted} if wanted <= points.keys() else read_rubric(None, wanted)


def _refused(path: Path, found: list[str]) -> LabError:
    return LabError(
        f"The rubric '{path}' cannot be used: {'; '.join(found[:20])}.",
        "TOML: total, and sections of answer = points that add up to it",
        f"Correct it; '{RUBRIC}' is one that can be used.",
    )
