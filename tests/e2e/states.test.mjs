// What the page says when something is missing: a camera, a secure origin, a graphics card, WebAssembly, the server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  FAKE_CAMERA, finish, hue, launch, meanColor, openPage, reached, says, startScriptedServer,
} from "./helpers.mjs";

const TOP_LEFT = [0.08, 0.08, 0.25, 0.25]; // of a marker
const NO_CAMERA = ["--use-fake-device-for-media-stream=device-count=0", "--use-fake-ui-for-media-stream"];

let server;
before(async () => {
  server = await startScriptedServer();
});
after(async () => {
  await server?.stop();
});

/** Runs `body(browser)` in a Chromium with these flags. */
async function withBrowser(flags, body) {
  const browser = await launch(...flags);
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}

const buttonIsThere = (page) => page.getByRole("button", { name: "Start camera" }).waitFor();
const filePickerIsThere = (page) => page.locator("#start").getByRole("button", { name: "Open files" }).waitFor();
const chipSays = (page, text) => page.locator("#status", { hasText: text }).waitFor();
const openScript = (browser, script) => openPage(browser, `${server.url}/?watch=${script}`);
const WHAT_THE_BROWSER_LOGS = (fault) => (
  fault.includes("WebSocket connection") || fault.includes("Failed to load resource")
);

test("a refused camera: the page says how to allow it, and offers the button and a file", () =>
  withBrowser(["--use-fake-device-for-media-stream"], async (browser) => {
    const page = await openPage(browser, server.url);
    await says(page, "not allowed to use the camera");
    await buttonIsThere(page);
    await filePickerIsThere(page);
    await finish(page);
  }));

test("a camera that is allowed later starts at the button", () =>
  withBrowser(["--use-fake-device-for-media-stream"], async (browser) => {
    const page = await openPage(browser, server.url);
    await says(page, "not allowed to use the camera");
    await page.context().grantPermissions(["camera"]);
    await page.getByRole("button", { name: "Start camera" }).click();
    await reached(page, "shown", 1);
    assert.equal(await page.isHidden("#message"), true);
    assert.equal(await page.isHidden("#start"), true);
    await finish(page);
  }));

test("no camera: the page says so", () =>
  withBrowser(NO_CAMERA, async (browser) => {
    const page = await openPage(browser, server.url);
    await says(page, "No camera was found");
    await buttonIsThere(page);
    await finish(page);
  }));

test("an insecure origin: the page says where the camera would work", () =>
  withBrowser(["--host-resolver-rules=MAP cam.test 127.0.0.1"], async (browser) => {
    const page = await openPage(browser, `http://cam.test:${new URL(server.url).port}/`);
    await says(page, "secure pages only");
    await filePickerIsThere(page);
    await finish(page);
  }));

test("no WebGL 2: the page says so instead of showing nothing", () =>
  withBrowser(["--disable-3d-apis"], async (browser) => {
    const page = await openPage(browser, `${server.url}/?source=none`);
    await says(page, "no WebGL 2");
    await chipSays(page, "No 3D");
    assert.equal(await page.isHidden("#toolbar"), true);
    await finish(page);
  }));

test("WebAssembly forbidden: the page says so at once, and what works without it", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/no-wasm.html?watch=marker.splats16.1.shown`);
    await says(page, "forbids WebAssembly");
    await finish(page, (fault) => fault.startsWith("CompileError: WebAssembly"));
  }));

test("WebAssembly forbidden and points on the screen: there is nothing left to say", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/no-wasm.html?watch=marker.pointcloud.1.shown`);
    await reached(page, "shown", 1);
    assert.doesNotMatch(await page.textContent("#message"), /WebAssembly/);
    await finish(page, (fault) => fault.startsWith("CompileError: WebAssembly"));
  }));

test("workers forbidden: Spark never gets ready, and after ten seconds the page says why that may be", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/no-workers.html?watch=marker.splats16.1.shown`);
    await says(page, "none has been drawn");
    await finish(page, () => true); // the browser's own words for what the policy forbids differ
  }));

test("a camera that another program holds: the page says so", () =>
  withBrowser(NO_CAMERA, async (browser) => {
    const isBusy = () => {
      navigator.mediaDevices.getUserMedia = async () => {
        throw new DOMException("Could not start video source", "NotReadableError");
      };
    };
    const page = await openPage(browser, server.url, { inits: [isBusy] });
    await says(page, "The camera is busy");
    await finish(page);
  }));

test("a full server: the page says so and comes back", () =>
  withBrowser([], async (browser) => {
    const page = await openScript(browser, "close.1013");
    await says(page, "The server is full. Trying again.");
    await chipSays(page, "Reconnecting");
    await finish(page, WHAT_THE_BROWSER_LOGS);
  }));

test("a server that does not allow the page: it says so and stays away", () =>
  withBrowser([], async (browser) => {
    const page = await openScript(browser, "close.1008");
    await says(page, "does not allow this connection");
    await chipSays(page, "Disconnected");
    await finish(page, WHAT_THE_BROWSER_LOGS);
  }));

test("a model that loads says how far it is", () =>
  withBrowser([], async (browser) => {
    const page = await openScript(browser, "status.loading");
    await page.locator("#engine", { hasText: "Loading the model. 42 %" }).waitFor();
    await finish(page);
  }));

test("a model that failed says why", () =>
  withBrowser([], async (browser) => {
    const page = await openScript(browser, "status.failed");
    await says(page, "could not be loaded: no memory left");
    await chipSays(page, "The model failed");
    await finish(page);
  }));

test("of a model that failed the frames do not say the same once more", () =>
  withBrowser([], async (browser) => {
    const page = await openScript(browser, "status.failed.engine_failed");
    await reached(page, "errors", 1);
    assert.equal(await page.locator("#message").textContent(), "The model could not be loaded: no memory left.");
    await finish(page);
  }));

test("a message that is none is told, and the session goes on", () =>
  withBrowser([], async (browser) => {
    const page = await openScript(browser, "garbage");
    await says(page, "cannot read");
    assert.equal(await page.evaluate(() => window.splatcam.connection.state), "open");
    await finish(page);
  }));

test("a camera that sends nothing for five seconds: stalled, and then a sentence", () =>
  withBrowser([], async (browser) => {
    const page = await openScript(browser, "silence");
    await chipSays(page, "Stalled");
    await says(page, "No frame has come for 5 seconds");
    await finish(page);
  }));

test("the person's own camera that brings no pictures: the page says that it is the source", () =>
  withBrowser(FAKE_CAMERA, async (browser) => {
    const page = await openPage(browser, server.url);
    await reached(page, "shown", 1);
    await page.evaluate(() => document.getElementById("camera").pause());
    await says(page, "The source has brought no picture for 5 seconds");
    await page.evaluate(() => document.getElementById("camera").play());
    await page.locator("#message").waitFor({ state: "hidden" });
    await finish(page);
  }));

test("an error of the server is told in the page's words", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/?watch=error.no_gaussian_head`);
    await says(page, "predicts no Gaussians of its own");
    await finish(page);
  }));

test("without a source the page connects, asks for no camera and waits", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/?source=none`);
    await page.locator("#model", { hasText: "Scripted · Apache-2.0" }).waitFor();
    await page.locator("#demonstration").waitFor();
    await chipSays(page, "Connected");
    assert.equal(await page.isHidden("#message"), true);
    await filePickerIsThere(page);
    await finish(page);
  }));

test("an error of the server is still told after the welcome that follows it", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/?watch=error.no_gaussian_head.welcome`);
    await page.locator("#model", { hasText: "Scripted" }).waitFor();
    await says(page, "predicts no Gaussians of its own");
    await finish(page);
  }));

test("formats that the server refuses: the page says so instead of connecting for ever", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/?watch=error.unsupported_format`);
    await says(page, "cannot send what was asked for in this format: the scripted server says so");
    await chipSays(page, "Refused by the server");
    await finish(page);
  }));

test("a stream that has no room for another format: the page comes back to ask again", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/?watch=error.too_many_variants`);
    await says(page, "wait until a viewer leaves. Trying again.");
    await reached(page, "connects", 3);
    await finish(page);
  }));

test("a server that goes away and comes back: the page says so, and goes on by itself", (t) =>
  withBrowser([], async (browser) => {
    const first = await startScriptedServer();
    t.after(first.stop);
    const page = await openPage(browser, `${first.url}/?watch=marker.splats16.1.shown`);
    await reached(page, "shown", 1);
    await first.stop();
    await says(page, "Trying again");
    const second = await startScriptedServer(new URL(first.url).port);
    t.after(second.stop);
    await reached(page, "shown", 2);
    assert.equal(await page.isHidden("#message"), true);
    await finish(page, WHAT_THE_BROWSER_LOGS);
  }));

for (const [script, chip] of [["starting", "Connecting"], ["error.unsupported_format", "Refused by the server"]]) {
  test(`a server that comes back and says ${script}: nobody reads any more that it cannot be reached`, (t) =>
    withBrowser([], async (browser) => {
      const first = await startScriptedServer();
      t.after(first.stop);
      const page = await openPage(browser, `${first.url}/?watch=${script}`);
      await chipSays(page, chip);
      await first.stop();
      await says(page, "The server cannot be reached. Trying again.");
      const second = await startScriptedServer(new URL(first.url).port);
      t.after(second.stop);
      await page.waitForFunction(() => !document.getElementById("message").textContent.includes("cannot be reached"));
      await chipSays(page, chip);
      await finish(page, WHAT_THE_BROWSER_LOGS);
    }));
}

const REFUSALS = [
  ["status=503&reason=full", "The server is full. Trying again."],
  ["status=503&reason=draining", "The server is about to stop and takes nobody new. Trying again."],
  ["status=401", "The server wants its token: open the link that it printed when it started. Trying again."],
  ["status=429", "The server takes no more connections from your address for now. Trying again."],
];

for (const [refusal, sentence] of REFUSALS) {
  test(`a handshake that is refused with ${refusal}: the page says why, and comes in when it may`, (t) =>
    withBrowser([], async (browser) => {
      const own = await startScriptedServer();
      t.after(own.stop);
      const page = await openPage(browser, `${own.url}/?watch=marker.splats16.1.shown`);
      await reached(page, "shown", 1);
      const refuse = (query) => page.request.post(`${own.url}/test/refuse?${query}`);
      await refuse(`${refusal}&retry_after=0`);
      await says(page, sentence);
      await chipSays(page, "Reconnecting");
      await refuse("");
      await page.locator("#message").waitFor({ state: "hidden" });
      await reached(page, "shown", 2);
      await finish(page, WHAT_THE_BROWSER_LOGS);
    }));
}

for (const press of ["a press of a button", "a key", "the page that is looked at again"]) {
  test(`a session that the server let go for idleness: the page stays away until ${press}`, () =>
    withBrowser([], async (browser) => {
      const page = await openScript(browser, "close.4408");
      await says(page, "Nothing was sent for long, so the server made room for others.");
      await chipSays(page, "Idle");
      const connects = await page.evaluate(() => window.splatcam.counts.connects);
      if (press === "a key") await page.keyboard.press("Shift");
      else if (press === "a press of a button") await page.mouse.click(160, 120);
      else await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await reached(page, "connects", connects + 1);
      await finish(page, WHAT_THE_BROWSER_LOGS);
    }));
}

test("a model that restarts: the page says so and keeps its picture, and then goes on", () =>
  withBrowser([], async (browser) => {
    const page = await openScript(browser, "restarting.marker.splats16.1.shown");
    await reached(page, "shown", 1);
    await chipSays(page, "The model restarts");
    await page.locator("#engine", { hasText: "The model is starting again." }).waitFor();
    assert.equal(await page.isHidden("#message"), true);
    assert.equal(hue(await meanColor(page, TOP_LEFT)), "red");
    await page.request.post(`${server.url}/test/go`);
    await reached(page, "shown", 2);
    await chipSays(page, "Live");
    assert.deepEqual(await page.evaluate(() => window.splatcam.counts.connects), 1);
    await finish(page);
  }));

test("a part of the page that cannot be loaded is told in words", () =>
  withBrowser([], async (browser) => {
    const page = await browser.newPage();
    await page.route("**/spark.module.min.js", (route) => route.abort());
    await page.goto(server.url);
    await says(page, "A part of this page could not be loaded");
  }));
