// The planes and the picture of a `compact` message → Spark's packed words: the twin of splatcam/pixel_splats.py on its
// window of the grid, and of splatcam/codecs/packed16.py, which has the table of the record. The formulas and why they
// are right stand in the former. Pure; keeps its memory from frame to frame, and makes nothing for a pixel.
import { checkFields, demand } from "./fields.js";
import { DepthPlane, DepthTables, KeptPixels } from "./planes.js";
import { angleByte, axisBytes, halfOf, scaleByte, signOf, STEPS_PER_LN, stepsOfLn } from "./records.js";

const SIGMA_PX = 0.6;
const THICKNESS_PX = 0.1;
const STEEPEST_SLOPE = 6;
const SMALLEST_SPREAD = 1e-12;

export class Decoder {
  #tables = new DepthTables();
  #plane = new DepthPlane();
  #kept = new KeptPixels();
  #depthHalves = new Uint16Array(1 << 12); // by depth step, as the next two
  #thicknessBytes = new Uint8Array(1 << 12);
  #lnSigmaSteps = new Float64Array(1 << 12);
  #u = new Float64Array(0); // x / z of the ray through each column
  #row = rowOf(0);

  /**
   * Writes the words of the kept splats to `words`, a Uint32Array with room for num_splats; returns how many there are.
   * fields: of the message. planes: {depth, mask}, inflated; mask undefined where the message has none. pixels: colours
   * {bytes, columnStep, rowStep}, the steps in bytes from one pixel of the window to the next. Throws CompactError.
   */
  decode(fields, planes, pixels, words) {
    checkFields(fields);
    const { window: [, , rows, columns], num_splats: count } = fields;
    if (rows * columns === 0) return 0;
    demand((planes.mask === undefined) === (fields.mask === undefined), "the mask is missing");
    demand(count === 0 || hasEveryPixel(pixels, rows, columns), "the picture is smaller than the window");
    demand(words.length >= 4 * count, "there is no room for the splats");
    this.#tables.fill(fields);
    this.#plane.fill(planes.depth, rows, columns, this.#tables);
    this.#kept.fill(planes.mask, rows, columns, count);
    this.#fillStepTables(fields);
    this.#fillRays(fields);
    this.#writeRows(fields, pixels, words);
    return count;
  }

  #fillStepTables({ intrinsics: [fx], stride }) {
    const { count, depths, lnNear, lnPerStep } = this.#tables;
    const lnThicker = Math.log(THICKNESS_PX / SIGMA_PX);
    for (let step = 0; step < count; step += 1) {
      const lnSigma = lnNear + step * lnPerStep + Math.log((SIGMA_PX * stride) / fx);
      this.#lnSigmaSteps[step] = lnSigma * STEPS_PER_LN;
      this.#thicknessBytes[step] = scaleByte((lnSigma + lnThicker) * STEPS_PER_LN);
      this.#depthHalves[step] = halfOf(depths[step]);
    }
  }

  #fillRays({ window: [, column0, , columns], stride, intrinsics: [fx, , cx] }) {
    if (this.#u.length < columns) {
      this.#u = new Float64Array(columns);
      this.#row = rowOf(columns);
    }
    for (let column = 0; column < columns; column += 1) this.#u[column] = rayOf(column0 + column * stride, cx, fx);
  }

  /** In short steps, each over a row: a processor then has several splats in the works. One loop takes a fifth more. */
  #writeRows({ window: [row0, , rows], stride, intrinsics: [fx, fy, , cy], opacity }, pixels, words) {
    const { rowEnds } = this.#kept;
    const focal = { fx: fx / stride, fy: fy / stride };
    const alpha = Math.floor(255 * opacity + 0.5);
    for (let row = 0, from = 0; row < rows; row += 1) {
      const start = this.#plane.indexOf(row, 0);
      const end = rowEnds[row];
      const v = rayOf(row0 + row * stride, cy, fy);
      this.#findSlopes(start, from, end, focal);
      this.#findEllipses(from, end, v, fx / fy);
      this.#writeColors(row, from, end, pixels, alpha, words);
      this.#writePlaces(start, from, end, v, words);
      this.#writeRotations(from, end, words);
      this.#writeScales(start, from, end, words);
      from = end;
    }
  }

  /** ∂ln z / ∂u and ∂ln z / ∂v of the splats `from` … `end` - 1, of the row that begins at `start` of the plane. */
  #findSlopes(start, from, end, { fx, fy }) {
    const { disparities, steps, pitch } = this.#plane;
    const { depths } = this.#tables;
    const columns = this.#kept.columns;
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
    const columns = this.#kept.columns;
    const rays = this.#u;
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

  #writeColors(row, from, end, { bytes, columnStep, rowStep }, alpha, words) {
    const columns = this.#kept.columns;
    for (let n = from; n < end; n += 1) {
      const pixel = row * rowStep + columns[n] * columnStep;
      words[4 * n] = bytes[pixel] | (bytes[pixel + 1] << 8) | (bytes[pixel + 2] << 16) | (alpha << 24);
    }
  }

  #writePlaces(start, from, end, v, words) {
    const { steps } = this.#plane;
    const { depths } = this.#tables;
    const columns = this.#kept.columns;
    const [rays, depthHalves] = [this.#u, this.#depthHalves];
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
    const { steps } = this.#plane;
    const columns = this.#kept.columns;
    const { long, short } = this.#row;
    const [lnSigmaSteps, thicknessBytes] = [this.#lnSigmaSteps, this.#thicknessBytes];
    for (let n = from, i = 0; n < end; n += 1, i += 1) {
      const step = steps[start + columns[n]];
      const ln = lnSigmaSteps[step];
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

function hasEveryPixel({ bytes, columnStep, rowStep }, rows, columns) {
  return bytes.length >= (rows - 1) * rowStep + (columns - 1) * columnStep + 3;
}

/** x / z (y / z) of the ray through the middle of a pixel, as float32 like the server's. */
function rayOf(pixel, center, focal) {
  return Math.fround(Math.fround(pixel + 0.5 - center) / focal);
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
