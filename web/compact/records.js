// Numbers → the bytes of Spark's record: float16, logarithms of scales, rotation. Twin of splatcam/codecs/packed16.py.
// One value each, without memory of its own, and small enough for the engine to inline into the loop over pixels.

const LN_SCALE_MIN = -12;
export const STEPS_PER_LN = 254 / (9 - LN_SCALE_MIN);
const NO_AXIS_SQUARED = 2 ** -24; // a vector part this short is no rotation
const X_AXIS = 255 | (128 << 8);
const HALF = { infinite: 0x7c00, overflow: 0x477ff000, normal: 0x38800000, rebias: 112 << 23, subnormal: 0x3f000000 };

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** 1, or -1 below 0. Without a branch: over a noisy surface a processor guesses every other one wrong. */
export function signOf(value) {
  return 1 - 2 * +(value < 0);
}

/** → the bits of the nearest float16, ties to even, by way of float32. */
export function halfOf(value) {
  float[0] = value;
  const sign = (bits[0] >>> 16) & 0x8000;
  const size = bits[0] & 0x7fffffff;
  if (size >= HALF.overflow) return sign | HALF.infinite;
  if (size >= HALF.normal) return sign | ((size - HALF.rebias + 0xfff + ((size >>> 13) & 1)) >>> 13);
  float[0] = Math.abs(float[0]) + 0.5; // between 0.5 and 1 float32 has the steps of the smallest float16
  return sign | (bits[0] - HALF.subnormal);
}

// ---------------------------------------------------------------- scales

// ln x for float32 x in steps of the record, from three tables: one for the exponent, and for the first 11 bits of the
// fraction the value and the slope. Off by 4e-8 of ln x at most.
const CELL_BITS = 12; // of the fraction, within a cell of the tables
const CELLS = 1 << (23 - CELL_BITS);
const CELL_MIDDLE = 1 << (CELL_BITS - 1);
const exponentSteps = Float64Array.from({ length: 512 }, (_, i) => ((i & 255) - 127) * Math.LN2 * STEPS_PER_LN);
const middles = Float64Array.from({ length: CELLS }, (_, i) => 1 + (i + 0.5) / CELLS);
const cellSteps = middles.map((middle) => Math.log(middle) * STEPS_PER_LN);
const cellSlopes = middles.map((middle) => (STEPS_PER_LN * 2 ** -23) / middle);

/** ln x in steps of a scale byte, for normal x > 0; of anything else some number. */
export function stepsOfLn(x) {
  float[0] = x;
  const fraction = bits[0] & 0x7fffff;
  const cell = fraction >>> CELL_BITS;
  const within = (fraction & (2 * CELL_MIDDLE - 1)) - CELL_MIDDLE;
  return exponentSteps[bits[0] >>> 23] + cellSteps[cell] + within * cellSlopes[cell];
}

/** ln of a scale in steps (stepsOfLn, or any ln times STEPS_PER_LN) → 1..255. */
export function scaleByte(steps) {
  const byte = steps + (1 - LN_SCALE_MIN * STEPS_PER_LN + 0.5);
  return byte >= 1 ? (byte < 255.5 ? byte | 0 : 255) : 1; // this way round NaN becomes 1
}

// ---------------------------------------------------------------- rotation, as the quaternion ∝ (1, x, y, z)

/** Octahedral axis u | v << 8. `squared`: of the vector part's length. */
export function axisBytes(x, y, z, squared) {
  if (!(squared >= NO_AXIS_SQUARED * (1 + squared))) return X_AXIS;
  const fold = 0.5 * (Math.abs(z) - z); // max(-z, 0): |u| = |x| + fold on both halves of the octahedron
  const stretch = 127.5 / (Math.abs(x) + Math.abs(y) + Math.abs(z));
  const u = (Math.abs(x) + fold) * stretch * signOf(x);
  const v = (Math.abs(y) + fold) * stretch * signOf(y);
  return Math.fround(128 + u) | (Math.fround(128 + v) << 8); // in float32 what is next to nothing below 128 is 128
}

// θ = 2 atan √squared in steps of π / 255, from a table with the value and the slope of each 64th of an octave of
// `squared`, as a float32: a third of the time of acos, and off by a thousandth of a step at most.
const TURN_CELL_BITS = 17;
const TURN_CELL_MIDDLE = 1 << (TURN_CELL_BITS - 1);
const turnMiddles = Float64Array.from({ length: 1 << (31 - TURN_CELL_BITS) }, (_, cell) => {
  bits[0] = (cell << TURN_CELL_BITS) + TURN_CELL_MIDDLE;
  return float[0];
});
const turnSteps = turnMiddles.map((squared) => (510 / Math.PI) * Math.atan(Math.sqrt(squared)));
const turnSlopes = turnMiddles.map((squared, cell) => {
  const octave = 2 ** ((cell >>> (23 - TURN_CELL_BITS)) - 127);
  return ((255 / Math.PI) * octave * 2 ** -23) / (Math.sqrt(squared) * (1 + squared));
});

/** Of the quaternion ∝ (1, x, y, z), by the squared length of its vector part. */
export function angleByte(squared) {
  float[0] = squared;
  const cell = bits[0] >>> TURN_CELL_BITS;
  const within = (bits[0] & (2 * TURN_CELL_MIDDLE - 1)) - TURN_CELL_MIDDLE;
  return (turnSteps[cell] + within * turnSlopes[cell] + 0.5) | 0;
}
