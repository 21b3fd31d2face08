"""The fourth notebook, which is optional, again and again with other parameters: `make beyond`."""

from students import same, student, told_what


def test_it_runs_again_and_again_with_other_parameters(tmp_path, own_cache):
    given = {"seed": 5, "noise_level": 0.3, "repeats": 2, "test_digits": 200, "drawn_digits": 10}
    with student("04_beyond", tmp_path, **given) as at_work:
        first = at_work.run_all(twice=True, but=("play",))
        told_what(first, facts=10, hypotheses=0)
        again = at_work.run_all(but=("play",))
    assert same(first, again)
