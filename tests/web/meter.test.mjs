// web/panel/meter.js: rates, sizes, latencies and stages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { latencyMs, Meter } from "../../web/panel/meter.js";

test("results every 40 ms are 25 a second, and their size is the link's load", () => {
  const meter = new Meter();
  for (let i = 0; i <= 100; i += 1) meter.received(40 * i, 32_768);
  const { streamFps, kilobytesPerFrame, megabitsPerS } = meter.read(4000);
  assert.equal(streamFps, 25);
  assert.equal(kilobytesPerFrame, 32.768);
  assert.ok(Math.abs(megabitsPerS - 6.5536) < 1e-9);
});

test("the rate falls when nothing comes any more, and is unknown after half a minute", () => {
  const meter = new Meter();
  for (let i = 0; i <= 10; i += 1) meter.received(100 * i, 1000);
  assert.equal(meter.read(1000).streamFps, 10);
  assert.equal(meter.read(2000).streamFps, 5);
  assert.equal(meter.read(10_900).streamFps, 0.1);
  assert.equal(meter.read(31_001).streamFps, null);
});

test("a model that takes five seconds has a rate too", () => {
  const meter = new Meter();
  for (let i = 0; i <= 3; i += 1) meter.received(5000 * i, 1000);
  assert.equal(meter.read(15_000).streamFps, 0.2);
});

test("of two latencies the 95th percentile is the larger", () => {
  const meter = new Meter();
  for (const ms of [200, 100]) meter.shown(0, ms);
  assert.deepEqual(meter.read(0).latencyMs, { p50: 100, p95: 200 });
});

test("before the second result nothing is claimed", () => {
  const unknown = {
    streamFps: null, displayFps: null, kilobytesPerFrame: null, megabitsPerS: null, latencyMs: null, stagesMs: [],
  };
  const meter = new Meter();
  assert.deepEqual(meter.read(0), unknown);
  meter.received(0, 1000);
  assert.deepEqual(meter.read(10), unknown);
});

test("drawings are counted apart from results", () => {
  const meter = new Meter();
  for (let i = 0; i <= 60; i += 1) meter.drawn((1000 / 60) * i);
  assert.equal(Math.round(meter.read(1000).displayFps), 60);
  assert.equal(meter.read(1000).streamFps, null);
});

test("the latency is the median and the 95th percentile of ten seconds", () => {
  const meter = new Meter();
  meter.shown(0, 10_000);
  for (let i = 1; i <= 100; i += 1) meter.shown(11_000 + i, i);
  assert.deepEqual(meter.read(11_100).latencyMs, { p50: 50, p95: 95 });
});

test("latencies are forgotten when nothing was shown for ten seconds", () => {
  const meter = new Meter();
  meter.shown(0, 80);
  assert.deepEqual(meter.read(10_000).latencyMs, { p50: 80, p95: 80 });
  assert.equal(meter.read(10_001).latencyMs, null);
});

test("the server's stages are medians in its own order, without their total", () => {
  const meter = new Meter();
  for (const estimate of [5, 100, 7]) meter.received(0, 1, { decode: 2, estimate, total: 2 + estimate });
  assert.deepEqual(meter.read(0).stagesMs, [{ name: "decode", ms: 2 }, { name: "estimate", ms: 7 }]);
});

test("a picture from before the page was in view has no latency: it waited for somebody to look", () => {
  assert.equal(latencyMs(1000, 0, 1080), 80);
  assert.equal(latencyMs(1000, 60_000, 60_010), undefined);
  assert.equal(latencyMs(1000, Infinity, 1080), undefined);
  assert.equal(latencyMs(undefined, 0, 1080), undefined); // it waited for the person in another way
});
