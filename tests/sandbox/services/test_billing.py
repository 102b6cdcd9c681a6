"""Quotas of preset models: kept, changed, given back, and by the clock at their end."""

import pytest

from qfnb import errors
from qfnb.resources import Charge

POSTPAID = {"paymentTiming": "Postpaid"}


def quota(instance_id, **filters):
    rows = Charge.tpm_credit_info(
        "ernie-speed-8k", instance_id=instance_id, **filters
    ).data.instances
    return rows[0] if rows else None


@pytest.fixture
def bought(sandbox):
    return Charge.charge_tpm_credit("ernie-speed-8k", 2, POSTPAID).data.instance_id


def test_a_quota_grows_with_its_units(bought):
    initial = quota(bought)
    assert (initial.status, initial.payment_timing, initial.expired_time) == (
        "Running",
        "Postpaid",
        "-",
    )
    assert Charge.resize_tpm_resource(bought, 4).data is True
    assert (quota(bought).rpm, quota(bought).tpm) == (2 * initial.rpm, 2 * initial.tpm)


def test_a_quota_that_was_given_back_is_stopped(bought):
    assert Charge.stop_tpm_credit_charging("ernie-speed-8k", bought).data is True
    assert quota(bought, status="Running") is None
    assert quota(bought, status="Stopped").instance_id == bought
    with pytest.raises(errors.APIError, match="no quota"):
        Charge.resize_tpm_resource(bought, 1)


def test_a_quota_ends_when_it_is_told_to(bought):
    Charge.auto_release_tpm_resource(bought, "2100-01-01T00:00:00Z")
    assert (quota(bought).status, quota(bought).expired_time) == ("Running", "2100-01-01T00:00:00Z")
    Charge.auto_release_tpm_resource(bought, None)
    assert quota(bought).expired_time == "-"
    Charge.auto_release_tpm_resource(bought, "2001-01-01T00:00:00Z")
    assert quota(bought).status == "Stopped"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            lambda bought: Charge.stop_tpm_credit_charging("ernie-lite-8k", bought),
            r"param\[model\]",
        ),
        (lambda bought: Charge.auto_release_tpm_resource(bought, "soon"), r"param\[releaseTime\]"),
        (lambda bought: Charge.resize_tpm_resource(bought, 10**6), r"param\[count\]"),
        (lambda bought: Charge.charge_tpm_credit("m", 1, {"paymentTiming": "x"}), r"paymentTiming"),
        (lambda bought: Charge.resize_service_resource_count(bought, 1), "no compute unit"),
        (lambda bought: Charge.get_service_resource_list("svco-nothing"), r"param\[serviceId\]"),
    ],
    ids=range(6),
)
def test_what_cannot_be_is_refused(bought, call, expected):
    with pytest.raises(errors.APIError, match=expected) as caught:
        call(bought)
    assert (caught.value.status, caught.value.error_code) == (400, "InappropriateJSON")


def test_a_rule_for_renewal_is_kept(bought):
    assert Charge.create_auto_renew_rules(bought, "TPM", "Month", 2).data is True


def test_a_payment_that_does_not_exist_is_not_sent(bought, caplog):
    reply = Charge.tpm_credit_info("ernie-speed-8k", "Later", bought)
    assert [row.instance_id for row in reply.data.instances] == [bought]
    assert caplog.messages == [
        "payment_type='Later' is not sent: it is Prepaid or Postpaid, or None for both"
    ]
