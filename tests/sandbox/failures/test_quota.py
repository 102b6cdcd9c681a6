"""The sandbox's limit of requests and tokens, on a clock that the test holds."""

import pytest
from hypothesis import given, strategies as st

from qianfan_sandbox.failures import WINDOW_SECONDS, RateQuota

GAPS = st.lists(st.one_of(st.just(0.0), st.floats(0, 90)), min_size=1, max_size=200)


@pytest.mark.fault("F58")
@given(limit=st.integers(0, 20), gaps=GAPS)
def test_no_window_has_more_grants_than_the_limit_and_none_less_when_asked_for(limit, gaps):
    now = 0.0
    granted = []
    quota = RateQuota(lambda: now)
    quota.set_limits(limit)
    for gap in gaps:
        now += gap
        recent = sum(time > now - WINDOW_SECONDS for time in granted)
        assert quota.acquire() == ("" if recent < limit else "rpm")
        if recent < limit:
            granted.append(now)
    assert quota.refused == len(gaps) - len(granted)


@pytest.mark.fault("F58")
@given(
    limit=st.integers(1, 500),
    calls=st.lists(st.tuples(st.floats(0, 90), st.integers(0, 300)), max_size=100),
)
def test_a_request_is_granted_only_while_tokens_remain(limit, calls):
    now = 0.0
    used = []
    quota = RateQuota(lambda: now)
    quota.set_limits(tpm=limit)
    for gap, tokens in calls:
        now += gap
        remaining = limit - sum(count for time, count in used if time > now - WINDOW_SECONDS)
        assert quota.acquire() == ("" if remaining > 0 else "tpm")
        assert int(quota.headers()["x-ratelimit-remaining-tokens"]) == max(0, remaining)
        if remaining > 0:
            used.append((now, tokens))
            quota.record_tokens({"usage": {"total_tokens": tokens}})
