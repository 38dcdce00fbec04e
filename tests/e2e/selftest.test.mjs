// The self-test page, in a browser that can draw splats and in some that cannot.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { finish, hue, launch, openPage, startServer } from "./helpers.mjs";

const WEB = fileURLToPath(new URL("../../web", import.meta.url));
const IMPORT_MAP = /<script type="importmap">([^]*?)<\/script>/;
const SERVICE = "stream_server.py --model synthetic --device cpu --process-res 56 --threads 1 --port 0".split(" ");
const FILES = ["-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", WEB];
const VERDICT_MS = 120_000;

const html = (name) => readFileSync(`${WEB}/${name}`, "utf8");

let files, browser;
before(async () => {
  files = await startServer(...FILES);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await files?.stop();
});

/** Opens the page, after `prepare(page)`; resolves when there is a verdict. */
async function openSelftest(url, { prepare = () => {}, inits = [] } = {}) {
  const page = await openPage(browser, "about:blank", { inits });
  await prepare(page);
  await page.goto(`${url}/test-sparkjs.html`);
  await page.waitForFunction(() => window.selftest?.state !== "running", null, { timeout: VERDICT_MS });
  return page;
}

const selftest = (page) => page.evaluate(() => window.selftest);
const failed = ({ checks }) => checks.filter(({ state }) => state === "FAIL");

async function assertPasses(page) {
  const { state, checks } = await selftest(page);
  assert.deepEqual(checks.filter((check) => check.state !== "PASS"), []);
  assert.deepEqual([state, checks.length], ["pass", 9]);
  assert.equal(await page.title(), "PASS: splatcam self-test");
  assert.equal(await page.textContent("#verdict"), "PASS");
}

/** Serves the page with another policy, or with other answers for its packages. */
const withPolicy = (policy) => async (page) => {
  await page.route("**/test-sparkjs.html", (route) => route.fulfill({
    contentType: "text/html", body: html("test-sparkjs.html"), headers: { "Content-Security-Policy": policy },
  }));
};

test("behind a plain file server the page passes", async () => {
  const page = await openSelftest(files.url);
  await assertPasses(page);
  await finish(page);
});

test("behind the service, under its content security policy, the page passes", async () => {
  const service = await startServer(...SERVICE);
  try {
    const page = await openSelftest(service.url);
    await assertPasses(page);
    await finish(page);
  } finally {
    await service.stop();
  }
});

test("what it left on the screen is red top left and blue bottom right", async () => {
  const page = await openSelftest(files.url);
  const png = (await page.locator("#view").screenshot()).toString("base64");
  const colors = await page.evaluate(async (data) => {
    const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const context = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
    context.drawImage(picture, 0, 0);
    return [0.1, 0.9].map((at) => [...context.getImageData(at * picture.width, at * picture.height, 1, 1).data]);
  }, png);
  assert.deepEqual(colors.map((color) => hue(color.slice(0, 3))), ["red", "blue"]);
  await finish(page);
});

test("its import map is that of the page to the byte, so that one hash allows both", () => {
  const [ours, theirs] = ["test-sparkjs.html", "index.html"].map((name) => html(name).match(IMPORT_MAP)[1]);
  assert.equal(ours, theirs);
});

test("a policy that allows nothing but files, that import map, WebAssembly and Blob workers is enough", async () => {
  const hash = createHash("sha256").update(html("test-sparkjs.html").match(IMPORT_MAP)[1]).digest("base64");
  const page = await openSelftest(files.url, {
    prepare: withPolicy(
      `default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'sha256-${hash}'; style-src 'self'; img-src data:; ` +
      "worker-src blob:; connect-src 'self' blob: data:",
    ),
  });
  await assertPasses(page);
  await finish(page);
});

for (const [what, policy, name, reason] of [
  ["WebAssembly", "script-src 'self' 'unsafe-inline'; worker-src blob:", "WebAssembly", /security policy, forbids it/],
  ["workers", "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; worker-src 'none'", "workers", /forbids workers/],
]) {
  test(`a policy that forbids ${what} is told, and the drawing is not even tried`, async () => {
    const page = await openSelftest(files.url, { prepare: withPolicy(policy) });
    const outcome = await selftest(page);
    const [failure, ...others] = failed(outcome);
    assert.deepEqual([outcome.state, failure.name, others], ["fail", name, []]);
    assert.match(failure.reason, reason);
    assert.equal(outcome.checks.at(-1).state, "not run");
    assert.equal(await page.title(), "FAIL: splatcam self-test");
    await finish(page, (fault) => /Content Security Policy/.test(fault));
  });
}

test("packages that are not there are told by name, with what to do", async () => {
  const prepare = (page) => page.route("**/node_modules/**", (route) => route.fulfill({ status: 404 }));
  const page = await openSelftest(files.url, { prepare });
  const [failure, ...others] = failed(await selftest(page));
  assert.deepEqual([failure.name, others], ["packages", []]);
  assert.match(failure.reason, /^“three” could not be loaded: \.\/node_modules\/three\/\S+ was answered with 404/);
  assert.match(failure.reason, /npm ci/);
  assert.match(await page.textContent("#checks"), /“three” could not be loaded/);
  await finish(page, (fault) => /404/.test(fault));
});

test("packages that cannot be fetched at all are told too", async () => {
  const prepare = (page) => page.route("**/node_modules/**", (route) => route.abort());
  const page = await openSelftest(files.url, { prepare });
  assert.match(failed(await selftest(page))[0].reason, /could not be fetched/);
  await finish(page, (fault) => /ERR_FAILED/.test(fault));
});

test("a browser without WebGL 2 is told so", async () => {
  const withoutWebGL2 = () => {
    const { getContext } = HTMLCanvasElement.prototype;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
      return kind === "webgl2" ? null : getContext.call(this, kind, ...more);
    };
  };
  const page = await openSelftest(files.url, { inits: [withoutWebGL2] });
  const [failure, ...others] = failed(await selftest(page));
  assert.deepEqual([failure.name, others], ["WebGL 2", []]);
  assert.match(failure.reason, /hardware acceleration/);
  await finish(page);
});
