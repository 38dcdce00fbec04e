// What is on the screen, pixel by pixel, while a scripted server sends small frames.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  countBlobUrls, countTextures, drawingsOf, finish, heapBytes, hue, isOfLostCard, launch, meanColor, openPage,
  reached, says, startScriptedServer, watchDrawings,
} from "./helpers.mjs";

const TOP_LEFT = [0.04, 0.04, 0.2, 0.26];
const BOTTOM_RIGHT = [0.8, 0.74, 0.96, 0.96];
const MIDDLE = [0.4, 0.4, 0.6, 0.6];
const SMALL_VIEW = { width: 160, height: 120 };
const HEAP_TOLERANCE_BYTES = 1_000_000; // over 280 frames: a copy of each would be ten times as much

let server, browser;
before(async () => {
  server = await startScriptedServer();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const watch = (script, options) => openPage(browser, `${server.url}/?watch=${script}`, options);

for (const format of ["splats16", "gaussian_ply", "pointcloud"]) {
  test(`${format}: what is top-left in the picture is top-left on the screen`, async () => {
    const page = await watch(`marker.${format}.1.shown`);
    await reached(page, "shown", 1);
    assert.equal(hue(await meanColor(page, TOP_LEFT)), "red");
    assert.equal(hue(await meanColor(page, BOTTOM_RIGHT)), "blue");
    assert.equal(hue(await meanColor(page, MIDDLE)), "grey");
    await finish(page);
  });

  test(`${format}: 50 swaps, each drawn, and never a blank or a mixed frame between two`, async () => {
    const page = await watch(`swaps.${format}.50.shown`, { inits: [watchDrawings] });
    await reached(page, "shown", 50);
    const drawings = (await drawingsOf(page)).replace(/^\.+/, "");
    assert.match(drawings, /^(G+M+){25}$/);
    await finish(page);
  });

  test(`${format}: frames that come faster than they can be drawn are skipped without a blank frame`, async () => {
    const page = await watch(`swaps.${format}.100.ack`, { inits: [watchDrawings] });
    await reached(page, "received", 100);
    await page.waitForFunction(() => window.drawings.at(-1).magenta > 0.95); // the last one is magenta, and it stays
    assert.match((await drawingsOf(page)).replace(/^\.+/, ""), /^[GM]+$/);
    await finish(page);
  });

  test(`${format}: a frame without splats empties the screen, and the next one fills it`, async () => {
    const page = await watch(`empties.${format}.3.shown`, { inits: [watchDrawings] });
    await reached(page, "shown", 3);
    assert.match(await drawingsOf(page), /^\.+G+\.+G+$/);
    await finish(page);
  });
}

test("another format in the middle of a stream takes over without a blank frame", async () => {
  const page = await watch("swaps.mixed.12.shown", { inits: [watchDrawings] });
  await reached(page, "shown", 12);
  assert.match((await drawingsOf(page)).replace(/^\.+/, ""), /^[GM]+$/);
  await finish(page);
});

for (const format of ["splats16", "pointcloud"]) {
  test(`${format}: a frame larger than all before it is drawn whole`, async () => {
    const page = await watch(`growing.${format}.4.shown`, { inits: [watchDrawings] });
    await reached(page, "shown", 4);
    assert.match((await drawingsOf(page)).replace(/^\.+/, ""), /^G+M+G+M+$/);
    await finish(page);
  });
}

test("300 frames written in place leave the textures and the JavaScript heap as they were", async () => {
  const page = await watch("small.splats16.300.shown", { inits: [countTextures], viewport: SMALL_VIEW });
  const session = await page.context().newCDPSession(page);
  await reached(page, "shown", 20);
  const [textures, heap] = [await page.evaluate(() => window.textures), await heapBytes(session)];
  await reached(page, "shown", 300, 90_000);
  assert.equal(await page.evaluate(() => window.textures), textures);
  const growth = (await heapBytes(session)) - heap;
  assert.ok(growth < HEAP_TOLERANCE_BYTES, `the heap grew by ${growth} bytes`);
  await finish(page);
});

test("a PLY that was swapped out leaves no texture and no Blob URL behind", async () => {
  const inits = [countTextures, countBlobUrls];
  const page = await watch("small.gaussian_ply.40.shown", { inits, viewport: SMALL_VIEW });
  await reached(page, "shown", 10);
  const early = await page.evaluate(() => window.textures);
  await reached(page, "shown", 40);
  const late = await page.evaluate(() => [window.textures, window.blobUrls]);
  assert.ok(late[0] <= early + 1, `${early} textures became ${late[0]}`); // one more while two are in the making
  assert.ok(late[1] <= 4, `${late[1]} Blob URLs live`); // Spark's own four workers
  await finish(page);
});

test("a PLY that cannot be read is told in words, and the page goes on", async () => {
  const page = await watch("broken.gaussian_ply.1.ack");
  await says(page, "A frame arrived that the renderer cannot read");
  await finish(page);
});

test("a drawing that fails is told in words, and the next one is made", async () => {
  const page = await watch("swaps.splats16.200.shown");
  await reached(page, "shown", 1);
  await page.evaluate(() => {
    const message = document.getElementById("message");
    let isFirst = true;
    window.splatcam.stage.onRender(() => {
      if (!isFirst) return;
      isFirst = false;
      window.told = new Promise((done) => {
        new MutationObserver(() => done(message.textContent)).observe(message, { childList: true });
      });
      throw new Error("as if a listener failed");
    });
  });
  const shown = await page.evaluate(() => window.splatcam.counts.shown);
  await reached(page, "shown", shown + 3);
  assert.equal(await page.evaluate(() => window.told), "A picture could not be drawn: as if a listener failed");
  assert.equal(await page.isHidden("#message"), true);
  await finish(page, (fault) => fault.includes("as if a listener failed"));
});

for (const format of ["splats16", "gaussian_ply", "pointcloud"]) {
  test(`${format}: a graphics card that goes away is told, nothing counts as shown; its return is enough`, async () => {
    const page = await watch(`marker.${format}.1000000.ack`);
    await reached(page, "shown", 1);
    await page.evaluate(() => {
      window.card = window.splatcam.stage.renderer.getContext().getExtension("WEBGL_lose_context");
      window.card.loseContext();
    });
    await says(page, "The graphics card took the picture away");
    const { shown, received } = await page.evaluate(() => window.splatcam.counts);
    await reached(page, "received", received + 10);
    assert.equal(await page.evaluate(() => window.splatcam.counts.shown), shown);
    await page.evaluate(() => window.card.restoreContext());
    await reached(page, "shown", shown + 2);
    assert.equal(await page.isHidden("#message"), true);
    await page.evaluate(() => window.splatcam.freeze(true));
    assert.equal(hue(await meanColor(page, TOP_LEFT)), "red");
    await finish(page, isOfLostCard);
  });
}

test("the keyboard turns the view and moves it", async () => {
  const page = await watch("marker.splats16.1.shown");
  await reached(page, "shown", 1);
  const view = page.getByRole("application", { name: "arrow keys" });
  const isMoved = (from) => page.waitForFunction(
    (was) => window.splatcam.stage.camera.position.distanceTo(was) > 0.01, from);
  const where = () => page.evaluate(() => window.splatcam.stage.camera.position);
  await view.focus();
  for (const key of ["Shift+ArrowLeft", "ArrowUp"]) {
    const from = await where();
    await page.keyboard.press(key);
    await isMoved(from);
  }
  await finish(page);
});
