"""README: what its tables say of models is what the catalogue says."""

import re
from pathlib import Path

import pytest

from qfnb.wire import catalog

README = Path(__file__).parents[1] / "README.md"
RETIRED = re.findall(r"^\| (\S+) \| (20\d\d-\d\d-\d\d) \| (\S+) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("name", "ended", "replacement"), RETIRED)
def test_the_table_of_retired_models_is_the_catalogues(name, ended, replacement):
    model = catalog.find_model(None, name)
    heir = catalog.living_replacement(model.kind, name)
    assert (model.ended, heir.id) == (ended, replacement)


def test_examples_outside_that_table_name_living_models():
    text = re.sub(r"(?ms)^## Coming from older code.*?(?=^## )", "", README.read_text(encoding="utf-8"))
    words = {word.strip("\"'`,.()").lower() for word in text.split()}
    retired = {name.lower() for row in catalog.load_models() if row.status == "retired" for name in (row.id, row.name)}
    assert words & retired == set()
