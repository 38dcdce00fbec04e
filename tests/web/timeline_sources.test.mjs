// web/timeline/blob_source.js, http_source.js and embedded.js: where the blocks of a recording are, in files that are
// whole, torn or damaged, and at a server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BlobSource } from "../../web/timeline/blob_source.js";
import { embeddedRecording } from "../../web/timeline/embedded.js";
import { HttpSource } from "../../web/timeline/http_source.js";
import { Kind, readBlock, ScamError } from "../../web/timeline/scam.js";
import { block, file, fileHeader, goldenTake, info, plainStep, steps } from "./takes.mjs";

const blob = (bytes) => new BlobSource(new Blob([bytes]));
const END = block(5, { lost: 0, lost_at_end: 0 });
const refused = (source, pattern) =>
  assert.rejects(() => source.index(), (error) => error instanceof ScamError && pattern.test(error.message));

// ---------------------------------------------------------------- files

test("a file is found to be the same with its index and without it", async () => {
  const bytes = goldenTake("recording");
  const [indexed, walked] = [await blob(bytes).index(), await blob(bytes.subarray(0, -16)).index()];
  assert.deepEqual(walked, indexed);
  assert.deepEqual([indexed.numSteps, indexed.isCutOff, indexed.isGrowing], [3, false, false]);
  assert.deepEqual(indexed.blocks.map(({ kind }) => kind), [1, 2, 4, 2, 5]);
});

test("a block is read whole, and only it", async () => {
  const source = blob(goldenTake("recording"));
  const { blocks } = await source.index();
  const read = await readBlock(await source.read(blocks[3]));
  assert.deepEqual([read.kind, read.firstStep, read.numSteps], [Kind.STEPS, 2, 1]);
});

test("cut off anywhere, a file has every block that is whole before it, and says that it was cut off", async () => {
  const parts = [fileHeader(), info(), steps(0, 2), steps(2, 3)];
  const bytes = file(...parts.slice(1));
  const ends = parts.map((_, i) => parts.slice(0, i + 1).reduce((sum, part) => sum + part.length, 0));
  for (let length = ends[1]; length <= bytes.length; length += 1) {
    const { numSteps, isCutOff } = await blob(bytes.subarray(0, length)).index();
    assert.equal(numSteps, length >= ends[3] ? 5 : length >= ends[2] ? 2 : 0);
    assert.equal(isCutOff, !ends.includes(length));
  }
  for (let length = 0; length < ends[1]; length += 1) await refused(blob(bytes.subarray(0, length)), /cut off/);
});

test("a last block whose check sum does not hold counts as torn", async () => {
  const bytes = file(info(), steps(0, 2), steps(2, 3));
  bytes[bytes.length - 1] ^= 1;
  const { numSteps, isCutOff } = await blob(bytes).index();
  assert.deepEqual([numSteps, isCutOff], [2, true]);
});

test("an index that cannot be believed is passed over: the blocks themselves tell", async () => {
  const bytes = goldenTake("recording");
  const good = await blob(bytes).index();
  for (const back of [30, 60, 90]) {
    const damaged = bytes.slice();
    damaged[damaged.length - back] ^= 1;
    assert.deepEqual((await blob(damaged).index()).blocks, good.blocks);
  }
});

test("steps that do not follow each other, and a file that does not say what it is, are refused", async () => {
  await refused(blob(file(info(), steps(1, 2), END)), /do not follow each other/);
  await refused(blob(file(info(), steps(0, 2), steps(3, 1), END)), /do not follow each other/);
  await refused(blob(file(steps(0, 2), END)), /does not begin with what it is/);
  await refused(blob(new Uint8Array([1, 2, 3])), /no \.scam file/);
  await refused(blob(fileHeader(9)), /version 9/);
});

test("blocks of a kind that is not known are passed over", async () => {
  const { numSteps, isCutOff } = await blob(file(info(), block(99, {}), steps(0, 2), END)).index();
  assert.deepEqual([numSteps, isCutOff], [2, false]);
});

test("many small blocks are walked over with few reads", async () => {
  let reads = 0;
  const bytes = file(info(), ...Array.from({ length: 500 }, (_, i) => steps(i, 1)));
  const part = (from, to) => ({ arrayBuffer: async () => (reads += 1, bytes.slice(from, to).buffer) });
  const counted = { size: bytes.length, slice: part };
  assert.equal((await new BlobSource(counted).index()).numSteps, 500);
  assert.ok(reads < 20, `${reads} reads`);
});

// ---------------------------------------------------------------- a server

/** A server that has `bytes` and tells of `known()` blocks; log: what it was asked. */
function serverOf(bytes, entries, { state = () => "recording", known = () => entries.length, status = 206 } = {}) {
  const log = [];
  const answer = (code, body) => ({ ok: code < 300, status: code, json: async () => body, arrayBuffer: async () => body });
  const fetch = async (address, { headers } = {}) => {
    log.push(`${address.pathname.split("/").pop()}${address.search} ${headers?.Range ?? ""}`.trim());
    if (address.pathname.endsWith("index")) {
      const rows = entries.slice(0, known()).map((e) => [e.offset, e.sizeBytes, e.kind, e.firstStep, e.numSteps]);
      const told = { source: "recording", fps: 25, model: "m", began_at: "then", room: "" };
      const blocks = rows.slice(Number(address.searchParams.get("after")));
      return answer(200, { state: state(), num_steps: 0, num_blocks: rows.length, info: told, blocks });
    }
    const [from, to] = headers.Range.match(/\d+/g).map(Number);
    return answer(status, bytes.slice(from, to + 1).buffer);
  };
  return { source: new HttpSource(new URL("http://here/recordings/x/"), fetch), log };
}

async function served(options) {
  const bytes = file(info(), steps(0, 2), steps(2, 3));
  const { blocks } = await blob(bytes).index();
  return { bytes, blocks, ...serverOf(bytes, blocks, options) };
}

test("a recording of the server is asked for its index, and for no more bytes than the block that is read", async () => {
  const { source, log, blocks } = await served({ state: () => "ended" });
  const index = await source.index();
  assert.deepEqual([index.numSteps, index.isGrowing, index.isCutOff, index.info.beganAt], [5, false, false, "then"]);
  const read = await readBlock(await source.read(index.blocks[1]));
  assert.equal(read.numSteps, 2);
  const { offset, sizeBytes } = blocks[1];
  assert.deepEqual(log, ["index?after=0", `take.scam bytes=${offset}-${offset + sizeBytes - 1}`]);
});

test("while it grows only what is new is asked for", async () => {
  let known = 2;
  let state = "recording";
  const { source, log } = await served({ known: () => known, state: () => state });
  assert.deepEqual([(await source.index()).numSteps, (await source.index()).isGrowing], [2, true]);
  [known, state] = [3, "cut_off"];
  const last = await source.index();
  assert.deepEqual([last.numSteps, last.isGrowing, last.isCutOff], [5, false, true]);
  assert.deepEqual(log, ["index?after=0", "index?after=2", "index?after=2"]);
});

test("what the server refuses for good is told, what may pass is an error of another kind", async () => {
  const address = new URL("http://here/recordings/x/");
  const refusing = (status, text = "") => new HttpSource(address, async () => ({ ok: false, status, text: async () => text }));
  await refused(refusing(404), /no such recording/);
  await refused(refusing(422, "the first bytes of x are damaged"), /the first bytes of x are damaged/);
  const mayPass = (error) => !(error instanceof ScamError) && /503/.test(error.message);
  await assert.rejects(() => refusing(503).index(), mayPass);
});

test("a server, or something on the way, that sends the whole file instead of a part is told", async () => {
  const { source } = await served({ status: 200 });
  const { blocks } = await source.index();
  await assert.rejects(() => source.read(blocks[1]), /sends no parts of files/);
});

// ---------------------------------------------------------------- in the page itself

test("a recording in the page is put together from its pieces, whose text is taken out of the page", async () => {
  const bytes = file(info(), steps(0, 3, plainStep));
  const at = 3 * Math.floor(bytes.length / 6);
  const elements = [bytes.subarray(0, at), bytes.subarray(at)].map((piece) => ({
    textContent: `\n${Buffer.from(piece).toString("base64")}\n`,
    remove() { this.isGone = true; },
  }));
  const found = embeddedRecording({ querySelectorAll: () => elements });
  assert.equal((await new BlobSource(found).index()).numSteps, 3);
  assert.ok(elements.every(({ isGone }) => isGone));
  assert.equal(embeddedRecording({ querySelectorAll: () => [] }), null);
});
