// web/panel/hud.js: the numbers in words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hudRows } from "../../web/panel/hud.js";

const UNKNOWN = {
  streamFps: null, displayFps: null, kilobytesPerFrame: null, megabitsPerS: null, latencyMs: null, stagesMs: [],
};
const KNOWN = {
  streamFps: 24.04, displayFps: 59.6, kilobytesPerFrame: 2720.4, megabitsPerS: 523.2,
  latencyMs: { p50: 83.4, p95: 120.2 }, stagesMs: [],
};

const CAMERA = { width: 504, height: 378, quality: 0.8, size: 1, reason: "", pinned: [] };
const rowsOf = (changes) => new Map(hudRows({
  numbers: UNKNOWN, counts: { sent: 1, received: 1 }, skipped: 0, last: { type: "compact", count: 12 }, adapted: null,
  camera: CAMERA, steady: "on", ...changes,
}));

test("rows hold rates, count, size, link, latency, frames, camera and format", () => {
  const counts = { sent: 1340, received: 1300 };
  const last = { type: "splats16", count: 190_512 };
  const known = { numbers: KNOWN, counts, skipped: 55, last, adapted: null, camera: CAMERA, steady: "on" };
  assert.deepEqual(hudRows(known), [
    ["Stream", "24.0 fps"],
    ["Display", "60 fps"],
    ["Splats", "190,512"],
    ["Frame", "2,720 KB"],
    ["Link", "523 Mbit/s"],
    ["Capture to screen", "83 ms, p95 120 ms"],
    ["Frames", "1,340 sent, 40 unanswered, 55 skipped"],
    ["Camera", "504×378, quality 80 %"],
    ["Format", "splats16"],
    ["Steady", "on, scale and what rests are held"],
  ]);
});

test("what is not known is a dash, and who sends nothing reads nothing about frames", () => {
  const rows = rowsOf({ counts: { sent: 0, received: 3 } });
  assert.equal(rows.get("Stream"), "–");
  assert.equal(rows.get("Capture to screen"), "–");
  assert.deepEqual([rows.has("Frames"), rows.has("Camera")], [false, false]);
});

test("what holds the world still is said, and what is not known yet is a dash", () => {
  assert.match(rowsOf({ steady: "off" }).get("Steady"), /^off, /);
  assert.match(rowsOf({ steady: "window" }).get("Steady"), /^window, /);
  assert.equal(rowsOf({ steady: null }).get("Steady"), "–");
});

test("points are called points", () => {
  assert.equal(rowsOf({ last: { type: "pointcloud", count: 12 } }).get("Points"), "12");
});

const ADAPTED = {
  format: "compact", output: "pixel", stride: 2, pinned: [], reason: "the link carries about 9 Mbit/s",
};
const SAID = {
  "compact, splats from depth, every 2nd pixel — the link carries about 9 Mbit/s": {},
  "compact, splats from depth, 12 bits, at most 7.5 a second — the link carries about 9 Mbit/s": {
    stride: 1, depth_bits: 12, max_fps: 7.5,
  },
  "compact (pinned), the model's own splats, every pixel (pinned), 10 bits (pinned) — as you chose": {
    output: "network", stride: 1, depth_bits: 10, pinned: ["format", "stride", "depth_bits"], reason: "as you chose",
  },
  "pointcloud — the link carries it": {
    format: "pointcloud", output: "points", stride: 1, reason: "the link carries it",
  },
  "pointcloud, points (pinned), every 3rd pixel — to begin with": {
    format: "pointcloud", output: "points", stride: 3, pinned: ["output"], reason: "to begin with",
  },
};
for (const [text, changes] of Object.entries(SAID)) {
  test(`what the server chose is said in words: ${text}`, () => {
    assert.equal(rowsOf({ adapted: { ...ADAPTED, ...changes } }).get("Format"), text);
  });
}

test("an output that this page does not know is named as the server names it", () => {
  assert.match(rowsOf({ adapted: { ...ADAPTED, output: "voxels" } }).get("Format"), /^compact, voxels, /);
});

test("the camera's row says why its pictures are as they are, and what was pinned", () => {
  const camera = { width: 252, height: 189, quality: 0.5, reason: "the uplink queued 120 ms", pinned: ["quality"] };
  assert.equal(rowsOf({ camera }).get("Camera"), "252×189, quality 50 % (pinned) — the uplink queued 120 ms");
});
