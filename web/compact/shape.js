// Level C of `compact`: splats as a network predicted them. Twin of splatcam/codecs/compact_shape.py, which has the
// table of the planes. Pure; keeps its memory from frame to frame, and makes nothing for a splat.
import { SHAPE_PLANES } from "./fields.js";
import { axisBytes, halfOf, scaleByte, STEPS_PER_LN } from "./records.js";

const LN_SCALE_PER_UNIT = 8;
const TURN_PER_UNIT = 64;
const OFFSET_PER_PX = 8;
const HALF_TURN_SQUARED = TURN_PER_UNIT ** 2; // |p| of 1: beyond it w is negative, and Spark takes it from behind

// By the squared length of p in steps, a whole number: θ = 4 atan |p|, or the rest of the turn, in steps of π / 255.
const angleBytes = Uint8Array.from({ length: 3 * 128 ** 2 + 1 }, (_, squared) => {
  const turn = 4 * Math.atan(Math.sqrt(squared) / TURN_PER_UNIT);
  return Math.floor((Math.min(turn, 2 * Math.PI - turn) * 255) / Math.PI + 0.5);
});
const lnScaleSteps = Float64Array.from({ length: 256 }, (_, byte) => (signed(byte) * STEPS_PER_LN) / LN_SCALE_PER_UNIT);

export class ShapedSplats {
  alphas = new Uint8Array(0); // by splat
  #values = new Uint8Array(0);
  #planes = [];
  #offsetsX = new Float64Array(256); // by byte: what to add to x / z of a ray, as the next to y / z
  #offsetsY = new Float64Array(256);
  #window = null;

  /** planes: {shape}, inflated. window: a PixelWindow, filled. */
  begin({ num_splats: count, opacity }, { shape }, window) {
    this.#window = window;
    if (this.#values.length < shape.length) this.#values = new Uint8Array(shape.length);
    this.#planes = Array.from({ length: SHAPE_PLANES }, (_, i) => this.#values.subarray(i * count, (i + 1) * count));
    this.#planes.forEach((plane, i) => addUp(shape, i * count, plane));
    const { fx, fy } = window.focal;
    for (let byte = 0; byte < 256; byte += 1) {
      this.#offsetsX[byte] = Math.fround(signed(byte) / (OFFSET_PER_PX * fx));
      this.#offsetsY[byte] = Math.fround(signed(byte) / (OFFSET_PER_PX * fy));
    }
    this.alphas = this.#planes[0];
    if (opacity !== 1) for (let n = 0; n < count; n += 1) this.alphas[n] = Math.floor(this.alphas[n] * opacity + 0.5);
  }

  /** Words 1 to 3 of the splats `from` … `end` - 1, which are those of a row. */
  writeRow(row, from, end, words) {
    const start = this.#window.plane.indexOf(row, 0);
    this.#writePlaces(start, from, end, this.#window.rayOfRow(row), words);
    this.#writeRotations(from, end, words);
    this.#writeScales(start, from, end, words);
  }

  /** In float32 as the server's: what is next to nothing, of either sign, is nothing. */
  #writePlaces(start, from, end, v, words) {
    const { plane: { steps }, tables: { depths }, kept: { columns }, rays, depthHalves } = this.#window;
    const [planeX, planeY] = this.#planes.slice(7);
    const [offsetsX, offsetsY] = [this.#offsetsX, this.#offsetsY];
    for (let n = from; n < end; n += 1) {
      const column = columns[n];
      const step = steps[start + column];
      const depth = depths[step];
      const x = depth * Math.fround(rays[column] + offsetsX[planeX[n]]);
      const y = depth * Math.fround(v + offsetsY[planeY[n]]);
      words[4 * n + 1] = halfOf(x) | (halfOf(y) << 16);
      words[4 * n + 2] = depthHalves[step];
    }
  }

  #writeRotations(from, end, words) {
    const [turnsX, turnsY, turnsZ] = this.#planes.slice(4);
    for (let n = from; n < end; n += 1) {
      const x = signed(turnsX[n]);
      const y = signed(turnsY[n]);
      const z = signed(turnsZ[n]);
      const squared = x * x + y * y + z * z;
      const sign = squared <= HALF_TURN_SQUARED ? 1 : -1;
      words[4 * n + 2] |= axisBytes(sign * x, sign * y, sign * z, squared) << 16;
      words[4 * n + 3] = angleBytes[squared] << 24;
    }
  }

  #writeScales(start, from, end, words) {
    const { plane: { steps }, kept: { columns }, lnPixelSteps } = this.#window;
    const [scalesX, scalesY, scalesZ] = this.#planes.slice(1);
    for (let n = from; n < end; n += 1) {
      const ln = lnPixelSteps[steps[start + columns[n]]];
      words[4 * n + 3] |=
        scaleByte(ln + lnScaleSteps[scalesX[n]]) | (scaleByte(ln + lnScaleSteps[scalesY[n]]) << 8) |
        (scaleByte(ln + lnScaleSteps[scalesZ[n]]) << 16);
    }
  }
}

/** Differences modulo 256, from `first` on → values. */
function addUp(differences, first, values) {
  let value = 0;
  for (let n = 0; n < values.length; n += 1) {
    value += differences[first + n]; // far below 2^53; the array takes it modulo 256
    values[n] = value;
  }
}

function signed(byte) {
  return (byte << 24) >> 24;
}
