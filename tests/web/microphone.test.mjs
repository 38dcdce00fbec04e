// web/source: microphone.js, sound_pieces.js and room.js. What is heard and when, every refusal in words, and the name
// that a camera is watched by.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Microphone } from "../../web/source/microphone.js";
import { roomName, watchAddress } from "../../web/source/room.js";
import { SoundPieces } from "../../web/source/sound_pieces.js";

// ---------------------------------------------------------------- pieces

test("a quarter of a second of 48 kHz becomes a piece of 16 kHz, with the time of its first sample", () => {
  const pieces = new SoundPieces(48_000);
  const made = [];
  const some = new Float32Array(128).fill(0.5);
  for (let at = 0; at < 48_000; at += 128) made.push(...pieces.add(some, 3 + at / 48_000, 48_000));
  assert.deepEqual([pieces.sampleRate, made.length, made[0].samples.length], [16_000, 4, 4000]);
  assert.deepEqual(made.map(({ startS }) => Math.round(startS * 100) / 100), [3, 3.25, 3.5, 3.75]);
  assert.ok(made.every(({ samples }) => samples.every((value) => value === 16384)));
});

test("whatever the device's rate, a piece is one that the server takes", () => {
  for (const rate of [8000, 16_000, 22_050, 24_000, 31_999, 44_100, 48_000, 96_000, 192_000]) {
    const pieces = new SoundPieces(rate);
    const [piece] = pieces.add(new Float32Array(rate), 0, rate);
    assert.ok(piece.samples.byteLength <= 12 * 1024, `${rate}`);
    assert.ok(pieces.sampleRate >= 8000 && pieces.sampleRate <= 48_000, `${rate}`);
  }
});

test("what is too loud is as loud as it can be", () => {
  const loud = Float32Array.from({ length: 4000 }, (_, i) => (i % 2 ? 3 : -3));
  const [piece] = new SoundPieces(16_000).add(loud, 0, 16_000);
  assert.deepEqual([...piece.samples.subarray(0, 2)], [-32768, 32767]);
});

// ---------------------------------------------------------------- microphone

let heard, told, tracks, contexts, nowMs, node, microphone, grants;
const failing = (name) => () => Promise.reject(Object.assign(new Error(), { name }));
const stream = () => {
  const track = { isStopped: false, stop() { this.isStopped = true; } };
  tracks.push(track);
  return { getTracks: () => [track], getAudioTracks: () => [track] };
};
const context = (changes = {}) => {
  const made = {
    isClosed: false, close() { this.isClosed = true; },
    resume: async () => {}, audioWorklet: { addModule: async () => {} },
    createMediaStreamSource: () => ({ connect() {} }), ...changes,
  };
  contexts.push(made);
  return made;
};
beforeEach(() => {
  [heard, told, tracks, contexts, nowMs] = [[], [], [], [], 5000];
  node = { port: {} };
  grants = async () => stream();
  microphone = microphoneOf({ getUserMedia: (wishes) => grants(wishes) });
});
const microphoneOf = (mediaDevices, makeContext = context) => new Microphone({
  mediaDevices, makeContext, makeNode: () => node, worklet: "worklet.js", now: () => nowMs,
  on: { piece: (piece) => heard.push(piece), changed() {}, failed: (sentence) => told.push(sentence) },
});
const hear = (startS, samples = new Int16Array([1, 2])) =>
  node.port.onmessage({ data: { startS, lastsS: 0.25, sampleRate: 16_000, samples } });

test("pieces come with the time at which they were heard, whatever the page was busy with", async () => {
  await microphone.start();
  assert.equal(microphone.isOn, true);
  nowMs = 5250;
  hear(0); // came at once: it was heard from 5000 on
  nowMs = 5900;
  hear(0.25); // came 400 ms late
  nowMs = 6000;
  hear(0.75);
  assert.deepEqual(heard.map(({ capturedAtMs }) => capturedAtMs), [5000, 5250, 5750]);
  assert.deepEqual([...heard[0].samples], [1, 0, 2, 0]);
});

test("turned off it hears nothing, and the device is let go", async () => {
  await microphone.start();
  microphone.stop();
  hear(0);
  assert.deepEqual([heard, tracks[0].isStopped, contexts[0].isClosed, microphone.isOn], [[], true, true, false]);
});

const REFUSALS = {
  NotAllowedError: /not allowed/, NotFoundError: /No microphone/, NotReadableError: /busy/, SomethingElse: /SomethingElse/,
};
for (const [name, words] of Object.entries(REFUSALS)) {
  test(`a refusal is told in words: ${name}`, async () => {
    grants = failing(name);
    await microphone.start();
    assert.match(told[0], words);
    assert.match(told[0], /recording goes on without sound/);
    assert.equal(microphone.isOn, false);
  });
}

test("where pages get no devices, it says why", async () => {
  await microphoneOf(undefined).start();
  assert.match(told[0], /secure pages/);
});

test("a worklet that cannot be loaded is told, and the device is let go", async () => {
  const broken = () => context({ audioWorklet: { addModule: failing("AbortError") } });
  await microphoneOf({ getUserMedia: () => grants() }, broken).start();
  assert.match(told[0], /AbortError/);
  assert.deepEqual([tracks[0].isStopped, contexts[0].isClosed], [true, true]);
});

test("one that was turned off while it was asked for is let go without a word", async () => {
  let grant;
  grants = () => new Promise((done) => (grant = () => done(stream())));
  const started = microphone.start();
  microphone.stop();
  grant();
  await started;
  assert.deepEqual([told, microphone.isOn, tracks[0].isStopped], [[], false, true]);
});

test("its switch stays on while it is asked for, and goes off where it is refused", async () => {
  let answer;
  grants = () => new Promise((_, refuse) => (answer = () => refuse(Object.assign(new Error(), { name: "Gone" }))));
  const started = microphone.start();
  assert.deepEqual([microphone.isOn, microphone.isWanted], [false, true]);
  answer();
  await started;
  assert.equal(microphone.isWanted, false);
});

test("a sound card that gives nothing leaves it off", async () => {
  const broken = () => context({ createMediaStreamSource: () => { throw Object.assign(new Error(), { name: "Odd" }); } });
  const odd = microphoneOf({ getUserMedia: () => grants() }, broken);
  await odd.start();
  assert.deepEqual([odd.isOn, odd.isWanted, tracks[0].isStopped], [false, false, true]);
});

test("a microphone that is unplugged is told", async () => {
  await microphone.start();
  tracks[0].onended();
  assert.match(told[0], /disconnected/);
  assert.equal(microphone.isOn, false);
});

// ---------------------------------------------------------------- rooms

test("a room is the one of the address, else one that the tab keeps", () => {
  const kept = new Map();
  const getItem = (name) => kept.get(name) ?? null;
  const storage = () => ({ getItem, setItem: (name, value) => kept.set(name, value) });
  assert.equal(roomName("kitchen", storage, Math.random), "kitchen");
  const made = roomName(undefined, storage, Math.random);
  assert.match(made, /^[a-z0-9]{8}$/);
  assert.equal(roomName("not a name!", storage, Math.random), made);
  assert.equal(roomName(undefined, () => { throw new Error("forbidden"); }, Math.random), undefined);
});

test("the link to watch has the room alone, and the token where the page's own address has it", () => {
  assert.equal(watchAddress("http://here:8000/?format=compact&room=a#x", "a"), "http://here:8000/?watch=a");
  assert.equal(watchAddress("https://far/path/?token=t", "a"), "https://far/path/?watch=a&token=t");
});
