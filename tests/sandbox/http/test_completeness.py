"""Each row of the endpoint table has one handler in the sandbox and one public operation."""

import ast
import importlib
import inspect
import pkgutil
from collections import defaultdict

import qfnb.resources
import qfnb.transport
from qfnb.resources.management.operation import Operation
from qfnb.wire.endpoints import ENDPOINTS, Endpoint
from qianfan_sandbox.http.call import HANDLERS


def modules(package):
    infos = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [importlib.import_module(info.name) for info in infos]


def classes(owner):
    """Return the public classes of a module or a class, the nested ones too."""
    for name, value in vars(owner).items():
        if (
            inspect.isclass(value)
            and not name.startswith("_")
            and value.__module__.startswith("qfnb.resources")
        ):
            yield value
            yield from classes(value)


def operations():
    """Return the operations by the row that they send; an operation with two names counts once."""
    names_by_row = defaultdict(dict)
    for module in modules(qfnb.resources):
        for owner in classes(module):
            for name, value in inspect.getmembers_static(owner):
                if isinstance(value, Operation) and not name.startswith("_"):
                    names_by_row[value.endpoint.name][id(value)] = f"{owner.__qualname__}.{name}"
    return {row: sorted(names.values()) for row, names in names_by_row.items()}


def senders():
    """Return the modules that send a row themselves: those whose own `wire` is the module of the
    row.
    """
    modules_by_row = defaultdict(set)
    for module in [*modules(qfnb.resources), *modules(qfnb.transport)]:
        wire = getattr(module, "wire", None)
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "wire"
            ):
                row = getattr(wire, node.attr, None)
                if isinstance(row, Endpoint):
                    modules_by_row[row.name].add(module.__name__)
    return modules_by_row


def test_the_sandbox_answers_every_row_of_the_endpoint_table():
    assert set(ENDPOINTS) == set(HANDLERS)


def test_every_row_has_exactly_one_public_operation():
    by_operation = operations()
    by_sender = senders()
    ways = {name: by_operation.get(name) or sorted(by_sender[name]) for name in ENDPOINTS}
    assert {name: several for name, several in ways.items() if len(several) != 1} == {}


def test_no_two_rows_are_reached_by_the_same_request():
    requests = [(row.method, row.path, row.action) for row in ENDPOINTS.values()]
    assert len(set(requests)) == len(requests)
