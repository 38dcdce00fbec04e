import assert from "node:assert/strict";
import { test } from "node:test";
import { ProgramSource } from "../../web/timeline/program_source.js";
import { isAsTold, Remote } from "../../web/timeline/remote.js";
import { Kind, ScamError } from "../../web/timeline/scam.js";

const INDEX = {
  info: { source: "timeline", fps: 10, model: "", began_at: "" },
  num_steps: 40, blocks: [[0, 32, 7], [32, 8, 9]], static: 3, sounds: ["aa", "bb"],
};

/** A server that answers by path; `asked` are the paths. */
function serverOf(answers) {
  const asked = [];
  const fetch = async (url) => {
    const path = url.pathname + url.search;
    asked.push(path);
    return answers[path] ?? new Response("", { status: 404 });
  };
  return { asked, source: new ProgramSource(new URL("http://host/at/timeline/"), fetch, () => null) };
}

const indexed = (index = INDEX) => ({ "/at/timeline/index": Response.json(index) });

test("the index has static nodes, sounds and steps, each with its version", async () => {
  const { info, isGrowing, numSteps, blocks } = await serverOf(indexed()).source.index();
  assert.deepEqual([info.source, info.fps, isGrowing, numSteps], ["timeline", 10, false, 40]);
  const told = blocks.map(({ kind, firstStep, numSteps: count, version }) => [kind, firstStep, count, version]);
  assert.deepEqual(told, [
    [Kind.STATIC, 0, 0, "3.0"], [Kind.AUDIO, 0, 0, "aa.0"], [Kind.AUDIO, 0, 0, "bb.0"],
    [Kind.STEPS, 0, 32, "7.0"], [Kind.STEPS, 32, 8, "9.0"],
  ]);
});

test("each block is read from its own address", async () => {
  const { source, asked } = serverOf(indexed());
  const { blocks } = await source.index();
  for (const block of blocks) await source.read(block).catch(() => {});
  const paths = ["index", "static", "sounds/0", "sounds/1", "blocks/0?steps=32", "blocks/32?steps=8"];
  assert.deepEqual(asked, paths.map((path) => `/at/timeline/${path}`));
});

test("a block's bytes are those that the server sent", async () => {
  const { source } = serverOf({ "/at/timeline/static": new Response(new Uint8Array([1, 2, 3])) });
  assert.deepEqual([...(await source.read({ path: "static" }))], [1, 2, 3]);
});

test("what is forgotten has another version", async () => {
  const { source } = serverOf({ get "/at/timeline/index"() { return Response.json(INDEX); } });
  const before = await source.index();
  source.forget();
  const after = await source.index();
  assert.equal(after.blocks.length, before.blocks.length);
  after.blocks.forEach(({ version }, i) => assert.notEqual(version, before.blocks[i].version));
});

test("a server without a timeline is told in words, one that is away is asked again", async () => {
  await assert.rejects(serverOf({}).source.index(), ScamError);
  await assert.rejects(serverOf({}).source.read({ path: "static" }), (error) => !(error instanceof ScamError));
});

// ---------------------------------------------------------------- the program's wishes and ours

class FakePlayer {
  step = 0;
  speed = 1;
  isPlaying = false;
  numSteps = 100;
  info = { fps: 10 };
  done = [];
  seek(step) { this.done.push(`seek ${step}`); this.step = step; }
  play() { this.done.push("play"); this.isPlaying = true; }
  pause() { this.done.push("pause"); this.isPlaying = false; }
  async refresh() { this.done.push("refresh"); }
}

/** A remote with its socket at hand; pass(ms) lets time go by. */
function connected() {
  const [player, sockets, timers] = [new FakePlayer(), [], []];
  let nowMs = 0;
  const source = { forgotten: 0, forget() { this.forgotten += 1; } };
  const openSocket = () => {
    const socket = { readyState: 1, sent: [], send(text) { this.sent.push(JSON.parse(text)); }, close() {} };
    sockets.push(socket);
    return socket;
  };
  const remote = new Remote({
    player, source, openSocket, now: () => nowMs, random: () => 0.5,
    schedule: (callback, ms) => timers.push({ callback, atMs: nowMs + ms }),
  });
  const pass = (ms) => {
    const endMs = nowMs + ms;
    for (;;) {
      const next = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      timers.splice(timers.indexOf(next), 1);
      nowMs = Math.max(nowMs, next.atMs);
      next.callback();
    }
    nowMs = endMs;
  };
  remote.open();
  sockets[0].onopen();
  const hear = async (word) => {
    sockets.at(-1).onmessage({ data: JSON.stringify(word) });
    await new Promise((done) => setImmediate(done));
  };
  return { player, source, sockets, pass, hear, remote };
}

test("a tab tells where it is when it comes, and nothing while nothing happens", () => {
  const { sockets, pass } = connected();
  pass(5000);
  assert.deepEqual(sockets[0].sent, [{ step: 0, speed: 1, is_playing: false }]);
});

test("what the person does is told once", () => {
  const { player, sockets, pass } = connected();
  player.step = 40;
  pass(1000);
  player.speed = 2;
  pass(1000);
  assert.deepEqual(sockets[0].sent.slice(1), [
    { step: 40, speed: 1, is_playing: false }, { step: 40, speed: 2, is_playing: false },
  ]);
});

test("a player that plays as expected needs no word, one that stalls is told of", () => {
  const { player, sockets, pass } = connected();
  player.isPlaying = true;
  for (let i = 0; i < 20; i += 1) {
    pass(100);
    player.step += 1;
  }
  assert.equal(sockets[0].sent.length, 2);
  pass(300); // three steps late
  assert.equal(sockets[0].sent.length, 3);
  assert.equal(sockets[0].sent[2].step, player.step);
});

test("the program's wishes are done, and what became of them is told", async () => {
  const { player, sockets, pass, hear } = connected();
  await hear({ playback: { step: 30.4, speed: 2, is_playing: true } });
  assert.deepEqual([player.step, player.speed, player.done], [30, 2, ["seek 30", "play"]]);
  await hear({ playback: { step: 30.4, speed: 2, is_playing: false } });
  pass(1000);
  assert.deepEqual(player.done, ["seek 30", "play", "pause"]);
  assert.deepEqual(sockets[0].sent.slice(1), [{ step: 30, speed: 2, is_playing: false }]);
});

test("a wish that the player cannot do is told as what it can", async () => {
  const { player, sockets, pass, hear } = connected();
  Object.defineProperty(player, "speed", { get: () => 4, set() {} });
  await hear({ playback: { step: 0, speed: 16, is_playing: false } });
  pass(1000);
  assert.equal(sockets[0].sent.at(-1).speed, 4);
});

test("what changed is fetched again, and forgotten first where that was asked for", async () => {
  const { player, source, hear } = connected();
  await hear({ changed: true });
  assert.deepEqual([player.done, source.forgotten], [["refresh"], 0]);
  await hear({ refresh: true });
  assert.deepEqual([player.done, source.forgotten], [["refresh", "refresh"], 1]);
});

test("words are done one after the other, also where one of them waits for the server", async () => {
  const { player, hear } = connected();
  let answer;
  player.refresh = () => new Promise((done) => (answer = done));
  await hear({ changed: true, playback: { step: 5, speed: 1, is_playing: false } });
  await hear({ playback: { step: 7, speed: 1, is_playing: false } });
  assert.deepEqual(player.done, []);
  answer();
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(player.done, ["seek 5", "seek 7"]);
});

test("a lost socket is opened again, and what changed meanwhile is fetched", async () => {
  const { player, sockets, pass } = connected();
  sockets[0].onclose();
  pass(20_000);
  assert.equal(sockets.length, 2);
  sockets[1].onopen();
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(player.done, ["refresh"]);
  assert.deepEqual(sockets[1].sent, [{ step: 0, speed: 1, is_playing: false }]);
});

test("a closed remote opens nothing any more, and moves nothing", async () => {
  const { player, sockets, pass, remote, hear } = connected();
  remote.close();
  await hear({ refresh: true, playback: { step: 5, speed: 1, is_playing: true } });
  assert.deepEqual(player.done, []);
  sockets[0].onclose();
  pass(60_000);
  assert.equal(sockets.length, 1);
});

test("at the last step a player stands still, which is no stall", () => {
  const told = { step: 98, speed: 1, isPlaying: true, atMs: 0 };
  const player = { info: { fps: 10 }, numSteps: 100 };
  assert.ok(isAsTold(told, { step: 99, speed: 1, isPlaying: true }, 10_000, player));
});
