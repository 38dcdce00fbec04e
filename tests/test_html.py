"""The page in one file: what a browser makes of it is seen in tests/e2e/export.test.mjs."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import tracemalloc
from pathlib import Path

import pytest

from splatcam.settings import web_folder
from splatcam.timeline import RecordedTimeline, TimelineServer
from splatcam.timeline.html import PIECE_BYTES, Modules, PageIncomplete, export_html, write_html
from tests.exported_takes import live_steps, record

WEB = web_folder()
PIECE = re.compile(r'<script type="application/x-scam">([A-Za-z0-9+/=]*)</script>')
IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
ADDRESS = re.compile(r"data:text/javascript;base64,([A-Za-z0-9+/=]*)")
SPECIFIER = re.compile(r"""(?:^|;)\s*(?:import|export)\b[^;'"()]*?\bfrom\s*["']([^"']+)["']""", re.MULTILINE)


def page_of(scam: bytes, web: Path = WEB) -> str:
    out = io.BytesIO()
    write_html(io.BytesIO(scam), out, web)
    return out.getvalue().decode()


def modules_of(page: str) -> dict[str, str]:
    (text,) = IMPORT_MAP.findall(page)
    return {name: source_of(address) for name, address in json.loads(text)["imports"].items()}


def source_of(address: str) -> str:
    match = ADDRESS.fullmatch(address)
    assert match is not None
    return base64.b64decode(match[1]).decode()


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(b"\x89SCAM" + bytes(2 * PIECE_BYTES))


def test_the_recording_is_in_pieces_that_are_base64_each_by_itself(page: str) -> None:
    pieces = PIECE.findall(page)
    assert len(pieces) == 3
    assert b"".join(map(base64.b64decode, pieces)) == b"\x89SCAM" + bytes(2 * PIECE_BYTES)


def test_a_page_has_nothing_that_it_would_have_to_fetch(page: str) -> None:
    without_data = PIECE.sub("", IMPORT_MAP.sub("", page))
    assert not re.search(r"""\b(src|href)=["'](?!data:|#)""", without_data)
    assert not re.search(r"""(@import|url\()\s*["']?(https?:|\.|/)""", without_data)


def test_every_module_imports_by_names_that_the_map_has(page: str) -> None:
    modules = modules_of(page)
    assert {"web/player.js", "web/node_modules/three/build/three.core.min.js"} <= modules.keys()
    for name, source in modules.items():
        specifiers = SPECIFIER.findall(source)
        assert set(specifiers) <= modules.keys(), name
    assert any("OrbitControls" in name for name in modules), "by a prefix of the import map"


def test_a_worker_is_one_address_with_its_modules_inside(page: str) -> None:
    (worker,) = {address for source in modules_of(page).values() for address in ADDRESS.findall(source)}
    source = base64.b64decode(worker).decode()
    inside = [base64.b64decode(each).decode() for each in ADDRESS.findall(source)]
    assert any("class Decoder" in each for each in inside)
    assert 'from "./' not in source + "".join(inside)


def test_the_policy_forbids_the_network_and_names_what_is_inline_by_its_hash(page: str) -> None:
    (policy,) = POLICY.findall(page)
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert not re.search(r"https?:|'self'|'unsafe-inline'|\*", policy)
    inline = re.findall(r"<script>(.*?)</script>|<style>(.*?)</style>", page, re.DOTALL)
    texts = [*map("".join, inline), IMPORT_MAP.findall(page)[0], re.findall(r'<script type="module">(.*?)<', page)[0]]
    for text in texts:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert page.index("Content-Security-Policy") < page.index("<script"), "before anything that it is about"


def test_what_a_recording_says_cannot_end_its_element() -> None:
    assert "</script><b>" not in page_of(b"</script><b>")


@pytest.fixture
def own_web(tmp_path: Path) -> Path:
    """A copy of the page's own files, with the packages where they are."""
    web = tmp_path / "web"
    shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("node_modules"))
    (web / "node_modules").symlink_to(WEB / "node_modules")
    return web


def test_without_packages_it_says_what_to_run_and_writes_nothing(own_web: Path) -> None:
    (own_web / "node_modules").unlink()
    out = io.BytesIO()
    with pytest.raises(PageIncomplete, match="npm install"):
        write_html(io.BytesIO(b"x"), out, own_web)
    assert not out.getvalue()


def test_a_module_that_is_missing_is_named(own_web: Path) -> None:
    (own_web / "wire.js").unlink()
    with pytest.raises(PageIncomplete, match=r"wire\.js"):
        page_of(b"x", own_web)


def test_a_page_that_is_written_otherwise_is_an_error_and_no_broken_file(own_web: Path) -> None:
    page = own_web / "player.html"
    page.write_text(page.read_text().replace('type="importmap"', 'type="importmap" id="map"'))
    with pytest.raises(PageIncomplete, match="not written as an export expects"):
        page_of(b"x", own_web)


@pytest.mark.parametrize(
    "statement",
    [
        'import { a } from "./b.js";',
        "import { a } from './b.js';",
        'import {\n  a,\n} from "./b.js";',
        'import "./b.js";',
        'export { a } from "./b.js";',
        'export * from "./b.js";',
        'const x = 1;import{a as c}from"./b.js";',
        'const b = await import("./b.js");',
    ],
)
def test_however_an_import_is_written_it_is_found(tmp_path: Path, statement: str) -> None:
    (tmp_path / "a.js").write_text(f"// A comment.\n{statement}\n")
    (tmp_path / "b.js").write_text("export const a = 1;\n")
    modules = Modules(tmp_path, {}).addresses("web/a.js")
    assert modules.keys() == {"web/a.js", "web/b.js"}
    assert '"web/b.js"' in source_of(modules["web/a.js"])


@pytest.mark.parametrize("text", ['const s = "a; import x";', "// import x from nowhere", "important(1);"])
def test_what_only_looks_like_an_import_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.js").write_text(text)
    assert source_of(Modules(tmp_path, {}).addresses("web/a.js")["web/a.js"]) == text


def test_a_worker_whose_modules_import_each_other_in_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('new Worker(new URL("b.js", import.meta.url));')
    (tmp_path / "b.js").write_text('import "./c.js";')
    (tmp_path / "c.js").write_text('import "./b.js";')
    with pytest.raises(PageIncomplete, match="imports itself"):
        Modules(tmp_path, {}).addresses("web/a.js")


def test_an_import_that_nobody_knows_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import "elsewhere";')
    with pytest.raises(PageIncomplete, match="imports elsewhere"):
        Modules(tmp_path, {}).addresses("web/a.js")


def test_memory_does_not_grow_with_the_recording() -> None:
    class Nowhere(io.BytesIO):
        def write(self, data: object) -> int:
            return len(data)  # type: ignore[arg-type]

    peaks = []
    for size in (1 << 20, 100 << 20):
        scam = io.BytesIO(bytes(size))
        tracemalloc.start()
        write_html(scam, Nowhere(), WEB)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 8 * PIECE_BYTES


def test_some_steps_of_a_recording_are_all_that_its_page_has(tmp_path: Path) -> None:
    recorded = RecordedTimeline.open(record(tmp_path / "a.scam", live_steps(6)))
    out = io.BytesIO()
    export_html(recorded, range(2, 4), out, WEB)
    inside = b"".join(map(base64.b64decode, PIECE.findall(out.getvalue().decode())))
    part = RecordedTimeline.from_bytes(inside)
    assert [part.scene_at(at) for at in range(part.num_steps)] == [recorded.scene_at(at) for at in (2, 3)]
    recorded.close()


def test_a_program_gets_its_timeline_as_a_page() -> None:
    server = TimelineServer(3)
    with server.at(1):
        server.scene.add_image("a", b"\xff\xd8\xff")
    inside = b"".join(map(base64.b64decode, PIECE.findall(server.as_html(1, 2))))
    assert RecordedTimeline.from_bytes(inside).scene_at(0) == server.scene_at(1)
