"""The page and its modules. Packages that npm did not bring are fetched by the browser from a CDN."""

from __future__ import annotations

import json
import re
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from starlette.datastructures import Headers
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from splatcam.routes.headers import PagePolicy

CDN = "https://cdn.jsdelivr.net/npm"
PAGES = ("/", "/viewer-gaussian.html", "/viewer.html")
HIDDEN = {"node_modules", "package-lock.json"}  # packages have a route of their own
PLAIN_PATH = re.compile(r"(/[\w@][\w@.+-]*)+", re.ASCII)  # no dots that lead out of the package, written in any way
MODULE_TYPES = {".js": "text/javascript", ".mjs": "text/javascript"}


class WebFiles(StaticFiles):
    """web/ itself: revalidated on every load, so that a changed module is never half of an old page."""

    def __init__(self, web: Path) -> None:
        super().__init__(directory=web)
        self._web = web
        self._policy = PagePolicy()

    async def get_response(self, path: str, scope: Scope) -> Response:
        parts = path.replace("\\", "/").split("/")
        if any(part.startswith(".") and part != "." or part in HIDDEN for part in parts):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        if path.endswith(".html"):
            host = Headers(scope=scope).get("host", "")
            response.headers.update(self._policy.headers(self._web / path, host, script_hosts(self._web)))
        return response


def page_router(web: Path) -> APIRouter:
    router = package_router(web)
    policy = PagePolicy()

    def page(request: Request) -> FileResponse:
        index, host = web / "index.html", request.headers.get("host", "")
        return FileResponse(index, headers=policy.headers(index, host, script_hosts(web)))

    for path in PAGES:
        router.add_api_route(path, page, methods=["GET", "HEAD"], include_in_schema=False, name=path)
    return router


def package_router(web: Path) -> APIRouter:
    """What any page's import map leads to."""
    router = APIRouter()
    versions = _package_versions(web)

    @router.get("/node_modules/{path:path}", include_in_schema=False)
    def package_file(path: str) -> Response:
        package = next((name for name in versions if path.startswith(name + "/")), None)
        if package is None:
            raise HTTPException(404)
        root, rest = web / "node_modules" / package, path.removeprefix(package)
        if not root.is_dir() and PLAIN_PATH.fullmatch(rest):
            return RedirectResponse(f"{CDN}/{package}@{versions[package]}{rest}")
        file = _file_below(root, rest[1:])
        if file is None:
            raise HTTPException(404)
        return FileResponse(file, media_type=MODULE_TYPES.get(file.suffix), headers={"Cache-Control": "max-age=3600"})

    return router


def script_hosts(web: Path) -> list[str]:
    """Where modules come from beside us: from the CDN, while a package is missing here."""
    is_complete = all((web / "node_modules" / package).is_dir() for package in _package_versions(web))
    return [] if is_complete else [f"{CDN}/"]


def _file_below(root: Path, path: str) -> Path | None:
    """The file, if there is one and it really lies below `root`."""
    try:
        file = (root / path).resolve()
        return file if file.is_relative_to(root.resolve()) and file.is_file() else None
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return None


def _package_versions(web: Path) -> dict[str, str]:
    """What the page imports, as web/package.json pins it; nothing else of node_modules is served."""
    return json.loads((web / "package.json").read_text())["dependencies"]
