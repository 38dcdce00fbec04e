// web/panel/hud.js: the numbers and the words of the status line.
import assert from "node:assert/strict";
import { test } from "node:test";
import { latencyMs, Meter, modelText, statusLine, statusText } from "../../web/panel/hud.js";
import { golden } from "./golden.mjs";

const NOTHING = { fps: null, kilobytesPerFrame: null, latencyMs: null };

test("results every 40 ms are 25 a second", () => {
  const meter = new Meter();
  for (let i = 0; i <= 100; i += 1) meter.received(40 * i, 32_768);
  const { fps, kilobytesPerFrame } = meter.read(4000);
  assert.equal(fps, 25);
  assert.equal(kilobytesPerFrame, 32.768);
});

test("the rate falls when nothing comes any more, and is unknown after two seconds", () => {
  const meter = new Meter();
  for (let i = 0; i <= 10; i += 1) meter.received(100 * i, 1000);
  assert.equal(meter.read(1000).fps, 10);
  assert.equal(meter.read(2000).fps, 5);
  assert.deepEqual(meter.read(3001), NOTHING);
});

test("before the second result no rate is claimed", () => {
  const meter = new Meter();
  assert.deepEqual(meter.read(0), NOTHING);
  meter.received(0, 1000);
  assert.deepEqual(meter.read(10), NOTHING);
});

test("the latency is the median of the last sixty", () => {
  const meter = new Meter();
  for (let i = 0; i < 100; i += 1) meter.shown(i, i < 40 ? 10_000 : i);
  assert.equal(meter.read(100).latencyMs, 70);
});

test("the latency is forgotten when nothing was shown for two seconds", () => {
  const meter = new Meter();
  meter.shown(0, 80);
  assert.equal(meter.read(2000).latencyMs, 80);
  assert.equal(meter.read(2001).latencyMs, null);
});

test("a picture from before the page was in view has no latency: it waited for somebody to look", () => {
  assert.equal(latencyMs(1000, 0, 1080), 80);
  assert.equal(latencyMs(1000, 60_000, 60_010), undefined);
  assert.equal(latencyMs(1000, Infinity, 1080), undefined);
});

test("a demonstration depth and a non-commercial licence are named as such", () => {
  const { model: builtin } = golden("server", "welcome").meaning;
  const { model: giant } = golden("server", "welcome_non_commercial").meaning;
  assert.equal(modelText(builtin), "Built-in (demonstration depth) · Apache-2.0");
  const titled = { ...builtin, title: "Built-in demonstration depth" };
  assert.equal(modelText(titled), "Built-in demonstration depth · Apache-2.0");
  assert.equal(modelText(giant), "Depth Anything 3 giant · CC BY-NC 4.0, not for commercial use");
});

test("a model that loads says how far it is; one that is ready says nothing", () => {
  assert.equal(statusText(golden("server", "status_loading").meaning), "Loading the model. 50 %");
  assert.equal(statusText(golden("server", "status_ready").meaning), "");
  assert.equal(statusText(null), "");
});

test("the status line holds state, rate, count, size, latency and format", () => {
  const numbers = { fps: 24.04, kilobytesPerFrame: 32.768, latencyMs: 83.4 };
  const last = { type: "splats16", count: 190_512 };
  assert.equal(
    statusLine({ state: "connected", status: null, numbers, last }),
    "connected · 24.0 fps · 190,512 splats · 33 KB/frame · 83 ms capture to screen · splats16",
  );
});

test("points are called points, and unknown numbers are left out", () => {
  const last = { type: "pointcloud", count: 12 };
  const line = (state, last) => statusLine({ state, status: null, numbers: NOTHING, last });
  assert.equal(line("connected", last), "connected · 12 points · pointcloud");
  assert.equal(line("connecting …", null), "connecting …");
});
