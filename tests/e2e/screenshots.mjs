// Every state of the page as a person sees it, desktop and phone: `node tests/e2e/screenshots.mjs FOLDER [CLIP.mjpeg]`.
//
// The live ones come from the real service: the built-in model where a clip plays as the camera; else the synthetic one,
// whose scene then is what the camera plays. The others come from the scripted server. To be looked at; `make pictures`
// keeps a few in docs/.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { FAKE_CAMERA, launch, makeSceneClip, openPage, reached, says, startScriptedServer, startServer } from "./helpers.mjs";

const [folder, clip] = process.argv.slice(2);
const VIEWS = { desktop: { width: 1280, height: 720 }, phone: { width: 390, height: 844 } };
const GRID_PX = "252"; // a fifth of a second of drawing without a graphics card
const FLAGS = ["--process-res", GRID_PX, "--threads", "1", "--port", "0", "--model", clip ? "builtin" : "synthetic"];
const ENOUGH_FRAMES = 6;

const click = (page, action) => page.locator(`[data-action="${action}"]`).first().click();

/** name → [search of the page, what happens before the picture is taken]. */
const LIVE_STATES = {
  live: ["", () => {}],
  settings: ["", (page) => click(page, "panel")],
  help: ["", (page) => click(page, "help")],
  light: ["?theme=light", () => {}],
  points: ["?output=points", () => {}],
  turned: ["", turnFrozen],
};
const SCRIPTED_STATES = {
  start: ["?source=none", (page) => page.locator("#start").waitFor()],
  loading: ["?watch=status.loading", (page) => page.locator("#engine", { hasText: "42 %" }).waitFor()],
  failed: ["?watch=status.failed", (page) => says(page, "no memory left")],
  stalled: ["?watch=silence", (page) => says(page, "No frame has come")],
  full: ["?watch=close.1013", (page) => says(page, "The server is full")],
  refused: ["?watch=close.1008", (page) => says(page, "does not allow")],
};

async function turnFrozen(page) {
  await click(page, "freeze");
  await page.locator("#view").focus();
  for (let i = 0; i < 3; i += 1) await page.keyboard.press("Shift+ArrowLeft");
  const drawn = await page.evaluate(() => window.splatcam.counts.rendered);
  await reached(page, "rendered", drawn + 3);
}

async function take(browser, url, states, prepare) {
  for (const [view, viewport] of Object.entries(VIEWS)) {
    for (const [name, [search, act]] of Object.entries(states)) {
      const page = await openPage(browser, `${url}/${search}`, { viewport });
      await prepare(page);
      await act(page);
      await page.screenshot({ path: join(folder, `${view}-${name}.jpg`), type: "jpeg", quality: 70 });
      await page.context().close();
      console.log(`${view}-${name}`);
    }
  }
}

async function withBrowser(flags, body) {
  const browser = await launch(...flags);
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}

mkdirSync(folder, { recursive: true });
const played = clip ?? makeSceneClip(join(folder, "scene.mjpeg"));
const service = await startServer("stream_server.py", ...FLAGS);
await withBrowser([...FAKE_CAMERA, `--use-file-for-fake-video-capture=${played}`], (browser) => (
  take(browser, service.url, LIVE_STATES, (page) => reached(page, "shown", ENOUGH_FRAMES, 120_000))
));
await service.stop();
const scripted = await startScriptedServer();
await withBrowser([], (browser) => take(browser, scripted.url, SCRIPTED_STATES, () => {}));
await withBrowser(["--use-fake-device-for-media-stream"], (browser) => (
  take(browser, scripted.url, { "no-permission": ["", (page) => says(page, "not allowed")] }, () => {})
));
await scripted.stop();
