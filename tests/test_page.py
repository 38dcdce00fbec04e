"""What the page's routes do where npm has not been, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException

from splatcam.routes.page import CDN, page_router, script_hosts
from splatcam.settings import web_folder


@pytest.fixture
def bare_web(tmp_path: Path) -> Path:
    """The page's files as they come without npm."""
    (tmp_path / "package.json").write_text((web_folder() / "package.json").read_text())
    (tmp_path / "index.html").write_text("<!doctype html>")
    return tmp_path


def package_file(web: Path) -> Any:
    return next(route.endpoint for route in page_router(web).routes if "node_modules" in route.path)


def test_a_package_that_npm_did_not_bring_comes_from_a_cdn_at_the_pinned_version(bare_web: Path) -> None:
    answer = package_file(bare_web)("three/build/three.module.min.js")
    assert answer.status_code == 307
    pinned = json.loads((bare_web / "package.json").read_text())["dependencies"]["three"]
    assert answer.headers["location"] == f"{CDN}/three@{pinned}/build/three.module.min.js"


def test_a_package_with_a_scope_does_too(bare_web: Path) -> None:
    location = package_file(bare_web)("@sparkjsdev/spark/dist/spark.module.min.js").headers["location"]
    assert location.startswith(f"{CDN}/@sparkjsdev/spark@") and location.endswith("/dist/spark.module.min.js")


@pytest.mark.parametrize(
    "path",
    [
        "left-pad/index.js",
        "threefold/x.js",
        "three",
        "three/../../gh/a/b/x.js",
        "three/..",
        "three/.\\../x",
        "three/%2e%2e/x",
    ],
)
def test_what_the_page_does_not_import_is_not_sent_anywhere(bare_web: Path, path: str) -> None:
    with pytest.raises(HTTPException) as refused:
        package_file(bare_web)(path)
    assert refused.value.status_code == 404


def test_every_address_of_the_import_map_is_a_package_that_is_served(bare_web: Path) -> None:
    page = (web_folder() / "index.html").read_text()
    imports = json.loads(page.split('<script type="importmap">')[1].split("</script>")[0])["imports"]
    for address in imports.values():
        assert package_file(bare_web)(address.removeprefix("./node_modules/") + "x").status_code == 307


def test_the_policy_names_the_cdn_only_while_a_package_is_missing(bare_web: Path) -> None:
    assert script_hosts(bare_web) == [f"{CDN}/"]
    for package in json.loads((bare_web / "package.json").read_text())["dependencies"]:
        (bare_web / "node_modules" / package).mkdir(parents=True)
    assert script_hosts(bare_web) == []
