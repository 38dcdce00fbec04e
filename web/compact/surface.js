// Level A of `compact`: splats that lie in the surface that the depths describe. Twin of splatcam/pixel_splats.py,
// which has the formulas and why they are right. Pure; makes nothing for a pixel.
import { angleByte, axisBytes, halfOf, scaleByte, signOf, STEPS_PER_LN, stepsOfLn } from "./records.js";

const SIGMA_PX = 0.6;
const THICKNESS_PX = 0.1;
const SIGMA_STEPS = Math.log(SIGMA_PX) * STEPS_PER_LN;
const THICKNESS_STEPS = Math.log(THICKNESS_PX) * STEPS_PER_LN;
const STEEPEST_SLOPE = 6;
const SMALLEST_SPREAD = 1e-12;

export class SurfaceSplats {
  alphas = new Uint8Array(0); // by splat
  #thicknessBytes = new Uint8Array(1 << 12); // by depth step
  #row = rowOf(0);
  #window = null;

  /** window: a PixelWindow, filled. */
  begin({ window: [, , , columns], num_splats: count, opacity }, planes, window) {
    this.#window = window;
    if (this.alphas.length < count) this.alphas = new Uint8Array(count);
    if (this.#row.a.length < columns) this.#row = rowOf(columns);
    this.alphas.fill(Math.floor(255 * opacity + 0.5), 0, count);
    for (let step = 0; step < window.tables.count; step += 1)
      this.#thicknessBytes[step] = scaleByte(window.lnPixelSteps[step] + THICKNESS_STEPS);
  }

  /**
   * Words 1 to 3 of the splats `from` … `end` - 1, which are those of a row. In short steps, each over the row: a
   * processor then has several splats in the works. One loop takes a fifth more.
   */
  writeRow(row, from, end, words) {
    const start = this.#window.plane.indexOf(row, 0);
    const v = this.#window.rayOfRow(row);
    const { fx, fy } = this.#window.focal;
    this.#findSlopes(start, from, end, fx, fy);
    this.#findEllipses(from, end, v, fx / fy);
    this.#writePlaces(start, from, end, v, words);
    this.#writeRotations(from, end, words);
    this.#writeScales(start, from, end, words);
  }

  /** ∂ln z / ∂u and ∂ln z / ∂v of the splats `from` … `end` - 1, of the row that begins at `start` of the plane. */
  #findSlopes(start, from, end, fx, fy) {
    const { disparities, steps, pitch } = this.#window.plane;
    const { depths } = this.#window.tables;
    const columns = this.#window.kept.columns;
    const { a: slopesU, b: slopesV } = this.#row;
    for (let n = from, i = 0; n < end; n += 1, i += 1) {
      const at = start + columns[n];
      const depth = depths[steps[at]];
      const a = slope(disparities[at - 1], disparities[at], disparities[at + 1]) * depth * -fx;
      const b = slope(disparities[at - pitch], disparities[at], disparities[at + pitch]) * depth * -fy;
      const fade = fadeOf(a * a + b * b);
      slopesU[i] = a * fade;
      slopesV[i] = b * fade;
    }
  }

  /** Size along both axes in the surface, and the rotation as the quaternion ∝ (1, x, y, z). */
  #findEllipses(from, end, v, heightPx) {
    const { kept: { columns }, rays } = this.#window;
    const { a: slopesU, b: slopesV, x: axisX, y: axisY, z: axisZ, long, short } = this.#row;
    for (let n = from, i = 0; n < end; n += 1, i += 1) {
      const u = rays[columns[n]];
      const a = slopesU[i];
      const b = slopesV[i];
      const normalZ = a * u + b * v + 1;
      const turn = 1 / (Math.sqrt(a * a + b * b + normalZ * normalZ) + normalZ);
      const p = a * turn;
      const q = b * turn;
      const xx = a * (u + p) + 1;
      const xy = b * (u + p) * heightPx;
      const yx = a * (v + q);
      const yy = (b * (v + q) + 1) * heightPx;
      const s11 = xx * xx + xy * xy;
      const s22 = yx * yx + yy * yy;
      const s12 = xx * yx + xy * yy;
      const mean = (s11 + s22) * 0.5;
      const half = (s11 - s22) * 0.5;
      const size = Math.sqrt(half * half + s12 * s12 + SMALLEST_SPREAD);
      const sign = signOf(half);
      const leg = Math.abs(half) + size;
      const tanHalf = (s12 * sign) / (Math.sqrt(leg * leg + s12 * s12) + leg);
      long[i] = mean + size * sign;
      short[i] = mean - size * sign;
      axisX[i] = q - p * tanHalf;
      axisY[i] = -(p + q * tanHalf);
      axisZ[i] = tanHalf;
    }
  }

  #writePlaces(start, from, end, v, words) {
    const { plane: { steps }, tables: { depths }, kept: { columns }, rays, depthHalves } = this.#window;
    for (let n = from; n < end; n += 1) {
      const column = columns[n];
      const step = steps[start + column];
      const depth = depths[step];
      words[4 * n + 1] = halfOf(depth * rays[column]) | (halfOf(depth * v) << 16);
      words[4 * n + 2] = depthHalves[step];
    }
  }

  #writeRotations(from, end, words) {
    const { x: axisX, y: axisY, z: axisZ } = this.#row;
    for (let n = from, i = 0; n < end; n += 1, i += 1) {
      const x = axisX[i];
      const y = axisY[i];
      const z = axisZ[i];
      const squared = x * x + y * y + z * z;
      words[4 * n + 2] |= axisBytes(x, y, z, squared) << 16;
      words[4 * n + 3] = angleByte(squared) << 24;
    }
  }

  #writeScales(start, from, end, words) {
    const { plane: { steps }, kept: { columns }, lnPixelSteps } = this.#window;
    const { long, short } = this.#row;
    const thicknessBytes = this.#thicknessBytes;
    for (let n = from, i = 0; n < end; n += 1, i += 1) {
      const step = steps[start + columns[n]];
      const ln = lnPixelSteps[step] + SIGMA_STEPS;
      words[4 * n + 3] |=
        scaleByte(ln + 0.5 * stepsOfLn(long[i])) | (scaleByte(ln + 0.5 * stepsOfLn(short[i])) << 8) |
        (thicknessBytes[step] << 16);
    }
  }
}

/** Intermediate values of the splats of one row. */
function rowOf(columns) {
  const make = () => new Float64Array(columns);
  return { a: make(), b: make(), long: make(), short: make(), x: make(), y: make(), z: make() };
}

/** Of the differences to the values before and after, the smaller one; 0 where they disagree ("minmod"). */
function slope(before, value, after) {
  const from = value - before;
  const to = after - value;
  const sum = from + to;
  const smaller = Math.abs(sum) - Math.abs(from - to); // twice its size; negative where they disagree
  return 0.25 * (smaller + Math.abs(smaller)) * signOf(sum);
}

/** What steeper than a surface fades to a disc that faces the camera. */
function fadeOf(steepSquared) {
  if (steepSquared <= STEEPEST_SLOPE * STEEPEST_SLOPE) return 1;
  return Math.max(2 - Math.sqrt(steepSquared) / STEEPEST_SLOPE, 0);
}
