// Where pictures come from: the camera, a file. The scripted server gives each picture back as splats.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  drawingsOf, FAKE_CAMERA, finish, hue, launch, makeClips, meanColor, openPage, reached, says, startScriptedServer,
  watchDrawings,
} from "./helpers.mjs";

const TOP_LEFT = [0.05, 0.05, 0.25, 0.25];
const BOTTOM_RIGHT = [0.75, 0.75, 0.95, 0.95];

let server, clips, browser;
before(async () => {
  server = await startScriptedServer();
  clips = makeClips();
  browser = await launch(...FAKE_CAMERA, `--use-file-for-fake-video-capture=${clips.mjpeg}`);
});
after(async () => {
  await browser?.close();
  clips?.remove();
  await server?.stop();
});

/** A second of a WAV file: 8000 samples of 8 bits. */
function silence() {
  const header = Buffer.alloc(44);
  header.write("RIFF");
  header.write("WAVEfmt ", 8);
  header.write("data", 36);
  for (const [at, value] of [[4, 8036], [16, 16], [24, 8000], [28, 8000], [40, 8000]]) header.writeUInt32LE(value, at);
  for (const [at, value] of [[20, 1], [22, 1], [32, 1], [34, 8]]) header.writeUInt16LE(value, at);
  return Buffer.concat([header, Buffer.alloc(8000, 128)]);
}

async function cornersAreRight(page) {
  await page.evaluate(() => window.splatcam.freeze(true));
  assert.equal(hue(await meanColor(page, TOP_LEFT)), "red");
  assert.equal(hue(await meanColor(page, BOTTOM_RIGHT)), "blue");
}

test("the camera's picture goes to the server and comes back the right way round", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 5);
  await cornersAreRight(page);
  assert.equal(await page.isVisible("#camera"), true);
  await finish(page);
});

test("the picture is sent at the size that the server asked for", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 1);
  assert.deepEqual(await page.evaluate(() => window.splatcam.lastResult.grid), [30, 40]);
  await finish(page);
});

test("the status line tells rate, count, size, latency and format", async () => {
  const page = await openPage(browser, server.url);
  const line = /^connected · \d+\.\d fps · 1,200 splats · 33 KB\/frame · \d+ ms capture to screen · splats16$/;
  await page.locator("#status", { hasText: line }).waitFor();
  await finish(page);
});

test("another format can be asked for in the address", async () => {
  const page = await openPage(browser, `${server.url}/?format=pointcloud`);
  await reached(page, "shown", 3);
  await cornersAreRight(page);
  assert.equal(await page.evaluate(() => window.splatcam.lastResult.type), "pointcloud");
  await finish(page);
});

test("a video file that the viewer chooses takes the camera's place", async () => {
  const page = await openPage(browser, `${server.url}/?source=none`);
  await page.setInputFiles("#video-file", clips.webm);
  await reached(page, "shown", 5);
  await cornersAreRight(page);
  await finish(page);
});

test("the same video file can be chosen again", async () => {
  const page = await openPage(browser, `${server.url}/?source=none`);
  await page.setInputFiles("#video-file", clips.webm);
  await reached(page, "shown", 1);
  assert.equal(await page.inputValue("#video-file"), "");
  await finish(page);
});

const NOTES = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no video") };

for (const file of [NOTES, { name: "song.wav", mimeType: "audio/wav", buffer: silence() }]) {
  test(`${file.name}, a file that is no video, is told in words`, async () => {
    const page = await openPage(browser, `${server.url}/?source=none`);
    await page.setInputFiles("#video-file", file);
    await says(page, `cannot play “${file.name}”`);
    assert.equal(await page.isVisible("#start-camera"), true);
    await finish(page);
  });
}

test("a file that cannot be played leaves the live camera alone", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 3);
  await page.setInputFiles("#video-file", NOTES);
  await says(page, "cannot play “notes.txt”");
  const { received } = await page.evaluate(() => window.splatcam.counts);
  await reached(page, "received", received + 5);
  assert.equal(await page.isHidden("#start-camera"), true);
  await finish(page);
});

test("a camera that is unplugged is told in words, and starts again at the button", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 3);
  await page.evaluate(() => {
    const [track] = document.getElementById("camera").srcObject.getVideoTracks();
    track.stop();
    track.dispatchEvent(new Event("ended")); // which a browser sends when the device is gone
  });
  await says(page, "The camera was disconnected");
  const { shown } = await page.evaluate(() => window.splatcam.counts);
  await page.click("#start-camera");
  await reached(page, "shown", shown + 5);
  assert.equal(await page.isHidden("#message"), true);
  await finish(page);
});

test("a camera that starts while an answer about it is still open plays once", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 3);
  await page.evaluate(() => {
    const button = document.getElementById("start-camera");
    button.click();
    button.click();
  });
  const { received } = await page.evaluate(() => window.splatcam.counts);
  await reached(page, "received", received + 10);
  assert.equal(await page.isHidden("#message"), true);
  await finish(page);
});

test("once the first frame of a live camera is there, the screen is never blank again", async () => {
  const page = await openPage(browser, server.url, { inits: [watchDrawings] });
  await reached(page, "shown", 15);
  assert.match(await drawingsOf(page), /^\.*x+$/);
  await finish(page);
});
