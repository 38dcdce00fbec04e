// The orbit viewer's page in a real browser: what is drawn by the server, turned by hand, silent at rest.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { finish, hue, launch, openPage, startServer } from "./helpers.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 390, height: 844 };
const QUIET_MS = 1500; // long enough for anything that comes by itself: the last is due 250 ms after a touch

let server, browser;
before(async () => {
  server = await startServer("-m", "tests.e2e.viewer_server");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const post = (page, path) => page.request.post(`${server.url}/test/${path}`);
const behave = (page, how) => post(page, `behave?${how}`);

/** A page on which the first picture is; `page.asked` are the addresses of what it asked for. */
async function open({ live = false, viewport } = {}) {
  const page = await openPage(browser, "about:blank", { viewport });
  await behave(page, `live_as=${live}`);
  page.asked = [];
  page.on("request", (request) => page.asked.push(new URL(request.url())));
  await page.goto(server.url);
  await resting(page);
  return page;
}

const pictures = (page) => page.asked.filter(({ pathname }) => pathname === "/render");
const lastQuery = (page) => Object.fromEntries(pictures(page).at(-1).searchParams);

/** A sharp picture of what is wanted now is on the screen. */
function resting(page) {
  return page.waitForFunction(
    () => {
      const { view, loop } = window.splatcamViewer ?? {};
      return loop?.shownUrl === view?.urlOf(null) && loop !== undefined;
    },
    undefined,
    { timeout: 30_000, polling: 50 },
  );
}

/** The colour of the picture at [right, down] in shares of it. */
function colorAt(page, [x, y]) {
  return page.evaluate(([u, v]) => {
    const canvas = document.getElementById("view");
    const [left, top] = [Math.floor(u * canvas.width), Math.floor(v * canvas.height)];
    const pixel = canvas.getContext("2d").getImageData(left, top, 1, 1);
    return [...pixel.data.slice(0, 3)];
  }, [x, y]);
}

/** Presses at the middle, moves by [dx, dy] in steps, and lets go. */
async function drag(page, [dx, dy], button = "left") {
  const { width, height } = page.viewportSize();
  await page.mouse.move(width / 2, height / 2);
  await page.mouse.down({ button });
  await page.mouse.move(width / 2 + dx, height / 2 + dy, { steps: 5 });
  await page.mouse.up({ button });
  await resting(page);
}

const MIDDLE = [0.5, 0.5];
// A ball one unit aside at distance 3 with a field of view of 60°, in a picture of 320 x 240.
const ASIDE_PX = 240 / 2 / Math.tan(Math.PI / 6) / 3;
const RIGHT = [0.5 + ASIDE_PX / 320, 0.5];
const BELOW = [0.5, 0.5 + ASIDE_PX / 240];

test("the scene stands as the camera saw it: green at the right, blue below", async () => {
  const page = await open();
  for (const [place, color] of [[MIDDLE, "red"], [RIGHT, "green"], [BELOW, "blue"]]) {
    assert.equal(hue(await colorAt(page, place)), color);
  }
  assert.match(await page.locator("#numbers").innerText(), /320 × 240[\s\S]*Gaussians\s+3/);
  await finish(page);
});

test("at rest the page asks for nothing", async () => {
  const page = await open();
  const before = page.asked.length;
  await page.waitForTimeout(QUIET_MS);
  assert.equal(page.asked.length, before);
  await finish(page);
});

test("a drag turns the scene with coarse pictures, and a sharp one is last", async () => {
  const page = await open();
  const before = pictures(page).length;
  const { theta } = lastQuery(page);
  await drag(page, [150, 0]);
  const asked = pictures(page).slice(before).map(({ searchParams }) => Object.fromEntries(searchParams));
  assert.ok(asked.slice(0, -1).some(({ w, q }) => Number(w) <= 160 && q === "70"));
  assert.deepEqual([asked.at(-1).w, asked.at(-1).q], ["320", "90"]);
  const turned = Math.abs(Number(asked.at(-1).theta) - Number(theta)) % (2 * Math.PI);
  assert.ok(Math.abs(Math.min(turned, 2 * Math.PI - turned) - 0.75) < 1e-4, `turned by ${turned}`);
  assert.equal(hue(await colorAt(page, MIDDLE)), "red"); // what one turns about stays
  assert.notEqual(hue(await colorAt(page, RIGHT)), "green");
  await finish(page);
});

test("Shift and the right button move the scene, the wheel comes closer", async () => {
  const page = await open();
  await drag(page, [-ASIDE_PX / 2, 0], "right");
  const once = Number(lastQuery(page).tx);
  assert.ok(once > 0.05, `tx ${once}`); // to the left went the scene, so to the right the target
  await page.keyboard.down("Shift");
  await drag(page, [-ASIDE_PX / 2, 0]);
  await page.keyboard.up("Shift");
  assert.ok(Math.abs(Number(lastQuery(page).tx) - 2 * once) < 1e-3);
  await page.mouse.wheel(0, -200);
  await page.waitForFunction(() => window.splatcamViewer.view.place.radius < 3);
  await resting(page);
  assert.ok(Math.abs(Number(lastQuery(page).radius) - 3 * Math.exp(-0.24)) < 1e-3);
  await page.keyboard.press("r");
  await resting(page);
  assert.deepEqual([lastQuery(page).tx, lastQuery(page).radius], ["0", "3"]);
  await finish(page);
});

test("modes are shown by key and by button, and the buttons say which", async () => {
  const page = await open();
  const pressed = () => page.locator("#modes button[aria-pressed=true]").innerText();
  assert.equal(await pressed(), "rgb");
  for (const [act, mode] of [
    [() => page.keyboard.press("d"), "depth"],
    [() => page.keyboard.press("m"), "mesh"],
    [() => page.getByRole("button", { name: "normal" }).click(), "normal"],
    [() => page.getByRole("button", { name: "rgb" }).click(), "rgb"],
  ]) {
    await act();
    await resting(page);
    assert.deepEqual([await pressed(), lastQuery(page).mode], [mode, mode]);
    const [r, g, b] = await colorAt(page, MIDDLE);
    const isGrey = Math.max(r, g, b) - Math.min(r, g, b) < 8 && r > 20;
    if (mode === "depth" || mode === "mesh") assert.ok(isGrey, `${mode} ${[r, g, b]}`);
    if (mode === "normal") assert.ok(b > 200 && Math.abs(r - 128) < 40, `${[r, g, b]}`);
  }
  await finish(page);
});

test("U turns the scene upside down, [ makes it coarser, H tells of the keys", async () => {
  const page = await open();
  await page.keyboard.press("u");
  await resting(page);
  assert.equal(lastQuery(page).up, "1");
  await page.keyboard.press("[");
  await resting(page);
  assert.equal(lastQuery(page).w, "240");
  await page.keyboard.press("h");
  await page.getByRole("dialog", { name: "Keys and gestures" }).waitFor();
  await page.keyboard.press("h");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await finish(page);
});

test("a new revision of a live scene comes by itself", async () => {
  const page = await open({ live: true });
  assert.equal(hue(await colorAt(page, MIDDLE)), "red");
  await post(page, "publish");
  await page.waitForFunction(() => {
    const canvas = document.getElementById("view");
    const [r, g] = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
    return r > 150 && g > 150;
  }, undefined, { timeout: 30_000, polling: 50 });
  await page.locator("#numbers", { hasText: "0.1250" }).waitFor();
  assert.match(await page.locator("#numbers").innerText(), /Step\s+100[\s\S]*1\.6e-4[\s\S]*training/);
  await finish(page);
});

test("what the server could not draw is told in its words, and the picture comes after all", async () => {
  const page = await open();
  await behave(page, "live_as=false&failures=1");
  await page.evaluate(() => {
    window.sentences = [];
    const message = document.getElementById("message");
    new MutationObserver(() => window.sentences.push(message.textContent)).observe(message, { childList: true });
  });
  await page.keyboard.press("d");
  await page.waitForFunction(() => window.sentences.length > 0);
  assert.deepEqual(await page.evaluate(() => window.sentences), ["The picture could not be drawn: the brush broke"]);
  await resting(page);
  assert.ok(await page.locator("#message").isHidden());
  assert.equal(lastQuery(page).mode, "depth");
  await finish(page, (fault) => fault.includes("500"));
});

test("on a phone nothing sticks out, one finger turns and two come closer", async () => {
  const page = await open({ viewport: PHONE });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(width, PHONE.width);
  for (const id of ["hud", "toolbar"]) {
    const box = await page.locator(`#${id}`).boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= PHONE.width && box.y + box.height <= PHONE.height, id);
  }
  const session = await page.context().newCDPSession(page);
  const touch = (type, ...points) =>
    session.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  const place = () => page.evaluate(() => window.splatcamViewer.view.place);
  const home = await place();
  await touch("touchStart", [200, 400]);
  await touch("touchMove", [260, 400]);
  await touch("touchEnd");
  await page.waitForFunction((theta) => window.splatcamViewer.view.place.theta !== theta, home.theta);
  assert.equal((await place()).radius, home.radius);
  await touch("touchStart", [150, 400], [250, 400]);
  await touch("touchMove", [100, 400], [300, 400]);
  await touch("touchEnd");
  await page.waitForFunction((radius) => window.splatcamViewer.view.place.radius < radius * 0.6, home.radius);
  await resting(page);
  await finish(page);
});

test("everybody can use the page, as far as a program can tell", async () => {
  const page = await open();
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`), []);
  await finish(page);
});
