// `compact` in Chromium: the worker, what is on the screen, and what happens to frames that cannot be unpacked. All
// pictures of the scripted server lie on their side and are twice as large as the grid.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  drawingsOf, FAKE_CAMERA, finish, hue, launch, makeClips, meanColor, openPage, reached, says, startScriptedServer,
  watchDrawings,
} from "./helpers.mjs";

const TOP_LEFT = [0.04, 0.04, 0.2, 0.26];
const BOTTOM_RIGHT = [0.8, 0.74, 0.96, 0.96];
const TWO_FIFTHS_LEFT = [0.42, 0.76, 0.54, 0.94]; // of what is bottom-right
const MIDDLE = [0.4, 0.4, 0.6, 0.6];

let server, clips, browser;
before(async () => {
  server = await startScriptedServer();
  clips = makeClips();
  browser = await launch(...FAKE_CAMERA, `--use-file-for-fake-video-capture=${clips.mjpeg}`);
});
after(async () => {
  await browser?.close();
  clips?.remove();
  await server?.stop();
});

const watch = (script, options) => openPage(browser, `${server.url}/?format=compact&watch=${script}`, options);
const countsOf = (page) => page.evaluate(() => window.splatcam.counts);

async function showsMarker(page) {
  const hues = [];
  for (const box of [TOP_LEFT, MIDDLE, BOTTOM_RIGHT]) hues.push(hue(await meanColor(page, box)));
  assert.deepEqual(hues, ["red", "grey", "blue"]);
}

/** Gives the page its last compact result once more, spoiled or whole, and waits until it is through with it. */
function showAgain(page, changes) {
  return page.evaluate(async (fields) => {
    const { splatcam } = window;
    const doneOf = ({ failed, shown }) => failed + shown;
    const before = doneOf(splatcam.counts);
    const bytes = Object.entries(fields).map(([name, values]) => [name, new Uint8Array(values)]);
    splatcam.screen.show({ ...(window.whole ??= splatcam.lastResult), ...Object.fromEntries(bytes) });
    while (doneOf(splatcam.counts) === before) await new Promise((done) => requestAnimationFrame(done));
  }, changes);
}

/** `size` bytes, all 0 but `some`, as raw deflate. */
function deflated(page, some, size) {
  return page.evaluate(async ([values, length]) => {
    const bytes = Object.assign(new Uint8Array(length), values);
    const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"));
    return [...new Uint8Array(await new Response(packed).arrayBuffer())];
  }, [some, size]);
}

const NO_DEFLATE = { depth: [255, 255, 255, 255] };

test("what is top-left in the picture is top-left on the screen, whichever way the JPEG lies", async () => {
  const page = await watch("marker.compact.1.shown");
  await reached(page, "shown", 1);
  await showsMarker(page);
  await finish(page);
});

test("50 swaps, each drawn, and never a blank or a mixed frame between two", async () => {
  const page = await watch("swaps.compact.50.shown", { inits: [watchDrawings] });
  await reached(page, "shown", 50);
  assert.match((await drawingsOf(page)).replace(/^\.+/, ""), /^(G+M+){25}$/);
  await finish(page);
});

test("frames that come faster than they can be unpacked are passed over, and the last one stays", async () => {
  const page = await watch("swaps.compact.100.ack", { inits: [watchDrawings] });
  await reached(page, "received", 100);
  await page.waitForFunction(() => window.drawings.at(-1).magenta > 0.95);
  assert.match((await drawingsOf(page)).replace(/^\.+/, ""), /^[GM]+$/);
  assert.equal((await countsOf(page)).failed, 0);
  await finish(page);
});

test("larger frames, and frames without splats, come and go", async () => {
  const growing = await watch("growing.compact.4.shown", { inits: [watchDrawings] });
  await reached(growing, "shown", 4);
  assert.match((await drawingsOf(growing)).replace(/^\.+/, ""), /^G+M+G+M+$/);
  await finish(growing);
  const empties = await watch("empties.compact.3.shown", { inits: [watchDrawings] });
  await reached(empties, "shown", 3);
  assert.match(await drawingsOf(empties), /^\.+G+\.+G+$/);
  await finish(empties);
});

test("the page's own pictures are not sent back: it puts them on the depth that comes", async () => {
  const page = await openPage(browser, `${server.url}/?format=compact`);
  await reached(page, "shown", 10);
  assert.equal((await countsOf(page)).failed, 0);
  await page.evaluate(() => window.splatcam.freeze(true));
  await showsMarker(page);
  assert.equal(await page.evaluate(() => window.splatcam.lastResult.type), "compact");
  await finish(page);
});

test("a frame that cannot be unpacked is left out, counted and told once, and the picture stays", async () => {
  const page = await watch("marker.compact.1.shown");
  await reached(page, "shown", 1);
  for (let times = 1; times <= 2; times += 1) await showAgain(page, NO_DEFLATE);
  await says(page, "A frame could not be unpacked and was left out");
  await showsMarker(page);
  await showAgain(page, {});
  for (let times = 1; times <= 2; times += 1) await showAgain(page, NO_DEFLATE);
  const { failed, shown } = await countsOf(page);
  assert.deepEqual([failed, shown], [4, 2]);
  assert.equal(await page.evaluate(() => window.splatcam.lastResult.type), "compact"); // never three in a row
  await finish(page);
});

/** What the worker says of a plane of so many bytes, as the page tells it. */
const INFLATED = {
  "a plane that inflates to a hundred megabytes": { zeros: 1e8, sentence: "larger than the window" },
  "a plane that ends early": { zeros: 1000, sentence: "smaller than the window" },
};
for (const [name, { zeros, sentence }] of Object.entries(INFLATED)) {
  test(`${name} is left out`, async () => {
    const page = await watch("marker.compact.1.shown");
    await reached(page, "shown", 1);
    await showAgain(page, { depth: await deflated(page, { 0: 0 }, zeros) });
    await says(page, sentence);
    await showsMarker(page);
    await finish(page);
  });
}

const SPLATS = 30 * 40;
const OPAQUE = { 0: 255 }; // differences: the first opacity, and all others like it

test("shapes that a network predicted are drawn where their bytes say", async () => {
  const page = await watch("marker.compact.1.shown");
  await reached(page, "shown", 1);
  await showAgain(page, { shape: await deflated(page, OPAQUE, 9 * SPLATS) });
  await showsMarker(page);
  const farLeft = { ...OPAQUE, [7 * SPLATS]: 256 - 128 };
  await showAgain(page, { shape: await deflated(page, farLeft, 9 * SPLATS) });
  const hues = [hue(await meanColor(page, BOTTOM_RIGHT)), hue(await meanColor(page, TWO_FIFTHS_LEFT))];
  assert.deepEqual(hues, ["grey", "blue"]); // all splats are 16 of 40 pixels further left
  assert.deepEqual((({ failed, shown }) => [failed, shown])(await countsOf(page)), [0, 3]);
  await finish(page);
});

test("a shape that ends early is left out", async () => {
  const page = await watch("marker.compact.1.shown");
  await reached(page, "shown", 1);
  await showAgain(page, { shape: await deflated(page, OPAQUE, 8 * SPLATS) });
  await says(page, "smaller than the window");
  await showsMarker(page);
  await finish(page);
});

test("three frames in a row that cannot be unpacked: the page asks for its other formats", async () => {
  const page = await watch("marker.compact.1.shown");
  await reached(page, "shown", 1);
  for (let times = 1; times <= 3; times += 1) await showAgain(page, { color: [1, 2, 3] });
  await says(page, "the page goes on in a larger one");
  await reached(page, "shown", 2);
  assert.equal(await page.evaluate(() => window.splatcam.lastResult.type), "splats16");
  assert.equal((await countsOf(page)).connects, 1);
  assert.doesNotMatch(page.url(), /format=/); // nobody asks for it any more
  await showsMarker(page);
  await finish(page);
});

test("without the worker the page goes on in another format", async () => {
  const page = await openPage(browser, "about:blank");
  await page.route("**/compact/worker.js", (route) => route.abort());
  await page.goto(`${server.url}/?format=compact`);
  await reached(page, "shown", 1);
  assert.equal(await page.evaluate(() => window.splatcam.lastResult.type), "splats16");
  assert.equal((await countsOf(page)).failed, 3);
  await finish(page, (fault) => /Failed to load resource|worker/.test(fault));
});

test("a picture in this format can be frozen, saved and shown again after a file", async () => {
  const page = await watch("marker.compact.1.shown");
  await reached(page, "shown", 1);
  await page.evaluate(() => window.splatcam.freeze(true));
  const saved = await page.evaluate(async () => {
    const { shownResult } = window.splatcam.screen;
    const { plyOf } = await import("/save/ply.js");
    const { spzOf } = await import("/save/spz.js");
    const [ply, spz] = [plyOf(shownResult), await spzOf(shownResult)];
    await window.splatcam.screen.showFile(new File([spz], "saved.spz"));
    return { header: new TextDecoder().decode(ply.subarray(0, 60)), bytes: ply.length };
  });
  assert.match(saved.header, /element vertex 1200\n/);
  assert.ok(saved.bytes > 1200 * 14 * 4);
  await page.evaluate(() => window.splatcam.screen.backToLive());
  await reached(page, "shown", 2);
  await showsMarker(page);
  await finish(page);
});

/** Runs in the page before anything else: window.sent is what goes through its websocket, as text. */
function recordSent() {
  window.sent = [];
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    window.sent.push(new TextDecoder("latin1").decode(data));
    send.call(this, data);
  };
}

test("a page from another machine says that it prefers compact, and draws it", async () => {
  const far = await launch("--host-resolver-rules=MAP far.test 127.0.0.1");
  try {
    const address = `http://far.test:${new URL(server.url).port}/?watch=marker.compact.1.shown`;
    const page = await openPage(far, address, { inits: [recordSent] });
    await reached(page, "shown", 1);
    assert.match(await page.evaluate(() => window.sent[0]), /formats.{1,3}compact.{1,3}splats16/s);
    await finish(page);
  } finally {
    await far.close();
  }
});
