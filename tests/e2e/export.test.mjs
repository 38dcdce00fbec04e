// A recording as one HTML file: opened from the disk, with the network cut, it shows and plays what the server shows.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { finish, launch, openPage, PYTHON, ROOT, startServer } from "./helpers.mjs";

const ID = "20260102-030405-abcdef";
const STEPS = 12;
const VIEW = { width: 160, height: 120 };
const MEAN_ERROR = 1; // of 255
const LOCAL = /^(file|data|blob):/;

const PATIENCE_MS = 120_000;

let folder, server, browser, whole;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "splatcam-export-"));
  const program = ["-m", "tests.exported_takes", join(folder, `${ID}.scam`), String(STEPS)];
  const { status, stderr } = spawnSync(PYTHON, program, { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  server = await startServer("stream_server.py", "--model", "synthetic", "--port", "0", "--recordings", folder);
  browser = await launch();
  whole = await exported("", "take.html");
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true });
});

/** Downloads what the server exports; returns the file's address. */
async function exported(query, name) {
  const response = await fetch(`${server.url}/recordings/${ID}/export.html${query}`);
  assert.equal(response.status, 200, await response.clone().text());
  assert.equal(response.headers.get("content-disposition"), `attachment; filename="${ID}.html"`);
  const path = join(folder, name);
  writeFileSync(path, new Uint8Array(await response.arrayBuffer()));
  return path;
}

/** The file without a network. `page.asked` is what it asked for beside itself. */
async function openOffline(path) {
  const page = await openPage(browser, "about:blank", { viewport: VIEW });
  await page.context().setOffline(true);
  page.asked = [];
  page.on("request", (request) => page.asked.push(request.url()));
  page.on("requestfailed", (request) => page.faults.push(`failed: ${request.url()}`));
  await page.goto(pathToFileURL(path).href);
  return page;
}

/** Resolves when the picture of that step is on the screen. */
async function showsStep(page, step) {
  await page.waitForFunction(() => window.splatcam?.player?.numSteps > 0, null, { timeout: PATIENCE_MS, polling: 50 });
  await page.evaluate((at) => window.splatcam.player.seek(at), step);
  await page.waitForFunction((at) => window.splatcam.deck.drawnStep === at, step, { timeout: PATIENCE_MS, polling: 50 });
}

/** The scene's pixels at its next drawing. */
function pixelsOf(page) {
  return page.evaluate(() => {
    const { stage } = window.splatcam;
    const gl = stage.renderer.getContext();
    return new Promise((resolve) => {
      let isRead = false;
      stage.onRender(() => {
        if (isRead) return;
        isRead = true;
        const pixels = new Uint8Array(gl.drawingBufferWidth * gl.drawingBufferHeight * 4);
        window.readPixels(gl, 0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight, pixels);
        resolve([...pixels]);
      });
      stage.requestRender();
    });
  });
}

function meanError(a, b) {
  assert.equal(a.length, b.length);
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
}

test("the file shows what the served player shows, and asks for nothing", async () => {
  const served = await openPage(browser, `${server.url}/player.html?recording=${ID}`, { viewport: VIEW });
  const offline = await openOffline(whole);
  const pictures = [];
  for (const step of [7, 2]) {
    await showsStep(served, step);
    await showsStep(offline, step);
    const [there, here] = [await pixelsOf(served), await pixelsOf(offline)];
    assert.ok(meanError(there, here) < MEAN_ERROR, `step ${step} differs by ${meanError(there, here)}`);
    pictures.push(here);
  }
  assert.ok(meanError(...pictures) > MEAN_ERROR, "and the steps differ from each other");
  assert.deepEqual(offline.asked.filter((url) => !LOCAL.test(url)), []);
  await finish(served);
  await finish(offline);
});

test("it plays to its end", async () => {
  const page = await openOffline(whole);
  await showsStep(page, 0);
  await page.evaluate(() => window.splatcam.player.play());
  const isAtEnd = (last) => !window.splatcam.player.isPlaying && window.splatcam.deck.drawnStep === last;
  await page.waitForFunction(isAtEnd, STEPS - 1, { timeout: PATIENCE_MS, polling: 50 });
  await finish(page);
});

test("a part of a recording begins at step 0 and is as long as it was asked for", async () => {
  const page = await openOffline(await exported("?first=3&last=6", "part.html"));
  const served = await openPage(browser, `${server.url}/player.html?recording=${ID}`, { viewport: VIEW });
  await showsStep(page, 0);
  await showsStep(served, 3);
  assert.equal(await page.evaluate(() => window.splatcam.player.numSteps), 4);
  assert.ok(meanError(await pixelsOf(page), await pixelsOf(served)) < MEAN_ERROR);
  await finish(served);
  await finish(page);
});

test("the file's own policy forbids it the network", async () => {
  const page = await openPage(browser, pathToFileURL(whole).href, { viewport: VIEW }); // the network is there
  await showsStep(page, 0);
  const refused = await page.evaluate((url) => fetch(url).then(() => "came", () => "refused"), server.url);
  assert.equal(refused, "refused");
  await finish(page, (fault) => /Content Security Policy/.test(fault));
  assert.doesNotMatch(readFileSync(whole, "utf8"), /(src|href)=["']https?:/);
});
