// The pixels of the window that a `compact` message is about: how far away each is, which are splats, and where they
// are seen. What both levels start from. Pure; keeps its memory from frame to frame.
import { DepthPlane, DepthTables, KeptPixels } from "./planes.js";
import { halfOf, STEPS_PER_LN } from "./records.js";

export class PixelWindow {
  tables = new DepthTables();
  plane = new DepthPlane();
  kept = new KeptPixels();
  depthHalves = new Uint16Array(1 << 12); // by depth step
  lnPixelSteps = new Float64Array(1 << 12); // by depth step: ln of a pixel's width there, in steps of a scale byte
  rays = new Float64Array(0); // x / z of the ray through each column
  #fields = null;

  /** fields: checked. planes: {depth, mask}, inflated. Throws CompactError. */
  fill(fields, planes) {
    const { window: [, , rows, columns], num_splats: count } = fields;
    this.#fields = fields;
    this.tables.fill(fields);
    this.plane.fill(planes.depth, rows, columns, this.tables);
    this.kept.fill(planes.mask, rows, columns, count);
    this.#fillStepTables();
    this.#fillRays(fields);
  }

  /** y / z of the ray through a row. */
  rayOfRow(row) {
    const { window: [row0], stride, intrinsics: [, fy, , cy] } = this.#fields;
    return rayOf(row0 + row * stride, cy, fy);
  }

  /** Focal lengths in pixels of the window. */
  get focal() {
    const { stride, intrinsics: [fx, fy] } = this.#fields;
    return { fx: fx / stride, fy: fy / stride };
  }

  #fillStepTables() {
    const { count, depths, lnNear, lnPerStep } = this.tables;
    const lnWidth = lnNear - Math.log(this.focal.fx);
    for (let step = 0; step < count; step += 1) {
      this.lnPixelSteps[step] = (lnWidth + step * lnPerStep) * STEPS_PER_LN;
      this.depthHalves[step] = halfOf(depths[step]);
    }
  }

  #fillRays({ window: [, column0, , columns], stride, intrinsics: [fx, , cx] }) {
    if (this.rays.length < columns) this.rays = new Float64Array(columns);
    for (let column = 0; column < columns; column += 1) this.rays[column] = rayOf(column0 + column * stride, cx, fx);
  }
}

/** x / z (y / z) of the ray through the middle of a pixel, as float32 like the server's. */
function rayOf(pixel, center, focal) {
  return Math.fround(Math.fround(pixel + 0.5 - center) / focal);
}
