// The self-test: can this browser draw splats, and has it the packages? A classic script that imports everything by
// itself, so that it can still say in words what could not be loaded. No server is asked: a sample is made here.
//
// window.selftest: {state: "running" | "pass" | "fail", checks: [{name, state: "PASS" | "FAIL" | "not run", reason}]}
"use strict";

const LIMIT_MS = 60_000; // for each check: without workers or WebAssembly Spark waits for ever
const BACKGROUND = [16, 18, 22];
const TOP_LEFT = [0.05, 0.05, 0.2, 0.25]; // left, top, right, bottom, in shares of the view
const BOTTOM_RIGHT = [0.8, 0.75, 0.95, 0.95];
const MIDDLE = [0.4, 0.4, 0.6, 0.6];
const SWAPS = 6;
const DRAWN_SHARE = 0.9; // of the view; the outermost splats fade out at its edges

/** What the browser must be able to do: asked in full. */
const BROWSER_CHECKS = [
  ["WebGL 2", checkWebGL2],
  ["WebAssembly", checkWebAssembly],
  ["workers", checkWorkers],
];
/** Each needs everything before it. */
const DRAWING_CHECKS = [
  ["packages", checkPackages],
  ["packed splats drawn", (bench) => checkDrawn(bench, "splats16")],
  ["packed splats upright", checkOrientation],
  ["PLY drawn", (bench) => checkDrawn(bench, "gaussian_ply")],
  ["PLY upright", checkOrientation],
  ["swap without a blank frame", checkSwaps],
];

class Failure extends Error {}

// ---------------------------------------------------------------- the checks: they throw a Failure, or pass

function checkWebGL2() {
  if (document.createElement("canvas").getContext("webgl2") !== null) return;
  throw new Failure("The browser offers none: turn on hardware acceleration, or try another browser.");
}

async function checkWebAssembly() {
  const emptyModule = new Uint8Array([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
  try {
    await WebAssembly.compile(emptyModule);
  } catch (error) {
    throw new Failure(`The browser, or a content security policy, forbids it: ${error.message}`);
  }
}

/** Spark's workers come from Blob URLs. */
async function checkWorkers() {
  const url = URL.createObjectURL(new Blob(["postMessage('here')"], { type: "text/javascript" }));
  let worker = null;
  try {
    await new Promise((resolve, reject) => {
      worker = new Worker(url);
      worker.onmessage = resolve;
      worker.onerror = reject;
    });
  } catch {
    throw new Failure("The browser, or a content security policy, forbids workers from blob: addresses.");
  } finally {
    worker?.terminate();
    URL.revokeObjectURL(url);
  }
}

/** Then the page's own modules, which import the packages; leaves what they export on the bench. */
async function checkPackages(bench) {
  const { imports } = JSON.parse(document.querySelector("script[type=importmap]").textContent);
  const files = { ...imports, "three/addons/": `${imports["three/addons/"]}controls/OrbitControls.js` };
  for (const [name, address] of Object.entries(files)) await checkPackage(name, address);
  const modules = ["view/scene.js", "view/screen.js", "view/splat_view.js", "view/ply_view.js", "save/ply.js"];
  const exported = await Promise.all(modules.map((module) => import(new URL(`./${module}`, document.baseURI))));
  const { utils } = await import("@sparkjsdev/spark");
  setUp(bench, Object.assign({ utils }, ...exported));
}

async function checkPackage(name, address) {
  try {
    await import(new URL(address, document.baseURI));
  } catch (error) {
    const answered = ({ status }) => `was answered with ${status}`;
    const answer = await fetch(address).then(answered, () => "could not be fetched");
    throw new Failure(
      `“${name}” could not be loaded: ${address} ${answer} (${error.message}). ` +
      "Run `npm ci` in the folder web, or open the page from the service, which knows where else to find it.",
    );
  }
}

async function checkDrawn(bench, format) {
  await show(bench, sampleOf(bench, format));
  const share = drawnShare(bench);
  if (share < DRAWN_SHARE) throw new Failure(`Only ${Math.round(100 * share)} % of the view is covered.`);
}

function checkOrientation(bench) {
  const expected = { "top left": [TOP_LEFT, "red"], "bottom right": [BOTTOM_RIGHT, "blue"], middle: [MIDDLE, "grey"] };
  for (const [where, [box, color]] of Object.entries(expected)) {
    const found = hueOf(meanColor(bench, box));
    if (found !== color) throw new Failure(`The ${where} is ${found}, not ${color}.`);
  }
}

/** Both ways in turn; every drawing on the way is looked at. */
async function checkSwaps(bench) {
  const shares = [];
  bench.afterDrawing = () => shares.push(drawnShare(bench));
  for (let i = 0; i < SWAPS; i += 1) await show(bench, sampleOf(bench, i % 4 < 2 ? "splats16" : "gaussian_ply"));
  bench.afterDrawing = () => {};
  const blank = shares.filter((share) => share < DRAWN_SHARE).length;
  if (blank > 0) throw new Failure(`${blank} of ${shares.length} drawings were not covered.`);
}

// ---------------------------------------------------------------- the bench: the page's own stage, screen and views

function setUp(bench, { Stage, Screen, SplatView, PlyView, plyOf, utils }) {
  const onFailure = (error) => bench.onFailure(new Failure(`A drawing failed: ${error.message}`));
  const stage = new Stage(document.getElementById("view"), onFailure);
  const views = {
    splats16: { view: new SplatView(stage), renderer: "spark" },
    gaussian_ply: { view: new PlyView(stage, (text) => bench.onFailure(new Failure(text))), renderer: "spark" },
  };
  Object.assign(bench, { stage, plyOf, utils, afterDrawing: () => {}, onShown: () => {}, onFailure: () => {} });
  stage.onRender(() => {
    bench.pixels = readPixels(stage.renderer.getContext());
    bench.afterDrawing();
  });
  bench.screen = new Screen(stage, views, { shown: (frame) => bench.onShown(frame), neverDrawn: () => {} });
}

/** Resolves when the result is on the screen. */
function show(bench, result) {
  return new Promise((resolve, reject) => {
    bench.onFailure = reject;
    bench.onShown = ({ frame_id: frameId }) => frameId === result.frame_id && resolve();
    bench.screen.show(result);
  });
}

/** 24 x 18 splats, one a pixel: grey, a red block top left, a blue one bottom right. */
function sampleOf(bench, format) {
  const [height, width, depth, focal] = [18, 24, 2, 12];
  const count = height * width;
  const words = new Uint32Array(4 * 2048);
  const size = (0.6 * depth) / focal;
  for (let i = 0; i < count; i += 1) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const rgb = x < 6 && y < 6 ? [0.9, 0.1, 0.1] : x > 17 && y > 11 ? [0.1, 0.15, 0.9] : [0.35, 0.35, 0.35];
    const center = [((x + 0.5 - width / 2) / focal) * depth, ((y + 0.5 - height / 2) / focal) * depth, depth];
    bench.utils.setPackedSplat(words, i, ...center, size, size, size, 0, 0, 0, 1, 1, ...rgb);
  }
  bench.samples = (bench.samples ?? 0) + 1;
  const packed = {
    type: "splats16", frame_id: bench.samples, captured_at_ms: 0, timings_ms: {}, model: "self-test",
    grid: [height, width], intrinsics: [focal, focal, width / 2, height / 2], num_splats: count,
    bounds: { minimum: [-2, -1.5, depth], maximum: [2, 1.5, depth] }, data: new Uint8Array(words.buffer),
  };
  return format === "splats16" ? packed : { ...packed, type: format, ply_data: bench.plyOf(packed) };
}

// ---------------------------------------------------------------- what is on the canvas

/** {data, width, height}, rows from the bottom. Spark leaves its own buffer bound, into which GL would read. */
function readPixels(gl) {
  const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
  const data = new Uint8Array(4 * width * height);
  const bound = gl.getParameter(gl.PIXEL_PACK_BUFFER_BINDING);
  gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
  gl.bindBuffer(gl.PIXEL_PACK_BUFFER, bound);
  return { data, width, height };
}

function drawnShare({ pixels: { data } }) {
  let drawn = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (BACKGROUND.some((value, c) => Math.abs(data[i + c] - value) > 15)) drawn += 1;
  }
  return (4 * drawn) / data.length;
}

function meanColor({ pixels: { data, width, height } }, [left, top, right, bottom]) {
  const sums = [0, 0, 0];
  let count = 0;
  for (let y = Math.ceil((1 - bottom) * height); y < (1 - top) * height; y += 1) {
    for (let x = Math.ceil(left * width); x < right * width; x += 1, count += 1) {
      for (let c = 0; c < 3; c += 1) sums[c] += data[4 * (y * width + x) + c];
    }
  }
  return sums.map((sum) => sum / count);
}

function hueOf(color) {
  const strongest = Math.max(...color);
  if (strongest - Math.min(...color) < 60) return "grey";
  return ["red", "green", "blue"][color.indexOf(strongest)];
}

// ---------------------------------------------------------------- one after the other, and the verdict

const CHECKS = [...BROWSER_CHECKS, ...DRAWING_CHECKS];

window.selftest = { state: "running", checks: CHECKS.map(([name]) => ({ name, state: "not run", reason: "" })) };

async function run() {
  const { selftest } = window;
  const bench = {};
  let isGood = true;
  for (const [i, [, check]] of CHECKS.entries()) {
    if (!isGood && i >= BROWSER_CHECKS.length) break;
    isGood = (await runOne(selftest.checks[i], () => check(bench))) && isGood;
  }
  selftest.state = isGood ? "pass" : "fail";
  write();
}

async function runOne(entry, check) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Failure(`Nothing came of it within ${LIMIT_MS / 1000} s.`)), LIMIT_MS);
  });
  try {
    await Promise.race([check(), limit]);
    entry.state = "PASS";
  } catch (error) {
    entry.state = "FAIL";
    entry.reason = error instanceof Failure ? error.message : String(error?.stack ?? error);
  } finally {
    clearTimeout(timer);
  }
  write();
  return entry.state === "PASS";
}

function write() {
  const { state, checks } = window.selftest;
  const verdict = { running: "running …", pass: "PASS", fail: "FAIL" }[state];
  document.getElementById("verdict").textContent = verdict;
  document.title = `${verdict}: splatcam self-test`;
  const items = checks.map(({ name, state: outcome, reason }) => {
    const item = document.createElement("li");
    item.dataset.state = outcome;
    item.textContent = reason === "" ? name : `${name}: ${reason}`;
    return item;
  });
  document.getElementById("checks").replaceChildren(...items);
}

run();
