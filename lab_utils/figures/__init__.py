"""Every picture of the lab.

A function takes arrays or tables and returns the Matplotlib figure that it drew, with a caption and an alternative
text computed from the same arrays and tables.
"""

from lab_utils.figures.digits import class_means, digit_rows, feature_maps
from lab_utils.figures.results import bars, heat_table, lines, training_curves
from lab_utils.figures.study import (
    error_against_accuracy,
    hyperparameter_effect,
    importance,
    learning_curves,
    parallel_coordinates,
    search_progress,
)
from lab_utils.figures.style import use_style

__all__ = [
    "bars",
    "class_means",
    "digit_rows",
    "error_against_accuracy",
    "feature_maps",
    "heat_table",
    "hyperparameter_effect",
    "importance",
    "learning_curves",
    "lines",
    "parallel_coordinates",
    "search_progress",
    "training_curves",
    "use_style",
]
