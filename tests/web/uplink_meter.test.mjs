// web/source/uplink_meter.js: what answered frames tell of the way to the server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { UplinkMeter } from "../../web/source/uplink_meter.js";

const AHEAD_MS = 1e6; // the server's clock

/** An answered frame of 1000 bytes that took `transitMs` to the server and 100 ms in all. */
function answer(sentAtMs, transitMs, changes = {}) {
  return {
    sentAtMs, answeredAtMs: sentAtMs + 100, receivedAtMs: sentAtMs + transitMs + AHEAD_MS, bytes: 1000, frames: 1,
    timingsMs: { wait: 5, total: 25 }, ...changes,
  };
}

/** A frame every 100 ms for each of the transits. */
function meterOf(...transitsMs) {
  const meter = new UplinkMeter();
  transitsMs.forEach((transitMs, i) => meter.answered(answer(100 * i, transitMs)));
  return { meter, nowMs: 100 * transitsMs.length };
}

test("the queue is what frames took longer than the quickest one, in the middle of the last second", () => {
  const { meter, nowMs } = meterOf(20, 21, 50, 50, 50, 20, 20, 90, 90, 90, 90, 90, 500);
  assert.equal(meter.queueMs(nowMs), 70);
});

test("the quickest frame is forgotten after half a minute", () => {
  const meter = new UplinkMeter();
  for (const sentAtMs of [0, 10_000, 20_000]) meter.answered(answer(sentAtMs, sentAtMs === 0 ? 20 : 90));
  assert.equal(meter.queueMs(20_100), 70);
  for (const sentAtMs of [30_050, 30_060]) meter.answered(answer(sentAtMs, 90));
  assert.equal(meter.queueMs(30_160), 0);
});

test("what came through, and how large frames are, counts those that got no answer of their own", () => {
  const meter = new UplinkMeter();
  meter.answered(answer(0, 20));
  meter.answered(answer(200, 20, { bytes: 5000, frames: 2 }));
  meter.answered(answer(400, 20, { bytes: 3000, frames: 1 }));
  assert.deepEqual([meter.bytesPerS(500), meter.bytesPerFrame(500)], [20_000, 2250]);
});

test("where answers are seconds apart the last two count", () => {
  const meter = new UplinkMeter();
  for (const [i, transitMs] of [20, 300, 500].entries()) meter.answered(answer(3000 * i, transitMs));
  assert.deepEqual([meter.queueMs(6100), meter.spanMs(6100)], [280, 6000]);
});

test("the way is without what the server took, and what is useful without the wait for its turn", () => {
  const { meter, nowMs } = meterOf(20, 20, 20);
  for (let i = 0; i < 60; i += 1) meter.offered(nowMs - 600 + 10 * i, i % 4 === 0);
  assert.deepEqual([meter.wayMs(nowMs), meter.serverMs(nowMs)], [75, 25]);
  assert.deepEqual([meter.usefulFps(nowMs), meter.refusedShare(nowMs)], [50, 0.75]); // 1000 / (25 - 5)
});

test("frames that were sent before it began anew count no more, only how quick they were", () => {
  const { meter, nowMs } = meterOf(20, 90, 90);
  meter.offered(nowMs, false);
  meter.beginAnew(nowMs);
  meter.answered(answer(nowMs - 50, 10));
  assert.deepEqual([meter.spanMs(nowMs + 1000), meter.refusedShare(nowMs)], [0, 0]);
  meter.answered(answer(nowMs, 40));
  assert.deepEqual([meter.spanMs(nowMs + 1100), meter.queueMs(nowMs + 1100)], [1000, 30]);
});

test("with another clock nothing of before is compared", () => {
  const { meter, nowMs } = meterOf(20, 20);
  meter.forgetClock(nowMs);
  for (const i of [0, 1]) meter.answered(answer(nowMs + i, 5e8));
  assert.equal(meter.queueMs(nowMs + 101), 0);
});
