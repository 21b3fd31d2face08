"""``python -m lab_utils`` is ``dae-lab``."""

from lab_utils.cli import main

main(prog_name="dae-lab")
