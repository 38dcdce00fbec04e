// What people see of a service that restarts, loses its model, has no room or lets them go; and how they come back.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { FAKE_CAMERA, finish, launch, makeClips, openPage, reached, says, startServer } from "./helpers.mjs";

const FLAGS = "--model builtin --device cpu --process-res 56 --threads 1".split(" ");
const WITHIN_MS = 60_000;

let clips, browser;
before(async () => {
  clips = makeClips();
  browser = await launch(...FAKE_CAMERA, `--use-file-for-fake-video-capture=${clips.mjpeg}`);
});
after(async () => {
  await browser?.close();
  clips?.remove();
});

/** The service on a port, a free one by default, for one test. */
async function serve(t, { port = 0, flags = [] } = {}) {
  const server = await startServer("stream_server.py", ...FLAGS, "--port", String(port), ...flags);
  t.after(server.stop);
  return server;
}

const portOf = (server) => new URL(server.url).port;
const logsTheLoss = (fault) => fault.includes("WebSocket") || fault.includes("Failed to load resource");
const chipSays = (page, text) => page.locator("#status", { hasText: text }).waitFor({ timeout: WITHIN_MS });
const silent = (page) => page.locator("#message").waitFor({ state: "hidden", timeout: WITHIN_MS });

/** Runs in the page before anything else: window.frameIds and window.chips are all that were on the screen. */
function watchResults() {
  window.frameIds = [];
  window.chips = [];
  let splatcam;
  Object.defineProperty(window, "splatcam", {
    get: () => splatcam,
    set: (value) => {
      splatcam = value;
      const { screen } = value;
      const show = screen.show.bind(screen);
      screen.show = (result) => {
        window.frameIds.push(result.frame_id);
        show(result);
      };
    },
  });
  document.addEventListener("DOMContentLoaded", () => {
    const chip = document.getElementById("status");
    const note = () => window.chips.push(chip.textContent);
    new MutationObserver(note).observe(chip, { childList: true, characterData: true, subtree: true });
  });
}

async function streaming(url) {
  const page = await openPage(browser, url, { inits: [watchResults] });
  await reached(page, "shown", 3, WITHIN_MS);
  return page;
}

const shown = (page) => page.evaluate(() => window.splatcam.counts.shown);

test("a service that restarts: the page says so and goes on with its settings and newer frames only", async (t) => {
  const first = await serve(t);
  const page = await streaming(`${first.url}/?format=compact&stride=4`);
  await first.stop();
  await says(page, /The server is restarting|The server cannot be reached/, WITHIN_MS);
  await chipSays(page, "Reconnecting");
  const before = await shown(page);
  await serve(t, { port: portOf(first) });
  await reached(page, "shown", before + 3, WITHIN_MS);
  await silent(page);
  const { type, stride } = await page.evaluate(() => window.splatcam.lastResult);
  assert.deepEqual([type, stride], ["compact", 4]);
  const ids = await page.evaluate(() => window.frameIds);
  assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => a - b));
  await finish(page, logsTheLoss);
});

test("a full service: the page says so and comes in when somebody leaves", async (t) => {
  const server = await serve(t, { flags: ["--max-sessions", "1"] });
  const first = await streaming(server.url);
  const second = await openPage(browser, `${server.url}/?source=none`);
  await says(second, "The server is full. Trying again.", WITHIN_MS);
  await finish(first);
  await chipSays(second, "Connected");
  await silent(second);
  await finish(second, logsTheLoss);
});

test("a page that sends nothing for long is let go, says so, and comes back at a press", async (t) => {
  const server = await serve(t, { flags: ["--idle-s", "1"] });
  const page = await openPage(browser, `${server.url}/?source=none`);
  await says(page, "Nothing was sent for long", WITHIN_MS);
  await chipSays(page, "Idle");
  const connects = await page.evaluate(() => window.splatcam.counts.connects);
  await page.mouse.click(160, 120);
  await reached(page, "connects", connects + 1, WITHIN_MS);
  await chipSays(page, "Connected");
  await finish(page, logsTheLoss);
});

const emptySays = (page, text) => page.locator("#empty", { hasText: text }).waitFor({ timeout: WITHIN_MS });

/** How many pages of that kind the service has, by its own count. */
async function sessions(page, server, kind) {
  const metrics = await (await page.request.get(`${server.url}/metrics`)).text();
  return Number(metrics.match(new RegExp(`^splatcam_sessions\\{kind="${kind}"\\} (\\S+)`, "m"))[1]);
}

async function untilSessions(page, server, wanted) {
  const end = Date.now() + WITHIN_MS;
  while ((await sessions(page, server, "pictures")) !== wanted) assert.ok(Date.now() < end, `never ${wanted}`);
}

/** The page's own idea of whether somebody sees it: a headless browser shows all of its pages. */
function look(page, isHidden) {
  return page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
}

test("a viewer that nobody sees holds no place at the service, and one that is seen again has its own", async (t) => {
  const server = await serve(t);
  const viewer = await openPage(browser, `${server.url}/viewer/`);
  await emptySays(viewer, "No camera is streaming.");
  assert.equal(await sessions(viewer, server, "pictures"), 1);
  await look(viewer, true);
  await untilSessions(viewer, server, 0);
  await look(viewer, false);
  await untilSessions(viewer, server, 1);
  assert.equal(await viewer.isHidden("#message"), true);
  await finish(viewer);
});

test("a viewer of a service that restarts says so and comes back", async (t) => {
  const first = await serve(t);
  const viewer = await openPage(browser, `${first.url}/viewer/`);
  await emptySays(viewer, "No camera is streaming.");
  await first.stop();
  await says(viewer, /The server is restarting|The server cannot be reached/, WITHIN_MS);
  const second = await serve(t, { port: portOf(first) });
  await silent(viewer);
  await untilSessions(viewer, second, 1);
  await finish(viewer, logsTheLoss);
});

test("a viewer whose token is no longer the service's is told so", async (t) => {
  const first = await serve(t, { flags: ["--token", "the-token-of-yesterday"] });
  const viewer = await openPage(browser, `${first.url}/viewer/?token=the-token-of-yesterday`);
  await emptySays(viewer, "No camera is streaming.");
  await first.stop();
  await serve(t, { port: portOf(first), flags: ["--token", "the-token-of-today"] });
  await says(viewer, "The server wants its token", WITHIN_MS);
  await finish(viewer, logsTheLoss);
});

/** The process that holds the model: the one of the service's children that was spawned for it. */
function engineOf(server) {
  const parentOf = (pid) => Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").pop().split(" ")[1]);
  const isEngine = (pid) => {
    try {
      return parentOf(pid) === server.pid && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("spawn_main");
    } catch {
      return false; // it ended while we looked
    }
  };
  const engines = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter(isEngine);
  assert.equal(engines.length, 1);
  return Number(engines[0]);
}

test("a model that is killed: the page says that it restarts, keeps its connection, and goes on", async (t) => {
  const server = await serve(t);
  const page = await streaming(server.url);
  const before = await shown(page);
  process.kill(engineOf(server), "SIGKILL");
  await chipSays(page, "The model restarts");
  await reached(page, "shown", before + 10, WITHIN_MS);
  await chipSays(page, "Live");
  await silent(page);
  const connects = await page.evaluate(() => window.splatcam.counts.connects);
  const wasStalled = await page.evaluate(() => window.chips.includes("Stalled"));
  assert.deepEqual([connects, wasStalled], [1, false]);
  await finish(page);
});
