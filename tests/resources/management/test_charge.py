"""Quotas and compute units: what is wrong is named before anything is paid for."""

import pytest

from qfnb.errors import InvalidArgumentError
from qfnb.resources import Charge

POSTPAID = {"paymentTiming": "Postpaid"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Charge.charge_tpm_credit("ernie-speed-8k", 0, POSTPAID), "purchase_count=0"),
        (lambda: Charge.charge_tpm_credit("ernie-speed-8k", 1, {"reservation": 1}), "billing"),
        (lambda: Charge.resize_tpm_resource("a1", -1), "count=-1"),
        (lambda: Charge.purchase_service_resource("svco-1", POSTPAID, True), "replicas=True"),
        (lambda: Charge.resize_service_resource_count("a1", 1.5), "count=1.5"),
        (lambda: Charge.create_auto_renew_rules("a1", "Unit"), "ComputingUnit, TPM"),
        (lambda: Charge.create_auto_renew_rules("a1", "TPM", "Month"), "set both or neither"),
    ],
    ids=range(7),
)
def test_wrong_arguments_are_named_before_anything_is_sent(call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call()
