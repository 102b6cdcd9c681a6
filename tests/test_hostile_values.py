"""Bytes from elsewhere are data: what is no JSON of ours is refused in words, and nothing of it is
executed.
"""

import pickle

import pytest

from qfnb import Dataset, LLMFinetune, Model, Service
from qfnb.errors import InvalidArgumentError
from qfnb.evaluation import Report
from qfnb.resources.inference.response_format import parse_json


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


HOSTILE = {
    "pickle": pickle.dumps(Bomb()),
    "text pickle": pickle.dumps(Bomb(), 0),
    "yaml": b"!!python/object/apply:os.abort []",
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "a million digits": b'{"id":' + b"9" * 1_000_000 + b"}",
    "duplicate keys": b'{"type": "Model", "type": "pickle"}',
    "not a number": b"NaN",
    "no text": b"\xff\xfe\x00",
    "nothing": b"",
}


@pytest.mark.fault("F94")
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("type_", [Model, Service, LLMFinetune])
def test_objects_are_read_from_their_json_only(type_, content):
    with pytest.raises(InvalidArgumentError, match="these bytes are not a"):
        type_.loads(content)


@pytest.mark.fault("F94")
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_files_are_read_as_data_only(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    for load in (Report.load, Dataset.load):
        with pytest.raises(InvalidArgumentError):
            load(path)


@pytest.mark.fault("F94")
@pytest.mark.parametrize("opening", ["[", '{"a":', "```json\n[", "好的：["])
def test_an_answer_nested_without_end_is_an_answer_that_is_not_json(opening):
    with pytest.raises(ValueError, match=r"deeply|no JSON|ends inside"):
        parse_json(opening * 100_000)
