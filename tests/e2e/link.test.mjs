// What follows the link, and what a person decides instead: in the numbers, in the settings, on the screen.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  drawingsOf, FAKE_CAMERA, finish, launch, makeClips, openPage, reached, startScriptedServer, startServer, watchDrawings,
} from "./helpers.mjs";

const DESKTOP = { width: 1280, height: 720 };
const SERVICE = "--model builtin --device cpu --process-res 56 --threads 1 --port 0".split(" ");
const THIN_MBIT_S = "0.03"; // a picture of 56 x 42 pixels takes most of a second
const ENDLESS = "marker.compact.1000000.shown";

let server, browser;
before(async () => {
  server = await startScriptedServer();
  browser = await launch(...FAKE_CAMERA);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const open = (search, options = { viewport: DESKTOP }) => openPage(browser, `${server.url}/${search}`, options);
const numbersSay = (page, text) => page.locator("#numbers dd", { hasText: text }).waitFor();

/** Runs in the page before anything else: window.asked is what `settings` asked for, as text. */
function recordSettings() {
  window.asked = [];
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    const text = new TextDecoder("latin1").decode(data);
    if (text.includes("settings")) window.asked.push(text);
    send.call(this, data);
  };
}

test("splats16 to compact and back in the middle of a stream: each frame is drawn, none is blank or mixed", async () => {
  const script = "swaps.splats16-splats16-compact-compact-compact.40.shown";
  const page = await open(`?watch=${script}`, { inits: [watchDrawings] });
  await reached(page, "shown", 40, 60_000);
  assert.match((await drawingsOf(page)).replace(/^\.+/, ""), /^(G+M+){20}$/);
  await finish(page);
});

test("the same with results that come as fast as they can: some are passed over, and the last one stays", async () => {
  const page = await open("?watch=swaps.splats16-compact-compact.90.ack", { inits: [watchDrawings] });
  await reached(page, "received", 90, 60_000);
  await page.waitForFunction(() => window.drawings.at(-1).magenta > 0.95);
  assert.match((await drawingsOf(page)).replace(/^\.+/, ""), /^[GM]+$/);
  assert.equal(await page.evaluate(() => window.splatcam.counts.failed), 0);
  await finish(page);
});

test("compact and files take over from each other without a blank frame too", async () => {
  const page = await open("?watch=swaps.compact-gaussian_ply.20.shown", { inits: [watchDrawings] });
  await reached(page, "shown", 20, 60_000);
  assert.match((await drawingsOf(page)).replace(/^\.+/, ""), /^(G+M+){10}$/);
  await finish(page);
});

test("the numbers say what the server chose and why", async () => {
  const page = await open(`?watch=${ENDLESS}`);
  await numbersSay(page, /^compact, splats from depth, every 2nd pixel, 12 bits — the link carries about 9 Mbit\/s$/);
  await finish(page);
});

test("a stride that is pinned is asked for, named as such, and left to the link again", async () => {
  const page = await open(`?stride=3&watch=${ENDLESS}`, { viewport: DESKTOP, inits: [recordSettings] });
  await numbersSay(page, "every 3rd pixel (pinned)");
  await page.locator("#toolbar").getByRole("button", { name: "Settings" }).click();
  const slider = page.getByLabel("Every n-th pixel");
  const row = page.locator(".row", { has: slider });
  assert.match(await row.getAttribute("class"), /pinned/);
  await slider.fill("0");
  assert.equal(await slider.getAttribute("aria-valuetext"), "as suits the link");
  assert.doesNotMatch(await row.getAttribute("class"), /pinned/);
  await numbersSay(page, "every 2nd pixel, ");
  assert.doesNotMatch(page.url(), /stride/);
  const [first, last] = await page.evaluate(() => window.asked);
  assert.match(first, /stride\x03/);
  assert.match(last, /stride.auto/);
  await finish(page);
});

test("a format that is pinned is asked for, and the others are offered all the same", async () => {
  const page = await open(`?format=splats16&watch=${ENDLESS}`, { viewport: DESKTOP, inits: [recordSettings] });
  await numbersSay(page, "compact (pinned)"); // this server does as its script says
  assert.match((await page.evaluate(() => window.asked))[0], /format.splats16/);
  await finish(page);
});

test("the camera's pictures are as large and as good as somebody decided, and the numbers say so", async () => {
  const page = await open("?size=half&jpeg=low");
  await numbersSay(page, "20×15 (pinned), quality 50 % (pinned) — as you chose");
  assert.deepEqual(await page.evaluate(() => window.splatcam.lastResult.grid), [15, 20]);
  await finish(page);
});

test("a page that watches another camera has no pictures of its own to speak of", async () => {
  const page = await open(`?watch=${ENDLESS}`);
  await numbersSay(page, "compact");
  assert.doesNotMatch(await page.textContent("#numbers"), /Camera/);
  await page.locator("#toolbar").getByRole("button", { name: "Settings" }).click();
  assert.equal(await page.getByLabel("Picture quality").isVisible(), false);
  await finish(page);
});

test("on an uplink that is too thin for them the camera's pictures become smaller, and the numbers say why", async (t) => {
  const service = await startServer("stream_server.py", ...SERVICE);
  t.after(service.stop);
  const link = `--listen 0 --to ${new URL(service.url).port} --down 100 --up ${THIN_MBIT_S} --delay-ms 5`;
  const thin = await startServer("-m", "splatcam.bench.throttle", ...link.split(" "));
  t.after(thin.stop);
  const clips = makeClips();
  t.after(clips.remove);
  const withClip = await launch(...FAKE_CAMERA, `--use-file-for-fake-video-capture=${clips.mjpeg}`);
  t.after(() => withClip.close());
  const page = await openPage(withClip, thin.url, { viewport: DESKTOP });
  const smaller = page.locator("#numbers dd", { hasText: /^(42×32|28×21), quality \d+ % — the uplink queued \d+ ms$/ });
  await smaller.waitFor({ timeout: 120_000 });
  const { shown } = await page.evaluate(() => window.splatcam.counts);
  await reached(page, "shown", shown + 2, 60_000);
  await finish(page);
});
