"""Roster → jobs → isolated papermill runs → summary; never TensorFlow, and papermill only in the child process.

Nothing is imported here: the child process and the kernel pass through this file, and must start fast.

>>> from lab_utils.batch.class_batch import run_class
>>> results = run_class("roster.csv", "reports", workers=4)  # doctest: +SKIP
>>> print([result.student_id for result in results if result.status != "complete"])  # doctest: +SKIP
"""
