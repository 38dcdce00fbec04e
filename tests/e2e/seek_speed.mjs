// How soon a random step of a recording is there, and what playing it costs in memory. For a server that runs:
// `node tests/e2e/seek_speed.mjs URL ID [SEEKS]` prints JSON; splatcam/bench/timeline_playback.py makes a table of it.
//
// fetched: index, byte range, check sum, inflating and decoding, as a page does it, under node and without a cache.
// seeks: in a real Chromium, from seek() until the step is read and decoded, and until its picture is on the screen;
// cold: its block was not here yet.
import { readdirSync, readFileSync } from "node:fs";
import { HttpSource } from "../../web/timeline/http_source.js";
import { Kind, parseSteps, readBlock } from "../../web/timeline/scam.js";
import { heapBytes, launch, openPage } from "./helpers.mjs";

const [url, id, seeks = "200"] = process.argv.slice(2);
const SAMPLE_EVERY_MS = 250;
const PAGE_BYTES = 4096;
const OPENS_WITHIN_MS = 60_000;
const PLAYS_WITHIN_MS = 30 * 60_000;
const MB = 1e6;

/** The same steps in each run. */
function* randomNumbers() {
  for (let state = 1; ; ) {
    state = (state * 48271) % 2147483647; // Lehmer
    yield state / 2147483647;
  }
}

function randomSteps(count, numSteps) {
  const numbers = randomNumbers();
  return Array.from({ length: count }, () => Math.floor(numbers.next().value * numSteps));
}

// ---------------------------------------------------------------- without a page

async function fetchSteps(count) {
  const address = new URL(`recordings/${id}/`, url);
  const times = [];
  const { numSteps } = await new HttpSource(address, fetch).index();
  for (const step of randomSteps(count, numSteps)) {
    const source = new HttpSource(address, fetch);
    const begun = performance.now();
    const { blocks } = await source.index();
    const entry = blocks.find(({ kind, firstStep, numSteps: n }) => kind === Kind.STEPS && step < firstStep + n);
    parseSteps(await readBlock(await source.read(entry)));
    times.push(performance.now() - begun);
  }
  return { times, numSteps };
}

// ---------------------------------------------------------------- in a page

/** In the page, of each seek: ms until its step is handed to the screen, and until it is seen; was its block missing? */
async function seekInPage(steps) {
  const { deck, screen } = window.splatcam;
  const replay = screen.replay.bind(screen);
  let foundAt;
  screen.replay = (...given) => {
    foundAt = performance.now();
    replay(...given);
  };
  const soon = () => new Promise((done) => setTimeout(done));
  const times = [];
  for (const step of steps) {
    if (step === deck.player.step) continue;
    const begun = performance.now();
    deck.player.seek(step);
    const isCold = deck.player.state === "waiting";
    while (deck.drawnStep !== step) await soon();
    times.push({ foundMs: foundAt - begun, seenMs: performance.now() - begun, isCold });
  }
  screen.replay = replay;
  return times;
}

/** In the page, at the fastest speed; how many steps were on the screen. */
async function playInPage() {
  const { deck } = window.splatcam;
  const { player } = deck;
  player.seek(0);
  player.speed = 4;
  player.play();
  const seen = new Set();
  const begun = performance.now();
  while (player.isPlaying) {
    seen.add(deck.drawnStep);
    await new Promise((done) => setTimeout(done, 4));
  }
  return { seconds: (performance.now() - begun) / 1000, shown: seen.size, endedAt: player.step };
}

/** Of the processes that draw and run the page: renderers, and the one that stands in for a graphics card. */
function pageProcesses() {
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(processOf).filter(Boolean);
  const ours = new Set([process.pid]);
  for (let before = 0; ours.size > before; ) {
    before = ours.size;
    for (const { pid, parent } of processes) if (ours.has(parent)) ours.add(pid);
  }
  return processes.filter(({ pid, command }) => ours.has(pid) && /--type=(renderer|gpu-process)/.test(command));
}

function processOf(name) {
  try {
    const parent = Number(readFileSync(`/proc/${name}/stat`, "utf8").split(")").at(-1).trim().split(" ")[1]);
    return { pid: Number(name), parent, command: readFileSync(`/proc/${name}/cmdline`, "utf8") };
  } catch {
    return null; // it has ended
  }
}

function residentBytes() {
  const pages = pageProcesses().map(({ pid }) => Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]));
  return PAGE_BYTES * pages.reduce((sum, count) => sum + count, 0);
}

/** What the page holds after a garbage collection. */
async function memory(session) {
  const heapMb = (await heapBytes(session)) / MB;
  return { heapMb, processesMb: residentBytes() / MB };
}

/** A fresh page with the recording open → {result: of work(page), grewMb: its processes at most, heapMb: its objects}. */
async function inFreshPage(work) {
  const browser = await launch();
  try {
    const page = await openPage(browser, `${url}/player.html`);
    page.setDefaultTimeout(PLAYS_WITHIN_MS);
    const session = await page.context().newCDPSession(page);
    await page.waitForFunction(() => window.splatcam !== undefined, null, { timeout: OPENS_WITHIN_MS });
    const before = await memory(session);
    let most = before.processesMb;
    const sampler = setInterval(() => (most = Math.max(most, residentBytes() / MB)), SAMPLE_EVERY_MS);
    await page.evaluate((recording) => window.splatcam.deck.openRecording(recording), id);
    await page.waitForFunction(() => window.splatcam.deck.drawnStep === 0, null, { timeout: OPENS_WITHIN_MS });
    const result = await work(page);
    clearInterval(sampler);
    if (page.faults.length > 0) throw new Error(`the page met faults: ${page.faults.join(", ")}`);
    return { result, grewMb: most - before.processesMb, heapMb: (await memory(session)).heapMb - before.heapMb };
  } finally {
    await browser.close();
  }
}

const { times: fetched, numSteps } = await fetchSteps(Number(seeks));
const seeking = await inFreshPage((page) => page.evaluate(seekInPage, randomSteps(Number(seeks), numSteps)));
const playing = await inFreshPage((page) => page.evaluate(playInPage));
console.log(JSON.stringify({ numSteps, fetched, seeking, playing }));
