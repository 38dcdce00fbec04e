// web/timeline/scam.js and payload.js: golden recordings are read as Python reads them, hostile bytes give ScamError.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BlobSource } from "../../web/timeline/blob_source.js";
import { crc32 } from "../../web/timeline/crc32.js";
import { unpackPayload } from "../../web/timeline/payload.js";
import {
  blockHeader, checkFileHeader, Kind, parseAudio, parseInfo, parseStatic, parseSteps, readBlock, sceneAt, ScamError,
} from "../../web/timeline/scam.js";
import { msgpack } from "./golden.mjs";
import { block, file, fileHeader, goldenMeaning, goldenTake, info, plainStep, steps, sum } from "./takes.mjs";

const hex = (bytes) => {
  const content = Buffer.from(bytes).toString("hex").replace(/(00)+$/, "");
  return { hex: content, then_zeros: bytes.length - content.length / 2 };
};
const meaning = (value) => {
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map(meaning);
  if (typeof value !== "object" || value === null) return value;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(entries.map(([name, each]) => [name, meaning(each)]));
};

/** What the page's reader finds in a file, as the golden JSON says it. */
async function told(bytes) {
  const source = new BlobSource(new Blob([bytes]));
  const index = await source.index();
  const found = { info: index.info, steps: [], sounds: [] };
  let still = {};
  for (const entry of index.blocks) {
    const read = await readBlock(await source.read(entry));
    if (entry.kind === Kind.STATIC) still = parseStatic(read);
    if (entry.kind === Kind.AUDIO) found.sounds.push(parseAudio(read));
    if (entry.kind !== Kind.STEPS) continue;
    const parsed = parseSteps(read);
    const sceneOf = (i) => ({ ...still, ...Object.fromEntries(sceneAt(parsed, i)) });
    parsed.steps.forEach(({ facts }, i) => found.steps.push({ scene: sceneOf(i), facts }));
  }
  return found;
}

for (const name of ["recording", "timeline"]) {
  test(`the golden ${name} says here what it says in Python`, async () => {
    const [found, expected] = [await told(goldenTake(name)), goldenMeaning(name)];
    const { source, fps, model, began_at: beganAt } = expected.info;
    assert.deepEqual(found.info, { source, fps, model, beganAt });
    const facts = (step) => step.facts && {
      frameId: step.facts.frame_id, capturedAtMs: step.facts.captured_at_ms, receivedAtMs: step.facts.received_at_ms,
      lostBefore: step.facts.lost_before,
    };
    assert.deepEqual(found.steps.map((step) => step.facts), expected.steps.map((step) => facts(step) ?? null));
    assert.deepEqual(found.steps.map((step) => meaning(step.scene)), expected.steps.map((step) => step.scene));
    const heard = ({ name: track, sampleRate, startStep, volume, samples, channels }) =>
      ({ name: track, sample_rate: sampleRate, start_step: startStep, volume, samples: hex(samples), channels });
    assert.deepEqual(found.sounds.map(heard), expected.sounds);
  });
}

test("the sound of the golden recording says when it was heard", async () => {
  const source = new BlobSource(new Blob([goldenTake("recording")]));
  const entry = (await source.index()).blocks.find(({ kind }) => kind === Kind.AUDIO);
  assert.equal(parseAudio(await readBlock(await source.read(entry))).capturedAtMs, 140.5);
});

test("check sums are those of zlib, whatever the length", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  for (let length = 0; length < 40; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 37 + length);
    assert.equal(crc32(bytes), sum(bytes));
  }
});

// ---------------------------------------------------------------- what is refused

const refuses = (act, pattern) =>
  assert.rejects(async () => act(), (error) => error instanceof ScamError && pattern.test(error.message));

test("a file of another kind, a damaged beginning and a version of the future are told apart", async () => {
  await refuses(() => checkFileHeader(new TextEncoder().encode("a text and nothing else")), /no \.scam file/);
  await refuses(() => checkFileHeader(new Uint8Array(0)), /no \.scam file/);
  await refuses(() => checkFileHeader(fileHeader().subarray(0, 12)), /cut off in its first bytes/);
  const damaged = fileHeader();
  damaged[10] ^= 1;
  await refuses(() => checkFileHeader(damaged), /damaged/);
  await refuses(() => checkFileHeader(fileHeader(2)), /version 2/);
});

test("a block that is damaged anywhere is refused, by what is wrong with it", async () => {
  const good = steps(0, 2);
  const flipped = (at) => good.map((byte, i) => (i === at ? byte ^ 1 : byte));
  await refuses(() => readBlock(flipped(9)), /header is not whole/);
  await refuses(() => readBlock(flipped(60)), /check sum/);
  await refuses(() => readBlock(good.subarray(0, -1)), /not whole/);
  await refuses(() => readBlock(new Uint8Array(0)), /header is not whole/);
  await refuses(() => readBlock(steps(0, 2, plainStep, { codec: 7 })), /codec 7/);
  await refuses(() => readBlock(steps(0, 2, plainStep, { codec: 1, rawBytes: 5 })), /larger than its header/);
  await refuses(() => readBlock(steps(0, 2, plainStep, { codec: 1, rawBytes: 5000 })), /smaller than its header/);
});

test("a block whose numbers are beyond the limits has no header", () => {
  assert.equal(blockHeader(block(2, {}, { numSteps: 4097 })), null);
  assert.equal(blockHeader(block(2, {}, { rawBytes: 2 ** 27 + 1 })), null);
  assert.equal(blockHeader(block(2, {}, { storedBytes: 2 ** 27 + 1 })), null);
  assert.notEqual(blockHeader(block(2, {}, { numSteps: 4096 })), null);
});

const ofOne = (node) => ({ checkpoint: {}, steps: [{ nodes: { a: node } }] });
const TWO_POINTS = { kind: "pointcloud", num_points: 2, points: new Uint8Array(12), colors: new Uint8Array(6) };
const PICTURE = { kind: "picture", jpeg: Uint8Array.of(255, 216, 255) };
const MALFORMED_STEPS = {
  "no list": { checkpoint: {}, steps: 3 },
  "another count": { checkpoint: {}, steps: [] },
  "a step that is a number": { checkpoint: {}, steps: [1] },
  "a node of an unknown kind": ofOne({ kind: "smoke" }),
  "a kind that is a map": ofOne({ kind: {} }),
  "a kind of the language's own": ofOne({ kind: "toString" }),
  "splats without their row": ofOne({ kind: "splats16", num_splats: 1, data: new Uint8Array(16) }),
  "points that are too few": { checkpoint: { a: TWO_POINTS }, steps: [{ nodes: {} }] },
  "a picture that is none": ofOne({ kind: "picture", jpeg: new Uint8Array(9) }),
  "a name without letters": { checkpoint: {}, steps: [{ nodes: { "": PICTURE } }] },
  "facts that are no numbers": {
    checkpoint: {}, steps: [{ nodes: {}, facts: { frame_id: {}, captured_at_ms: 0, received_at_ms: 0 } }],
  },
};
for (const [what, payload] of Object.entries(MALFORMED_STEPS)) {
  test(`steps are refused for ${what}`, async () => {
    const read = await readBlock(block(2, payload, { numSteps: 1 }));
    await refuses(() => parseSteps(read), /damaged/);
  });
}

test("info and sound whose fields are something else are refused", async () => {
  for (const bad of [{ fps: {} }, { fps: 0 }, { source: "film" }, { model: 3 }]) {
    const read = await readBlock(info(bad));
    await refuses(() => parseInfo(read), /does not begin with what it is/);
  }
  const sound = { name: "a", sample_rate: 16000, channels: 1, start_step: 0, volume: 1, samples: new Uint8Array(4) };
  assert.equal(parseAudio(await readBlock(block(4, sound))).capturedAtMs, null);
  const half = new Uint8Array(3);
  for (const bad of [{ channels: 3 }, { samples: half }, { volume: {} }, { start_step: -1 }, { captured_at_ms: "now" }]) {
    const read = await readBlock(block(4, { ...sound, ...bad }));
    await refuses(() => parseAudio(read), /no sound that is known/);
  }
});

const MALFORMED_PAYLOADS = {
  "no map": msgpack.encode([1]),
  "more after the end": Uint8Array.of(0x80, 0x80),
  "an end in the middle": msgpack.encode({ a: "some text" }).subarray(0, 6),
  "nothing at all": new Uint8Array(0),
  "a key that comes twice": Uint8Array.of(0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2),
  "a key that is a number": Uint8Array.of(0x81, 1, 1),
  "an extension type": msgpack.encode({ at: new Date(0) }),
  "a string that is no UTF-8": Uint8Array.of(0x81, 0xa1, 0xff, 1),
  "a string that is too long": msgpack.encode({ a: "x".repeat(1025) }),
  "a list that is too long": msgpack.encode({ a: Array(4097).fill(0) }),
  "too many maps": msgpack.encode({ a: Array(4000).fill(Array(30).fill({})) }),
  "a depth without end": Uint8Array.of(...Array(5000).fill(0x91), 0xc0),
  "an integer beyond 53 bits": Uint8Array.of(0x81, 0xa1, 0x61, 0xcf, 255, 255, 255, 255, 255, 255, 255, 255),
  "the byte that means nothing": Uint8Array.of(0xc1),
};
for (const [what, bytes] of Object.entries(MALFORMED_PAYLOADS)) {
  test(`a payload is refused for ${what}`, () => refuses(() => unpackPayload(bytes), /not a msgpack map/));
}

test("every type of msgpack is read, and a name may be __proto__", () => {
  const value = {
    none: null, yes: true, no: false, tiny: 5, minus: -3, byte: 200, short: 60_000, int: 4e9, long: 2 ** 40, low: -100,
    lower: -30_000, lowest: -2e9, far: -(2 ** 40), half: 0.5, text: "é".repeat(40), long_text: "x".repeat(300),
    bytes: Uint8Array.from([1, 2]), list: [1, [2]], long_list: Array(20).fill(7), map: { a: {} },
  };
  assert.deepEqual(meaning(unpackPayload(msgpack.encode(value))), meaning(value));
  const odd = unpackPayload(Uint8Array.of(0x81, 0xa9, ...Buffer.from("__proto__"), 7));
  assert.equal(Object.keys(odd)[0], "__proto__");
  assert.equal({}.a, undefined);
});

test("bytes that were changed at random give steps or ScamError, and nothing else", async () => {
  let seed = 1;
  const random = (below) => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  const end = block(5, { lost: 0, lost_at_end: 0 });
  const original = file(info(), steps(0, 3), steps(3, 2, plainStep, { codec: 1 }), end);
  for (let round = 0; round < 1500; round += 1) {
    const bytes = original.slice(0, random(4) === 0 ? random(original.length) : original.length);
    for (let i = 0; i < 1 + random(4) && bytes.length > 0; i += 1) bytes[random(bytes.length)] = random(256);
    try {
      await told(bytes);
    } catch (error) {
      assert.ok(error instanceof ScamError, `round ${round}: ${error.stack}`);
    }
  }
});

test("payloads that were changed at random behind a right check sum give values or ScamError", () => {
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  const original = msgpack.encode({ checkpoint: {}, steps: [plainStep(0), plainStep(1)] });
  for (let round = 0; round < 5000; round += 1) {
    const raw = original.slice();
    for (let i = 0; i < 1 + random(3); i += 1) raw[random(raw.length)] = random(256);
    try {
      parseSteps({ kind: 2, firstStep: 0, numSteps: 2, fields: unpackPayload(raw) });
    } catch (error) {
      assert.ok(error instanceof ScamError, `round ${round}: ${error.stack}`);
    }
  }
});
