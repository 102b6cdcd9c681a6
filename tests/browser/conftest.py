"""One JupyterLab, one browser and one page for all browser tests: loading the page costs more than
most of them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator, Iterator

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright
from support.jupyterlab import CHROMIUM, ROOT, SCREENSHOTS, JupyterLab, run_jupyterlab

from qfnb import errors
from qfnb.resources import FineTune
from qfnb.trainer import run_store

# JupyterLab's widget extension looks for a notebook's cells when the notebook may be closed
# already, and its toolbar
# is redrawn while a kernel restarts; our outputs have no script of their own.
OF_JUPYTERLAB = {
    "Cannot read properties of null (reading 'widgets')",
    (
        "Failed to execute 'removeChild' on 'Node': The node to be removed is not a child of this "
        "node."
    ),
}
expect.set_options(timeout=180_000)  # 5 s are a claim about speed
FAILED = pytest.StashKey[str]()
"""What a test failed with."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests failed: the page that they leave is not used again."""
    report = yield
    # a second try begins anew
    earlier = "" if report.when == "setup" else item.stash.get(FAILED, "")
    item.stash[FAILED] = report.longreprtext if report.failed else earlier
    return report


# not longer: the driver keeps an event loop running in the main thread
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        if os.environ.get("QFNB_REQUIRE_BROWSER"):
            pytest.fail("the browser tests are required, and Chromium is not installed")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder, dirs_exist_ok=True)
    home = tmp_path_factory.mktemp("home")
    with run_jupyterlab(folder, home) as (url, token):
        yield JupyterLab(url, token, folder, home / "settings")


def open_page(browser: Browser, lab: JupyterLab) -> Page:
    page = browser.new_context().new_page()
    page.set_default_timeout(180_000)
    lab.load(page)
    return page


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: Browser, lab: JupyterLab) -> Iterator[Page]:
    """JupyterLab in the light theme with no notebook open; a test that closes it leaves the next a
    new one.
    """
    lab.theme("JupyterLab Light")
    page = browser.contexts[0].pages[0] if browser.contexts else open_page(browser, lab)
    page.set_viewport_size({"width": 1280, "height": 900})
    problems: list[str] = []
    note = lambda error: problems.append(str(error))
    page.on("pageerror", note)
    yield page
    page.remove_listener("pageerror", note)
    failure = request.node.stash.get(FAILED, "")
    if failure:  # its second try may pass, and then nothing else tells why the first one did not
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (SCREENSHOTS / f"failed-{request.node.name}.txt").write_text(failure, encoding="utf-8")
        with contextlib.suppress(Error):  # a second try has a kernel of its own
            lab.tidy_up(page)
    if failure or set(problems) - OF_JUPYTERLAB or lab.loaded_path:
        page.context.close()
    elif not page.is_closed():
        lab.tidy_up(page)
    stop_trainings()
    assert not set(problems) - OF_JUPYTERLAB


def stop_trainings() -> None:
    for run in run_store.list_runs():
        with contextlib.suppress(errors.QianfanError):
            FineTune.V2.stop_task(run.facts.get("task_id") or "")
