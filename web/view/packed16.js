// Spark's 16-byte record of a splat, as `splats16` brings it: twin of splatcam/codecs/packed16.py, which has the table.
// Pure: no mesh, no message.
import { DataUtils } from "three";
import { BYTES_PER_SPLAT } from "../wire.js";

export const LN_SCALE_MIN = -12;
export const LN_SCALE_MAX = 9;

const LN_SCALE_STEPS = 254;
const LN_SCALE_FLAT = -31; // byte 0, Spark's mark for "flat"; its readers take everything below e^-30 for it
const ROW = 2048; // Spark's texture width: the splats of an unfinished row would not be drawn

/** Splats to make room for, so that `count` fit. */
export function capacityFor(count) {
  return Math.max(1, Math.ceil(count / ROW)) * ROW;
}

/** Centre [x, y, z] of splat i of Spark's words, a Uint32Array. */
export function centerOf(words, i) {
  const [xy, z] = [words[4 * i + 1], words[4 * i + 2]];
  return [xy & 0xffff, xy >>> 16, z & 0xffff].map((half) => DataUtils.fromHalfFloat(half));
}

/** Depth (z) of splat i of Spark's words: a quarter of the work of centerOf. */
export function depthOf(words, i) {
  return DataUtils.fromHalfFloat(words[4 * i + 2] & 0xffff);
}

/**
 * Splat i of the bytes, a DataView at any offset → {center, lnScales, rotation wxyz, opacity and rgb in 0..1}.
 */
export function unpack(view, i) {
  const at = i * BYTES_PER_SPLAT;
  const byte = (offset) => view.getUint8(at + offset);
  const half = (offset) => DataUtils.fromHalfFloat(view.getUint16(at + offset, true));
  return {
    rgb: [byte(0) / 255, byte(1) / 255, byte(2) / 255],
    opacity: byte(3) / 255,
    center: [half(4), half(6), half(8)],
    rotation: rotationOf(byte(10), byte(11), byte(15)),
    lnScales: [lnScaleOf(byte(12)), lnScaleOf(byte(13)), lnScaleOf(byte(14))],
  };
}

function lnScaleOf(byte) {
  if (byte === 0) return LN_SCALE_FLAT;
  return LN_SCALE_MIN + ((byte - 1) * (LN_SCALE_MAX - LN_SCALE_MIN)) / LN_SCALE_STEPS;
}

/** Axis on the octahedron |x| + |y| + |z| = 1, its lower half folded outwards; angle in steps of π / 255. */
function rotationOf(u, v, angle) {
  let [x, y] = [(u / 255) * 2 - 1, (v / 255) * 2 - 1];
  const z = 1 - Math.abs(x) - Math.abs(y);
  if (z < 0) [x, y] = [(1 - Math.abs(y)) * signOf(x), (1 - Math.abs(x)) * signOf(y)];
  const half = ((angle / 255) * Math.PI) / 2;
  const scale = Math.sin(half) / Math.hypot(x, y, z);
  return [Math.cos(half), x * scale, y * scale, z * scale];
}

function signOf(value) {
  return value >= 0 ? 1 : -1;
}
