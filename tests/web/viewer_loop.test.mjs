// web/viewer/picture_loop.js: what is asked of the server, with a clock and a server that the tests move by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PictureLoop } from "../../web/viewer/picture_loop.js";

/** A loop with its surroundings: answers come when a test says so, timers when it moves the clock. */
class World {
  time = 0;
  requests = []; // of pictures: {divisor, aborted, answer(status, text), fail()}
  polls = 0;
  info = { live: false, revision: 0 };
  infoFails = false;
  infoRefusal = null; // a status
  shown = 0;
  sentences = [];
  recovered = 0;
  pushed = 0;
  #timers = new Map();
  #nextId = 1;

  constructor() {
    this.loop = new PictureLoop({
      fetch: (url, { signal }) => (url === "./info" ? this.#answerInfo() : this.#ask(url, signal)),
      now: () => this.time,
      schedule: (callback, ms) => {
        this.#timers.set(this.#nextId, { at: this.time + ms, callback });
        return this.#nextId++;
      },
      cancel: (id) => this.#timers.delete(id),
      urlOf: (divisor) => `./render?divisor=${divisor}`,
      show: async () => { this.shown += 1; },
      on: {
        info: () => {}, pushed: () => { this.pushed += 1; }, shown: () => {},
        failed: (sentence) => this.sentences.push(sentence),
        recovered: () => { this.recovered += 1; },
      },
    });
  }

  get timers() {
    return this.#timers.size;
  }

  get open() {
    return this.requests.filter(({ isDone }) => !isDone);
  }

  divisors() {
    return this.requests.map(({ divisor }) => divisor);
  }

  /** Lets the clock run, timer by timer. */
  async wait(ms) {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].callback();
      await settle();
    }
    this.time = end;
    await settle();
  }

  /** The picture under way comes, after `ms`. */
  async picture(ms = 10) {
    this.time += ms;
    this.open[0].answer(200);
    await settle();
  }

  async #answerInfo() {
    this.polls += 1;
    if (this.infoFails) throw new TypeError("no network");
    if (this.infoRefusal !== null) return new Response("not now", { status: this.infoRefusal });
    return Response.json(this.info);
  }

  #ask(url, signal) {
    return new Promise((resolve, reject) => {
      const request = { divisor: url.split("=")[1], isDone: false, aborted: false };
      const end = (finish) => { request.isDone = true; finish(); };
      request.answer = (status, text = "") => end(() => resolve(new Response(text, { status })));
      request.fail = () => end(() => reject(new TypeError("no network")));
      signal.addEventListener("abort", () => end(() => { request.aborted = true; reject(signal.reason); }));
      this.requests.push(request);
    });
  }
}

/** All promises that can go on have gone on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

async function started(info = {}) {
  const world = new World();
  Object.assign(world.info, info);
  world.loop.start();
  await settle();
  return world;
}

async function atRest(info) {
  const world = await started(info);
  await world.picture();
  return world;
}

test("the first picture is sharp, and after it nothing at all is asked", async () => {
  const world = await atRest();
  assert.deepEqual(world.divisors(), ["null"]);
  await world.wait(3_600_000);
  assert.deepEqual([world.requests.length, world.polls, world.timers, world.shown], [1, 1, 0, 1]);
});

test("while one picture is under way the touches are kept, and become one request", async () => {
  const world = await atRest();
  world.loop.hold(true);
  for (let i = 0; i < 10; i += 1) world.loop.touch();
  await settle();
  assert.equal(world.open.length, 1);
  await world.picture();
  assert.equal(world.open.length, 1); // of the nine others together
  await world.picture();
  assert.equal(world.open.length, 0);
  assert.deepEqual(world.divisors(), ["null", "2", "2"]);
});

test("250 ms after the last touch a sharp picture comes, once", async () => {
  const world = await atRest();
  world.loop.touch();
  await settle();
  await world.picture();
  await world.wait(239); // 10 ms took the picture
  assert.deepEqual(world.divisors(), ["null", "2"]);
  await world.wait(1);
  assert.deepEqual(world.divisors(), ["null", "2", "null"]);
  await world.picture();
  await world.wait(60_000);
  assert.deepEqual([world.requests.length, world.timers], [3, 0]);
});

test("a hand that holds still keeps the coarse picture until it lets go", async () => {
  const world = await atRest();
  world.loop.hold(true);
  world.loop.touch();
  await settle();
  await world.picture();
  await world.wait(10_000);
  assert.deepEqual(world.divisors(), ["null", "2"]);
  world.loop.hold(false);
  await world.wait(0);
  assert.deepEqual(world.divisors(), ["null", "2", "null"]);
});

test("a press without a move asks for nothing", async () => {
  const world = await atRest();
  world.loop.hold(true);
  world.loop.hold(false);
  await world.wait(60_000);
  assert.equal(world.requests.length, 1);
});

test("slow pictures become quarters while it moves", async () => {
  const world = await atRest();
  world.loop.hold(true);
  for (const ms of [100, 30, 10, 10]) {
    world.loop.touch();
    await settle();
    await world.picture(ms);
  }
  assert.deepEqual(world.divisors(), ["null", "2", "4", "4", "2"]);
  assert.equal(world.loop.lastMs, 10);
});

test("a touch gives the sharp picture up, a coarse one is waited for", async () => {
  const world = await started();
  world.loop.touch();
  await settle();
  assert.deepEqual(world.requests.map(({ aborted }) => aborted), [true, false]);
  world.loop.touch();
  await settle();
  assert.deepEqual(world.requests.map(({ aborted }) => aborted), [true, false]);
  assert.deepEqual([world.sentences, world.divisors()], [[], ["null", "2"]]);
});

test("a failure is told in the server's words and asked again after 500 ms", async () => {
  const world = await started();
  world.open[0].answer(500, "The brush broke.");
  await settle();
  assert.deepEqual(world.sentences, ["The brush broke."]);
  await world.wait(499);
  assert.equal(world.requests.length, 1);
  await world.wait(1);
  assert.equal(world.requests.length, 2);
  await world.picture();
  assert.deepEqual([world.recovered, world.shown], [1, 1]);
});

test("a server that is gone is told, and asked every 500 ms", async () => {
  const world = await started();
  for (let i = 0; i < 3; i += 1) {
    world.open[0].fail();
    await settle();
    await world.wait(500);
  }
  assert.equal(world.requests.length, 4);
  assert.match(world.sentences[0], /^The server does not answer \(no network\)/);
});

test("what this page asked wrongly is not asked again until something changes", async () => {
  const world = await started();
  world.open[0].answer(422, "w=0 is wrong");
  await settle();
  await world.wait(60_000);
  assert.deepEqual([world.requests.length, world.sentences], [1, ["w=0 is wrong"]]);
  world.loop.change();
  assert.equal(world.requests.length, 2);
});

test("a request that a newer one replaced is no error", async () => {
  const world = await started();
  world.open[0].answer(409, "replaced");
  await settle();
  await world.wait(500);
  assert.deepEqual([world.requests.length, world.sentences], [2, []]);
});

test("a live scene is asked for news, and a new revision is drawn", async () => {
  const world = await atRest({ live: true, poll_info_ms: 750 });
  await world.wait(2250);
  assert.deepEqual([world.polls, world.requests.length], [4, 1]);
  world.info.revision = 1;
  await world.wait(750);
  assert.deepEqual(world.divisors(), ["null", "null"]);
  await world.picture();
  await world.wait(7500);
  assert.equal(world.requests.length, 2);
});

test("polls are never less than 200 ms apart", async () => {
  const world = await atRest({ live: true, poll_info_ms: 1 });
  await world.wait(1000);
  assert.equal(world.polls, 6);
});

test("revisions that come faster than pictures do not keep a picture from being shown", async () => {
  const world = await started({ live: true, poll_info_ms: 200 });
  for (let i = 1; i <= 5; i += 1) {
    world.info.revision = i;
    await world.wait(200);
  }
  assert.deepEqual(world.requests.map(({ aborted }) => aborted), [false]);
  await world.picture();
  assert.deepEqual([world.shown, world.open.length], [1, 1]); // and the newest is under way
});

test("a live server that comes back is looked at again, and its sentence goes", async () => {
  const world = await atRest({ live: true, poll_info_ms: 500 });
  world.infoFails = true;
  await world.wait(1000);
  assert.equal(world.sentences.length, 2);
  world.infoFails = false;
  await world.wait(500);
  await world.picture();
  assert.equal(world.recovered, 2);
});

test("a server that is not there yet is asked until it is", async () => {
  const world = new World();
  world.infoFails = true;
  world.loop.start();
  await settle();
  await world.wait(1200);
  assert.deepEqual([world.polls, world.requests.length], [3, 0]);
  world.infoFails = false;
  await world.wait(500);
  assert.deepEqual(world.divisors(), ["null"]);
});

test("where the server pushes pictures the loop asks for none", async () => {
  const world = await started({ live: true, socket: "./ws" });
  await world.wait(60_000);
  assert.deepEqual([world.pushed, world.polls, world.requests.length, world.timers], [1, 1, 0, 0]);
});

test("a server that no longer knows the page's token is told of in words, and asked again", async () => {
  const world = await started();
  world.open[0].answer(401, "<!doctype html>");
  await settle();
  assert.match(world.sentences[0], /^The server wants its token: open the link/);
  await world.wait(500);
  assert.equal(world.requests.length, 2);
});

test("a hidden page asks for nothing, and when it is seen again for the news", async () => {
  const world = await atRest({ live: true, poll_info_ms: 500 });
  world.loop.hide(true);
  await world.wait(3_600_000);
  assert.equal(world.polls, 1);
  world.info.revision = 1;
  world.loop.hide(false);
  await settle();
  assert.deepEqual([world.polls, world.divisors()], [2, ["null", "null"]]);
});

test("facts that are refused are told in the server's words", async () => {
  const world = await atRest({ live: true, poll_info_ms: 500 });
  world.infoRefusal = 503;
  await world.wait(500);
  assert.deepEqual(world.sentences, ["not now"]);
});
