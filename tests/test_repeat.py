"""The pre-lab is run as a student runs it: cells again and again, all of it again, and with its exercises done."""

from students import same, student, told_what

from lab_utils.facts import RECORD_MIME


def test_the_pre_lab_again_and_again_and_its_exercises(tmp_path, own_cache):
    with student("01_pre_lab", tmp_path) as at_work:
        first = at_work.run_all(twice=True)
        told_what(first)
        assert same(first, at_work.run_all())
        at_work.replace("q2-run", "[2, 8, 32, 128]", "[2, 8, 16, 32, 64, 128]")
        at_work.replace("q3-run", '"tanh"', '"sigmoid"')
        rest = ("q2-facts", "q3-run", "q3-facts", "q3-curve", "q4-facts", "q4-reading", "statements-run", "record")
        done = at_work.run_only("q2-run", *rest)
    record = done["record"][0][RECORD_MIME]
    assert len(record["facts"]) == 7 and len(record["hypotheses"]) >= 3
    assert "| 64 |" in " ".join(done["q4-facts"][0]["text/markdown"].split())
    assert "image/png" in done["q3-curve"][0]
