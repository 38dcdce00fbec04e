// What the browser tests share: servers on loopback, Chromium without a graphics card, and eyes for its pictures.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
export const PYTHON = process.env.SPLATCAM_TEST_PYTHON ?? join(ROOT, ".venv", "bin", "python");
const VIEW = { width: 320, height: 240 };
export const FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];

const PURE = 0.95; // share of a drawing's pixels; the outermost splats fade out at the edges of the view
const SERVER_START_MS = 60_000;
const SERVER_STOP_MS = 5000; // then it is killed
const FLAGS = [
  "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
];

/**
 * Starts a Python program that prints its address. Returns {url, pid, stop}; stop() may be called twice. A program that
 * no test stopped keeps no test run alive and ends with it.
 */
export async function startServer(...args) {
  const env = { ...process.env, PYTHONUNBUFFERED: "1", OMP_NUM_THREADS: "1" };
  const child = spawn(PYTHON, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
  const exited = new Promise((done) => child.once("exit", done).once("error", done));
  const end = () => child.kill("SIGTERM");
  const kill = () => child.kill("SIGKILL");
  process.once("exit", end);
  exited.then(() => process.off("exit", end));
  const stop = async () => {
    const timer = setTimeout(kill, SERVER_STOP_MS);
    end();
    await exited;
    clearTimeout(timer);
  };
  try {
    const url = await addressOf(child, args.join(" "));
    for (const handle of [child, child.stdout, child.stderr]) handle.unref();
    return { url, pid: child.pid, stop };
  } catch (error) {
    kill();
    throw error;
  }
}

/** Resolves to the address that `child` prints. */
function addressOf(child, name) {
  let output = "";
  let timer;
  const found = new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${name} ${why}\n${output}`));
    timer = setTimeout(fail, SERVER_START_MS, "did not print its address");
    const read = (chunk) => {
      output += chunk;
      const address = output.match(/http:\/\/(127\.0\.0\.1|localhost):\d+/);
      if (address !== null) resolve(address[0]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => fail(`ended with ${code}`));
    child.once("error", (error) => fail(error.message));
  });
  return found.finally(() => clearTimeout(timer));
}

export const startScriptedServer = (port = 0) => startServer("-m", "tests.e2e.scripted_server", String(port));

function findChromium() {
  const names = [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"].filter(Boolean);
  for (const name of names) {
    const found = spawnSync("sh", ["-c", 'command -v "$1"', "sh", name], { encoding: "utf8" }).stdout.trim();
    if (found !== "") return found;
  }
  throw new Error("no Chromium: run `make browser`, or name one in CHROMIUM");
}

/** Chromium with a fresh profile of its own. */
export function launch(...flags) {
  return chromium.launch({ executablePath: findChromium(), headless: true, args: [...FLAGS, ...flags] });
}

/**
 * A page at `url` in which `inits` (functions of the page) ran first. `page.faults` are the errors that it did not
 * catch or wrote to its console.
 */
export async function openPage(browser, url, { inits = [], viewport = VIEW } = {}) {
  const context = await browser.newContext({ viewport, colorScheme: "dark" });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.stack || String(error)));
  page.on("console", (line) => line.type() === "error" && page.faults.push(line.text()));
  for (const init of [offerReadPixels, ...inits]) await page.addInitScript(init);
  await page.goto(url);
  return page;
}

/** Closes the page; fails where it threw or logged an error that was not to be expected. */
export async function finish(page, isExpected = () => false) {
  await page.context().close();
  assert.deepEqual(page.faults.filter((fault) => !isExpected(fault)), []);
}

/**
 * Whether a fault is what promises inside Spark and three reject with where the card goes away in the middle of a sort:
 * a read-back that was lost with the context (no error at all), a sort whose worker our own
 * dispose() ended. They are no caller's to catch; disposing only after the sort would avoid the second.
 */
export function isOfLostCard(fault) {
  return fault === "undefined" || fault.includes("Worker terminate");
}

/** Resolves when `counts[name]` of the page has reached `value`. */
export function reached(page, name, value, timeout = 30_000) {
  return page.waitForFunction(([n, v]) => window.splatcam?.counts[n] >= v, [name, value], { timeout, polling: 50 });
}

/** Resolves when the page shows a sentence that matches. */
export function says(page, pattern, timeout = 30_000) {
  return page.locator("#message", { hasText: pattern }).waitFor({ timeout });
}

/** Resolves to what `watchDrawings` saw, as letters: . blank, G green, M magenta, x anything else. */
export async function drawingsOf(page) {
  const drawings = await page.evaluate(() => window.drawings);
  const letters = { blank: ".", green: "G", magenta: "M", other: "x" };
  const name = (shares) => Object.keys(letters).find((kind) => shares[kind] > PURE);
  return drawings.map((shares) => letters[name(shares) ?? "other"]).join("");
}

/** Bytes of JavaScript objects and of their array buffers that are left after a garbage collection. */
export async function heapBytes(session) {
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize } = await session.send("Runtime.getHeapUsage");
  return usedSize + backingStorageSize;
}

/** Writes the test clips; returns their paths by suffix. */
export function makeClips() {
  const folder = mkdtempSync(join(tmpdir(), "splatcam-clips-"));
  const clips = { mjpeg: join(folder, "clip.mjpeg"), webm: join(folder, "clip.webm") };
  const program = ["-m", "tests.e2e.make_clip", ...Object.values(clips)];
  const { status, stderr } = spawnSync(PYTHON, program, { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return { ...clips, remove: () => rmSync(folder, { recursive: true }) };
}

/** Writes the synthetic model's scene as a clip for the fake camera; returns its path. */
export function makeSceneClip(path) {
  const { status, stderr } = spawnSync(PYTHON, ["-m", "tests.e2e.make_scene_clip", path], { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return path;
}

/** Every page has it: gl.readPixels, which would read nothing while Spark's own read-back has its buffer bound. */
function offerReadPixels() {
  window.readPixels = (gl, x, y, width, height, pixels) => {
    const bound = gl.getParameter(gl.PIXEL_PACK_BUFFER_BINDING);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    gl.readPixels(x, y, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, bound);
  };
}

/**
 * Runs in the page before anything else: window.drawings becomes one entry for each drawing of the scene, the share of
 * pixels of each kind. Pixels are read in the task that drew them, as the compositor would.
 */
export function watchDrawings() {
  const KINDS = { blank: [16, 18, 22], green: [20, 200, 40], magenta: [220, 30, 200] };
  const TOLERANCE = 15;
  const STEP = 4 * 13; // every 13th pixel: a prime, so that all columns are met
  const isNear = (pixels, i, color) => color.every((value, c) => Math.abs(pixels[i + c] - value) <= TOLERANCE);
  const classify = (gl) => {
    const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
    const pixels = new Uint8Array(width * height * 4);
    window.readPixels(gl, 0, 0, width, height, pixels);
    const shares = { blank: 0, green: 0, magenta: 0, other: 0 };
    for (let i = 0; i < pixels.length; i += STEP) {
      const kind = Object.keys(KINDS).find((name) => isNear(pixels, i, KINDS[name])) ?? "other";
      shares[kind] += STEP / pixels.length;
    }
    return shares;
  };
  window.drawings = [];
  let splatcam;
  Object.defineProperty(window, "splatcam", {
    get: () => splatcam,
    set: (value) => {
      splatcam = value;
      const gl = value.stage.renderer.getContext();
      value.stage.onRender(() => window.drawings.push(classify(gl)));
    },
  });
}

/** Runs in the page before anything else: window.textures counts the live textures of WebGL. */
export function countTextures() {
  const { createTexture, deleteTexture } = WebGL2RenderingContext.prototype;
  const live = new Set();
  WebGL2RenderingContext.prototype.createTexture = function () {
    const texture = createTexture.call(this);
    live.add(texture);
    return texture;
  };
  WebGL2RenderingContext.prototype.deleteTexture = function (texture) {
    live.delete(texture);
    deleteTexture.call(this, texture);
  };
  Object.defineProperty(window, "textures", { get: () => live.size });
}

/** Runs in the page before anything else: window.blobUrls counts the object URLs that were not revoked. */
export function countBlobUrls() {
  const { createObjectURL, revokeObjectURL } = URL;
  const live = new Set();
  URL.createObjectURL = (blob) => {
    const url = createObjectURL(blob);
    live.add(url);
    return url;
  };
  URL.revokeObjectURL = (url) => {
    live.delete(url);
    revokeObjectURL(url);
  };
  Object.defineProperty(window, "blobUrls", { get: () => live.size });
}

/** Mean colour [r, g, b] of a box of the scene at its next drawing; left, top, right, bottom in shares of the view. */
export function meanColor(page, box) {
  return page.evaluate(([left, top, right, bottom]) => {
    const { stage } = window.splatcam;
    const gl = stage.renderer.getContext();
    return new Promise((resolve) => {
      let isRead = false;
      stage.onRender(() => {
        if (isRead) return;
        isRead = true;
        const { drawingBufferWidth: w, drawingBufferHeight: h } = gl;
        // GL's y goes up
        const [x0, x1, y0, y1] = [left * w, right * w, (1 - bottom) * h, (1 - top) * h].map(Math.round);
        const pixels = new Uint8Array((x1 - x0) * (y1 - y0) * 4);
        window.readPixels(gl, x0, y0, x1 - x0, y1 - y0, pixels);
        const sums = [0, 0, 0];
        for (let i = 0; i < pixels.length; i += 4) for (let c = 0; c < 3; c += 1) sums[c] += pixels[i + c];
        resolve(sums.map((sum) => (sum * 4) / pixels.length));
      });
      stage.requestRender();
    });
  }, box);
}

/** The name of the strongest channel, or "grey" where none stands out. */
export function hue([r, g, b]) {
  const [low, , high] = [r, g, b].sort((x, y) => x - y);
  if (high - low < 60) return "grey";
  return high === r ? "red" : high === g ? "green" : "blue";
}
