// How long the page's worker takes for a `compact` frame, by level, in a real Chromium:
// `node tests/e2e/decode_speed.mjs [ROUNDS]` prints a table. Every frame once a round, so that a busy moment of the
// machine hits all alike. From asking the worker to its answer: inflating, reading the JPEG and packing the words; and
// the last alone, on the page.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { msgpack } from "../web/golden.mjs";
import { launch, PYTHON, ROOT, startScriptedServer } from "./helpers.mjs";

const WARM_UP_ROUNDS = 10;
const rounds = Number(process.argv[2] ?? 100);

function makeFrames() {
  const folder = mkdtempSync(join(tmpdir(), "splatcam-frames-"));
  try {
    const { status, stderr } = spawnSync(PYTHON, ["-m", "splatcam.bench.compact_frames", folder], { cwd: ROOT });
    if (status !== 0) throw new Error(`no frames: ${stderr}`);
    return readdirSync(folder).sort().map((file) => ({
      name: basename(file, ".msgpack"), fields: msgpack.decode(readFileSync(join(folder, file))),
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Bytes travel to the page as base64. */
const portable = (fields) =>
  Object.entries(fields).map(([key, value]) =>
    value instanceof Uint8Array ? [key, { base64: Buffer.from(value).toString("base64") }] : [key, value]);

/** In the page: milliseconds of every round, by frame. */
async function measure({ frames, rounds }) {
  const { Decoder } = await import("/compact/decode.js");
  const bytesOf = ({ base64 }) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const valueOf = (value) => (value?.base64 === undefined ? value : bytesOf(value));
  const fieldsOf = (entries) => Object.fromEntries(entries.map(([key, value]) => [key, valueOf(value)]));
  const inflate = async (bytes) => {
    if (bytes === undefined) return undefined;
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const worker = new Worker("/compact/worker.js", { type: "module" });
  const ask = (message, transferred) =>
    new Promise((done) => {
      worker.onmessage = ({ data }) => done(data);
      worker.postMessage(message, transferred);
    });
  const decoder = new Decoder();
  const cases = [];
  for (const entries of frames) {
    const fields = fieldsOf(entries);
    const { grid: [height, width], depth, mask, shape } = fields;
    const planes = { depth: await inflate(depth), mask: await inflate(mask), shape: await inflate(shape) };
    const pixels = { bytes: new Uint8ClampedArray(4 * height * width), columnStep: 4, rowStep: 4 * fields.window[3] };
    cases.push({ fields, planes, pixels, words: null, workerMs: [], wordsMs: [] });
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const one of cases) {
      const asked = performance.now();
      const { fields, words: buffer } = one;
      const { words, error } = await ask({ fields, words: buffer }, buffer === null ? [] : [buffer]);
      if (error !== undefined) throw new Error(error);
      one.workerMs.push(performance.now() - asked);
      one.words = words;
      const begun = performance.now();
      decoder.decode(one.fields, one.planes, one.pixels, new Uint32Array(words));
      one.wordsMs.push(performance.now() - begun);
    }
  }
  return cases.map(({ workerMs, wordsMs }) => ({ workerMs, wordsMs }));
}

function percentile(values, share) {
  const sorted = values.slice(WARM_UP_ROUNDS).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(1);
}

const frames = makeFrames();
const server = await startScriptedServer();
const browser = await launch();
try {
  const page = await browser.newPage();
  await page.goto(`${server.url}/wire.js`); // of the same origin, and nothing else runs there
  const all = { frames: frames.map(({ fields }) => portable(fields)), rounds: rounds + WARM_UP_ROUNDS };
  const times = await page.evaluate(measure, all);
  console.log("| 504x378 | splats | kB | worker p50 ms | p95 ms | words alone p50 ms | p95 ms |");
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
  frames.forEach(({ name, fields }, i) => {
    const bytes = Object.values(fields).reduce((sum, value) => sum + (value?.byteLength ?? 0), 0);
    const { workerMs, wordsMs } = times[i];
    const ms = [workerMs, wordsMs].flatMap((values) => [percentile(values, 0.5), percentile(values, 0.95)]);
    console.log(`| ${[name, fields.num_splats, Math.round(bytes / 1e3), ...ms].join(" | ")} |`);
  });
} finally {
  await browser.close();
  await server.stop();
}
