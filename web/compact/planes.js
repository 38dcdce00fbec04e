// The inflated planes of a `compact` message → depth steps, disparities and which pixels are kept. Pure.
import { demand } from "./fields.js";

/**
 * Depth tables of one message: by step, from near to far evenly in the logarithm. Rounded to float32 as the server's
 * are: with a narrow range neighbours differ in the last bits only, and slopes come from their differences.
 */
export class DepthTables {
  count = 0;
  depths = new Float64Array(1 << 12);
  disparities = new Float64Array(1 << 12);

  fill({ near, far, depth_bits }) {
    this.count = 2 ** depth_bits;
    this.lnNear = Math.log(near);
    this.lnPerStep = Math.log(far / near) / (this.count - 1);
    for (let step = 0; step < this.count; step += 1) {
      this.depths[step] = Math.fround(near * Math.exp(step * this.lnPerStep));
      this.disparities[step] = Math.fround(1 / this.depths[step]);
    }
  }
}

/**
 * Steps and disparities of the window with a margin of one pixel on each side, so that no pixel's neighbours need a
 * question. The margin carries the outermost slope on. `pitch`: from a pixel to the one below it.
 */
export class DepthPlane {
  pitch = 0;
  steps = new Uint16Array(0);
  disparities = new Float64Array(0);

  /** `bytes`: zigzag differences, all low bytes and then all high bytes. */
  fill(bytes, rows, columns, tables) {
    this.#makeRoom(rows, columns);
    for (let row = 0, rowStart = 0; row < rows; row += 1) {
      rowStart = this.#fillRow(bytes, row, rows * columns, columns, rowStart, tables);
      this.#carryOn(this.indexOf(row, 0), 1, columns);
    }
    for (let column = 0; column < columns; column += 1) this.#carryOn(this.indexOf(0, column), this.pitch, rows);
  }

  indexOf(row, column) {
    return (row + 1) * this.pitch + column + 1;
  }

  #makeRoom(rows, columns) {
    this.pitch = columns + 2;
    const size = (rows + 2) * this.pitch;
    if (this.steps.length >= size) return;
    this.steps = new Uint16Array(size);
    this.disparities = new Float64Array(size);
  }

  /** Returns the row's first step, which the next row starts from. */
  #fillRow(bytes, row, pixels, columns, above, { count, disparities }) {
    const first = row * columns;
    let at = this.indexOf(row, 0);
    let step = above;
    for (let i = first; i < first + columns; i += 1, at += 1) {
      const zigzag = bytes[i] | (bytes[pixels + i] << 8);
      step += (zigzag >>> 1) ^ -(zigzag & 1);
      if (step < 0 || step >= count) demand(false, "a depth step is out of range");
      this.steps[at] = step;
      this.disparities[at] = disparities[step];
    }
    return this.steps[this.indexOf(row, 0)];
  }

  /** Before the first and after the last of `count` pixels from `first`. */
  #carryOn(first, by, count) {
    const { disparities } = this;
    const last = first + (count - 1) * by;
    const inside = count > 1 ? by : 0;
    disparities[first - by] = 2 * disparities[first] - disparities[first + inside];
    disparities[last + by] = 2 * disparities[last] - disparities[last - inside];
  }
}

/** Which pixels of the window are kept, as numbers row by row; and from which of them on a row begins. */
export class KeptPixels {
  columns = new Uint32Array(0);
  rowEnds = new Uint32Array(0); // how many are kept up to the end of each row

  /** `mask`: a bit for each pixel, the first in the highest bit; undefined: all. */
  fill(mask, rows, columns, expected) {
    if (this.columns.length < rows * columns) this.columns = new Uint32Array(rows * columns);
    if (this.rowEnds.length < rows) this.rowEnds = new Uint32Array(rows);
    if (mask !== undefined) checkMask(mask, rows * columns);
    let count = 0;
    for (let row = 0; row < rows; row += 1) {
      count = mask === undefined ? this.#takeRow(columns, count) : this.#takeMasked(mask, row, columns, count);
      this.rowEnds[row] = count;
    }
    demand(count === expected, "the mask does not keep as many pixels as there are splats");
  }

  #takeRow(columns, count) {
    for (let column = 0; column < columns; column += 1) this.columns[count + column] = column;
    return count + columns;
  }

  #takeMasked(mask, row, columns, count) {
    let taken = count;
    let bit = row * columns;
    for (let column = 0; column < columns; column += 1, bit += 1) {
      this.columns[taken] = column; // overwritten by the next where it is not kept
      taken += (mask[bit >>> 3] >>> (7 - (bit & 7))) & 1;
    }
    return taken;
  }
}

function checkMask(mask, pixels) {
  const padding = 8 * mask.length - pixels;
  demand(padding === 0 || (mask[mask.length - 1] & ((1 << padding) - 1)) === 0, "the mask keeps pixels past its end");
}
