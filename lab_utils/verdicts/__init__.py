"""The manual's statements put to the test: hypotheses, their statistics, their verdicts."""
