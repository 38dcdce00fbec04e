// What the page says when something is missing: a camera, a secure origin, a graphics card, WebAssembly, the server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { finish, launch, openPage, reached, says, startScriptedServer } from "./helpers.mjs";

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

const buttonIsThere = (page) => page.locator("#start-camera").waitFor({ state: "visible" });
const filePickerIsThere = (page) => page.getByLabel("Open video file").waitFor({ state: "attached" });

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
    await page.click("#start-camera");
    await reached(page, "shown", 1);
    assert.equal(await page.isHidden("#message"), true);
    assert.equal(await page.isHidden("#start-camera"), true);
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
    await finish(page);
  }));

test("WebAssembly forbidden: after ten seconds without a picture the page says why that may be", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/no-wasm.html?watch=marker.splats16.1.shown`);
    await says(page, "none has been drawn");
    await finish(page, (fault) => fault.startsWith("CompileError: WebAssembly"));
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
    await page.locator("#model", { hasText: "Scripted (demonstration depth) · Apache-2.0" }).waitFor();
    await page.locator("#status", { hasText: "connected" }).waitFor();
    assert.equal(await page.isHidden("#message"), true);
    await filePickerIsThere(page);
    await finish(page);
  }));

test("an error of the server is still told after the welcome that follows it", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/?watch=error.no_gaussian_head.welcome`);
    await page.locator("#status", { hasText: "connected" }).waitFor();
    await page.locator("#model", { hasText: "Scripted" }).waitFor();
    await says(page, "predicts no Gaussians of its own");
    await finish(page);
  }));

test("formats that the server refuses: the page says so instead of connecting for ever", () =>
  withBrowser([], async (browser) => {
    const page = await openPage(browser, `${server.url}/?watch=error.unsupported_format`);
    await says(page, "cannot send what was asked for in this format: the scripted server says so");
    await page.locator("#status", { hasText: "refused by the server" }).waitFor();
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
    await finish(page, (fault) => fault.includes("WebSocket connection")); // what the browser itself logs
  }));

test("a part of the page that cannot be loaded is told in words", () =>
  withBrowser([], async (browser) => {
    const page = await browser.newPage();
    await page.route("**/spark.module.min.js", (route) => route.abort());
    await page.goto(server.url);
    await says(page, "A part of this page could not be loaded");
  }));
