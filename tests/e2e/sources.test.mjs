// Where pictures come from: a camera, a video, photos. The scripted server gives each picture back as splats.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  drawingsOf, FAKE_CAMERA, finish, hue, launch, makeClips, meanColor, openPage, reached, says, startScriptedServer,
  watchDrawings,
} from "./helpers.mjs";

const TOP_LEFT = [0.05, 0.05, 0.25, 0.25];
const TOP_RIGHT = [0.75, 0.05, 0.95, 0.25];
const BOTTOM_LEFT = [0.05, 0.75, 0.25, 0.95];
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

/** Keeps the picture that is on the screen and looks where its red and its blue block are. */
async function hasBlocksAt(page, redAt, blueAt) {
  await page.evaluate(() => window.splatcam.freeze(true));
  assert.equal(hue(await meanColor(page, redAt)), "red");
  assert.equal(hue(await meanColor(page, blueAt)), "blue");
}

const isTheRightWayRound = (page) => hasBlocksAt(page, TOP_LEFT, BOTTOM_RIGHT);

/** A picture of the browser's own making: a red block top-left and a blue one bottom-right, or one colour. */
async function photo(page, { type = "jpeg", color } = {}) {
  const url = await page.evaluate(([mime, only]) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 120 });
    const pen = canvas.getContext("2d");
    const paint = (fill, ...box) => {
      pen.fillStyle = fill;
      pen.fillRect(...box);
    };
    paint(only ?? "rgb(90 90 90)", 0, 0, 160, 120);
    if (only === undefined) {
      paint("red", 0, 0, 40, 40);
      paint("blue", 120, 80, 40, 40);
    }
    return canvas.toDataURL(mime);
  }, [`image/${type}`, color]);
  return Buffer.from(url.split(",")[1], "base64");
}

/** The JPEG with EXIF data that say how it is to be turned. */
function turned(jpeg, orientation) {
  const tiff = Buffer.from("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0", "latin1");
  tiff.writeUInt16BE(orientation, 18);
  const exif = Buffer.concat([Buffer.from("Exif\0\0", "latin1"), tiff]);
  const head = Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, exif.length + 2]);
  return Buffer.concat([head, exif, jpeg.subarray(2)]);
}

test("the camera's picture goes to the server and comes back the right way round", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 5);
  await isTheRightWayRound(page);
  assert.equal(await page.isVisible("#camera"), true);
  await finish(page);
});

test("the picture is sent at the size that the server asked for", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 1);
  assert.deepEqual(await page.evaluate(() => window.splatcam.lastResult.grid), [30, 40]);
  await finish(page);
});

test("another format can be asked for in the address", async () => {
  const page = await openPage(browser, `${server.url}/?format=pointcloud`);
  await reached(page, "shown", 3);
  await isTheRightWayRound(page);
  assert.equal(await page.evaluate(() => window.splatcam.lastResult.type), "pointcloud");
  await finish(page);
});

test("a video file that the viewer chooses takes the camera's place", async () => {
  const page = await openPage(browser, `${server.url}/?source=none`);
  await page.setInputFiles("#files", clips.webm);
  await reached(page, "shown", 5);
  await isTheRightWayRound(page);
  await finish(page);
});

test("the same video file can be chosen again", async () => {
  const page = await openPage(browser, `${server.url}/?source=none`);
  await page.setInputFiles("#files", clips.webm);
  await reached(page, "shown", 1);
  assert.equal(await page.inputValue("#files"), "");
  await finish(page);
});

const NOTES = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no video") };

const UNUSABLE = [
  [NOTES, "cannot open “notes.txt”"],
  [{ ...NOTES, name: "broken.mp4", mimeType: "video/mp4" }, "cannot play “broken.mp4”"],
  [{ name: "song.mp4", mimeType: "video/mp4", buffer: silence() }, "cannot play “song.mp4”"],
  [{ ...NOTES, name: "broken.jpg", mimeType: "image/jpeg" }, "cannot read “broken.jpg”"],
];
for (const [file, sentence] of UNUSABLE) {
  test(`${file.name}, which holds no picture, is told in words`, async () => {
    const page = await openPage(browser, `${server.url}/?source=none`);
    await page.setInputFiles("#files", file);
    await says(page, sentence);
    assert.equal(await page.isVisible("#start"), true);
    await finish(page);
  });
}

test("a file that cannot be played leaves the live camera alone", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 3);
  await page.setInputFiles("#files", { ...NOTES, name: "broken.mp4" });
  await says(page, "cannot play “broken.mp4”");
  const { received } = await page.evaluate(() => window.splatcam.counts);
  await reached(page, "received", received + 5);
  assert.equal(await page.isHidden("#start"), true);
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

test("a mirrored camera's left is on the right", async () => {
  const page = await openPage(browser, `${server.url}/?mirror=true`);
  await reached(page, "shown", 3);
  await hasBlocksAt(page, TOP_RIGHT, BOTTOM_LEFT);
  await finish(page);
});

for (const type of ["jpeg", "png"]) {
  test(`a photo (${type}) is a source that goes on bringing its picture`, async () => {
    const page = await openPage(browser, `${server.url}/?source=none`);
    const buffer = await photo(page, { type });
    await page.setInputFiles("#files", { name: `photo.${type}`, mimeType: `image/${type}`, buffer });
    await reached(page, "shown", 3);
    await isTheRightWayRound(page);
    await finish(page);
  });
}

test("a photo that was taken upside down is turned", async () => {
  const page = await openPage(browser, `${server.url}/?source=none`);
  const buffer = turned(await photo(page), 3);
  await page.setInputFiles("#files", { name: "photo.jpg", mimeType: "image/jpeg", buffer });
  await reached(page, "shown", 1);
  await hasBlocksAt(page, BOTTOM_RIGHT, TOP_LEFT);
  await finish(page);
});

/** Drops a file on the page. */
function drop(page, name, bytes) {
  return page.evaluate(([file, content]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([new Uint8Array(content)], file));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }, [name, [...bytes]]);
}

/** Drops what is on the screen, as a file. */
async function dropSplats(page, name) {
  const bytes = await page.evaluate(async () => {
    const { plyOf } = await import("/save/ply.js");
    return [...plyOf(window.splatcam.lastResult)];
  });
  await drop(page, name, bytes);
}

const playsThePhoto = (page) => page.waitForFunction(() => document.getElementById("camera").videoWidth === 160);
const fileIsNamed = (page, name) => page.locator("#file-name", { hasText: name }).waitFor();

test("a dropped photo takes the camera's place", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 1);
  await drop(page, "photo.jpg", await photo(page));
  await playsThePhoto(page);
  await finish(page);
});

test("a photo that is dropped on a file of splats, or on a frozen moment, is seen", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 1);
  await page.locator('#toolbar [data-action="freeze"]').click();
  await dropSplats(page, "scene.ply");
  await fileIsNamed(page, "scene.ply");
  await drop(page, "photo.jpg", await photo(page));
  await playsThePhoto(page);
  await page.locator("#file-bar").waitFor({ state: "hidden" });
  const { shown } = await page.evaluate(() => window.splatcam.counts);
  await reached(page, "shown", shown + 2);
  await page.locator("#status", { hasText: "Live" }).waitFor();
  assert.equal(await page.locator('#toolbar [data-action="freeze"]').getAttribute("aria-pressed"), "false");
  await finish(page);
});

test("a file that cannot be read leaves the one on the screen, and its name", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 1);
  await dropSplats(page, "scene.ply");
  await fileIsNamed(page, "scene.ply");
  await drop(page, "broken.ply", Buffer.from("ply\nformat ascii 1.0\nend_header\n"));
  await says(page, "“broken.ply” cannot be read");
  assert.equal(await page.textContent("#file-name"), "scene.ply");
  await page.getByRole("button", { name: "Back to live" }).click();
  await page.locator("#file-bar").waitFor({ state: "hidden" });
  await page.locator("#status", { hasText: "Live" }).waitFor();
  await finish(page);
});

test("on a phone the name of a file covers none of the numbers", async () => {
  const page = await openPage(browser, server.url, { viewport: { width: 390, height: 844 } });
  await page.locator("#hud").waitFor();
  await dropSplats(page, "a-name-that-is-rather-long-for-a-phone-held-upright.ply");
  await page.locator("#file-bar").waitFor();
  const [bar, hud] = [await page.locator("#file-bar").boundingBox(), await page.locator("#hud").boundingBox()];
  assert.ok(bar.y + bar.height <= hud.y, JSON.stringify([bar, hud]));
  assert.ok(bar.x >= 0 && bar.x + bar.width <= 390, JSON.stringify(bar));
  await finish(page);
});

test("who has no camera and opens a file of splats is not asked for the camera any more", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 1);
  await page.evaluate(() => {
    const [track] = document.getElementById("camera").srcObject.getVideoTracks();
    track.stop();
    track.dispatchEvent(new Event("ended"));
  });
  await says(page, "The camera was disconnected");
  await dropSplats(page, "scene.ply");
  await fileIsNamed(page, "scene.ply");
  await page.locator("#message").waitFor({ state: "hidden" });
  assert.equal(await page.isHidden("#start"), true);
  await page.getByRole("button", { name: "Back to live" }).click();
  await page.locator("#start").waitFor();
  await finish(page);
});

/** From now on window.hues gets a letter for each result that has another colour than the one before. */
function noteHues() {
  const { screen } = window.splatcam;
  const show = screen.show.bind(screen);
  window.hues = "";
  screen.show = (result) => {
    const rgb = [...result.colors.subarray(0, 3)]; // the pictures are of one colour
    const letter = "rgb"[rgb.indexOf(Math.max(...rgb))];
    if (!window.hues.endsWith(letter)) window.hues += letter;
    show(result);
  };
}

test("a folder of pictures plays in the order of its numbers, again and again", async () => {
  const page = await openPage(browser, `${server.url}/?source=none&format=pointcloud`);
  const folder = mkdtempSync(join(tmpdir(), "splatcam-folder-"));
  try {
    for (const [name, color] of Object.entries({ img10: "blue", img2: "rgb(0 200 0)", img1: "red" })) {
      writeFileSync(join(folder, `${name}.jpg`), await photo(page, { color }));
    }
    writeFileSync(join(folder, "notes.txt"), "no picture");
    await page.evaluate(noteHues);
    await page.setInputFiles("#folder", folder);
    await page.waitForFunction(() => window.hues.includes("rgbrgb"), undefined, { timeout: 60_000 });
  } finally {
    rmSync(folder, { recursive: true });
  }
  await finish(page);
});

test("a stopped camera is off, and starts again at the button", async () => {
  const page = await openPage(browser, server.url);
  await reached(page, "shown", 3);
  await page.evaluate(() => {
    window.track = document.getElementById("camera").srcObject.getVideoTracks()[0];
    document.querySelector('[data-action="stopSource"]').click();
  });
  assert.equal(await page.evaluate(() => window.track.readyState), "ended");
  const { shown } = await page.evaluate(() => window.splatcam.counts);
  await page.click("#start-camera");
  await reached(page, "shown", shown + 5);
  await finish(page);
});

test("of two cameras the chosen one plays, also after the page is opened again", async () => {
  const cameras = ["--use-fake-device-for-media-stream=device-count=2", "--use-fake-ui-for-media-stream"];
  const two = await launch(...cameras);
  const playing = (page) => page.evaluate(() => document.getElementById("camera").srcObject.getVideoTracks()[0].label);
  const plays = (page, label) =>
    page.waitForFunction(
      (name) => document.getElementById("camera").srcObject?.getVideoTracks()[0].label === name, label,
    );
  try {
    const page = await openPage(two, server.url);
    await reached(page, "shown", 1);
    const labels = await page.locator("#camera-choice option").allTextContents();
    assert.equal(labels.length, 2);
    const other = labels.find((label) => label !== labels[0]);
    assert.equal(await playing(page), labels[0]);
    await page.evaluate(() => (document.getElementById("panel").hidden = false));
    await page.selectOption("#camera-choice", { label: other });
    await plays(page, other);
    const { shown } = await page.evaluate(() => window.splatcam.counts);
    await reached(page, "shown", shown + 3);
    await page.reload();
    await plays(page, other);
    await finish(page);
  } finally {
    await two.close();
  }
});
