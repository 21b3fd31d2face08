"""Every parameter of the notebooks: its type, its range, and what a profile makes of it.

Bad values are refused here, in milliseconds, before TensorFlow is imported.
"""

import ast
import difflib
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from lab_utils.errors import LabError
from lab_utils.noise import KINDS
from lab_utils.places import LONGEST_SHOWN, existing_path, masked_storage, storage_address

SOURCES = ("auto", "cache", "keras", "npm", "embedded")

NoiseKind = Literal["gaussian", "salt_and_pepper", "masking", "speckle"]
Count = Annotated[int, Field(ge=1)]
assert set(NoiseKind.__args__) == set(KINDS)


class Settings(BaseModel):
    """What all notebooks share: who, when, which course, which digits, how large."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    profiles: ClassVar[dict[str, dict[str, Any]]] = {}
    """What *quick* and *full* make of each parameter. Why these sizes, with the figures: "Parameters" in README.md."""

    student_name: str = Field("", max_length=200)
    student_id: str = Field("", max_length=100)
    date: str = Field("", max_length=40)
    experiment_number: int = Field(13, ge=1, le=999)
    academic_year: str = Field("2024-25", max_length=20)
    course_title: str = Field("DEEP LEARNING", max_length=100)
    course_code: str = Field("23AD2205R/A", max_length=40)
    seed: int = Field(13, ge=0, lt=2**31)
    data_source: str = "auto"
    profile: Literal["quick", "full"] = "quick"

    @model_validator(mode="before")
    @classmethod
    def _fill_from_profile(cls, values: dict[str, Any]) -> dict[str, Any]:
        name = values.get("profile", "quick")
        profile = cls.profiles.get(name if isinstance(name, str) else "quick", cls.profiles.get("quick", {}))
        given = {name: value for name, value in values.items() if value is not None}
        return cls._suited(profile, given) | given

    @classmethod
    def _suited(cls, profile: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        """The profile's values, where those that are given ask for others."""
        return profile

    @field_validator("data_source")
    @classmethod
    def _source_exists(cls, source: str) -> str:
        if source not in SOURCES:
            try:
                existing_path(source)
            except ValueError as error:
                sources = ", ".join(SOURCES)
                raise ValueError(f"one of {sources}, or an existing file or folder ({error})") from error
        return source


class Noisy(Settings):
    """The corruption that a denoising autoencoder is trained to undo."""

    noise_kind: NoiseKind = "gaussian"
    noise_level: float = Field(0.5, ge=0.05, le=1.0)


class PreLab(Settings):
    """Parameters of ``01_pre_lab``."""

    profiles = {
        "quick": {"train_digits": 6_000, "epochs": 8, "repeats": 2},
        "full": {"train_digits": 20_000, "epochs": 10, "repeats": 3},
    }

    train_digits: int = Field(ge=500, le=55_000)
    epochs: int = Field(ge=1, le=200)
    repeats: int = Field(ge=2, le=50)


class InLab(Noisy):
    """Parameters of ``02_in_lab``."""

    profiles = {
        "quick": {
            "train_digits": 8_000,
            "epochs": 2,
            "batch_size": 64,
            "compact_epochs": 8,
            "repeats": 2,
            "test_digits": 1_000,
        },
        "full": {
            "train_digits": 20_000,
            "epochs": 6,
            "batch_size": 128,
            "compact_epochs": 20,
            "repeats": 3,
            "test_digits": 5_000,
        },
    }

    train_digits: int = Field(ge=500, le=55_000)
    epochs: int = Field(ge=1, le=200)
    batch_size: int = Field(ge=8, le=4_096)
    learning_rate: float = Field(2e-3, gt=0, le=10)
    static_noise: bool = False
    code_size: int = Field(32, ge=1, le=784)
    """At most ``train_digits`` and ``test_digits``: PCA has no more components than digits to fit on."""
    compact_epochs: int = Field(ge=1, le=200)
    repeats: int = Field(ge=1, le=50)
    test_digits: int = Field(ge=200, le=10_000)

    @field_validator("code_size")
    @classmethod
    def _enough_to_train(cls, code_size: int, info: ValidationInfo) -> int:
        return _at_most(code_size, "train_digits", info)

    @field_validator("test_digits")
    @classmethod
    def _enough_to_compare(cls, test_digits: int, info: ValidationInfo) -> int:
        code_size = info.data.get("code_size", 0)
        if test_digits < code_size:
            raise ValueError(f"at least code_size, which is {code_size}: PCA of that size needs as many digits")
        return test_digits


class PostLab(Noisy):
    """Parameters of ``03_post_lab``."""

    profiles = {
        "quick": {
            "train_digits": 4_096,
            "epochs": 5,
            "trials": 4,
            "repeats": 4,
            "score_digits": 2_000,
            "workers": 2,
        },
        "full": {
            "train_digits": 4_096,
            "epochs": 5,
            "trials": 20,
            "repeats": 40,
            "score_digits": 2_000,
            "workers": 2,
        },
    }

    train_digits: int = Field(ge=500, le=55_000)
    epochs: int = Field(ge=1, le=200)
    trials: int = Field(ge=2, le=10_000)
    repeats: int = Field(ge=2, le=50)
    score_digits: int = Field(ge=200, le=5_000)
    workers: int = Field(ge=1, le=64)
    storage: str = ""

    @classmethod
    def _suited(cls, profile: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        trained = given.get("train_digits")
        fewer = isinstance(trained, int) and 500 <= trained < profile["score_digits"]
        return profile | {"score_digits": trained} if fewer else profile

    @field_validator("score_digits")
    @classmethod
    def _no_more_than_trained(cls, score_digits: int, info: ValidationInfo) -> int:
        return _at_most(score_digits, "train_digits", info)

    @field_validator("storage")
    @classmethod
    def _storage_can_be_opened(cls, storage: str) -> str:
        if storage:
            storage_address(storage)
        return storage


class Beyond(Settings):
    """Parameters of ``04_beyond``."""

    profiles = {
        "quick": {
            "train_digits": 7_000,
            "epochs": 3,
            "repeats": 3,
            "test_digits": 500,
            "drawn_digits": 100,
            "reference_steps": 2,
        },
        "full": {
            "train_digits": 55_000,
            "epochs": 10,
            "repeats": 5,
            "test_digits": 5_000,
            "drawn_digits": 500,
            "reference_steps": 3,
        },
    }

    noise_level: float = Field(0.5, ge=0.05, le=1.0)
    train_digits: int = Field(ge=500, le=55_000)
    epochs: int = Field(ge=1, le=200)
    repeats: int = Field(ge=2, le=50)
    test_digits: int = Field(ge=200, le=10_000)
    drawn_digits: int = Field(ge=10, le=5_000)
    reference_steps: int = Field(ge=2, le=4)
    other_images: str = ""

    @field_validator("other_images")
    @classmethod
    def _images_exist(cls, path: str) -> str:
        if path:
            try:
                existing_path(path)
            except ValueError as error:
                raise ValueError(f"empty, or an existing file or folder ({error})") from error
        return path


def _at_most(value: int, other: str, info: ValidationInfo) -> int:
    limit = info.data.get(other, value)
    if value > limit:
        raise ValueError(f"at most {other}, which is {limit}")
    return value


SERIES: dict[str, type[Settings]] = {"01_pre_lab": PreLab, "02_in_lab": InLab, "03_post_lab": PostLab}
"""The notebooks of the report."""

NOTEBOOKS: dict[str, type[Settings]] = SERIES | {"04_beyond": Beyond}
"""All of them: what lies beyond the report is run when it is named."""


class Wrong(NamedTuple):
    """What is wrong with one parameter, with its value, and what is allowed."""

    what: str
    allowed: str


def problems(notebook: str, values: dict[str, Any]) -> dict[str, Wrong]:
    """Find the bad parameters of one notebook by name; ``check`` without an error.

    Parameters
    ----------
    notebook : str
        A key of ``NOTEBOOKS``.
    values : dict
        As for ``check``.
    """
    model = NOTEBOOKS[notebook]
    try:
        model(**values)
    except ValidationError as error:
        return {str(problem["loc"][0]): _describe(model, problem, values) for problem in error.errors()}
    return {}


def check(notebook: str, values: dict[str, Any]) -> Settings:
    """Validate the parameters of one notebook.

    Parameters
    ----------
    notebook : str
        A key of ``NOTEBOOKS``.
    values : dict
        Parameters by name, ``None`` meaning "as the profile says".

    Returns
    -------
    Settings
        Frozen; every field has a value.

    Raises
    ------
    LabError
        Naming every bad parameter, its value and what is allowed.
    """
    wrong = problems(notebook, values)
    if not wrong:
        return NOTEBOOKS[notebook](**values)
    raise LabError(
        "; ".join(one.what for one in wrong.values()) + ".",
        "; ".join(dict.fromkeys(one.allowed for one in wrong.values())),
        f"Correct it and run again; `papermill --help-notebook {notebook}.ipynb` lists every parameter.",
    )


def read(notebook: str, namespace: dict[str, Any]) -> Settings:
    """Validate the parameters that a notebook's own cells have set; call it with ``globals()``.

    Names that the parameters cell, or the one papermill injects after it, assigns and no parameter has are
    refused: papermill itself only warns of them. Of each cell the last execution counts, so that a corrected name
    is a corrected name.

    Raises
    ------
    LabError
        As ``check``.
    """
    cell, injected = set(), set()
    for source in namespace.get("In", []):
        assigned = _assigned(source)
        if source.startswith("# Parameters"):
            injected = assigned
        elif "student_name" in assigned:
            cell, injected = assigned, set()
    names = set(NOTEBOOKS[notebook].model_fields) | cell | injected
    return check(notebook, {name: namespace[name] for name in sorted(names) if name in namespace})


def _assigned(source: str) -> set[str]:
    """Names assigned in a cell of parameters; none for any other cell."""
    if not source.startswith("# Parameters") and "student_name" not in source:
        return set()
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return set()
    if not all(isinstance(line, ast.Assign | ast.AnnAssign) for line in body):
        return set()
    targets = [line.target if isinstance(line, ast.AnnAssign) else line.targets[0] for line in body]
    return {target.id for target in targets if isinstance(target, ast.Name)}


EXPECTED = {"int_type": "a whole number", "float_type": "a number", "bool_type": "True or False"}


def _describe(model: type[Settings], problem: dict, given: dict[str, Any]) -> Wrong:
    """What is wrong and what is allowed, for one of pydantic's errors."""
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name[:LONGEST_SHOWN], model.model_fields, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return Wrong(f"{_short(name)} is not a parameter of this notebook{hint}", ", ".join(model.model_fields))
    what = f"{name} = {_shown(model, name, given)} is not allowed"
    if problem["type"] == "string_type":
        return Wrong(what, f"{name}: text (with papermill pass it by -r, which keeps text, not by -p)")
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return Wrong(what, f"{name}: {EXPECTED.get(problem['type'], message)}")


def _shown(model: type[Settings], name: str, given: dict[str, Any]) -> str:
    """Return a bad value as it is shown: the profile's where none was given, no password, not a screenful."""
    value = given.get(name)
    if value is None:
        profile = given.get("profile")
        value = model.profiles.get(profile if isinstance(profile, str) else "quick", {}).get(name)
    if name == "storage" and isinstance(value, str):
        value = masked_storage(value)
    return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text):,} characters)"
