"""Every fault of the matrix has a test or a reason, and the page of it says which."""

import pytest
from support.fault_table import COMMAND, FAULTS, IDS, TABLE, find_tests, read_faults, render_table


@pytest.fixture(scope="module")
def tests():
    return find_tests()


def test_every_fault_has_a_test_or_a_reason(tests):
    faults = read_faults()
    missing = [
        fault for fault in IDS if not tests.get(fault) and not faults[fault]["reason"].strip()
    ]
    assert not missing, (
        f'mark their tests with @pytest.mark.fault("{missing[0]}"), or write the reason in {FAULTS}'
    )


def test_no_fault_has_both_a_test_and_a_reason(tests):
    both = [
        fault for fault, row in read_faults().items() if row["reason"].strip() and tests.get(fault)
    ]
    assert not both, f"clear the reason in {FAULTS}, or remove the mark"


def test_the_faults_are_those_of_the_matrix(tests):
    assert tuple(read_faults()) == IDS
    assert set(tests) <= set(IDS), "a mark names a fault that does not exist"


def test_the_page_of_faults_is_new():
    assert TABLE.read_text(encoding="utf-8") == render_table(), (
        f"renew it: `{COMMAND}`, or `make faults`"
    )


def test_only_tests_are_marked(tests):
    names = {name for named in tests.values() for name in named}
    assert not [name for name in names if "::" in name and "::test_" not in name.lower()]
