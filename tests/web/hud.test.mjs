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

test("rows hold rates, count, size, link, latency, frames and format", () => {
  const counts = { sent: 1340, received: 1300 };
  const last = { type: "splats16", count: 190_512 };
  assert.deepEqual(hudRows({ numbers: KNOWN, counts, skipped: 55, last }), [
    ["Stream", "24.0 fps"],
    ["Display", "60 fps"],
    ["Splats", "190,512"],
    ["Frame", "2,720 KB"],
    ["Link", "523 Mbit/s"],
    ["Capture to screen", "83 ms, p95 120 ms"],
    ["Frames", "1,340 sent, 40 unanswered, 55 skipped"],
    ["Format", "splats16"],
  ]);
});

test("what is not known is a dash, and who sends nothing reads nothing about frames", () => {
  const rows = new Map(hudRows({ numbers: UNKNOWN, counts: { sent: 0, received: 3 }, skipped: 0, last: { type: "splats16", count: 0 } }));
  assert.equal(rows.get("Stream"), "–");
  assert.equal(rows.get("Capture to screen"), "–");
  assert.equal(rows.has("Frames"), false);
});

test("points are called points", () => {
  const rows = new Map(hudRows({
    numbers: UNKNOWN, counts: { sent: 0, received: 1 }, skipped: 0, last: { type: "pointcloud", count: 12 },
  }));
  assert.equal(rows.get("Points"), "12");
});
