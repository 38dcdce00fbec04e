// The real service with the built-in model and a camera that plays a known clip: real frame in, real splats out.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FAKE_CAMERA, finish, hue, launch, makeClips, meanColor, openPage, reached, startServer } from "./helpers.mjs";

// 56 x 42 splats are what a browser without a graphics card can draw.
const FLAGS = "--model builtin --device cpu --process-res 56 --threads 1 --port 0".split(" ");
const TOP_LEFT = [0.08, 0.08, 0.25, 0.25]; // the service prunes the outermost pixels
const BOTTOM_RIGHT = [0.75, 0.75, 0.92, 0.92];
const BAR_BRIGHTENS_BY = 40; // of 255: the white bar on the noise, in a box about twice as wide

let server, clips, browser;
before(async () => {
  server = await startServer("stream_server.py", ...FLAGS);
  clips = makeClips();
  browser = await launch(...FAKE_CAMERA, `--use-file-for-fake-video-capture=${clips.mjpeg}`);
});
after(async () => {
  await browser?.close();
  clips?.remove();
  await server?.stop();
});

async function openCamera(parameters, path = "/", inits = []) {
  const page = await openPage(browser, `${server.url}${path}${parameters}`, { inits });
  await reached(page, "shown", 5, 60_000);
  return page;
}

async function cornersAreRight(page) {
  await page.evaluate(() => window.splatcam.freeze(true));
  assert.equal(hue(await meanColor(page, TOP_LEFT)), "red");
  assert.equal(hue(await meanColor(page, BOTTOM_RIGHT)), "blue");
}

for (const format of ["compact", "splats16", "gaussian_ply", "pointcloud"]) {
  test(`${format}: what is top-left in front of the camera is top-left on the screen`, async () => {
    const page = await openCamera(`?format=${format}`);
    await cornersAreRight(page);
    assert.equal(await page.evaluate(() => window.splatcam.lastResult.type), format);
    await finish(page);
  });
}

/** Runs in the page before anything else: window.violations is what the page's policy forbade. */
function watchPolicy() {
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    window.violations.push(`${event.effectiveDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
  });
}

for (const format of ["compact", "splats16", "gaussian_ply"]) {
  test(`${format}: the page does nothing that the service's policy forbids`, async () => {
    const page = await openCamera(`?format=${format}`, "/", [watchPolicy]);
    await reached(page, "shown", 10, 60_000);
    const sent = await (await page.request.get(server.url)).headers();
    assert.match(sent["content-security-policy"], /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'sha256-/);
    assert.deepEqual(await page.evaluate(() => window.violations), []);
    await finish(page);
  });
}

test("what the policy forbids is seen by the test above", async () => {
  const page = await openCamera("", "/", [watchPolicy]);
  const forbid = () => {
    const image = new Image();
    image.src = "https://elsewhere.example/x.png";
  };
  await page.evaluate(forbid);
  await page.waitForFunction(() => window.violations.length > 0, null, { polling: 50 });
  assert.match(await page.evaluate(() => window.violations[0]), /^img-src: https:\/\/elsewhere\.example/);
  await finish(page, (fault) => fault.includes("elsewhere.example"));
});

const logsTheLoss = (fault) => fault.includes("WebSocket connection") || fault.includes("Failed to load resource");

test("a token that is no longer the server's: the page says what to do", async (t) => {
  const first = await startServer("stream_server.py", ...FLAGS, "--token", "the-token-of-yesterday");
  t.after(first.stop);
  const page = await openPage(browser, `${first.url}/?source=none&token=the-token-of-yesterday`);
  await page.locator("#status", { hasText: "Connected" }).waitFor();
  await first.stop();
  const port = new URL(first.url).port;
  const second = await startServer("stream_server.py", ...FLAGS, "--port", port, "--token", "the-token-of-today");
  t.after(second.stop);
  await page.locator("#message", { hasText: "The server wants its token" }).waitFor();
  await page.context().request.get(`${second.url}/?token=the-token-of-today`); // the link, in another tab
  await page.locator("#status", { hasText: "Connected" }).waitFor();
  assert.equal(await page.isHidden("#message"), true);
  await finish(page, logsTheLoss);
});

test("the link with the token leads to the page, which then streams without it in its address", async () => {
  const token = "correct-horse-battery";
  const guarded = await startServer("stream_server.py", ...FLAGS, "--token", token);
  try {
    const page = await openPage(browser, `${guarded.url}/?format=pointcloud&token=${token}`);
    await reached(page, "shown", 2, 60_000);
    assert.equal(page.url(), `${guarded.url}/?format=pointcloud`);
    await finish(page);
  } finally {
    await guarded.stop();
  }
});

test("the scene moves with the camera's picture", async () => {
  const page = await openCamera("");
  const whereTheBarPasses = [0.3, 0.42, 0.5, 0.58];
  const seen = [];
  const span = () => Math.max(...seen) - Math.min(...seen);
  for (let i = 0; i < 300 && (i === 0 || span() < BAR_BRIGHTENS_BY); i += 1) {
    seen.push((await meanColor(page, whereTheBarPasses))[1]);
  }
  assert.ok(span() >= BAR_BRIGHTENS_BY, `brightness ${Math.min(...seen)} to ${Math.max(...seen)}`);
  await finish(page);
});

for (const path of ["/viewer-gaussian.html", "/viewer.html"]) {
  test(`the page is also at ${path}`, async () => {
    const page = await openCamera("", path);
    await finish(page);
  });
}

test("the page names the demonstration depth and the licence", async () => {
  const page = await openCamera("");
  assert.match(await page.textContent("#model"), /demonstration depth\)? · Apache-2\.0/);
  await finish(page);
});

test("a second page watches the camera of the first", async () => {
  const camera = await openCamera("");
  const session = await camera.evaluate(() => window.splatcam.connection.welcome.session_id);
  const viewer = await openCamera(`?watch=${session}`);
  await cornersAreRight(viewer);
  assert.equal(await viewer.evaluate(() => window.splatcam.counts.sent), 0);
  await finish(viewer);
  await finish(camera);
});

test("a setting that the model cannot meet is told in words", async () => {
  const page = await openPage(browser, `${server.url}/?output=network`);
  await page.locator("#message", { hasText: "predicts no Gaussians of its own" }).waitFor();
  await finish(page);
});
