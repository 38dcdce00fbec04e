"""The thin link: its arithmetic with a clock of its own; its sockets by counts and order, never by times."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.bench.throttle import CHUNK_BYTES, HOST, LEAST_QUEUE_BYTES, Link, Pacer, ThrottlingProxy, main

FAST = Link(1000)
MEGABYTE_PER_S = 8.0  # in Mbit/s


def chunks_out(pacer: Pacer, until_s: float) -> list[tuple[float, bytes]]:
    """What comes out up to a moment, and when."""
    out = []
    while pacer.next_s is not None and pacer.next_s <= until_s:
        now_s = pacer.next_s
        out += [(now_s, chunk) for chunk in pacer.take(now_s)]
    return out


# ---------------------------------------------------------------- the arithmetic


def test_a_chunk_comes_out_after_its_time_on_the_wire_and_the_delay() -> None:
    pacer = Pacer(Link(MEGABYTE_PER_S, delay_s=0.04))
    pacer.put(bytes(10_000), 5.0)
    assert pacer.take(5.0499) == []
    assert pacer.take(5.0501) == [bytes(10_000)]
    assert pacer.next_s is None


def test_chunks_follow_each_other_at_the_rate_and_share_one_delay() -> None:
    pacer = Pacer(Link(MEGABYTE_PER_S, delay_s=0.5))
    for n in range(3):
        pacer.put(bytes([n]) * 1000, 0.0)
    assert chunks_out(pacer, 1.0) == [(pytest.approx(0.501 + n / 1000), bytes([n]) * 1000) for n in range(3)]


def test_an_idle_link_saves_nothing_up() -> None:
    pacer = Pacer(Link(MEGABYTE_PER_S))
    pacer.put(bytes(1000), 0.0)
    assert len(pacer.take(9.0)) == 1
    pacer.put(bytes(1000), 9.0)
    pacer.put(bytes(1000), 9.0)
    assert [at_s for at_s, _ in chunks_out(pacer, 10.0)] == pytest.approx([9.001, 9.002])


def test_who_takes_late_loses_no_rate() -> None:
    pacer = Pacer(Link(MEGABYTE_PER_S))
    for _ in range(5):
        pacer.put(bytes(1000), 0.0)
    assert len(pacer.take(0.0035)) == 3
    assert len(pacer.take(0.0051)) == 2


def test_a_full_queue_has_room_again_when_a_chunk_is_on_the_wire() -> None:
    pacer = Pacer(Link(1.0, delay_s=30.0))
    assert pacer.link.queue_bytes == LEAST_QUEUE_BYTES
    while pacer.has_room:
        pacer.put(bytes(CHUNK_BYTES), 0.0)
    assert pacer.next_s is not None and pacer.next_s < 1.0
    assert pacer.take(pacer.next_s) == []
    assert pacer.has_room


def test_a_fast_links_queue_holds_a_tenth_of_a_second() -> None:
    assert Link(100).queue_bytes == 1_250_000


def test_a_new_rate_counts_from_its_moment_on_in_the_middle_of_a_chunk() -> None:
    pacer = Pacer(Link(MEGABYTE_PER_S))
    pacer.put(bytes(10_000), 0.0)
    pacer.put(bytes(1000), 0.0)
    pacer.set_rate(MEGABYTE_PER_S / 10, 0.004)  # 6000 bytes are left of the first
    assert [at_s for at_s, _ in chunks_out(pacer, 1.0)] == pytest.approx([0.064, 0.074])


def test_a_new_rate_leaves_alone_what_is_on_the_wire() -> None:
    pacer = Pacer(Link(MEGABYTE_PER_S, delay_s=1.0))
    pacer.put(bytes(1000), 0.0)
    pacer.set_rate(0.001, 0.5)
    assert [at_s for at_s, _ in chunks_out(pacer, 2.0)] == pytest.approx([1.001])


def test_the_end_comes_out_last_and_needs_no_rate() -> None:
    pacer = Pacer(Link(MEGABYTE_PER_S))
    pacer.put(bytes(1000), 0.0)
    pacer.put(b"", 0.0)
    assert pacer.take(0.0011) == [bytes(1000), b""]


@given(
    st.lists(st.tuples(st.binary(max_size=50), st.floats(0, 2), st.none() | st.floats(0.0001, 10))),
    st.floats(0, 1),
)
def test_whatever_comes_in_comes_out_once_in_order_and_never_faster_than_the_link(
    events: list[tuple[bytes, float, float | None]], delay_s: float
) -> None:
    pacer, now_s, out = Pacer(Link(1.0, delay_s)), 0.0, b""
    for chunk, pause_s, mbit_s in events:
        now_s += pause_s
        pacer.put(chunk, now_s)
        if mbit_s is not None:
            pacer.set_rate(mbit_s, now_s)
        out += b"".join(pacer.take(now_s))
        assert len(out) <= 10e6 / 8 * now_s + 50
    while pacer.next_s is not None:
        out += b"".join(pacer.take(pacer.next_s))
    assert out == b"".join(chunk for chunk, _, _ in events)
    assert pacer.has_room


@pytest.mark.parametrize(("mbit_s", "delay_s"), [(0, 0), (-1, 0), (float("nan"), 0), (float("inf"), 0), (1, -0.1)])
def test_a_link_without_a_rate_is_refused(mbit_s: float, delay_s: float) -> None:
    with pytest.raises(ValueError, match="rate above 0"):
        Link(mbit_s, delay_s)


# ---------------------------------------------------------------- the sockets


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers while it reads, and ends when the other side does."""
    while chunk := await reader.read(4096):
        writer.write(chunk)
        await writer.drain()
    writer.write(b" and the end")
    writer.write_eof()
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def echo_behind(down: Link, up: Link) -> AsyncIterator[ThrottlingProxy]:
    server = await asyncio.start_server(echo, HOST, 0)
    async with server, ThrottlingProxy(server.sockets[0].getsockname()[1], down=down, up=up) as proxy:
        yield proxy


async def say(port: int, data: bytes) -> bytes:
    """Everything that comes back for data and an end."""
    reader, writer = await asyncio.open_connection(HOST, port)
    answer = asyncio.create_task(reader.read())
    writer.write(data)
    writer.write_eof()
    try:
        return await answer
    finally:
        writer.close()
        await writer.wait_closed()


async def test_bytes_come_through_exactly_and_the_end_of_one_direction_does_not_end_the_other() -> None:
    data = random.Random(7).randbytes(600_000)
    async with echo_behind(FAST, FAST) as proxy:
        assert await say(proxy.port, data) == data + b" and the end"


async def test_connections_do_not_mix() -> None:
    data = [random.Random(n).randbytes(50_000) for n in range(4)]
    async with echo_behind(Link(100, 0.01), Link(50, 0.005)) as proxy:
        answers = await asyncio.gather(*(say(proxy.port, one) for one in data))
    assert answers == [one + b" and the end" for one in data]


async def test_a_rate_set_while_a_connection_is_open_holds_for_it_and_for_the_next() -> None:
    data = bytes(range(256)) * 400
    async with echo_behind(Link(0.001), FAST) as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        writer.write(data)
        writer.write_eof()
        proxy.set_rate("down", 1000)  # at the rate before it would take a quarter of an hour
        assert await reader.read() == data + b" and the end"
        writer.close()
        await writer.wait_closed()
        assert await say(proxy.port, data) == data + b" and the end"


async def test_a_sender_is_held_back_while_the_queue_is_full() -> None:
    """What goes into a connection that delivers nothing ends; then, with a rate, all of it arrives."""
    total = 40 * 1024 * 1024
    sent = 0
    stuck = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            while sent < total:
                writer.write(bytes(64 * 1024))
                sent += 64 * 1024
                try:
                    async with asyncio.timeout(1):
                        await writer.drain()
                except TimeoutError:
                    stuck.set()
                    await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(flood, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with server, ThrottlingProxy(port, down=Link(0.001), up=FAST) as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        await stuck.wait()
        assert sent < total
        proxy.set_rate("down", 10_000)
        received = 0
        while chunk := await reader.read(1 << 20):
            received += len(chunk)
        assert received == total
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_breaks_off_is_seen_by_the_target() -> None:
    ended = asyncio.Event()

    async def wait_for_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        except ConnectionResetError:
            pass
        writer.close()
        ended.set()

    server = await asyncio.start_server(wait_for_end, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with server, ThrottlingProxy(port, down=FAST, up=FAST) as proxy:
        _, writer = await asyncio.open_connection(HOST, proxy.port)
        writer.write(b"hello")
        await writer.drain()
        linger_none = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
        writer.transport.abort()
        await ended.wait()


async def test_a_client_of_a_target_that_is_not_there_sees_the_end() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    async with ThrottlingProxy(port, down=FAST, up=FAST) as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        writer.close()


async def test_a_proxy_that_ends_hangs_up() -> None:
    async with echo_behind(FAST, FAST) as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
    assert await reader.read() in (b"", b" and the end")
    writer.close()
    await writer.wait_closed()


async def test_a_proxy_ends_although_somebody_does_not_read() -> None:
    """Bytes that wait for a reader do not hold it up."""
    stuck = asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(bytes(64 * 1024))
                try:
                    async with asyncio.timeout(0.5):
                        await writer.drain()
                except TimeoutError:
                    stuck.set()
                    await writer.drain()
        except OSError:
            writer.close()

    server = await asyncio.start_server(flood, HOST, 0)
    async with server, ThrottlingProxy(server.sockets[0].getsockname()[1], down=Link(10_000), up=FAST) as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        await stuck.wait()
    writer.transport.abort()


# ---------------------------------------------------------------- command line


def test_the_command_says_where_to_point_the_browser() -> None:
    command = [sys.executable, "-m", "splatcam.bench.throttle", "--listen", "0", "--down", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert line.startswith(f"open http://{HOST}:")


@pytest.mark.parametrize(("flags", "words"), [(["--down", "0"], "rate above 0"), (["--listen", "70000"], "65535")])
def test_a_flag_that_cannot_be_met_ends_with_one_sentence(
    capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    assert main(flags) == 1
    assert words in capsys.readouterr().err


def test_a_port_that_is_taken_ends_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((HOST, 0)) as taken:
        assert main(["--listen", str(taken.getsockname()[1])]) == 1
    assert "throttle: " in capsys.readouterr().err
