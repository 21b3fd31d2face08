"""The post-lab's study: six knobs, one at a time and searched, and the manual's statements put to the test.

``space`` (knobs), ``digits`` (and budget) → ``trial`` (one trial, measured) → ``ledger`` (each trial exactly once) →
``plan`` (stages) → ``workers`` (processes) → ``tables`` (results) → ``hypotheses`` (verdicts). TensorFlow is imported
where trials run.
"""
