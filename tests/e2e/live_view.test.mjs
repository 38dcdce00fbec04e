// The live camera as pictures in a real browser: the real service, a camera that films what a test says, and the
// viewer's page, which draws nothing itself.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { finish, hue, launch, openPage, says, startServer } from "./helpers.mjs";

const FLAGS = "--model builtin --device cpu --process-res 56 --threads 1 --port 0".split(" ");
const NO_CAMERA = "No camera is streaming.";
const NO_GRAPHICS = "--disable-3d-apis";
const WITHIN_MS = 120_000; // the first picture waits for the rasterizer's compiler
const QUIET_MS = 2500; // long enough for anything that comes by itself: the last is due a second after a picture
const [LEFT, RIGHT] = [[0.35, 0.5], [0.65, 0.5]];

let server, browser;
before(async () => {
  server = await startServer("stream_server.py", ...FLAGS);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A camera: film(page, left, right) sends one frame, and `leave` ends it. */
async function openCamera(inBrowser) {
  const page = await openPage(inBrowser, `${server.url}/healthz`); // a page of the service with no script of its own
  await page.evaluate(() => {
    const socket = new WebSocket(`ws://${location.host}/ws`);
    socket.binaryType = "arraybuffer";
    const isOpen = new Promise((resolve) => (socket.onopen = resolve));
    window.film = async (...colors) => {
      const canvas = new OffscreenCanvas(160, 120);
      const pen = canvas.getContext("2d");
      colors.forEach((color, i) => {
        pen.fillStyle = color;
        pen.fillRect((160 * i) / colors.length, 0, 160, 120);
      });
      const jpeg = await (await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 })).arrayBuffer();
      await isOpen;
      const answered = new Promise((resolve) => (socket.onmessage = resolve));
      socket.send(jpeg);
      await answered;
    };
  });
  return page;
}

/** The camera's page has no icon, and is no page of ours. */
const leave = (camera) => finish(camera, (fault) => fault.includes("404"));
const film = (camera, ...colors) => camera.evaluate((all) => window.film(...all), colors);

/** A viewer; `page.words` counts what went over its sockets, either way. */
async function openViewer(inBrowser, path = "/viewer/") {
  const page = await openPage(inBrowser, "about:blank");
  page.words = 0;
  page.on("websocket", (socket) => {
    for (const way of ["framesent", "framereceived"]) socket.on(way, () => (page.words += 1));
  });
  await page.goto(`${server.url}${path}`);
  return page;
}

/** The colour of the picture at [right, down] in shares of it. */
async function hueAt(page, [x, y]) {
  const color = await page.evaluate(([u, v]) => {
    const canvas = document.getElementById("view");
    const [left, top] = [Math.floor(u * canvas.width), Math.floor(v * canvas.height)];
    return [...canvas.getContext("2d").getImageData(left, top, 1, 1).data.slice(0, 3)];
  }, [x, y]);
  return hue(color);
}

/** Films until the viewer shows it: frames that came before the service knew of a viewer left no scene behind. */
async function showing(viewer, camera, left, right) {
  const end = Date.now() + WITHIN_MS;
  while (Date.now() < end) {
    await film(camera, left, right);
    if ((await hueAt(viewer, LEFT)) === left && (await hueAt(viewer, RIGHT)) === right) return;
  }
  assert.fail(`${left} and ${right} are not on the screen`);
}

/** A sharp picture of what is wanted now is on the screen, and no more come. */
function resting(page) {
  return page.waitForFunction(
    () => {
      const { view, loop } = window.splatcamViewer;
      return loop.lastMs === null && loop.shownUrl === view.urlOf(null);
    },
    undefined,
    { timeout: WITHIN_MS, polling: 50 },
  );
}

const emptySays = (page, text) => page.locator("#empty", { hasText: text }).waitFor({ timeout: WITHIN_MS });
const drawing = (page) => page.evaluate(() => document.getElementById("view").toDataURL());

test("before and after the camera the page says that there is none, and between them shows what is filmed", async () => {
  const viewer = await openViewer(browser);
  await emptySays(viewer, NO_CAMERA);
  const camera = await openCamera(browser);
  await showing(viewer, camera, "red", "blue");
  await showing(viewer, camera, "blue", "red");
  assert.ok(await viewer.locator("#empty").isHidden());
  assert.match(await viewer.locator("#numbers").innerText(), /Model\s+\S+[\s\S]*Cameras\s+1[\s\S]*Status\s+live/);
  await leave(camera);
  await emptySays(viewer, NO_CAMERA);
  await viewer.locator("#numbers", { hasText: /Cameras\s*0/ }).waitFor({ timeout: WITHIN_MS });
  await finish(viewer);
});

test("when the camera rests a sharp picture is last, then nothing at all is said, and a drag still turns it", async () => {
  const [viewer, camera] = [await openViewer(browser, "/view"), await openCamera(browser)];
  await showing(viewer, camera, "red", "blue");
  await resting(viewer);
  const [before, words] = [await drawing(viewer), viewer.words];
  await viewer.waitForTimeout(QUIET_MS);
  assert.equal(viewer.words, words);
  await viewer.mouse.move(160, 120);
  await viewer.mouse.down();
  await viewer.mouse.move(220, 120, { steps: 5 });
  await viewer.mouse.up();
  await resting(viewer);
  assert.notEqual(await drawing(viewer), before);
  assert.ok(viewer.words > words);
  await leave(camera);
  await finish(viewer);
});

test("a browser without WebGL is led from the main page to the pictures, and sees them", async () => {
  const plain = await launch(NO_GRAPHICS);
  try {
    const viewer = await openViewer(plain, "/?source=none");
    await says(viewer, "no WebGL 2");
    await viewer.getByRole("link", { name: "pictures that the server draws" }).click();
    await viewer.waitForURL("**/viewer/");
    await emptySays(viewer, NO_CAMERA);
    const camera = await openCamera(plain);
    await showing(viewer, camera, "blue", "red");
    await leave(camera);
    await finish(viewer);
  } finally {
    await plain.close();
  }
});

test("a service that goes away is told of", async () => {
  const viewer = await openViewer(browser);
  await emptySays(viewer, NO_CAMERA);
  await server.stop();
  await says(viewer, /The server cannot be reached|The server is restarting/);
  await finish(viewer, (fault) => fault.includes("WebSocket") || fault.includes("Failed to load resource"));
});
