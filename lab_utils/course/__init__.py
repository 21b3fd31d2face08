"""A class: roster → released notebooks → submissions → what is collected → exported marks; or a batch.

Never TensorFlow.

>>> from lab_utils.course.batch import run_class
>>> results = run_class("roster.csv", "reports", workers=4)  # doctest: +SKIP
>>> print([result.student_id for result in results if result.status != "complete"])  # doctest: +SKIP
"""
