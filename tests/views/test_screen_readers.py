"""What a screen reader is told: an error as an alert, a state once, and folds that say whether they
are open.
"""

import pytest
from support.training_progress import DEPLOYED, FAILED, RUNNING

from qfnb.views import chat
from qfnb.views.training import panel


def answer(state, **fields):
    return chat.answers_bundle([chat.StreamedAnswer("m", "text", state, 1.0, **fields)])[
        "text/html"
    ]


@pytest.mark.parametrize(
    ("page", "alerts", "statuses"),
    [
        (answer("waiting"), 0, 1),
        (answer("streaming"), 0, 1),
        (answer("done"), 0, 1),
        (answer("failed", error="no key"), 1, 0),
        (panel.html(RUNNING), 0, 1),
        (panel.html(DEPLOYED), 0, 1),
        (panel.html(FAILED), 1, 1),
    ],
)
def test_an_error_is_an_alert_and_a_state_is_said_once(page, alerts, statuses):
    assert (page.count('role="alert"'), page.count('role="status"')) == (alerts, statuses)


@pytest.mark.parametrize("page", [answer("done", reasoning="why"), panel.html(DEPLOYED)])
def test_a_fold_is_an_element_that_says_whether_it_is_open(page):
    assert page.count("<details") == page.count("<summary") >= 1
    assert not {"▸", "▶"} & {*page.split("</style>")[1]}, (
        "the stylesheet draws it, and nobody reads it aloud"
    )
