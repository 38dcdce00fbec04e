// web/compact: planes and picture to Spark's words. Judged by the golden files, which splatcam's own decoder made, and
// by what a splat has to be: in level A the covariance of its pixel on its surface, in level C what its bytes say.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Decoder } from "../../web/compact/decode.js";
import { CompactError } from "../../web/compact/fields.js";
import { angleByte, halfOf, stepsOfLn, STEPS_PER_LN } from "../../web/compact/records.js";
import { unpack } from "../../web/view/packed16.js";
import { CAMERA, encode, planesOf } from "./compact_messages.mjs";
import { msgpack } from "./golden.mjs";

const GOLDENS = new URL("../golden/compact/", import.meta.url);
const MUTATIONS = Number(process.env.SPLATCAM_MUTATIONS ?? 10_000);

function decode({ fields, planes, pixels }, decoder = new Decoder()) {
  const words = new Uint32Array(4 * fields.num_splats);
  assert.equal(decoder.decode(fields, planes, pixels, words), fields.num_splats);
  return words;
}

function splatsOf(words) {
  const view = new DataView(words.buffer);
  return Array.from({ length: words.length / 4 }, (_, i) => unpack(view, i));
}

const near = (a, b, tolerance) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b} ± ${tolerance}`);

// ---------------------------------------------------------------- golden files

const NAMES = existsSync(GOLDENS) ? readdirSync(GOLDENS).filter((file) => file.endsWith(".msgpack")) : [];

test("there are golden files", () => assert.ok(NAMES.length >= 11, `${NAMES}`));

for (const file of NAMES) {
  const name = file.slice(0, -".msgpack".length);
  test(`${name}: the words are those of splatcam's own decoder`, () => {
    const read = (ending) => new Uint8Array(readFileSync(new URL(`${name}.${ending}`, GOLDENS)));
    const fields = msgpack.decode(read("msgpack"));
    const pixels = { bytes: read("rgb"), columnStep: 3, rowStep: 3 * fields.window[3] };
    const got = new Uint8Array(decode({ fields, planes: planesOf(fields), pixels }).buffer);
    const wanted = read("words");
    assert.equal(got.length, wanted.length);
    const differences = [...got].map((byte, i) => Math.abs(byte - wanted[i])).filter((size) => size > 0);
    assert.ok(differences.length <= wanted.length / 1000, `${differences.length} of ${wanted.length} bytes differ`);
    assert.ok(differences.every((size) => size === 1), `${differences}`);
  });
}

// ---------------------------------------------------------------- what a splat is

test("a splat stands on the ray through its pixel's middle, within the depth step that the message promises", () => {
  const depthAt = (x, y) => 1.5 + 0.1 * x + 0.03 * y;
  const message = encode({ depthAt });
  const bound = Math.log(message.fields.far / message.fields.near) / (2 * 1023) + 0.0006; // and half a step of float16
  splatsOf(decode(message)).forEach(({ center: [x, y, z] }, i) => {
    const [column, row] = [i % 24, Math.floor(i / 24)];
    near(Math.log(z), Math.log(depthAt(column, row)), bound);
    near(x / z, (column + 0.5 - CAMERA.cx) / CAMERA.fx, 0.001);
    near(y / z, (row + 0.5 - CAMERA.cy) / CAMERA.fy, 0.001);
  });
});

/** The covariance of a splat, rows of three. */
function covarianceOf({ lnScales, rotation: [w, x, y, z] }) {
  const turn = [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ];
  const variances = lnScales.map((ln) => Math.exp(2 * ln));
  return turn.map((row) => turn.map((other) => row.reduce((sum, value, k) => sum + value * other[k] * variances[k], 0)));
}

/** How the point of the plane 1 / z = d + e u + f v moves with its pixel's column and row: two columns of three. */
function tangentsOf(u, v, [d, e, f], { fx, fy }) {
  const z = 1 / (d + e * u + f * v);
  const along = (du, dv) => {
    const dz = -z * z * (e * du + f * dv);
    return [dz * u + z * du, dz * v + z * dv, dz];
  };
  return [along(1 / fx, 0), along(0, 1 / fy)];
}

for (const stride of [1, 2]) {
  test(`on a plane the splats have the covariance of their pixels, with every ${stride}. pixel of a row`, () => {
    const plane = [0.5, 0.15, -0.1];
    const camera = { fx: 20, fy: 26, cx: 12, cy: 9 };
    const depthAt = (x, y) =>
      1 / (plane[0] + (plane[1] * (x + 0.5 - camera.cx)) / camera.fx + (plane[2] * (y + 0.5 - camera.cy)) / camera.fy);
    const window = stride === 1 ? undefined : [2, 4, 7, 9];
    const message = encode({ depthAt, camera, stride, window, depth_bits: 12 });
    const [row0, column0, , columns] = message.fields.window;
    splatsOf(decode(message)).forEach((splat, i) => {
      const [column, row] = [column0 + (i % columns) * stride, row0 + Math.floor(i / columns) * stride];
      const [u, v] = [(column + 0.5 - camera.cx) / camera.fx, (row + 0.5 - camera.cy) / camera.fy];
      const [t, s] = tangentsOf(u, v, plane, camera);
      const covariance = covarianceOf(splat);
      const sigma = 0.6 * stride;
      const size = sigma * sigma * Math.hypot(...t) * Math.hypot(...s);
      for (let j = 0; j < 3; j += 1) {
        for (let k = 0; k < 3; k += 1) {
          const wanted = sigma * sigma * (t[j] * t[k] + s[j] * s[k]);
          near(covariance[j][k], wanted, 0.2 * size); // scales come in steps of 8 %, squared; and there is a thickness
        }
      }
    });
  });
}

test("across a step in depth a splat lies in its own side's surface", () => {
  const words = decode(encode({ depthAt: (x) => (x < 12 ? 1 : 3) }));
  for (const { rotation: [w] } of splatsOf(words)) near(w, 1, 1e-6);
});

test("only kept pixels become splats, in the order of the rows, with their own colours", () => {
  const message = encode({ keeps: (column, row) => (column + row) % 3 === 0 });
  const splats = splatsOf(decode(message));
  const kept = message.kept.flatMap((isKept, i) => (isKept ? [i] : []));
  assert.equal(splats.length, kept.length);
  splats.forEach(({ rgb, opacity }, n) => {
    assert.deepEqual(rgb.map((value) => Math.round(255 * value)), [0, 1, 2].map((c) => ((3 * kept[n] + c) * 37) & 255));
    near(opacity, 0.95, 0.002);
  });
});

test("a picture is read in the steps that are told: every second pixel, four bytes each", () => {
  const message = encode({ grid: [6, 8], window: [0, 0, 3, 4], stride: 2 });
  const bytes = Uint8Array.from({ length: 6 * 8 * 4 }, (_, i) => i);
  const splats = splatsOf(decode({ ...message, pixels: { bytes, columnStep: 8, rowStep: 64 } }));
  assert.equal(Math.round(255 * splats[5].rgb[0]), 64 + 8);
});

test("a message that keeps nothing, and a window without pixels, are no splats", () => {
  const { fields, planes, pixels } = encode({ window: [0, 0, 0, 0] });
  const endless = { ...fields, grid: [2 ** 40, 0], window: [0, 0, 2 ** 40, 0] };
  assert.equal(new Decoder().decode(endless, planes, pixels, new Uint32Array(0)), 0);
  assert.equal(decode(encode({ keeps: () => false })).length, 0);
  assert.equal(decode(encode({ window: [0, 0, 0, 0] })).length, 0);
});

test("what a decoder keeps from a larger frame does not show in the next", () => {
  const decoder = new Decoder();
  const small = encode({ grid: [5, 7], depthAt: (x, y) => 2 + 0.2 * x * y, keeps: (x) => x !== 3 });
  const alone = decode(small);
  decode(encode({ depthAt: (x) => 1 + x, depth_bits: 12 }), decoder);
  assert.deepEqual(decode(small, decoder), alone);
});

// ---------------------------------------------------------------- level C

const AT_REST = [255, 0, 0, 0, 0, 0, 0, 0, 0];
const shapeWith = (changes) => () => Object.assign([...AT_REST], changes);
const firstOf = (message) => splatsOf(decode(encode({ opacity: 1, ...message })))[0];

test("a shape of zeros is a ball of a pixel's width, unturned, on its pixel's ray", () => {
  const { center: [x, y, z], lnScales, rotation, opacity } = firstOf({ shapeOf: shapeWith({}) });
  near(x / z, (0.5 - CAMERA.cx) / CAMERA.fx, 0.001);
  near(y / z, (0.5 - CAMERA.cy) / CAMERA.fy, 0.001);
  for (const ln of lnScales) near(ln, Math.log(2 / CAMERA.fx), 0.042); // half a step of Spark's
  assert.deepEqual([Math.abs(rotation[0]), opacity], [1, 1]);
});

test("the three scales are eighths of a logarithm, of pixels of the window", () => {
  const { lnScales } = firstOf({ window: [0, 0, 5, 5], stride: 3, shapeOf: shapeWith({ 1: 8, 2: 256 - 16, 3: 4 }) });
  [1, -2, 0.5].forEach((ln, axis) => near(lnScales[axis], Math.log((3 * 2) / CAMERA.fx) + ln, 0.042));
});

test("offsets are eighths of a pixel of the window, to either side", () => {
  const { center: [x, y, z] } = firstOf({ window: [0, 0, 5, 5], stride: 3, shapeOf: shapeWith({ 7: 16, 8: 256 - 4 }) });
  near((x / z) * CAMERA.fx + CAMERA.cx, 0.5 + 3 * 2, 0.01);
  near((y / z) * CAMERA.fy + CAMERA.cy, 0.5 - 3 * 0.5, 0.01);
});

const TURNS = { "a quarter about z": [0, 0, 27], "a half about x": [64, 0, 0], "three quarters about y": [0, 155, 0] };
for (const [name, p] of Object.entries(TURNS)) {
  test(`${name} comes out of the bytes of p, whichever way round`, () => {
    const signed = p.map((byte) => ((byte << 24) >> 24) / 64);
    const squared = Math.hypot(...signed) ** 2;
    const wanted = [1 - squared, ...signed.map((part) => 2 * part)].map((part) => part / (1 + squared));
    for (const side of [1, -1]) {
      const bytes = p.map((byte) => (side * byte) & 255);
      const { rotation } = firstOf({ shapeOf: shapeWith({ 4: bytes[0], 5: bytes[1], 6: bytes[2] }) });
      const towards = [wanted[0], ...wanted.slice(1).map((part) => side * part)];
      near(Math.abs(rotation.reduce((sum, part, i) => sum + part * towards[i], 0)), 1, 0.0005);
    }
  });
}

test("opacities are shares of the message's", () => {
  const splats = splatsOf(decode(encode({ opacity: 0.5, shapeOf: (n) => [n % 256, ...AT_REST.slice(1)] })));
  splats.forEach(({ opacity }, n) => near(opacity, (0.5 * (n % 256)) / 255, 0.002));
});

test("level C keeps pixels, orders and colours as level A does, and one decoder takes both in turns", () => {
  const keeps = (column, row) => (column * row) % 3 === 1;
  const shapeOf = (n) => [n & 255, n & 63, 3, 4, 5, 6, 7, n & 7, 9];
  const [surface, shaped] = [{ keeps }, { keeps, shapeOf }].map(encode);
  const decoder = new Decoder();
  const colours = (words) => splatsOf(words).map(({ rgb }) => rgb);
  const alone = decode(shaped);
  assert.deepEqual(colours(alone), colours(decode(surface, decoder)));
  assert.deepEqual(decode(shaped, decoder), alone);
});

// ---------------------------------------------------------------- numbers

test("every float16 is the nearest one, ties to even, also the smallest and what is too large", () => {
  const cases = [
    [0, 0], [1, 0x3c00], [-2, 0xc000], [65504, 0x7bff], [65519, 0x7bff], [65520, 0x7c00], [-1e9, 0xfc00],
    [1 + 2 ** -11, 0x3c00], [1 + 3 * 2 ** -11, 0x3c02], [2 ** -14, 0x0400], [2 ** -24, 1], [2 ** -25, 0],
    [1.5 * 2 ** -24, 2], [-0, 0x8000],
  ];
  for (const [value, bits] of cases) assert.equal(halfOf(value), bits, `${value}`);
});

test("the logarithm by tables is off by less than a thousandth of a step", () => {
  for (let x = 1e-8; x < 1e8; x *= 1.0013) near(stepsOfLn(x), Math.log(Math.fround(x)) * STEPS_PER_LN, 1e-6);
});

test("the angle by tables is off by less than a hundredth of a step", () => {
  for (let x = 1e-9; x < 1e9; x *= 1.0013) {
    const steps = (510 / Math.PI) * Math.atan(Math.sqrt(Math.fround(x)));
    near(angleByte(x), Math.floor(steps + 0.5), Math.abs(((steps + 0.5) % 1) - 0.5) > 0.49 ? 1 : 0);
  }
  assert.equal(angleByte(0), 0);
});

// ---------------------------------------------------------------- what is refused

const REFUSED = {
  "a grid that is no pair": { grid: [18] },
  "a grid beyond all measure": { grid: [1e5, 1e5] },
  "a window with rows outside the grid": { window: [1, 0, 18, 24] },
  "a window with columns outside the grid": { window: [0, 0, 18, 25] },
  "a window that the stride leads out of the grid": { stride: 2 },
  "a stride of 0": { stride: 0 },
  "near that is not before far": { near: 2, far: 2 },
  "near that is not positive": { near: 0 },
  "far without end": { far: Infinity },
  "depth_bits that nobody defined": { depth_bits: 11 },
  "an opacity above 1": { opacity: 1.01 },
  "an opacity that is none": { opacity: undefined },
  "a focal length of 0": { intrinsics: [0, 20, 12, 9] },
  "intrinsics that are not finite": { intrinsics: [20, 20, NaN, 9] },
  "fewer splats than the window has pixels, without a mask": { num_splats: 431 },
  "more splats than pixels": { num_splats: 433 },
};
for (const [name, changes] of Object.entries(REFUSED)) {
  test(`it refuses ${name}`, () => {
    const { fields, planes, pixels } = encode({});
    const words = new Uint32Array(4 * 1000);
    assert.throws(() => new Decoder().decode({ ...fields, ...changes }, planes, pixels, words), CompactError);
  });
}

const REFUSED_PLANES = {
  "a depth plane that ends early": ({ planes }) => (planes.depth = planes.depth.subarray(1)),
  "a depth step below 0": ({ planes }) => (planes.depth[0] = 1),
  "a depth step past the last": ({ planes }) => (planes.depth[432] = 8),
  "a mask that ends early": ({ planes }) => (planes.mask = planes.mask.subarray(1)),
  "a mask that is missing": ({ planes }) => (planes.mask = undefined),
  "a shape that ends early": ({ planes }) => (planes.shape = planes.shape.subarray(1)),
  "a shape that is missing": ({ planes }) => (planes.shape = undefined),
  "a shape that no field announced": ({ fields }) => (fields.shape = undefined),
  "a mask that keeps more than there are splats": ({ fields }) => (fields.num_splats -= 1),
  "a picture that is too small": ({ pixels }) => (pixels.bytes = pixels.bytes.subarray(1)),
};
for (const [name, spoil] of Object.entries(REFUSED_PLANES)) {
  test(`it refuses ${name}`, () => {
    const message = encode({ keeps: () => true, shapeOf: shapeWith({}) });
    spoil(message);
    const words = new Uint32Array(4 * 432);
    assert.throws(() => new Decoder().decode(message.fields, message.planes, message.pixels, words), CompactError);
  });
}

test("a mask with pixels past its end is refused", () => {
  const message = encode({ grid: [3, 3], keeps: () => true });
  message.planes.mask[1] |= 1;
  assert.throws(() => decode(message), CompactError);
});

test("too little room for the splats is refused", () => {
  const { fields, planes, pixels } = encode({});
  assert.throws(() => new Decoder().decode(fields, planes, pixels, new Uint32Array(4)), CompactError);
});

test(`${MUTATIONS} spoiled messages are refused with a CompactError or read, never anything else`, () => {
  const random = randomOf(1);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const numbers = [0, 1, -1, 2, 3, 10, 12, 1e-30, 1e30, 1e300, 0.5, NaN, Infinity, -Infinity, 2 ** 40, 2 ** 53];
  const values = [...numbers, "x", null, undefined, [], {}];
  const decoder = new Decoder();
  const words = new Uint32Array(4 * 20 * 20);
  let read = 0;
  for (let i = 0; i < MUTATIONS; i += 1) {
    const message = encode({
      grid: [6, 7], depthAt: (x, y) => 1 + random() * (x + y), keeps: pick([undefined, () => random() < 0.5]),
      depth_bits: pick([10, 12]), stride: 1,
      shapeOf: pick([undefined, () => Array.from({ length: 9 }, () => Math.floor(random() * 256))]),
    });
    for (let times = pick([1, 1, 2]); times > 0; times -= 1) mutate(message, pick, random, values);
    try {
      decoder.decode(message.fields, message.planes, message.pixels, words);
      read += 1;
    } catch (error) {
      assert.ok(error instanceof CompactError, error.stack);
    }
  }
  assert.ok(read > 0 && read < MUTATIONS, `${read} were read`);
});

function mutate({ fields, planes, pixels }, pick, random, values) {
  const bytes = pick([planes.depth, planes.mask, planes.shape, pixels.bytes].filter(Boolean));
  const name = pick(Object.keys(fields));
  const changes = [
    () => (bytes[Math.floor(random() * bytes.length)] ^= 1 << Math.floor(random() * 8)),
    () => (planes.depth = planes.depth.subarray(0, Math.floor(random() * planes.depth.length))),
    () => (planes.shape = planes.shape?.subarray(0, Math.floor(random() * planes.shape.length))),
    () => (fields[name] = pick(values)),
    () => Array.isArray(fields[name]) && (fields[name] = fields[name].map((one) => (random() < 0.4 ? pick(values) : one))),
  ];
  pick(changes)();
}

/** mulberry32, in [0, 1). */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
