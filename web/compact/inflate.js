// Raw deflate → bytes, of a size that is known before. Also what the blocks of recordings are inflated with.

const SLICE_BYTES = 1 << 14;

/**
 * Uint8Array → exactly `size` bytes. Stops at the first byte too many. Rejects with errorOf("larger" | "smaller"), and
 * with the browser's own error where the bytes are no deflate.
 */
export async function inflate(bytes, size, errorOf) {
  const inflated = new Uint8Array(size);
  if (size === 0) return inflated;
  const { writable, readable } = new DecompressionStream("deflate-raw");
  const reader = readable.getReader();
  write(writable, bytes).catch(() => {}); // the reader is told as well
  let filled = 0;
  for (let { value, done } = await reader.read(); !done; ({ value, done } = await reader.read())) {
    if (filled + value.length > size) {
      await reader.cancel();
      throw errorOf("larger");
    }
    inflated.set(value, filled);
    filled += value.length;
  }
  if (filled !== size) throw errorOf("smaller");
  return inflated;
}

/** A slice at a time: what one write inflates to is in memory at once, a thousand times its size at worst. */
async function write(writable, bytes) {
  const writer = writable.getWriter();
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) await writer.write(bytes.subarray(at, at + SLICE_BYTES));
  await writer.close();
}
