"""Operations that are declared by a signature alone send the record of their arguments."""

import inspect

import pytest

from qfnb import resources
from qfnb.errors import InvalidArgumentError
from qfnb.resources import Files, FineTune
from qfnb.resources.management.operation import Operation


def operations(owner):
    for value in vars(owner).values():
        if isinstance(value, Operation):
            yield value
        elif isinstance(value, type):
            yield from operations(value)


DECLARED = [
    call
    for name in resources.__all__
    for owner in getattr(resources, name).__mro__
    for call in operations(owner)
    if inspect.signature(call._function).return_annotation in {None, "None"}
]


def test_each_argument_is_a_field_of_the_record():
    for call in DECLARED:
        assert set(inspect.signature(call).parameters) <= set(call.endpoint.body.model_fields), call


def test_the_arguments_and_defaults_are_sent():
    assert Files.list.build_record(purpose="batch").to_wire() == {"purpose": "batch"}
    record = FineTune.V2.task_list.build_record("job-1", max_keys=5)
    assert record.to_wire() == {"jobId": "job-1", "maxKeys": 5}


def test_a_wrong_argument_is_named():
    with pytest.raises(InvalidArgumentError, match="task_detail"):
        FineTune.V2.task_detail(None)
