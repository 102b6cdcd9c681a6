"""The sandbox's list of models says truly which hyper-parameters have no effect on its small
model.
"""

import pytest

from qianfan_sandbox.engines.builtin.engine import IMITATED_PARAMETERS
from qianfan_sandbox.engines.builtin.training import local_hyperparameters
from qianfan_sandbox.finetune import supported_models


def scales():
    for model in supported_models.WIRE_MODELS:
        for mode in model["supportTrainMode"]:
            for scale in mode["supportParameterScale"]:
                label = f"{model['model']} {mode['trainMode']} {scale['parameterScale']}"
                yield pytest.param(scale, id=label)


def other_value(row):
    if row["checkType"] == "range":
        low, high = row["checkValue"]
        return low if row["default"] != low else high
    return next((value for value in row["checkValue"] if value != row["default"]), row["default"])


@pytest.mark.parametrize("scale", list(scales()))
def test_what_the_engine_reads_is_what_the_list_says(scale):
    rows = {row["key"]: row for row in scale["supportHyperParameterConfig"]}
    defaults = {key: row["default"] for key, row in rows.items()}
    local = local_hyperparameters(defaults, defaults)
    changing = set()
    for key, row in rows.items():
        if (value := other_value(row)) != row["default"]:
            values = defaults | {key: value}
            if local_hyperparameters(values, defaults) != local:
                changing.add(key)
    single_choices = {key for key, row in rows.items() if other_value(row) == row["default"]}
    assert changing == (IMITATED_PARAMETERS & rows.keys()) - single_choices
