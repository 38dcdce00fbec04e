// Time in real Chromium: a camera is recorded by the real service, scrubbed, played and left again; files of recordings
// are opened, good ones and others.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  drawingsOf, FAKE_CAMERA, finish, launch, makeSceneClip, openPage, PYTHON, reached, ROOT, says, startServer,
  watchDrawings,
} from "./helpers.mjs";

// Splats that a browser without a graphics card can draw.
const FLAGS = "--model synthetic --device cpu --process-res 70 --threads 1 --port 0".split(" ");
const TAKE_STEPS = 12;
const GOLDEN = join(ROOT, "tests", "golden", "scam");
const SAME = 4; // of 255, mean difference of a pixel's channel
const TIMEOUT = { timeout: 60_000 };

let server, browser, folder;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "splatcam-takes-"));
  server = await startServer("stream_server.py", ...FLAGS, "--recordings", join(folder, "recordings"));
  const clip = makeSceneClip(join(folder, "clip.mjpeg"));
  browser = await launch(...FAKE_CAMERA, `--use-file-for-fake-video-capture=${clip}`);
  const program = ["-m", "tests.exported_takes", take(), String(TAKE_STEPS)];
  const made = spawnSync(PYTHON, program, { cwd: ROOT, encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  const bytes = readFileSync(take());
  writeFileSync(join(folder, "cut.scam"), bytes.subarray(0, Math.floor(bytes.length * 0.75)));
  writeFileSync(join(folder, "foreign.scam"), "this is a text, whatever its name says");
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true });
});

const take = () => join(folder, "take.scam");
const bar = (page, name) => page.locator("#timeline").getByRole("button", { name });
const seek = (page, step) => page.evaluate((to) => window.splatcam.player.seek(to), step);
const drawn = (page, step) => page.waitForFunction((s) => window.splatcam.deck.drawnStep === s, step, TIMEOUT);

/** Runs in the page before anything else: window.seen maps frame ids of the live stream to what they looked like. */
function keepWhatIsSeen() {
  window.seen = new Map();
  window.pixelsOf = ({ stage }) => {
    const gl = stage.renderer.getContext();
    const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
    const pixels = new Uint8Array(width * height * 4);
    window.readPixels(gl, 0, 0, width, height, pixels);
    return pixels;
  };
  let splatcam;
  Object.defineProperty(window, "splatcam", {
    get: () => splatcam,
    set: (value) => {
      splatcam = value;
      let shownNow = null; // told in the same drawing, before the listener below
      const { connection, screen } = value;
      const sendShown = connection.sendShown.bind(connection);
      connection.sendShown = (frameId, latencyMs) => {
        if (!screen.isReplaying) shownNow = frameId;
        sendShown(frameId, latencyMs);
      };
      value.stage.onRender(() => {
        if (shownNow !== null && window.seen.size < 60) window.seen.set(shownNow, window.pixelsOf(value));
        shownNow = null;
      });
    },
  });
}

/** Mean difference of the next drawing to what was seen live of that frame. */
const differenceTo = (page, frameId) => page.evaluate((id) => new Promise((resolve) => {
  const { stage } = window.splatcam;
  const then = window.seen.get(id);
  let isDone = false;
  stage.onRender(() => {
    if (isDone) return;
    isDone = true;
    const now = window.pixelsOf(window.splatcam);
    let sum = 0;
    for (let i = 0; i < now.length; i += 1) sum += Math.abs(now[i] - then[i]);
    resolve(sum / now.length);
  });
  stage.requestRender();
}), frameId);

/** Records until there are so many steps that were also seen live; returns the recording's id. */
async function record(page, steps = 20) {
  await page.keyboard.press("c");
  await page.waitForFunction((n) => window.splatcam.deck.made?.steps >= n, steps, TIMEOUT);
  return page.evaluate(() => window.splatcam.deck.made.id);
}

async function openCamera(search, options) {
  const page = await openPage(browser, `${server.url}/${search}`, options);
  await reached(page, "shown", 3, 60_000);
  return page;
}

test("a camera is recorded and scrubbed while it goes on, and a step looks as it did live", async () => {
  const page = await openCamera("?format=compact", { inits: [keepWhatIsSeen] });
  await record(page);
  assert.match(await page.locator("#recording").textContent(), /^0:\d\d · /);
  await page.locator("#timeline .seek").fill("6"); // as a drag would
  await page.waitForFunction(() => window.splatcam.player !== null, null, TIMEOUT);
  await page.waitForFunction(() => window.splatcam.screen.isReplaying, null, TIMEOUT);
  assert.equal(await page.evaluate(() => window.splatcam.player.step), 6);
  const step = await stepThatWasSeen(page);
  await drawn(page, step);
  const frameId = await page.evaluate(() => window.splatcam.player.facts.frameId);
  assert.ok((await differenceTo(page, frameId)) < SAME);
  const other = await page.evaluate((id) => [...window.seen.keys()].find((seen) => Math.abs(seen - id) > 8), frameId);
  assert.ok((await differenceTo(page, other)) > SAME, "the pictures do differ from step to step");
  const steps = await page.evaluate(() => window.splatcam.player.numSteps);
  await page.waitForFunction((n) => window.splatcam.player.numSteps > n, steps, TIMEOUT); // it grows meanwhile
  assert.equal(Number(await page.locator("#timeline .seek").getAttribute("max")) >= steps, true);
  await page.keyboard.press("c");
  await page.waitForFunction(() => window.splatcam.deck.made.state === "ended", null, TIMEOUT);
  await finish(page);
});

/** Goes from step to step until one was also seen live. */
async function stepThatWasSeen(page) {
  const last = await page.evaluate(() => window.splatcam.player.numSteps - 1);
  for (let step = 0; step <= last; step += 1) {
    await seek(page, step);
    const isSeen = await page.evaluate(async () => {
      const { player } = window.splatcam;
      while (player.facts === null) await new Promise((done) => setTimeout(done, 20));
      return window.seen.has(player.facts.frameId);
    });
    if (isSeen) return step;
  }
  throw new Error("no step of the recording was seen live");
}

test("at twice the speed it plays to its end, and the live picture comes back without a blank one", async () => {
  const page = await openCamera("", { inits: [watchDrawings] });
  const id = await record(page);
  await page.keyboard.press("c");
  await page.waitForFunction(() => window.splatcam.deck.made.state === "ended", null, TIMEOUT);
  await bar(page, "Play (K)").click();
  await page.waitForFunction(() => window.splatcam.player?.isPlaying, null, TIMEOUT);
  await page.locator("#timeline").getByLabel("Speed").selectOption("2");
  assert.equal(await page.evaluate(() => window.splatcam.player.speed), 2);
  const isOver = () => {
    const { step, numSteps, isPlaying } = window.splatcam.player;
    return step === numSteps - 1 && !isPlaying;
  };
  await page.waitForFunction(isOver, null, TIMEOUT);
  assert.equal(await page.locator("#status").textContent(), "Replay");
  const { shown } = await page.evaluate(() => window.splatcam.counts);
  await bar(page, "Go live").click();
  await reached(page, "shown", shown + 2, 60_000);
  assert.equal(await page.evaluate(() => window.splatcam.player), null);
  assert.doesNotMatch((await drawingsOf(page)).replace(/^\.+/, ""), /\./);
  const addressesOf = (found) => found.map((link) => link.getAttribute("href"));
  const links = await page.locator("#timeline .links a").evaluateAll(addressesOf);
  const files = ["export.html", "export.zip", "export.mp4", "take.scam"];
  assert.deepEqual(links, files.map((file) => `recordings/${id}/${file}`));
  await finish(page);
});

test("who watches a room scrubs its recording as well, and finds it in the list", async () => {
  const camera = await openCamera("?room=kitchen");
  const viewer = await openCamera("?watch=kitchen");
  const id = await record(camera, 5);
  await viewer.waitForFunction((which) => window.splatcam.deck.made?.id === which, id, TIMEOUT);
  await viewer.keyboard.press("c");
  await says(viewer, "Only the page whose camera it is can record");
  await viewer.evaluate(() => window.splatcam.deck.seek(1));
  await drawn(viewer, 1);
  await camera.keyboard.press("c");
  await camera.waitForFunction(() => window.splatcam.deck.made.state === "ended", null, TIMEOUT);
  await viewer.keyboard.press("q");
  await viewer.getByText("Recordings of this server").click();
  await viewer.locator("#recordings li", { hasText: "kitchen" }).first().waitFor();
  await finish(viewer);
  await finish(camera);
});

test("what the microphone hears is recorded beside the picture, and is heard when it is played", async () => {
  const page = await openCamera("");
  await page.keyboard.press("q");
  await page.getByLabel("Microphone").check();
  await page.keyboard.press("Escape");
  await record(page, 5);
  await page.waitForFunction(() => window.splatcam.deck.made.sound, null, TIMEOUT);
  const steps = await page.evaluate(() => window.splatcam.deck.made.steps);
  const laterSteps = (n) => window.splatcam.deck.made.steps >= n + 15; // results are later than what was heard
  await page.waitForFunction(laterSteps, steps, TIMEOUT);
  await page.keyboard.press("c");
  await page.waitForFunction(() => window.splatcam.deck.made.state === "ended", null, TIMEOUT);
  await page.evaluate(() => {
    window.heard = 0;
    const { start } = AudioBufferSourceNode.prototype;
    AudioBufferSourceNode.prototype.start = function (...args) {
      window.heard += 1;
      start.apply(this, args);
    };
  });
  await bar(page, "Play (K)").click();
  await page.waitForFunction(() => window.heard > 0, null, TIMEOUT);
  await finish(page);
});

test("the player's page plays a recording of the server", async () => {
  const camera = await openCamera("");
  const id = await record(camera, 5);
  await finish(camera); // a camera that leaves ends its recording
  const page = await openPage(browser, `${server.url}/player.html?recording=${id}`);
  await page.waitForFunction(() => window.splatcam?.player?.state === "ready", null, TIMEOUT);
  await drawn(page, 0);
  for (const key of "qhcpmigv") await page.keyboard.press(key); // what this page does not have
  await page.keyboard.press(".");
  await drawn(page, 1);
  await page.keyboard.press(",");
  await drawn(page, 0);
  await finish(page);
});

/** A recording that lies at the server already; returns its id. */
function lay(name) {
  const id = `20250101-0000${name}`;
  cpSync(take(), join(folder, "recordings", `${id}.scam`));
  return id;
}

test("an export that cannot be made is told in the server's words, and a download comes beside it", async () => {
  const id = lay("02-aaaaaa");
  const page = await openPage(browser, `${server.url}/player.html?recording=${id}`);
  await drawn(page, 0);
  const refusal = { status: 503, contentType: "text/plain", body: "another export is being made: try again" };
  let answer;
  await page.route("**/export.mp4", (route) => (answer = () => route.fulfill(refusal)));
  const choose = async (name) => {
    await page.getByText("Export", { exact: true }).click();
    await page.getByRole("link", { name }).click();
  };
  await choose("A film");
  await says(page, "The server makes the file");
  const download = page.waitForEvent("download");
  await choose("The recording itself");
  assert.equal((await download).suggestedFilename(), `${id}.scam`);
  answer();
  await says(page, "Nothing was exported: another export is being made: try again.");
  await finish(page, (fault) => fault.includes("503"));
});

test("a recording is deleted from the list where the question is answered with yes", async () => {
  const id = lay("01-bbbbbb");
  const page = await openPage(browser, `${server.url}/?source=none`);
  await page.evaluate((which) => window.splatcam.deck.openRecording(which), id);
  await page.keyboard.press("q");
  await page.getByText("Recordings of this server").click();
  const row = page.locator("#recordings li").last(); // the oldest
  page.once("dialog", (dialog) => dialog.dismiss());
  await row.getByText("Delete").click();
  assert.equal(await page.evaluate(() => window.splatcam.deck.id), id);
  page.once("dialog", (dialog) => dialog.accept());
  await row.getByText("Delete").click();
  await page.waitForFunction(() => window.splatcam.deck.id === null, null, TIMEOUT); // what is gone is not on the screen
  assert.equal(existsSync(join(folder, "recordings", `${id}.scam`)), false);
  await finish(page);
});

for (const path of ["/?source=none", "/player.html"]) {
  test(`a file of a recording plays when it is opened in ${path}`, async () => {
    const page = await openPage(browser, server.url + path);
    await page.locator("#files").setInputFiles(take());
    await drawn(page, 0);
    assert.match(await page.locator("#timeline .step").textContent(), new RegExp(`^1 / ${TAKE_STEPS} · 0.0 s`));
    assert.equal(await page.locator("#timeline .exports").isVisible(), false); // it lies here already
    await page.keyboard.press("k");
    await drawn(page, TAKE_STEPS - 1);
    await finish(page);
  });

  test(`a file that was cut off, and one that is none, are told in words in ${path}`, async () => {
    const page = await openPage(browser, server.url + path);
    await page.waitForFunction(() => window.splatcam !== undefined);
    await page.locator("#files").setInputFiles(join(folder, "foreign.scam"));
    await says(page, "“foreign.scam” cannot be opened: this is no .scam file");
    assert.equal(await page.evaluate(() => window.splatcam.player), null);
    await page.locator("#files").setInputFiles(join(folder, "cut.scam"));
    await says(page, /“cut.scam” (was cut off in the middle; its \d+ whole steps play|holds no step yet)/);
    await finish(page);
  });
}

test("a program's timeline shows its nodes, its picture, and what is gone is gone", async () => {
  const page = await openPage(browser, `${server.url}/player.html`);
  await page.locator("#files").setInputFiles(join(GOLDEN, "timeline.scam"));
  await drawn(page, 0);
  const children = () => page.evaluate(() => window.splatcam.stage.content.children.length);
  const before = await children();
  assert.equal(await page.locator("#pictures img").count(), 0);
  await seek(page, 36);
  await drawn(page, 36);
  assert.equal(await page.locator("#pictures img").count(), 1);
  assert.equal(await children(), before + 1); // the ball
  await seek(page, 39);
  await drawn(page, 39);
  assert.equal(await children(), before); // without the cloud
  await finish(page, (fault) => fault.includes("ERR_")); // the golden JPEG is none that can be drawn
});

test("a recording that the server does not have is told in words", async () => {
  const page = await openPage(browser, `${server.url}/player.html?recording=20260101-000000-abcdef`);
  await says(page, "the server has no such recording");
  await finish(page, (fault) => fault.includes("404"));
});

test("a server that records nothing says so at the button", async () => {
  const silent = await startServer("stream_server.py", ...FLAGS, "--record", "off");
  const page = await openPage(browser, `${silent.url}/`);
  await reached(page, "shown", 1, 60_000);
  const button = page.locator('#toolbar [data-action="record"]');
  await page.waitForFunction(() => document.querySelector('#toolbar [data-action="record"]').title.includes("off"));
  assert.equal(await button.getAttribute("aria-disabled"), "true");
  await button.click({ force: true }); // it can be pressed: it says why
  await says(page, "This server records nothing");
  await finish(page);
  await silent.stop();
});
