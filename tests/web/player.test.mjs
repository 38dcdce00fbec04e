// web/timeline: clock.js, block_cache.js, player.js. Which step is due, which blocks are asked for, and what is shown;
// time and the source of blocks are the test's.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { BlockCache } from "../../web/timeline/block_cache.js";
import { advance } from "../../web/timeline/clock.js";
import { Player } from "../../web/timeline/player.js";
import { ScamError } from "../../web/timeline/scam.js";
import { block, plainStep, steps } from "./takes.mjs";

const soon = async () => {
  for (let i = 0; i < 50; i += 1) await new Promise((done) => setImmediate(done));
};

// ---------------------------------------------------------------- clock

const track = (durations) => ({ numSteps: durations.length, durationMs: (step) => durations[step] });
const START = { step: 0, shownMs: 0 };

test("time goes on by the recording's own, times the speed", () => {
  const steady = track([40, 40, 40, 40]);
  assert.deepEqual(advance(START, 60, 1, steady), { step: 1, shownMs: 20, isHeld: false, isAtEnd: false });
  assert.equal(advance(START, 60, 2, steady).step, 3);
  assert.equal(advance(START, 60, 0.25, steady).step, 0);
  assert.equal(advance(START, 100, 1, track([10, 500, 10])).step, 1);
});

test("where the next step's time is not known yet, the clock stands", () => {
  const held = { step: 1, shownMs: 0, isHeld: true, isAtEnd: false };
  assert.deepEqual(advance(START, 500, 1, track([40, undefined, 40])), held);
});

test("the last step is shown for its time, then it is over", () => {
  assert.equal(advance(START, 79, 1, track([40, 40])).isAtEnd, false);
  assert.deepEqual(advance(START, 80, 1, track([40, 40])), { step: 1, shownMs: 40, isHeld: false, isAtEnd: true });
});

test("what a hidden page missed is not passed over, and a clock that goes back moves nothing", () => {
  const long = track(Array(10_000).fill(10));
  assert.equal(advance(START, 3_600_000, 1, long).step, 100);
  assert.equal(advance({ step: 5, shownMs: 3 }, -50, 1, long).shownMs, 3);
});

// ---------------------------------------------------------------- cache

let waiting, told;
const entryOf = (key) => ({ key });
const cacheOf = (budgetBytes) => new BlockCache({
  load: ({ key }) => new Promise((resolve, reject) => {
    waiting.push({ key, give: (sizeBytes) => resolve({ value: key, sizeBytes }), fail: reject });
  }),
  budgetBytes, on: { loaded: () => told.push("loaded"), failed: (error) => told.push(error.message) },
});
beforeEach(() => ([waiting, told] = [[], []]));
const give = async (key, sizeBytes) => {
  waiting.find((one) => one.key === key).give(sizeBytes);
  await soon();
};

test("at most one block that is needed and one ahead of need are being loaded", () => {
  const cache = cacheOf(100);
  for (const key of ["a", "b"]) cache.want(entryOf(key));
  for (const key of ["a", "c", "d"]) cache.wantSoon(entryOf(key));
  assert.deepEqual(waiting.map(({ key }) => key), ["a", "c"]);
});

test("the blocks used last stay within the budget", async () => {
  const cache = cacheOf(100);
  for (const key of ["a", "b", "c"]) {
    cache.want(entryOf(key));
    await give(key, 40);
    cache.get(entryOf(key));
  }
  assert.deepEqual(["a", "b", "c"].map((key) => cache.has(entryOf(key))), [false, true, true]);
  assert.equal(cache.usedBytes, 80);
});

test("the memory of what has to go for room is given back at once, and of nothing else", async () => {
  const released = [];
  const cache = new BlockCache({
    load: async ({ key }) => ({ value: key, sizeBytes: 40, release: () => released.push(key) }),
    budgetBytes: 100, on: { loaded() {}, failed() {} },
  });
  for (const key of ["a", "b", "c"]) {
    cache.want(entryOf(key));
    await soon();
    cache.get(entryOf(key));
  }
  assert.deepEqual(released, ["a"]);
  cache.retain(new Set(["c"])); // written anew while it is on the screen: the collector's
  assert.deepEqual(released, ["a"]);
});

test("what came ahead of need and has no room is given back", async () => {
  const released = [];
  const cache = new BlockCache({
    load: async ({ key }) => ({ value: key, sizeBytes: 80, release: () => released.push(key) }),
    budgetBytes: 100, on: { loaded() {}, failed() {} },
  });
  cache.want(entryOf("a"));
  await soon();
  cache.wantSoon(entryOf("b"));
  await soon();
  assert.deepEqual(released, ["b"]);
  assert.equal(cache.get(entryOf("a")), "a");
});

test("a block that comes ahead of need takes nothing from the one that is on the screen", async () => {
  const cache = cacheOf(100);
  cache.want(entryOf("a"));
  await give("a", 80);
  cache.wantSoon(entryOf("b"));
  await give("b", 80);
  assert.deepEqual([cache.get(entryOf("a")), cache.get(entryOf("b"))], ["a", undefined]);
  cache.wantSoon(entryOf("b"));
  assert.equal(waiting.length, 2); // not asked for in vain again
  cache.want(entryOf("b")); // needed now: it comes, whatever its size
  waiting[2].give(80);
  await soon();
  assert.equal(cache.get(entryOf("b")), "b");
});

test("what fails is told where it was needed, and ahead of need nobody hears of it", async () => {
  const cache = cacheOf(100);
  cache.want(entryOf("a"));
  cache.wantSoon(entryOf("b"));
  for (const { fail, key } of waiting) fail(new Error(`no ${key}`));
  await soon();
  assert.deepEqual(told.toSorted(), ["loaded", "no a"]);
});

// ---------------------------------------------------------------- player

/** `counts` blocks of steps; reading a block waits for release() unless isQuick. */
class FakeSource {
  asked = [];
  isGrowing = false;
  isQuick = true;
  failure = null; // of the next reads
  version = 0;
  more = []; // other blocks
  info = { source: "recording", fps: 25, model: "m", beganAt: "" };
  #held = [];

  constructor(counts, at = plainStep) {
    this.counts = counts;
    this.at = at;
  }

  async index() {
    let first = 0;
    const blocks = this.counts.map((numSteps) => {
      const entry = { kind: 2, firstStep: first, numSteps, version: this.version };
      first += numSteps;
      return entry;
    });
    const { info, isGrowing, more } = this;
    return { info, isGrowing, isCutOff: false, numSteps: first, blocks: [...more, ...blocks] };
  }

  async read(entry) {
    this.asked.push(entry.firstStep);
    if (!this.isQuick) await new Promise((done) => this.#held.push(done));
    if (this.failure !== null) throw this.failure;
    return entry.bytes ?? steps(entry.firstStep, entry.numSteps, this.at);
  }

  async release(count = Infinity) {
    for (const done of this.#held.splice(0, count)) done();
    await soon();
  }
}

let nowMs, shown, changes, sentences, timers;
beforeEach(() => ([nowMs, shown, changes, sentences, timers] = [0, [], 0, [], []]));

async function playerOf(source, options = {}) {
  const player = new Player({
    source, now: () => nowMs, show: (one) => shown.push(one), schedule: (callback) => timers.push(callback),
    on: { changed: () => (changes += 1), failed: (sentence) => sentences.push(sentence) }, ...options,
  });
  await player.open();
  player.seek(0);
  await soon();
  return player;
}

/** The page's loop: a drawing every 20 ms. */
async function run(player, ms) {
  for (const until = nowMs + ms; nowMs < until; ) {
    nowMs += 20;
    player.tick(nowMs);
    await soon();
  }
}
const stepsShown = () => shown.map(({ step }) => step);

test("it begins at the first step and stands there", async () => {
  const player = await playerOf(new FakeSource([3, 3]));
  await run(player, 200);
  assert.deepEqual([stepsShown(), player.step, player.numSteps], [[0], 0, 6]);
  assert.deepEqual([player.state, player.isPlaying], ["ready", false]);
  assert.equal(shown[0].scene.get("camera").jpeg[3], 0);
  assert.equal(shown[0].facts.receivedAtMs, 5000);
});

test("it plays each step in turn, as it was received, and stops at the end", async () => {
  const player = await playerOf(new FakeSource([3, 3]));
  player.play();
  await run(player, 100);
  assert.equal(player.step, 2);
  assert.equal(player.seconds, 0.08);
  await run(player, 300);
  assert.deepEqual([stepsShown(), player.isPlaying, player.step], [[0, 1, 2, 3, 4, 5], false, 5]);
  player.play(); // from the beginning
  assert.deepEqual([player.step, player.isPlaying], [0, true]);
});

test("when a step was is known only with its block", async () => {
  const source = new FakeSource([3, 3, 3, 3]);
  const player = await playerOf(source);
  await run(player, 100);
  player.seek(11);
  assert.deepEqual([player.state, player.seconds], ["waiting", null]);
  await run(player, 100);
  assert.equal(player.seconds, 0.44);
});

test("twice the speed takes half the time, and speeds beyond the limits are the limits", async () => {
  const player = await playerOf(new FakeSource([10, 10]));
  player.speed = 2;
  player.play();
  await run(player, 160);
  assert.equal(player.step, 8);
  for (const [wish, is] of [[100, 4], [0.01, 0.25]]) {
    player.speed = wish;
    assert.equal(player.speed, is);
  }
});

test("in a loop the first step follows the last", async () => {
  const player = await playerOf(new FakeSource([2]));
  player.loop = true;
  player.play();
  await run(player, 200);
  assert.ok(player.isPlaying);
  assert.deepEqual(stepsShown().slice(0, 4), [0, 1, 0, 1]);
});

test("a seek shows its step, wherever it is, and one beyond the end the last", async () => {
  const source = new FakeSource([3, 3, 3, 3, 3, 3]);
  const player = await playerOf(source);
  for (const [wish, is] of [[10, 10], [99, 17], [-4, 0], [7.4, 7], [Infinity, 17]]) {
    player.seek(wish);
    await soon();
    assert.deepEqual([player.step, shown.at(-1).step], [is, is]);
  }
  player.seek(NaN);
  assert.equal(player.step, 17);
});

test("of a fast scrub the newest wish is shown last, and none of the older ones after it", async () => {
  const source = new FakeSource(Array(10).fill(3));
  const player = await playerOf(source);
  source.isQuick = false;
  for (const step of [28, 22, 25, 16]) player.seek(step);
  assert.equal(player.state, "waiting");
  for (let i = 0; i < 6; i += 1) await source.release();
  assert.deepEqual([shown.at(-1).step, player.state], [16, "ready"]);
  assert.deepEqual(stepsShown(), [0, 16]);
});

test("next and previous go one step and pause, and stay inside", async () => {
  const player = await playerOf(new FakeSource([2]));
  player.play();
  player.next();
  assert.deepEqual([player.step, player.isPlaying], [1, false]);
  player.next();
  player.previous();
  player.previous();
  assert.equal(player.step, 0);
});

test("blocks are asked for ahead of the playhead, in its direction", async () => {
  const source = new FakeSource([3, 3, 3, 3, 3, 3, 3, 3]);
  const player = await playerOf(source);
  assert.deepEqual(source.asked, [0, 3, 6]);
  player.seek(21);
  await soon();
  player.seek(19);
  await soon();
  assert.deepEqual(source.asked, [0, 3, 6, 21, 18, 15, 12]);
});

test("a block that is late stalls it, and then it goes on from there", async () => {
  const source = new FakeSource([2, 2]);
  source.isQuick = false;
  const player = await playerOf(source);
  assert.deepEqual([player.state, stepsShown()], ["waiting", []]);
  await source.release(1);
  player.play();
  await run(player, 400);
  assert.deepEqual([player.step, player.isPlaying, player.state], [1, true, "waiting"]);
  await source.release();
  await run(player, 60);
  assert.deepEqual([player.step, player.state], [2, "ready"]);
});

test("blocks stay within the budget, whatever is played", async () => {
  const size = steps(0, 10).length - 32;
  const player = await playerOf(new FakeSource(Array(40).fill(10)), { budgetBytes: 4 * size });
  player.play();
  let most = 0;
  while (player.isPlaying) {
    await run(player, 400);
    most = Math.max(most, player.cachedBytes);
  }
  assert.equal(stepsShown().at(-1), 399);
  assert.ok(most <= 4.2 * size, `${most} of ${size} each`);
});

test("a block that is larger than the budget plays all the same", async () => {
  const player = await playerOf(new FakeSource([3, 3, 3]), { budgetBytes: 10 });
  player.play();
  await run(player, 600);
  assert.deepEqual(stepsShown(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a damaged block is told in words and stops it; other steps can be seen", async () => {
  const source = new FakeSource([3, 3, 3, 3, 3]);
  const player = await playerOf(source);
  source.failure = new ScamError("the block of steps from 12 on is damaged");
  player.seek(13);
  await soon();
  assert.deepEqual([sentences, player.state], [["the block of steps from 12 on is damaged"], "waiting"]);
  source.failure = null;
  player.seek(1);
  await soon();
  assert.equal(shown.at(-1).step, 1);
});

test("a block that is not the one of the index is refused", async () => {
  const source = new FakeSource([3, 3]);
  const read = source.read.bind(source);
  source.read = async (entry) => (entry.firstStep === 3 ? steps(0, 3) : read(entry));
  const player = await playerOf(source);
  player.seek(4);
  await soon();
  assert.match(sentences[0], /not the one that the index names/);
});

test("a source that fails for a while is asked again", async () => {
  const source = new FakeSource([3, 3, 3, 3, 3]);
  const player = await playerOf(source);
  source.failure = new Error("no network");
  player.seek(13);
  await soon();
  assert.deepEqual([sentences, player.state], [[], "waiting"]);
  source.failure = null;
  timers.splice(0).forEach((callback) => callback());
  await soon();
  assert.equal(shown.at(-1).step, 13);
});

test("a recording that grows is followed, and played on when there is more", async () => {
  const source = new FakeSource([2]);
  source.isGrowing = true;
  const player = await playerOf(source);
  player.play();
  await run(player, 200);
  assert.deepEqual([player.step, player.isPlaying, player.state], [1, true, "waiting"]);
  source.counts = [2, 2];
  timers.splice(0).forEach((callback) => callback());
  await soon();
  await run(player, 100);
  assert.deepEqual([player.numSteps, player.step >= 2], [4, true]);
  source.isGrowing = false;
  timers.splice(0).forEach((callback) => callback());
  await soon();
  await run(player, 200);
  assert.deepEqual([player.isPlaying, player.isGrowing, timers.length], [false, false, 0]);
});

test("a recording that is deleted while it is followed is told once", async () => {
  const source = new FakeSource([2]);
  source.isGrowing = true;
  const player = await playerOf(source);
  source.index = async () => { throw new ScamError("the server has no such recording (any more)"); };
  timers.splice(0).forEach((callback) => callback());
  await soon();
  assert.deepEqual([sentences.length, player.isGrowing, timers.length], [1, false, 0]);
});

test("without a step there is nothing to play, and it says so", async () => {
  const player = await playerOf(new FakeSource([]));
  player.play();
  player.next();
  assert.deepEqual([player.state, player.isPlaying, player.step], ["empty", false, 0]);
});

test("what a program changed is read again, and shown if it is on the screen", async () => {
  const source = new FakeSource([2, 2], (step) => ({ nodes: plainStep(step + 10 * source.version).nodes }));
  source.info = { ...source.info, source: "timeline", fps: 10 };
  const player = await playerOf(source);
  source.version = 1;
  await player.refresh();
  await soon();
  assert.deepEqual(shown.map(({ scene }) => scene.get("camera").jpeg[3]), [0, 10]);
  player.play();
  await run(player, 120); // a step of a program lasts 1 / fps
  assert.equal(player.step, 1);
  source.counts = [1];
  await player.refresh();
  assert.equal(player.step, 0);
});

test("what is static is in every step, and a step's own node of that name goes before it", async () => {
  const source = new FakeSource([1]);
  const still = { floor: plainStep(7).nodes.camera, camera: plainStep(8).nodes.camera };
  source.more = [{ kind: 3, firstStep: 0, numSteps: 0, bytes: block(3, still) }];
  await playerOf(source);
  const pictures = [...shown[0].scene].map(([name, { jpeg }]) => [name, jpeg[3]]);
  assert.deepEqual(pictures, [["floor", 7], ["camera", 0]]);
});

test("after it was closed nothing is shown any more", async () => {
  const source = new FakeSource([2, 2]);
  source.isQuick = false;
  const player = await playerOf(source);
  player.close();
  await source.release();
  assert.deepEqual(shown, []);
});

test("blocks of sound are near where the steps around them are", async () => {
  const source = new FakeSource([2, 2, 2, 2, 2, 2, 2, 2]);
  const index = source.index.bind(source);
  source.index = async () => {
    const told = await index();
    const blocks = told.blocks.flatMap((entry) => [{ kind: 4, firstStep: 0, numSteps: 0 }, entry]);
    return { ...told, blocks: [{ kind: 1, firstStep: 0, numSteps: 0 }, ...blocks] };
  };
  const player = await playerOf(source);
  player.seek(8);
  const near = player.soundBlocks.filter((entry) => player.isNear(entry)).map(({ beforeStep }) => beforeStep);
  assert.deepEqual(near, [6, 8, 10, 12]);
});
