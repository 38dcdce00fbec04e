// The page around the scene: buttons, keys, settings, help, the address, small screens, and whether all can use it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { FAKE_CAMERA, finish, launch, openPage, reached, startScriptedServer } from "./helpers.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 720 };

let server, browser;
before(async () => {
  server = await startScriptedServer();
  browser = await launch(...FAKE_CAMERA);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const open = (search, options) => openPage(browser, `${server.url}/${search}`, options);
const openLive = async (options) => {
  const page = await open("?watch=marker.splats16.1000000.shown", options);
  await reached(page, "shown", 1);
  return page;
};
const toolbar = (page, name) => page.locator("#toolbar").getByRole("button", { name });

test("freeze keeps the picture while the stream goes on, by button and by key", async () => {
  const page = await open("?watch=marker.splats16.1000000.ack");
  await reached(page, "shown", 1);
  const frame = () => page.evaluate(() => window.splatcam.screen.shownResult.frame_id);
  await toolbar(page, "Freeze").click();
  await page.locator("#status", { hasText: "Frozen" }).waitFor();
  const [kept, { received }] = [await frame(), await page.evaluate(() => window.splatcam.counts)];
  await reached(page, "received", received + 5);
  assert.equal(await frame(), kept);
  assert.equal(await toolbar(page, "Freeze").getAttribute("aria-pressed"), "true");
  await page.locator("#view").focus();
  await page.keyboard.press("Space");
  await page.waitForFunction((id) => window.splatcam.screen.shownResult.frame_id > id + 5, kept);
  assert.equal(await toolbar(page, "Freeze").getAttribute("aria-pressed"), "false");
  await finish(page);
});

test("a choice takes effect, stands in the address, and is there after a reload", async () => {
  const page = await openLive({ viewport: DESKTOP });
  await toolbar(page, "Settings").click();
  await page.getByLabel("Motion", { exact: true }).selectOption("orbit");
  await page.getByLabel("Axes").check();
  assert.equal(await page.evaluate(() => window.splatcam.stage.motion), "orbit");
  assert.match(page.url(), /watch=marker\S*&motion=orbit&axes=true$/);
  await page.reload();
  await reached(page, "shown", 1);
  assert.equal(await page.evaluate(() => window.splatcam.stage.motion), "orbit");
  assert.equal(await toolbar(page, "Motion").getAttribute("aria-pressed"), "true");
  await finish(page);
});

test("a quality that is turned down goes to the server at once", async () => {
  const page = await openLive({ viewport: DESKTOP });
  const sent = page.evaluate(() => new Promise((done) => {
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (data) {
      send.call(this, data);
      const text = new TextDecoder("latin1").decode(data);
      if (text.includes("settings")) done(text);
    };
  }));
  await toolbar(page, "Settings").click();
  await page.getByLabel("Every n-th pixel").fill("3");
  assert.match(await sent, /stride\x03/);
  await finish(page);
});

test("the help lists every key, and Escape closes it", async () => {
  const page = await openLive({ viewport: DESKTOP });
  await page.locator("#view").focus();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys and gestures" }).waitFor();
  assert.ok((await page.locator("#help-keys tr").count()) >= 20);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await finish(page);
});

for (const close of ["Escape", "the button"]) {
  test(`settings that are closed by ${close} give the focus back to the button that opened them`, async () => {
    const page = await openLive({ viewport: DESKTOP });
    await toolbar(page, "Settings").click();
    await page.getByLabel("Axes").focus();
    if (close === "Escape") await page.keyboard.press("Escape");
    else await page.locator("#panel").getByRole("button", { name: "Close" }).click();
    await page.locator("#panel").waitFor({ state: "hidden" });
    assert.equal(await page.evaluate(() => document.activeElement.dataset.action), "panel");
    await finish(page);
  });
}

test("a browser that fills no screen has no button for it, and the key does nothing", async () => {
  const fillsNoScreen = () => {
    Object.defineProperty(Document.prototype, "fullscreenEnabled", { get: () => false });
    Element.prototype.requestFullscreen = undefined;
  };
  const page = await openLive({ inits: [fillsNoScreen] });
  assert.equal(await toolbar(page, "Fill the screen").count(), 0);
  await page.locator("#view").focus();
  await page.keyboard.press("v");
  await finish(page);
});

test("the numbers say what the stream does, and the I key puts them away", async () => {
  const page = await openLive({ viewport: DESKTOP });
  await page.locator("#numbers", { hasText: /Stream[\d.]+ fps/ }).waitFor();
  await page.locator("#numbers", { hasText: "1,200" }).waitFor();
  await page.locator("#view").focus();
  await page.keyboard.press("i");
  await page.locator("#hud").waitFor({ state: "hidden" });
  await finish(page);
});

test("screenshot, .ply and .spz come as downloads with something in them", async () => {
  const page = await openLive({ viewport: DESKTOP });
  for (const [action, name] of [["screenshot", /\.png$/], ["savePly", /\.ply$/], ["saveSpz", /\.spz$/]]) {
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.evaluate((wanted) => document.querySelector(`[data-action="${wanted}"]`).click(), action),
    ]);
    assert.match(download.suggestedFilename(), name);
    assert.ok(readFileSync(await download.path()).length > 1000, action);
  }
  await finish(page);
});

test("a theme is chosen by the system, or by the person", async () => {
  const page = await openLive();
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), "dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction(() => document.documentElement.dataset.theme === "light");
  await page.evaluate(() => window.splatcam.choices.set("theme", "dark"));
  assert.equal(await theme(), "dark");
  await finish(page);
});

test("the camera can be chosen, mirrored and stopped", async () => {
  const page = await open("", { viewport: DESKTOP });
  await reached(page, "shown", 1);
  await toolbar(page, "Settings").click();
  await page.locator("#camera-choice option:checked", { hasText: /^fake/ }).waitFor({ state: "attached" });
  await page.getByLabel("Mirror").check();
  assert.equal(await page.locator("#camera.mirrored").count(), 1);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator("#start").waitFor();
  await page.locator("#status", { hasText: "Connected" }).waitFor();
  await finish(page);
});

for (const [name, viewport] of [["a phone", PHONE], ["a phone held sideways", { width: 844, height: 390 }]]) {
  test(`on ${name} nothing lies outside the screen, and the toolbar can be reached`, async () => {
    const page = await openLive({ viewport });
    await page.locator("#hud").waitFor();
    await toolbar(page, "Settings").click();
    for (const id of ["panel", "toolbar", "hud"]) {
      const box = await page.locator(`#${id}`).boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= viewport.width, `${id}: ${JSON.stringify(box)}`);
      assert.ok(box.y >= 0 && box.y + box.height <= viewport.height, `${id}: ${JSON.stringify(box)}`);
    }
    await page.locator("#panel").getByRole("button", { name: "Close" }).click();
    await toolbar(page, "Help").click();
    await page.getByRole("dialog").waitFor();
    await finish(page);
  });
}

/** What axe finds that is serious or worse. */
async function seriousFindings(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
}

for (const colorScheme of ["dark", "light"]) {
  for (const viewport of [DESKTOP, PHONE]) {
    test(`axe finds nothing serious, ${colorScheme}, ${viewport.width} wide: live, settings, help`, async () => {
      const page = await openLive({ viewport });
      await page.emulateMedia({ colorScheme });
      await page.waitForFunction((theme) => document.documentElement.dataset.theme === theme, colorScheme);
      assert.deepEqual(await seriousFindings(page), []);
      await toolbar(page, "Settings").click();
      assert.deepEqual(await seriousFindings(page), []);
      await page.locator("#panel").getByRole("button", { name: "Close" }).click();
      await toolbar(page, "Help").click();
      assert.deepEqual(await seriousFindings(page), []);
      await finish(page);
    });
  }
}

test("axe finds nothing serious before a source is chosen, and with a sentence on the page", async () => {
  const page = await open("?source=none", { viewport: DESKTOP });
  await page.locator("#start").waitFor();
  assert.deepEqual(await seriousFindings(page), []);
  const other = await open("?watch=status.failed", { viewport: DESKTOP });
  await other.locator("#message").waitFor();
  assert.deepEqual(await seriousFindings(other), []);
  await finish(page);
  await finish(other);
});
