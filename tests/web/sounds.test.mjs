// web/timeline/sounds.js with an audio context made of numbers: which piece is heard when, and what ends it.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Sounds } from "../../web/timeline/sounds.js";
import { block } from "./takes.mjs";

const RATE = 16_000;
const soon = async () => {
  for (let i = 0; i < 30; i += 1) await new Promise((done) => setImmediate(done));
};

class FakeContext {
  currentTime = 0;
  state = "running";
  started = []; // {at, offset, rate, samples, volume, isStopped}
  isClosed = false;

  createBuffer(channels, length, rate) {
    if (rate < 8000) throw new Error("NotSupportedError");
    const data = Array.from({ length: channels }, () => new Float32Array(length));
    return { getChannelData: (channel) => data[channel], data };
  }

  createGain() {
    return { gain: { value: 1 }, connect() {} };
  }

  createBufferSource() {
    const heard = { isStopped: false };
    const node = {
      playbackRate: { value: 1 },
      connect: (gain) => (heard.gain = gain, { connect() {} }),
      start: (at, offset) => {
        const [rate, samples, volume] = [node.playbackRate.value, node.buffer.data, heard.gain.gain.value];
        this.started.push(Object.assign(heard, { at, offset, rate, samples, volume }));
      },
      stop: () => (heard.isStopped = true),
    };
    return node;
  }

  close() {
    this.isClosed = true;
  }
}

const piece = (changes = {}) => ({
  name: "microphone", sample_rate: RATE, channels: 1, start_step: 0, volume: 1, samples: new Uint8Array(2 * RATE / 4),
  ...changes,
});

let context, player, blocks, sounds;
beforeEach(() => {
  context = new FakeContext();
  blocks = new Map();
  player = {
    isPlaying: true, speed: 1, state: "ready", step: 0, shownMs: 0, facts: { capturedAtMs: 1000 },
    info: { source: "recording", fps: 25 }, soundBlocks: [], isNear: () => true,
  };
  sounds = new Sounds(player, { read: async ({ key }) => blocks.get(key) }, () => context);
});

function add(key, fields) {
  blocks.set(key, block(4, piece(fields)));
  player.soundBlocks.push({ key });
}

/** Time goes by for the page and for the audio alike. */
async function run(seconds, speed = 1) {
  for (let i = 0; i < seconds * 20; i += 1) {
    sounds.tick();
    await soon();
    context.currentTime += 0.05;
    player.shownMs += 50 * speed;
  }
}
const starts = () => context.started.map(({ at }) => Math.round(at * 1000) / 1000);

test("pieces are heard when they were heard, against when the step was captured, without a gap between", async () => {
  add("a", { captured_at_ms: 1100 });
  add("b", { captured_at_ms: 1362 }); // 12 ms late: its clock is not exact
  await run(0.5);
  assert.ok(Math.abs(starts()[0] - 0.1) < 0.06, `${starts()}`);
  assert.ok(Math.abs(starts()[1] - starts()[0] - 0.25) < 1e-6);
});

test("what lies near is loaded before it is played, and heard from the first moment on", async () => {
  add("a", { captured_at_ms: 1000 });
  player.isPlaying = false;
  sounds.tick();
  await soon();
  assert.deepEqual(starts(), []);
  player.isPlaying = true;
  sounds.tick();
  assert.deepEqual(starts(), [0]);
});

test("a piece that began already is heard from where it is now", async () => {
  add("a", { captured_at_ms: 900 });
  await run(0.1);
  assert.equal(context.started.length, 1);
  assert.ok(context.started[0].offset >= 0.1);
});

test("pieces that lie far ahead or behind wait or are passed over", async () => {
  add("past", { captured_at_ms: 100 });
  add("future", { captured_at_ms: 9000 });
  await run(0.3);
  assert.deepEqual(starts(), []);
});

test("at another speed it is played so fast, and above twice the speed not at all", async () => {
  add("a", { captured_at_ms: 1000 });
  player.speed = 1.5;
  await run(0.1, 1.5);
  assert.equal(context.started[0].rate, 1.5);
  player.speed = 4;
  await run(0.1, 4);
  assert.equal(context.started[0].isStopped, true);
  assert.equal(context.started.length, 1);
});

test("a pause, a stall and a seek end what is heard, and it begins anew where the step is", async () => {
  add("a", { captured_at_ms: 1000 });
  await run(0.1);
  player.isPlaying = false;
  sounds.tick();
  assert.equal(context.started[0].isStopped, true);
  player.isPlaying = true;
  await run(0.1);
  assert.equal(context.started.length, 2);
  player.state = "waiting";
  sounds.tick();
  assert.equal(context.started[1].isStopped, true);
  player.state = "ready";
  player.shownMs = 0; // back to the beginning
  await run(0.1);
  assert.ok(context.started[2].offset < 0.1);
});

test("without times pieces of a track follow each other from its step on", async () => {
  player.info = { source: "timeline", fps: 10 };
  player.facts = null;
  add("a", { start_step: 2, channels: 2, samples: new Uint8Array(4 * RATE / 4), volume: 0.5 });
  add("b", { start_step: 2, channels: 2, samples: new Uint8Array(4 * RATE / 4), volume: 0.5 });
  await run(0.4);
  assert.ok(Math.abs(starts()[0] - 0.2) < 0.06, `${starts()}`);
  assert.ok(Math.abs(starts()[1] - starts()[0] - 0.25) < 1e-6);
  assert.deepEqual([context.started[0].volume, context.started[0].samples.length], [0.5, 2]);
});

test("pieces follow each other in the order of the file, whichever the server sends first", async () => {
  player.info = { source: "timeline", fps: 10 };
  player.facts = null;
  const loud = (value) => new Uint8Array(new Int16Array(RATE / 4).fill(value).buffer);
  add("a", { samples: loud(16384) });
  add("b", { samples: loud(-32768) });
  const slow = blocks.get("a");
  let answer;
  blocks.set("a", new Promise((done) => (answer = done)));
  await run(0.1);
  answer(slow);
  await run(0.2);
  assert.deepEqual(context.started.map(({ samples }) => samples[0][0]), [0.5, -1]);
});

test("a piece that comes when the program has other sounds already is nobody's", async () => {
  player.info = { source: "timeline", fps: 10 };
  player.facts = null;
  add("a, version 1", {});
  const late = blocks.get("a, version 1");
  let answer;
  blocks.set("a, version 1", new Promise((done) => (answer = done)));
  await run(0.05);
  player.soundBlocks = [];
  add("a, version 2", {});
  await run(0.05);
  answer(late);
  await run(0.2);
  assert.equal(context.started.length, 1);
  assert.ok(context.started[0].at <= 0.2, "it does not follow the one that is gone");
});

test("while the browser lets nothing be heard nothing is scheduled", async () => {
  add("a", { captured_at_ms: 1000 });
  context.state = "suspended";
  context.resume = () => {};
  await run(0.2);
  assert.equal(context.started.length, 0);
  context.state = "running";
  await run(0.05);
  assert.equal(context.started.length, 1);
});

test("a program's sound that was written anew takes the place of the old one", async () => {
  player.info = { source: "timeline", fps: 10 };
  player.facts = null;
  add("a, version 1", {});
  await run(0.1);
  player.soundBlocks = [];
  add("a, version 2", {});
  await run(0.1);
  assert.deepEqual(context.started.map(({ isStopped }) => isStopped), [true, false]);
});

test("samples come to the loudspeaker as they are", async () => {
  const values = Array.from({ length: 4000 }, (_, i) => [0, 16384, -32768][i % 3]);
  add("a", { captured_at_ms: 1000, samples: new Uint8Array(new Int16Array(values).buffer) });
  await run(0.1);
  assert.deepEqual([...context.started[0].samples[0].subarray(0, 3)], [0, 0.5, -1]);
});

test("a piece that is damaged, or of a rate that is not played, is passed over", async () => {
  blocks.set("bad", new Uint8Array(3));
  player.soundBlocks.push({ key: "bad" });
  add("slow", { captured_at_ms: 1000, sample_rate: 100 });
  add("good", { captured_at_ms: 1100 });
  await run(0.3);
  assert.equal(context.started.length, 1);
});

test("without sound there is no audio context, and a closed one is given back", async () => {
  let isMade = false;
  const silent = new Sounds({ ...player, soundBlocks: [] }, {}, () => (isMade = true));
  silent.tick();
  silent.close();
  assert.equal(isMade, false);
  add("a", { captured_at_ms: 1000 });
  await run(0.1);
  sounds.close();
  assert.deepEqual([context.isClosed, context.started[0].isStopped], [true, true]);
});
