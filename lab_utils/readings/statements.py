"""What is to be read in the manual's statements, put to the test: the same for every notebook."""

from collections import Counter
from collections.abc import Iterable

from IPython.display import Markdown

from lab_utils.verdicts.hypotheses import statement_verdicts
from lab_utils.verdicts.statistics import OPPOSITE, UNRESOLVED


def reading(judged: list[dict]) -> Markdown:
    """The rows of ``verdicts.hypotheses.judge`` counted: by themselves, and after Holm."""
    alone, together = statement_verdicts(judged), statement_verdicts(judged, "holm")
    text = f"Of {len(alone)} statements: {_counted(alone.values())}. All tests counted together: "
    text += f"{_counted(together.values())}."
    if alone == together:
        text += " No verdict is lost."
    if OPPOSITE in together.values():
        text += " **Surprise:** something that is printed in the manual is the other way round here."
    elif Counter(together.values())[UNRESOLVED] > len(together) / 2:
        text += (
            " Most are open, in so short a training with so few seeds. That is a result, too; more seeds would tell."
        )
    return Markdown(text)


def _counted(verdicts: Iterable[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts).most_common())
