from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from splatcam.timeline.lru import ByteLru


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=50))
def test_it_holds_what_was_used_last_within_its_budget(uses: list[tuple[int, int]]) -> None:
    lru: ByteLru[int, int] = ByteLru(100)
    order: list[tuple[int, int]] = []
    for key, size in uses:
        lru.pop(key)
        while (oldest := lru.excess(size)) is not None:
            lru.pop(oldest[0])
        lru.put(key, key, size)
        order = [entry for entry in order if entry[0] != key]
        while order and sum(n for _, n in order) + size > 100:
            order.pop(0)
        order.append((key, size))
        assert lru.used_bytes == sum(n for _, n in order) <= 100
        assert len(lru) == len(order) and all(held in lru for held, _ in order)


def test_what_is_looked_at_stays_longer() -> None:
    lru: ByteLru[str, int] = ByteLru(2)
    lru.put("a", 1, 1)
    lru.put("b", 2, 1)
    assert lru.get("a") == 1 and lru.get("nothing") is None
    assert lru.excess(1) == ("b", 2)
    lru.clear()
    assert lru.excess(3) is None and lru.used_bytes == 0
