"""The post-lab's study: six hyperparameters, one at a time and searched.

``space`` (hyperparameters), ``digits`` (and budget) → ``trial`` (one trial, measured) → ``plan`` (stages) → ``run`` →
``tables`` (results), which ``verdicts`` judges. TensorFlow is imported where trials run.
"""
