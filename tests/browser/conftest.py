"""One JupyterLab and one browser for the tests of a file, a page for each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from support.jupyterlab import CHROMIUM, ROOT, JupyterLab, run_jupyterlab

# JupyterLab's widget extension looks for a notebook's cells when the notebook may be closed already.
OF_JUPYTERLAB = {"Cannot read properties of null (reading 'widgets')"}


@pytest.fixture(scope="module")  # not longer: the driver keeps an event loop running in the main thread
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        if os.environ.get("QFNB_REQUIRE_BROWSER"):
            pytest.fail("the browser tests are required, and Chromium is not installed")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder, dirs_exist_ok=True)
    home = tmp_path_factory.mktemp("home")
    with run_jupyterlab(folder, home) as (url, token):
        yield JupyterLab(url, token, folder, home / "settings")


@pytest.fixture
def page(browser: Browser, lab: JupyterLab) -> Iterator[Page]:
    lab.theme("JupyterLab Light")
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert not set(problems) - OF_JUPYTERLAB
