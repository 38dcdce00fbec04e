// web/view and web/save in Chromium, without the page around them: how the scene moves and looks, files that are
// dropped in, and what is saved. A bench with nothing but a canvas; results are made in it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { finish, hue, isOfLostCard, launch, meanColor, openPage, startScriptedServer } from "./helpers.mjs";

const TOP_LEFT = [0.04, 0.04, 0.2, 0.26];
const BOTTOM_RIGHT = [0.8, 0.74, 0.96, 0.96];
const MIDDLE = [0.4, 0.4, 0.6, 0.6];
const LEFT_OF_MIDDLE = [0.3, 0.4, 0.4, 0.6];
const BACKGROUND = [16, 18, 22];

const INDEX = readFileSync(new URL("../../web/index.html", import.meta.url), "utf8");
const BENCH = `<!doctype html><title>bench</title><link rel="icon" href="data:,">
${INDEX.match(/<script type="importmap">[^]*?<\/script>/)[0]}
<canvas id="view" tabindex="0" style="position: fixed; inset: 0; width: 100%; height: 100%"></canvas>`;

let server, browser;
before(async () => {
  server = await startScriptedServer();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Runs in the page: window.splatcam {stage, screen, counts}, and window.bench {marker(…), shown(), settled()}. */
async function setUp(options) {
  const names = ["scene", "screen", "splat_view", "ply_view", "points_view", "file_view"];
  const modules = await Promise.all(names.map((name) => import(`/view/${name}.js`)));
  const { Stage, Screen, SplatView, PlyView, PointsView, FileView } = Object.assign({}, ...modules);
  const { utils } = await import("@sparkjsdev/spark");
  const stage = new Stage(document.getElementById("view"), (error) => { throw error; }, options);
  const fail = (text) => { throw new Error(text); };
  const views = {
    splats16: { view: new SplatView(stage), renderer: "spark" },
    gaussian_ply: { view: new PlyView(stage, fail), renderer: "spark" },
    pointcloud: { view: new PointsView(stage), renderer: "three" },
    file: { view: new FileView(stage), renderer: "spark" },
  };
  const counts = { shown: 0 };
  const screen = new Screen(stage, views, { shown: () => (counts.shown += 1), neverDrawn: () => {} });
  window.splatcam = { stage, screen, counts };

  const [height, width, depth, focal] = [18, 24, 2, 12];
  const colorOf = (x, y) => (x < 6 && y < 6 ? [230, 20, 20] : x > 17 && y > 11 ? [20, 40, 230] : [90, 90, 90]);
  const pixels = [];
  for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) pixels.push([x, y, colorOf(x, y)]);
  const onRay = (pixel, size) => ((pixel + 0.5 - size / 2) / focal) * depth;
  const centerOf = ([x, y]) => [onRay(x, width), onRay(y, height), depth];
  const common = {
    captured_at_ms: 0, model: "bench", grid: [height, width], intrinsics: [focal, focal, width / 2, height / 2],
    bounds: { minimum: [-2, -1.5, depth], maximum: [2, 1.5, depth] }, timings_ms: {},
  };
  let frame_id = 0;

  /** A grey picture with a red block top-left and a blue one bottom-right. kept: of which pixels; sigma: in pixels. */
  function marker({ isKept = () => true, sigma = 0.6 } = {}) {
    const kept = pixels.filter(isKept);
    const words = new Uint32Array(4 * 2048);
    const scale = (sigma * depth) / focal;
    kept.forEach((pixel, i) => utils.setPackedSplat(
      words, i, ...centerOf(pixel), scale, scale, scale, 0, 0, 0, 1, 1, ...pixel[2].map((byte) => byte / 255)));
    frame_id += 1;
    return { ...common, type: "splats16", frame_id, num_splats: kept.length, data: new Uint8Array(words.buffer) };
  }

  function markerPoints() {
    frame_id += 1;
    const points = new Uint8Array(new Float32Array(pixels.flatMap(centerOf)).buffer);
    const colors = new Uint8Array(pixels.flatMap(([, , color]) => color));
    return { ...common, type: "pointcloud", frame_id, num_points: pixels.length, points, colors };
  }

  /** Resolves when one more result was drawn. */
  function shown(result) {
    const before = counts.shown;
    screen.show(result);
    return until(() => counts.shown > before);
  }

  /** Resolves at the first drawing after which the condition holds; asks for no drawing. */
  function until(condition) {
    return new Promise((resolve) => stage.onRender(() => condition() && resolve()));
  }

  /** Resolves when Spark has sorted and nothing is left to be drawn. */
  async function settled() {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    for (let quiet = 0, rendered = -1; quiet < 5; quiet += 1) {
      await frame();
      const { sorting, sortDirty } = stage.spark;
      if (sorting || sortDirty || stage.rendered !== rendered) quiet = 0;
      rendered = stage.rendered;
    }
  }

  window.bench = { marker, markerPoints, shown, until, settled };
}

/** A bench with one picture on it. */
async function openBench(options = {}, type = "marker") {
  const page = await openBare(options);
  await page.evaluate(async (kind) => {
    await window.bench.shown(window.bench[kind]());
    await window.bench.settled();
  }, type);
  return page;
}

async function openBare(options = {}) {
  const page = await openPage(browser, "about:blank");
  await page.route("**/bench.html", (route) => route.fulfill({ contentType: "text/html", body: BENCH }));
  await page.goto(`${server.url}/bench.html`);
  await page.evaluate(setUp, options);
  return page;
}

/** In the page: so many ticks of the loop; resolves to the number of drawings that they made. */
const drawingsIn = (page, frames) => page.evaluate(async (count) => {
  const before = window.splatcam.stage.rendered;
  for (let i = 0; i < count; i += 1) await new Promise((done) => requestAnimationFrame(done));
  return window.splatcam.stage.rendered - before;
}, frames);

const eye = (page) => page.evaluate(() => window.splatcam.stage.camera.position.toArray());
const far = (a, b) => Math.hypot(...a.map((value, i) => value - b[i]));
const hues = async (page, ...boxes) => {
  const found = [];
  for (const box of boxes) found.push(hue(await meanColor(page, box)));
  return found;
};
const isBackground = (color, background = BACKGROUND) => far(color, background) < 12;
const assertUpright = async (page) => assert.deepEqual(await hues(page, TOP_LEFT, BOTTOM_RIGHT), ["red", "blue"]);

// ---------------------------------------------------------------- where the viewer stands

test("when nothing changes nothing is drawn", async () => {
  const page = await openBench();
  assert.equal(await drawingsIn(page, 20), 0);
  await finish(page);
});

for (const motion of ["orbit", "parallax"]) {
  test(`${motion}: the eye moves and every tick is drawn, until it is still again`, async () => {
    const page = await openBench();
    const before = await eye(page);
    await page.evaluate((kind) => (window.splatcam.stage.motion = kind), motion);
    const hasMoved = ([x, y, z]) => window.splatcam.stage.camera.position.distanceTo({ x, y, z }) > 0.01;
    await page.waitForFunction(hasMoved, before);
    assert.ok((await drawingsIn(page, 10)) >= 9);
    await page.evaluate(() => {
      window.splatcam.stage.motion = "still";
      return window.bench.settled();
    });
    assert.equal(await drawingsIn(page, 10), 0);
    await finish(page);
  });
}

test("a drag holds the motion where it is, and the eye does not jump", async () => {
  const page = await openBench();
  const target = await page.evaluate(async () => {
    const { stage } = window.splatcam;
    stage.motion = "orbit";
    await window.bench.until(() => stage.camera.position.length() > 0.02);
    stage.controls.dispatchEvent({ type: "start" });
    const held = stage.camera.position.clone();
    for (let i = 0; i < 10; i += 1) await new Promise((done) => requestAnimationFrame(done));
    return [held.toArray(), stage.camera.position.toArray()];
  });
  assert.ok(far(...target) < 1e-6, `${target}`);
  await finish(page);
});

test("an arrow key turns the view from where motion has brought it", async () => {
  const page = await openBench({ prefersReducedMotion: true });
  await page.evaluate(() => {
    window.splatcam.stage.motion = "orbit";
    return window.bench.until(() => window.splatcam.stage.camera.position.length() > 0.02);
  });
  await page.focus("#view");
  await page.evaluate(() => {
    const view = document.getElementById("view");
    const where = () => window.splatcam.stage.camera.position.toArray();
    window.press = { where: new Promise((done) => view.addEventListener("keydown", () => done(where()))) };
  });
  await page.keyboard.press("ArrowUp");
  const pressed = await page.evaluate(() => window.press.where);
  assert.ok(Math.hypot(...pressed) > 0.02); // not from where it began
  await page.evaluate(() => window.bench.settled()); // three seconds of rest
  await finish(page);
});

test("the view can be moved, fitted to the scene's box and put back to where the camera stood", async () => {
  const page = await openBench();
  await page.evaluate(async () => {
    window.splatcam.stage.frameScene({ minimum: [-8, -6, 2], maximum: [8, 6, 2] });
    await window.bench.settled();
  });
  assert.ok(isBackground(await meanColor(page, TOP_LEFT)));
  assert.deepEqual(await hues(page, MIDDLE), ["grey"]);
  assert.ok((await eye(page))[2] > 5); // backwards
  await page.evaluate(() => {
    window.splatcam.stage.resetView();
    return window.bench.settled();
  });
  assert.ok(far(await eye(page), [0, 0, 0]) < 1e-6);
  await assertUpright(page);
  await finish(page);
});

for (const kind of ["splats16", "gaussian_ply", "pointcloud"]) {
  test(`${kind}: a picture is drawn where its camera was, and the eye stays where it is`, async () => {
    const page = await openBench();
    await showFrom(page, kind, [0, 0, 0, 1, 0, 0, 0]); // hanging upside down
    assert.deepEqual(await hues(page, TOP_LEFT, BOTTOM_RIGHT), ["blue", "red"]);
    await showFrom(page, kind, [1, 0, 0, 0, 20, 0, 0]); // far to the right
    assert.ok(isBackground(await meanColor(page, MIDDLE)));
    assert.ok(far(await eye(page), [0, 0, 0]) < 1e-6);
    await showFrom(page, kind, undefined);
    await assertUpright(page);
    await finish(page);
  });
}

test("the view goes to where the camera is now when it is put back, and stands there at the first picture", async () => {
  const page = await openBare();
  await showFrom(page, "splats16", [0, 0, 0, 1, 3, 1, -2]);
  assert.ok(far(await eye(page), [3, -1, 2]) < 1e-6);
  await showFrom(page, "splats16", [1, 0, 0, 0, 20, 0, 0]);
  assert.ok(isBackground(await meanColor(page, MIDDLE)));
  await page.evaluate(() => {
    const { stage, screen } = window.splatcam;
    stage.resetView(screen.shownPose);
    return window.bench.settled();
  });
  assert.ok(far(await eye(page), [20, 0, 0]) < 1e-6);
  await assertUpright(page);
  await finish(page);
});

/** Shows the marker as a camera saw it that was at `pose`. */
const showFrom = (page, kind, pose) => page.evaluate(async ([type, where]) => {
  const { marker, markerPoints, shown, settled } = window.bench;
  const { plyOf } = await import("/save/ply.js");
  const result = type === "pointcloud" ? markerPoints() : marker();
  const file = type === "gaussian_ply" ? { ply_data: plyOf(result) } : {};
  await shown({ ...result, ...file, type, pose: where ?? undefined });
  await settled();
}, [kind, pose ?? null]);

test("fitting keeps the direction of view, and the box fills the view from side to side", async () => {
  const page = await openBench();
  const [before, afterwards, widest] = await page.evaluate(() => {
    const { stage } = window.splatcam;
    const direction = () => stage.camera.getWorldDirection(stage.camera.position.clone()).toArray();
    stage.camera.position.set(1, 0.5, 0);
    stage.controls.update();
    const was = direction();
    stage.frameScene({ minimum: [-1, -1, 2], maximum: [1, 1, 4] });
    stage.camera.updateMatrixWorld();
    const corners = [];
    for (const x of [-1, 1]) for (const y of [-1, 1]) for (const z of [-2, -4]) {
      const corner = stage.camera.position.clone().set(x, y, z).project(stage.camera);
      corners.push(Math.abs(corner.x), Math.abs(corner.y));
    }
    return [was, direction(), Math.max(...corners)];
  });
  assert.ok(far(before, afterwards) < 1e-6);
  assert.ok(Math.abs(widest - 1) < 1e-6, `${widest}`);
  await finish(page);
});

test("a person who prefers less motion gets none until they ask for it, and nothing glides on", async () => {
  const page = await openBench({ prefersReducedMotion: true });
  assert.deepEqual(await page.evaluate(() => {
    const { stage } = window.splatcam;
    return [stage.motion, stage.controls.enableDamping];
  }), ["still", false]);
  await page.evaluate(() => (window.splatcam.stage.motion = "parallax"));
  assert.ok((await drawingsIn(page, 10)) >= 9);
  await finish(page);
});

// ---------------------------------------------------------------- how it looks

test("a sort that ends after the graphics card came back begins no other one on what is gone", async () => {
  const page = await openBare();
  const left = await page.evaluate(async () => {
    const { stage } = window.splatcam;
    const old = stage.spark;
    const canvas = document.getElementById("view");
    const happened = (name) => new Promise((done) => canvas.addEventListener(name, done, { once: true }));
    const card = stage.renderer.getContext().getExtension("WEBGL_lose_context");
    const lost = happened("webglcontextlost");
    card.loseContext();
    await lost;
    await new Promise((done) => requestAnimationFrame(done));
    [old.sorting, old.sortDirty] = [true, true]; // splats came while it sorted
    const restored = happened("webglcontextrestored");
    card.restoreContext();
    await restored;
    old.sorting = false; // as at the end of a sort
    return old.driveSort().then(() => "nothing", String);
  });
  assert.equal(left, "nothing");
  await finish(page, isOfLostCard);
});

test("the background is the colour that was chosen, also after the graphics card went away and came back", async () => {
  const page = await openBare();
  const corner = () => meanColor(page, TOP_LEFT);
  assert.ok(isBackground(await corner()));
  await page.evaluate(() => (window.splatcam.stage.background = "#ffffff"));
  assert.ok(isBackground(await corner(), [255, 255, 255]));
  await page.evaluate(async () => {
    const { stage } = window.splatcam;
    const canvas = document.getElementById("view");
    const happened = (name) => new Promise((done) => canvas.addEventListener(name, done, { once: true }));
    const card = stage.renderer.getContext().getExtension("WEBGL_lose_context");
    const lost = happened("webglcontextlost");
    card.loseContext();
    await lost;
    await new Promise((done) => requestAnimationFrame(done)); // not while the event is still being told
    const restored = happened("webglcontextrestored");
    card.restoreContext();
    await restored;
  });
  assert.ok(isBackground(await corner(), [255, 255, 255]));
  await finish(page, isOfLostCard);
});

for (const kind of ["marker", "markerPoints"]) {
  test(`${kind}: smaller splats let the background through, larger ones cover it again`, async () => {
    const page = await openBench({}, kind);
    const green = async () => (await meanColor(page, MIDDLE))[1];
    const [normal, small, back] = [await green(), await scaled(page, 0.3, green), await scaled(page, 1, green)];
    assert.ok(small < normal - 20, `${normal} became ${small}`);
    assert.ok(Math.abs(back - normal) < 2, `${normal} became ${back}`);
    await finish(page);
  });
}

async function scaled(page, scale, measure) {
  await page.evaluate((value) => {
    window.splatcam.stage.splatScale = value;
    window.splatcam.stage.requestRender();
    return window.bench.settled();
  }, scale);
  return measure();
}

test("the size of splats holds for pictures that come later, also for larger ones and for files", async () => {
  const page = await openBench();
  const small = await scaled(page, 0.3, () => meanColor(page, MIDDLE));
  await page.evaluate(async () => {
    const { marker, shown, settled } = window.bench;
    const { plyOf } = await import("/save/ply.js");
    const result = marker();
    await shown({ ...result, type: "gaussian_ply", ply_data: plyOf(result) });
    await settled();
  });
  assert.ok(far(await meanColor(page, MIDDLE), small) < 3);
  await finish(page);
});

test("at its usual size no splat's encoding is touched", async () => {
  const page = await openBench();
  const encodings = await page.evaluate(async () => {
    const { stage } = window.splatcam;
    const packed = () => stage.content.children.find((child) => child.packedSplats).packedSplats;
    const [before] = [packed().splatEncoding];
    await window.bench.shown(window.bench.marker());
    return before === packed().splatEncoding;
  });
  assert.equal(encodings, true);
  await finish(page);
});

test("depth of field blurs what is off the focus, and leaves what one turns about", async () => {
  const page = await openBench();
  const redBesideTheBlock = async (depthOfField) => {
    await page.evaluate(async (wanted) => {
      const { bench, splatcam: { stage } } = window;
      stage.depthOfField = wanted;
      await bench.shown(bench.marker({ isKept: ([x, y]) => x < 6 && y < 6, sigma: 0.3 }));
      await bench.settled();
    }, depthOfField);
    return (await meanColor(page, [0.26, 0.05, 0.29, 0.2]))[0];
  };
  const sharp = await redBesideTheBlock({ aperture: 0 });
  const atThePivot = await redBesideTheBlock({ aperture: 1 });
  const offFocus = await redBesideTheBlock({ aperture: 1, focus: 0.2 });
  assert.ok(Math.abs(atThePivot - sharp) < 3, `${sharp} became ${atThePivot}`);
  assert.ok(offFocus > sharp + 8, `${sharp} became ${offFocus}`);
  await finish(page);
});

test("axes stand at what one turns about, red to the right and green downwards, and can be taken away", async () => {
  const page = await openBench();
  const right = [0.5, 0.49, 0.52, 0.51];
  const below = [0.49, 0.5, 0.51, 0.52];
  const plain = [await meanColor(page, right), await meanColor(page, below)];
  await page.evaluate(() => (window.splatcam.stage.axes = true));
  const [x, y] = [await meanColor(page, right), await meanColor(page, below)];
  assert.ok(x[0] - plain[0][0] > 8, `red: ${plain[0]} became ${x}`);
  assert.ok(y[1] - plain[1][1] > 8, `green: ${plain[1]} became ${y}`);
  await page.evaluate(() => (window.splatcam.stage.axes = false));
  assert.ok(far(await meanColor(page, right), plain[0]) < 2);
  await finish(page);
});

test("a screenshot is a PNG of what is drawn", async () => {
  const page = await openBench();
  const [type, size, corner, blob] = await page.evaluate(async () => {
    const png = await window.splatcam.stage.screenshot();
    const picture = await createImageBitmap(png);
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const at = (x, y) => [...context.getImageData(x * picture.width, y * picture.height, 1, 1).data];
    return [png.type, [picture.width, picture.height], at(0.1, 0.1), at(0.9, 0.9)];
  });
  assert.deepEqual([type, size], ["image/png", [320, 240]]);
  assert.deepEqual([hue(corner.slice(0, 3)), hue(blob.slice(0, 3))], ["red", "blue"]);
  await finish(page);
});

test("without a graphics card a screenshot says why there is none", async () => {
  const page = await openBench();
  const told = await page.evaluate(async () => {
    const { stage } = window.splatcam;
    stage.renderer.getContext().getExtension("WEBGL_lose_context").loseContext();
    return stage.screenshot().catch((error) => error.message);
  });
  assert.equal(told, "The graphics card took the picture away.");
  await finish(page, isOfLostCard);
});

// ---------------------------------------------------------------- files

/** In the page: saves the marker in that way and drops it in as a file. */
async function dropSaved(page, extension) {
  await page.evaluate(async (kind) => {
    const [{ plyOf }, { spzOf }] = await Promise.all([import("/save/ply.js"), import("/save/spz.js")]);
    const { screen, stage } = window.splatcam;
    const result = window.bench.marker();
    const bytes = kind === "spz" ? await spzOf(result) : plyOf(result);
    await screen.showFile(new File([bytes], `saved.${kind}`));
    window.saved = { count: stage.content.children.find((child) => child.packedSplats).numSplats, result };
    await window.bench.settled();
  }, extension);
}

for (const extension of ["ply", "spz"]) {
  test(`${extension}: what was saved is whole, upright and in view when it is dropped in again`, async () => {
    const page = await openBare();
    await dropSaved(page, extension);
    assert.equal(await page.evaluate(() => window.saved.count), 18 * 24);
    assert.equal(await page.evaluate(() => window.splatcam.screen.isShowingFile), true);
    await assertUpright(page);
    await finish(page);
  });

  test(`${extension}: every splat is read back as it was`, async () => {
    const page = await openBare();
    const furthest = await page.evaluate(async (kind) => {
      const [{ plyOf }, { spzOf }, { unpack }, { utils }] = await Promise.all([
        import("/save/ply.js"), import("/save/spz.js"), import("/view/packed16.js"), import("@sparkjsdev/spark"),
      ]);
      const { stage, screen } = window.splatcam;
      const count = 100;
      const words = new Uint32Array(4 * 2048);
      for (let i = 0; i < count; i += 1) {
        const wave = (n) => Math.sin(1 + 12.9898 * i + 78.233 * n); // values of every kind, none at an edge
        const quaternion = [wave(0), wave(1), wave(2), wave(3)].map((v, _, all) => v / Math.hypot(...all));
        const scales = [5, 6, 7].map((n) => Math.exp(wave(n) - 3));
        const [center, opacity] = [[i / 50, wave(8), 2 + wave(9)], 0.5 + wave(10) / 3];
        utils.setPackedSplat(words, i, ...center, ...scales, ...quaternion, opacity, 0.2, 0.4, 0.6);
      }
      const result = { ...window.bench.marker(), num_splats: count, data: new Uint8Array(words.buffer) };
      const saved = kind === "spz" ? await spzOf(result) : plyOf(result);
      await screen.showFile(new File([saved], `saved.${kind}`));
      const mesh = stage.content.children.find((child) => child.packedSplats);
      const read = [];
      mesh.forEachSplat((_i, center, scales, { x, y, z, w }, opacity) => read.push({
        center: center.toArray(), lnScales: scales.toArray().map(Math.log), rotation: [w, x, y, z], opacity,
      }));
      const sign = kind === "spz" ? -1 : 1; // y up
      const furthest = { count: read.length, center: 0, lnScales: 0, opacity: 0 };
      const degrees = [];
      const note = (name, distance) => (furthest[name] = Math.max(furthest[name], distance));
      const apart = (a, b) => Math.hypot(...a.map((value, n) => value - b[n]));
      const turn = ([w, x, y, z]) => [w, x, sign * y, sign * z];
      const view = new DataView(words.buffer);
      for (let i = 0; i < count; i += 1) {
        const sent = unpack(view, i);
        const nearest = ({ center: [x, y, z] }) => apart([x, sign * y, sign * z], sent.center);
        const found = read.reduce((best, one) => (nearest(one) < nearest(best) ? one : best));
        note("center", nearest(found));
        note("lnScales", apart(found.lnScales, sent.lnScales));
        note("opacity", Math.abs(found.opacity - sent.opacity));
        const cosine = turn(found.rotation).reduce((sum, value, n) => sum + value * sent.rotation[n], 0);
        degrees.push((2 * Math.acos(Math.min(Math.abs(cosine), 1)) * 180) / Math.PI);
      }
      const median = degrees.sort((a, b) => a - b)[count / 2];
      return { ...furthest, degrees: median, mostDegrees: degrees.at(-1) };
    }, extension);
    assert.equal(furthest.count, 100);
    assert.ok(furthest.center < 0.003, `${furthest.center} m`); // float16 at 3 m
    assert.ok(furthest.lnScales < 0.16, `${furthest.lnScales}`); // a step of 1/16 and one of 21/254, three axes
    // Spark writes a quaternion as three bytes, x y z: what is left for w is coarse near a half turn.
    const { degrees, mostDegrees } = furthest;
    assert.ok(degrees < 2.5 && mostDegrees < 15, `${degrees}, at most ${mostDegrees} degrees`);
    assert.ok(furthest.opacity < 0.01, `${furthest.opacity}`);
    await finish(page);
  });
}

test("points are saved as SPZ that shows the picture", async () => {
  const page = await openBare();
  await page.evaluate(async () => {
    const { spzOf } = await import("/save/spz.js");
    await window.splatcam.screen.showFile(new File([await spzOf(window.bench.markerPoints())], "points.spz"));
    await window.bench.settled();
  });
  await assertUpright(page);
  assert.deepEqual(await hues(page, MIDDLE), ["grey"]);
  assert.ok(!isBackground(await meanColor(page, MIDDLE)));
  await finish(page);
});

test("a PLY of the server is saved as SPZ too, and so is a picture without splats", async () => {
  const page = await openBare();
  const [full, empty] = await page.evaluate(async () => {
    const [{ plyOf }, { spzOf }] = await Promise.all([import("/save/ply.js"), import("/save/spz.js")]);
    const result = window.bench.marker();
    const ply = { ...result, type: "gaussian_ply", ply_data: plyOf(result) };
    await window.splatcam.screen.showFile(new File([await spzOf(ply)], "ply.spz"));
    await window.bench.settled();
    const nothing = await spzOf({ ...result, num_splats: 0, data: new Uint8Array(0) });
    const file = new File([nothing], "nothing.spz");
    const told = await window.splatcam.screen.showFile(file).catch((error) => error.message);
    return [window.splatcam.stage.content.children.find((child) => child.packedSplats).numSplats, told];
  });
  assert.deepEqual([full, empty], [18 * 24, "“nothing.spz” holds no splats."]);
  await assertUpright(page);
  await finish(page);
});

test(".splat files, which cannot be told by their bytes, are read by their name", async () => {
  const page = await openBare();
  const count = await page.evaluate(async () => {
    const bytes = new DataView(new ArrayBuffer(2 * 32));
    for (let i = 0; i < 2; i += 1) {
      [i, 0, 2, 0.1, 0.1, 0.1].forEach((value, column) => bytes.setFloat32(32 * i + 4 * column, value, true));
      [200, 50, 50, 255, 255, 128, 128, 128].forEach((value, column) => bytes.setUint8(32 * i + 24 + column, value));
    }
    await window.splatcam.screen.showFile(new File([bytes], "two.SPLAT"));
    return window.splatcam.stage.content.children.find((child) => child.packedSplats).numSplats;
  });
  assert.equal(count, 2);
  await finish(page);
});

for (const [name, bytes, sentence] of [
  ["notes.txt", "hello", "“notes.txt” is not of a format that this page shows: .ply, .spz, .splat, .ksplat, .sog."],
  ["broken.ply", "ply\nformat ascii 1.0\nend_header\n", "“broken.ply” cannot be read: "],
  ["broken.spz", "this is no gzip", "“broken.spz” cannot be read: "],
  ["broken.sog", "this is no zip", "“broken.sog” cannot be read: "],
  ["broken.ksplat", "short", "“broken.ksplat” cannot be read: "],
  ["empty.ply", "", "“empty.ply” cannot be read: "],
  ["none.splat", "", "“none.splat” holds no splats."],
]) {
  test(`${name}: a file that cannot be shown is told in a sentence, and the live picture stays`, async () => {
    const page = await openBench();
    const told = await page.evaluate(
      ([file, text]) => window.splatcam.screen.showFile(new File([text], file)).catch((error) => error.message),
      [name, bytes],
    );
    assert.ok(told?.startsWith(sentence) && told.length < 300, `${told}`);
    await assertUpright(page);
    await finish(page);
  });
}

for (const kind of ["marker", "markerPoints"]) {
  test(`${kind}: a file takes the live picture's place, which comes back as the camera saw it`, async () => {
    const page = await openBench({}, kind);
    await page.evaluate(async (live) => {
      const { plyOf } = await import("/save/ply.js");
      const { bench, splatcam: { screen } } = window;
      const onlyRed = bench.marker({ isKept: ([x, y]) => x < 6 && y < 6 });
      await screen.showFile(new File([plyOf(onlyRed)], "red.ply"));
      screen.show(bench[live]());
      await bench.settled();
    }, kind);
    assert.deepEqual(await hues(page, MIDDLE, LEFT_OF_MIDDLE), ["red", "red"]);
    await page.evaluate(async () => {
      const { bench, splatcam: { counts, screen } } = window;
      const before = counts.shown;
      const back = bench.until(() => counts.shown > before);
      screen.backToLive();
      await back;
      await bench.settled();
    });
    assert.equal(await page.evaluate(() => window.splatcam.screen.isShowingFile), false);
    await assertUpright(page);
    assert.deepEqual(await hues(page, MIDDLE), ["grey"]);
    await finish(page);
  });
}
