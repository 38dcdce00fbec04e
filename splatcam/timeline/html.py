"""A recording as one HTML file that plays offline, from a double click: the player's page with everything in it.

The page's modules become `data:` addresses in its import map, under the names of their files; a worker, which knows no
import map, becomes one address that has those of its modules inside. A policy in the page forbids it the network.
Knows the page's files and bytes, not what a recording says. Memory holds the page and a piece of the recording.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from splatcam.timeline.block_file import BlockWriter
from splatcam.timeline.cut import Progress, write_cut
from splatcam.timeline.timeline_file import RecordedTimeline

PAGE = "player.html"
PIECE_BYTES = 3 << 20  # of the recording: a multiple of 3, so that each piece is base64 by itself
# As ours and the packages' are written: a statement at the beginning of a line, or after another in minified code.
STATIC_IMPORT = re.compile(
    r"""((?:^|;)\s*(?:import|export)\b(?:[^;'"()]*?\bfrom)?\s*)(["'])([^"'\n]+)\2""", re.MULTILINE
)
DYNAMIC_IMPORT = re.compile(r"""(\bimport\(\s*)(["'])([^"'\n]+)\2(?=\s*\))""")
OWN_ADDRESS = re.compile(r"""new URL\(\s*(["'])([^"'\n]+)\1,\s*import\.meta\.url\s*\)""")
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
STYLE_SHEET = re.compile(r"""<link rel="stylesheet" href="([^"]+)">""")
PLAIN_SCRIPT = re.compile(r"""<script src="([^"]+)"></script>""")
MODULE_SCRIPT = re.compile(r"""<script type="module" src="([^"]+)"></script>""")
IMPORT_MAP = re.compile(r"""<script type="importmap">(.*?)</script>""", re.DOTALL)
HEAD = '<meta charset="utf-8">'
POLICY = {
    "default-src": "'none'",
    "script-src": "data: blob: 'wasm-unsafe-eval'",  # and what is inline, by what it says
    "worker-src": "data: blob:",
    "connect-src": "data: blob:",
    "img-src": "data: blob:",
    "media-src": "data: blob:",
    "style-src": "",
    "base-uri": "'none'",
    "form-action": "'none'",
}


class PageIncomplete(RuntimeError):
    """The page's files are not all here; the message says what to do."""


def export_html(
    recorded: RecordedTimeline,
    steps: range,
    out: BinaryIO,
    web: Path,
    folder: Path | None = None,
    progress: Progress = lambda done: None,
) -> None:
    """Some steps of a recording. `folder`: where there is room for them as a file without a name; None: the system's.

    Raises PageIncomplete, BlockFileError, OSError.
    """
    with tempfile.TemporaryFile(dir=folder) as scam:
        writer = BlockWriter(scam, sync=lambda: None)
        write_cut(writer, recorded, steps, progress)
        writer.finish()
        scam.seek(0)
        write_html(scam, out, web)


def write_html(scam: BinaryIO, out: BinaryIO, web: Path) -> None:
    """The bytes of a .scam file, from where `scam` stands to its end. `web`: the page's folder. Raises PageIncomplete.

    Everything that can fail for want of a file fails before the first byte is written.
    """
    before, after = _page_around_recording(web)
    out.write(before.encode())
    for piece in iter(lambda: scam.read(PIECE_BYTES), b""):
        out.write(b'<script type="application/x-scam">' + base64.b64encode(piece) + b"</script>\n")
    out.write(after.encode())


def _page_around_recording(web: Path) -> tuple[str, str]:
    """The page in two parts: the recording belongs before its module, at the end of the body."""
    page = _read(web / PAGE)
    modules = Modules(web, json.loads(_only(IMPORT_MAP, page)[1])["imports"])
    entry = modules.named(_only(MODULE_SCRIPT, page)[1], PurePosixPath(PAGE))
    scripts: list[str] = []
    styles: list[str] = []

    def inline_style(match: re.Match[str]) -> str:
        styles.append(_inline(web / match[1], "</style"))
        return f"<style>{styles[-1]}</style>"

    def inline_script(match: re.Match[str]) -> str:
        scripts.append(_inline(web / match[1], "</script"))
        return f"<script>{scripts[-1]}</script>"

    page = PLAIN_SCRIPT.sub(inline_script, STYLE_SHEET.sub(inline_style, page))
    import_map = json.dumps({"imports": modules.addresses(entry)}, indent=0)
    start = f'import "{entry}";'
    page = _with(page, IMPORT_MAP, f'<script type="importmap">{import_map}</script>')
    page = _with(page, MODULE_SCRIPT, f'<script type="module">{start}</script>')
    policy = _policy([*scripts, import_map, start], styles)
    page = page.replace(HEAD, f'{HEAD}\n<meta http-equiv="Content-Security-Policy" content="{policy}">', 1)
    at = page.index('<script type="module">')
    return page[:at], page[at:]


class Modules:
    """Modules of the page by names that an import map can have: `web/` and the path below the folder."""

    def __init__(self, web: Path, import_map: dict[str, str]) -> None:
        self._web = web
        self._import_map = import_map

    def addresses(self, entry: str) -> dict[str, str]:
        """Of a module and of all that it needs: `data:` addresses that import by name. Raises PageIncomplete."""
        addresses: dict[str, str] = {}
        waiting = [entry]
        while waiting:
            name = waiting.pop()
            if name in addresses:
                continue
            found = _Found()
            addresses[name] = _data_address(self._source(name, found))
            waiting += found.names
        return dict(sorted(addresses.items()))

    def named(self, specifier: str, importer: PurePosixPath) -> str:
        """The name of what a module at `importer`, a path below the folder, means by a specifier."""
        if specifier.startswith(("./", "../")):
            return f"web/{_joined(importer.parent, specifier)}"
        prefixes = [key for key in self._import_map if key == specifier or key[-1] == "/" and specifier.startswith(key)]
        if not prefixes:
            raise PageIncomplete(f"{importer} imports {specifier}, which the page's import map does not know")
        key = max(prefixes, key=len)
        return f"web/{_joined(PurePosixPath(), self._import_map[key] + specifier[len(key) :])}"

    def _source(self, name: str, refer: Callable[[str], str]) -> str:
        """The text of a module in which `refer` says how each of its imports is written."""
        path = PurePosixPath(name.removeprefix("web/"))
        text = SOURCE_MAP.sub("", _read(self._web / path))

        def imported(match: re.Match[str]) -> str:
            return f'{match[1]}"{refer(self.named(match[3], path))}"'

        def own_address(match: re.Match[str]) -> str:
            worker = self.named(match[2] if match[2].startswith(".") else f"./{match[2]}", path)
            return f'"{self._nested_address(worker, ())}"'

        text = DYNAMIC_IMPORT.sub(imported, STATIC_IMPORT.sub(imported, text))
        return OWN_ADDRESS.sub(own_address, text)

    def _nested_address(self, name: str, importers: tuple[str, ...]) -> str:
        """A module with those that it imports inside. The same module is the same address wherever it is."""
        if name in importers:
            raise PageIncomplete(f"{name} imports itself by way of others: that cannot be put into one address")
        return _data_address(self._source(name, lambda each: self._nested_address(each, (*importers, name))))


class _Found:
    """Refers to each module by its name, and keeps the names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str) -> str:
        self.names.append(name)
        return name


def _joined(folder: PurePosixPath, relative: str) -> str:
    parts: list[str] = list(folder.parts)
    for part in relative.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _data_address(source: str) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(source.encode()).decode()}"


def _policy(scripts: list[str], styles: list[str]) -> str:
    allowed = {**POLICY}
    allowed["script-src"] += "".join(_hashes(scripts))
    allowed["style-src"] = "".join(_hashes(styles)).strip() or "'none'"
    return "; ".join(f"{name} {sources}" for name, sources in allowed.items())


def _hashes(texts: list[str]) -> Iterator[str]:
    for text in texts:
        yield f" 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inline(file: Path, forbidden: str) -> str:
    text = _read(file)
    if forbidden in text.lower():
        raise PageIncomplete(f"{file.name} has {forbidden} in it: it cannot stand inside a page")
    return text


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").replace("\r\n", "\n")  # as browsers read it, and hash it
    except FileNotFoundError:
        if "node_modules" in file.parts:
            raise PageIncomplete("the page's packages are not here: run `npm install` in web/") from None
        raise PageIncomplete(f"the page's file {file.name} is not here: this installation is not whole") from None


def _only(pattern: re.Pattern[str], page: str) -> re.Match[str]:
    found = list(pattern.finditer(page))
    if len(found) != 1:
        raise PageIncomplete(f"{PAGE} is not written as an export expects it: {pattern.pattern}")
    return found[0]


def _with(page: str, pattern: re.Pattern[str], text: str) -> str:
    match = _only(pattern, page)
    return page[: match.start()] + text + page[match.end() :]
