"""How much a sender's kernel keeps in front of a thin link for a sender that never holds back."""

from __future__ import annotations

import asyncio

from splatcam.bench.throttle import HOST, Link, ThrottlingProxy

CHUNK = bytes(16 * 1024)


async def kernel_keeps_bytes(link: Link, seconds: float) -> float:
    """Handed to the kernel and not received in so many seconds, but for what the link itself holds."""
    accepted = received = 0
    ended = asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        writer.transport.set_write_buffer_limits(high=0)  # `drain` returns when the kernel has everything
        try:
            while True:
                writer.write(CHUNK)
                await writer.drain()
                accepted += len(CHUNK)
        except OSError:
            writer.close()
        finally:
            ended.set()

    server = await asyncio.start_server(flood, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with ThrottlingProxy(port, down=link, up=link) as proxy:
            reader, writer = await asyncio.open_connection(HOST, proxy.port)
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        received += len(await reader.read(64 * 1024))
            except TimeoutError:
                kept = accepted - received - link.queue_bytes - link.delay_s * link.bytes_per_s
            finally:
                writer.transport.abort()
        await ended.wait()  # or the loop's end would interrupt it, and asyncio complain
    return kept
