// Recordings for the tests of the page's player: golden ones, and ones made here as docs/scam-format.md says.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { msgpack } from "./golden.mjs";

const FOLDER = new URL("../golden/scam/", import.meta.url);

export const goldenTake = (name) => new Uint8Array(readFileSync(fileURLToPath(new URL(`${name}.scam`, FOLDER))));
export const goldenMeaning = (name) => JSON.parse(readFileSync(fileURLToPath(new URL(`${name}.json`, FOLDER)), "utf8"));

const join = (...parts) => new Uint8Array(Buffer.concat(parts));
const numbers = (count, write) => {
  const bytes = new Uint8Array(count);
  write(new DataView(bytes.buffer));
  return bytes;
};

export function fileHeader(version = 1) {
  const magic = Uint8Array.of(0x89, 0x53, 0x43, 0x41, 0x4d, 0x0d, 0x0a, 0x1a);
  const body = join(magic, numbers(4, (view) => view.setUint16(0, version, true)));
  return join(body, numbers(4, (view) => view.setUint32(0, sum(body), true)));
}

/** changes: of the header's fields. */
export function block(kind, payload, { firstStep = 0, numSteps = 0, codec = 0, ...changes } = {}) {
  const raw = msgpack.encode(payload);
  const stored = codec === 1 ? deflateRawSync(raw) : raw;
  const told = { storedBytes: stored.length, rawBytes: raw.length, crc: sum(stored), ...changes };
  const body = join(Buffer.from("SBLK"), numbers(24, (view) => {
    view.setUint8(0, kind);
    view.setUint8(1, codec);
    const fields = [firstStep, numSteps, told.storedBytes, told.rawBytes, told.crc];
    fields.forEach((number, i) => view.setUint32(4 + 4 * i, number, true));
  }));
  return join(body, numbers(4, (view) => view.setUint32(0, sum(body), true)), stored);
}

export const info = (changes = {}) => block(1, { source: "recording", fps: 25, model: "m", began_at: "", ...changes });

/** A block of `count` steps from `first` on; at(step) → its map. */
export function steps(first, count, at = plainStep, options = {}) {
  const list = Array.from({ length: count }, (_, i) => at(first + i));
  return block(2, { checkpoint: {}, steps: list }, { firstStep: first, numSteps: count, ...options });
}

/** Received every 40 ms; its picture's fourth byte is its number. */
export function plainStep(step) {
  const jpeg = Uint8Array.from([0xff, 0xd8, 0xff, step]);
  const facts = { frame_id: step, captured_at_ms: 1000 + 40 * step, received_at_ms: 5000 + 40 * step, lost_before: 0 };
  return { nodes: { camera: { kind: "picture", jpeg } }, facts };
}

export const file = (...blocks) => join(fileHeader(), ...blocks);

/** CRC32 bit by bit, another way than the page's. */
export function sum(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
