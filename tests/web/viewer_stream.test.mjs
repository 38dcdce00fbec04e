// web/viewer/{picture_stream,pace}.js: what is said to a server that pushes, with a clock and a socket moved by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "../../web/viewer/pace.js";
import { PictureStream, PING_EVERY_MS, PINGS_UNANSWERED } from "../../web/viewer/picture_stream.js";

class FakeSocket {
  sent = [];
  isClosed = false;
  close() {
    this.isClosed = true;
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
}

/** A stream with its surroundings: the server speaks when a test says so, timers come when it moves the clock. */
class World {
  time = 0;
  sockets = [];
  place = 0; // what is wanted
  infos = [];
  sentences = [];
  recovered = 0;
  painted = [];
  showFails = false;
  refusal = { what: "The server is full.", leastMs: 5000, next: "again" };
  #brush = Promise.resolve(); // a picture is painted when it has come
  #putDown = () => {};
  #timers = new Map();
  #nextId = 1;

  constructor() {
    this.stream = new PictureStream({
      createSocket: () => {
        this.sockets.push(new FakeSocket());
        return this.socket;
      },
      now: () => this.time,
      schedule: (callback, ms) => {
        this.#timers.set(this.#nextId, { at: this.time + ms, callback });
        return this.#nextId++;
      },
      cancel: (id) => this.#timers.delete(id),
      random: () => 0.5,
      whyRefused: async () => this.refusal,
      urlOf: (divisor) => `./render?place=${this.place}&divisor=${divisor}`,
      show: (blob) => this.#show(blob),
      on: {
        info: (info) => this.infos.push(info), shown: () => {}, failed: (sentence) => this.sentences.push(sentence),
        recovered: () => { this.recovered += 1; },
      },
    });
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get looks() {
    return this.socket.sent.filter(({ type }) => type === "look");
  }

  get seen() {
    return this.socket.sent.filter(({ type }) => type === "seen").length;
  }

  get pings() {
    return this.socket.sent.filter(({ type }) => type === "ping").length;
  }

  get timers() {
    return this.#timers.size;
  }

  open() {
    this.socket.onopen();
    this.says({ type: "info", status: "live" });
  }

  says(message) {
    this.socket.onmessage({ data: JSON.stringify(message) });
  }

  /** A picture of the look of that id, by default the newest, that was drawn for `ms` and `wayMs` on its way. */
  async picture({ ms = 50, wayMs = 0, id = this.looks.at(-1).id } = {}) {
    this.says({ type: "drawn", id: String(id), ms });
    this.time += wayMs;
    this.socket.onmessage({ data: { look: id } });
    await settle();
  }

  touch() {
    this.place += 1;
    this.stream.touch();
  }

  holdPaints() {
    this.#brush = new Promise((resolve) => { this.#putDown = resolve; });
  }

  async releasePaints() {
    this.#putDown();
    await settle();
  }

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
  }

  async #show(blob) {
    await this.#brush;
    if (this.showFails) throw new Error("no JPEG");
    this.painted.push(blob.look);
  }
}

/** All promises that can go on have gone on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function started() {
  const world = new World();
  world.stream.start();
  world.open();
  return world;
}

const divisors = (world) => world.looks.map(({ divisor }) => divisor);

test("it says what it wants in the words of the query, sharp at first, and of each picture that it was seen", async () => {
  const world = started();
  assert.deepEqual(world.looks, [{ type: "look", id: 1, place: "0", divisor: "null" }]);
  for (let i = 0; i < 3; i += 1) await world.picture();
  assert.deepEqual([world.painted, world.seen, world.looks.length], [[1, 1, 1], 3, 1]);
  assert.equal(world.stream.shownUrl, "./render?place=0&divisor=null");
});

test("while nothing changes and the camera rests nothing is said but now and then a ping", async () => {
  const world = started();
  await world.picture();
  const before = world.socket.sent.length;
  for (let i = 0; i < 360; i += 1) {
    await world.wait(PING_EVERY_MS);
    world.says({ type: "pong" });
  }
  world.stream.change();
  assert.deepEqual([world.pings, world.socket.sent.length, world.timers], [360, before + 360, 1]);
  assert.deepEqual([world.stream.lastMs, world.sentences], [null, []]);
});

test("a server that answers none of three pings is lost, and what its socket says later is not heard", async () => {
  const world = started();
  await world.wait(PING_EVERY_MS * PINGS_UNANSWERED);
  assert.deepEqual([world.sentences, world.pings], [[], PINGS_UNANSWERED]);
  const old = world.socket;
  await world.wait(PING_EVERY_MS);
  assert.deepEqual(world.sentences, ["The server cannot be reached. Trying again."]);
  assert.deepEqual([old.isClosed, old.onmessage, old.onclose], [true, null, null]);
  await world.wait(500);
  assert.equal(world.sockets.length, 2);
});

test("a touch wants a coarse picture, and a rest the sharp one", async () => {
  const world = started();
  await world.picture();
  world.touch();
  await world.picture();
  await world.wait(249);
  assert.deepEqual(divisors(world), ["null", "2"]);
  await world.wait(1);
  assert.deepEqual(divisors(world), ["null", "2", "null"]);
});

test("while a finger is down it stays coarse", async () => {
  const world = started();
  await world.picture();
  world.stream.hold(true);
  world.touch();
  await world.picture();
  await world.wait(5000);
  assert.deepEqual(divisors(world), ["null", "2"]);
  world.stream.hold(false);
  await world.wait(0);
  assert.deepEqual(divisors(world), ["null", "2", "null"]);
});

test("of many touches at most two wishes are on their way, and the newest place is never lost", async () => {
  const world = started();
  for (let i = 0; i < 50; i += 1) world.touch();
  assert.deepEqual(world.looks.map(({ place }) => place), ["0", "1"]);
  await world.picture({ id: 1 });
  assert.equal(world.looks.at(-1).place, "50");
  await world.picture();
  await world.wait(250);
  assert.deepEqual([world.looks.at(-1).place, world.looks.at(-1).divisor], ["50", "null"]);
});

test("slow moving pictures become quarters, whether the drawing or the way is slow", async () => {
  for (const slow of [{ ms: 100 }, { ms: 10, wayMs: 90 }]) {
    const world = started();
    await world.picture();
    world.touch();
    await world.picture(slow);
    world.touch();
    assert.equal(world.looks.at(-1).divisor, "4");
  }
});

test("a live scene is as sharp as the server keeps up with, and sharp again when the camera rests", async () => {
  const world = started();
  for (let i = 0; i < 4; i += 1) await world.picture({ ms: 200 });
  assert.deepEqual(divisors(world), ["null", "2", "4"]);
  for (let i = 0; i < 4; i += 1) await world.picture({ ms: 20 });
  assert.equal(world.looks.at(-1).divisor, "2");
  await world.picture({ ms: 50 });
  await world.wait(1000);
  assert.equal(world.looks.at(-1).divisor, "null");
});

test("the pace changes after two slow pictures or four quick ones, and between them not at all", () => {
  const pace = new Pace();
  const after = (...times) => {
    for (const ms of times) pace.took(ms);
    return pace.divisor;
  };
  assert.deepEqual([after(900), after(50, 900), after(900), after(900, 900)], [null, null, 2, 4]);
  assert.deepEqual([after(900, 900), after(20, 20, 20, 32), after(20, 20, 20, 20)], [4, 4, 2]);
  assert.deepEqual([after(60, 120, 60, 120, 60), after(20, 20, 20, 20), after(20, 20, 20, 20)], [2, null, null]);
  after(900, 900);
  pace.rest();
  assert.equal(pace.divisor, null);
});

test("speed is the time between pictures, of the first what it took, and none when they stop", async () => {
  const world = started();
  await world.picture({ ms: 40, wayMs: 30 });
  assert.equal(world.stream.lastMs, 70);
  for (let i = 0; i < 12; i += 1) {
    await world.picture();
    await world.wait(100);
  }
  assert.equal(world.stream.lastMs, 100);
  await world.wait(2000);
  assert.equal(world.stream.lastMs, null);
});

test("a picture that comes while one is painted waits, a newer one takes its place, and all were seen", async () => {
  const world = started();
  world.holdPaints();
  await world.picture();
  world.touch();
  await world.picture();
  world.touch();
  await world.picture();
  assert.deepEqual([world.painted, world.seen], [[], 1]);
  await world.releasePaints();
  assert.deepEqual([world.painted, world.seen], [[1, 3], 3]);
});

test("a picture that cannot be shown is told of and was seen, and the next one takes the sentence back", async () => {
  const world = started();
  world.showFails = true;
  await world.picture();
  assert.deepEqual([world.sentences, world.seen], [["A picture could not be shown (no JPEG)."], 1]);
  world.showFails = false;
  await world.picture();
  assert.deepEqual([world.painted, world.recovered], [[1], 1]);
});

test("what the server refuses is told in its words, and the newest wish goes out after all", async () => {
  const world = started();
  for (let i = 0; i < 5; i += 1) world.touch();
  world.says({ type: "error", message: "the brush broke" });
  assert.deepEqual([world.sentences, world.looks.at(-1).place], [["the brush broke"], "5"]);
});

test("facts are passed on, and a view that begins elsewhere because of them is wished for", async () => {
  const world = started();
  await world.picture();
  world.place = 7;
  world.says({ type: "info", status: "live" });
  assert.deepEqual([world.infos.length, world.looks.at(-1).place], [2, "7"]);
});

test("a lost server is told of, asked again, told the wish anew, and taken back when it speaks", async () => {
  const world = started();
  await world.picture();
  const lost = world.socket;
  world.socket.onclose({ code: 1006, reason: "" });
  world.touch();
  assert.deepEqual(world.sentences, ["The server cannot be reached. Trying again."]);
  await world.wait(500);
  assert.equal(world.sockets.length, 2);
  const before = world.recovered;
  world.open();
  assert.deepEqual([world.looks.length, world.looks[0].place, world.recovered], [1, "1", before + 1]);
  await world.picture();
  assert.deepEqual([world.seen, world.painted.length], [1, 2]);
  assert.equal(lost.sent.filter(({ type }) => type === "look").length, 1);
});

test("a picture of a lost socket is not seen by the next one", async () => {
  const world = started();
  world.holdPaints();
  await world.picture();
  world.socket.onclose({ code: 1006, reason: "" });
  await world.wait(500);
  world.open();
  await world.releasePaints();
  assert.equal(world.seen, 0);
});

test("a server that refuses is asked why, and left alone for as long as that takes", async () => {
  const world = new World();
  world.stream.start();
  world.socket.onclose({ code: 1006, reason: "" });
  await settle();
  assert.deepEqual(world.sentences, ["The server is full. Trying again."]);
  await world.wait(5499);
  assert.equal(world.sockets.length, 1);
  await world.wait(1);
  assert.equal(world.sockets.length, 2);
});

test("a server that says why it closes is believed, and one that allows nothing is left alone", async () => {
  const world = started();
  world.socket.onclose({ code: 1012, reason: "" });
  await world.wait(500);
  world.open();
  world.socket.onclose({ code: 1008, reason: "no" });
  assert.deepEqual(world.sentences, [
    "The server is restarting. Trying again.",
    "The server does not allow this connection (no). Reload the page to try again.",
  ]);
  await world.wait(3_600_000);
  assert.equal(world.sockets.length, 2);
});

test("a page that nobody sees holds no socket, and when it is seen again it says its wish to a new one", async () => {
  const world = started();
  await world.picture();
  world.stream.hide(true);
  assert.equal(world.socket.isClosed, true);
  world.touch();
  await world.wait(3_600_000);
  assert.equal(world.sockets.length, 1);
  world.stream.hide(false);
  world.open();
  assert.deepEqual([world.sockets.length, world.looks.map(({ place }) => place)], [2, ["1"]]);
  assert.deepEqual(world.sentences, []);
});

test("a page that is hidden while it waits for the server comes back once, when it is seen", async () => {
  const world = started();
  world.socket.onclose({ code: 1006, reason: "" });
  world.stream.hide(true);
  await world.wait(60_000);
  assert.equal(world.sockets.length, 1);
  world.stream.hide(false);
  world.stream.hide(false);
  assert.equal(world.sockets.length, 2);
});

test("a page that is seen comes back by itself also when its place was given to others, and says so", async () => {
  const world = started();
  world.socket.onclose({ code: 4408, reason: "" });
  await settle();
  assert.match(world.sentences.at(-1), /made room for others\. Trying again\.$/);
  await world.wait(60_000);
  assert.equal(world.sockets.length, 2);
});

test("a page that is seen again before its next attempt was due makes one, not two", async () => {
  const world = started();
  world.socket.onclose({ code: 1006, reason: "" });
  await settle();
  world.stream.hide(true);
  world.stream.hide(false);
  await world.wait(60_000);
  assert.equal(world.sockets.length, 2);
});

test("a reason that comes after the page was hidden and seen again is nobody's", async () => {
  const world = new World();
  world.stream.start();
  world.socket.onclose({ code: 1006, reason: "" });
  world.stream.hide(true);
  world.stream.hide(false);
  await settle();
  await world.wait(60_000);
  assert.deepEqual([world.sockets.length, world.sentences], [2, []]);
});

test("a page that begins unseen begins when it is seen", () => {
  const world = new World();
  world.stream.hide(true);
  world.stream.start();
  assert.equal(world.sockets.length, 0);
  world.stream.hide(false);
  assert.equal(world.sockets.length, 1);
});
