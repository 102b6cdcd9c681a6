from dataclasses import replace

from support.training_progress import RUNNING

from qfnb.cli.train import _describe


def test_a_run_at_the_end_of_its_training_says_that_it_is_not_published_and_what_publishes_it():
    words = _describe(replace(RUNNING, percent=100)).text
    assert "trained, not published; `%qftrain attach run-ab12cd34ef` publishes it" in words
    assert "not published" not in _describe(RUNNING).text
