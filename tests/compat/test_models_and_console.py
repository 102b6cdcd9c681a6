"""Calls of the management plane as notebooks for the official SDK make them, over HTTP."""

import logging

import pandas as pd
import pytest

from qfnb import Dataset, DeployConfig, Service, get_config
from qfnb.dataset import Dataset as Table
from qfnb.errors import AuthError, InvalidArgumentError
from qfnb.resources import Data, FineTune

ROWS = [{"prompt": f"问题{number}", "response": f"回答{number}"} for number in range(10)]


def test_months_are_paid_in_place_of_hours():
    reservation = DeployConfig(months=2).billing["reservation"]
    assert reservation == {"reservationTimeUnit": "Month", "reservationLength": 2}


def test_a_call_has_limits_and_keys_of_its_own(account, scripted):
    with pytest.raises(AuthError):
        FineTune.V2.supported_models(
            ak="ak-test", sk="sk-test", access_key="ALTAKtest", secret_key="test"
        )
    script = scripted([b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"])
    with pytest.raises(Exception, match="503"):
        FineTune.V2.supported_models(retry_count=1, request_timeout=30)
    assert len(script.requests) == 1


@pytest.mark.usefixtures("sandbox")
def test_an_unknown_argument_of_a_call_is_named_and_not_sent(caplog):
    with caplog.at_level(logging.WARNING, "qfnb"):
        assert Data.V2.get_dataset_list(max_keys=1, descrption="a typo").body["result"]
    assert "get_dataset_list has no argument 'descrption'" in caplog.text


def test_a_setting_without_effect_can_be_set_and_read(caplog):
    with get_config().unset(), caplog.at_level(logging.WARNING, "qfnb"):
        assert get_config().AUTH_TIMEOUT == 5
        get_config().AUTH_TIMEOUT = 7.5
        assert get_config().auth_timeout == 7.5
    assert "AUTH_TIMEOUT changes nothing" in caplog.text
    assert get_config().AUTH_TIMEOUT == 5


@pytest.mark.usefixtures("sandbox")
def test_a_service_answers_a_dataset():
    frame = pd.DataFrame([{"prompt": "你好", "response": "你好"}])
    table = Table.load(dataframe=frame, input_columns=["prompt"], reference_column="response")
    answers = Service(model="ERNIE-Speed-8K").batch_inference(table)
    assert answers.list()[0]["llm_output"]
    with pytest.raises(InvalidArgumentError, match=r"qfnb\.batch"):
        Service(model="ERNIE-Speed-8K").batch_inference(Dataset(ROWS))
