from __future__ import annotations

import pytest

from splatcam import docs, wire


@pytest.mark.parametrize("name", docs.PAGES)
def test_the_written_documents_are_current(name: str) -> None:
    assert (docs.FOLDER / name).read_text(encoding="utf-8") == docs.PAGES[name](), "run: make docs"


def test_every_field_of_every_message_is_described() -> None:
    page = docs.protocol()
    for message in (*wire.CLIENT_MESSAGES, *wire.SERVER_MESSAGES):
        assert f"### `{message.model_fields['type'].default}`" in page
        assert all(f"| `{name}` |" in page for name in message.model_fields if name != "type")
