// Ten minutes of a live page: heap, textures, sockets and Blob URLs have to stay where they were. No ring runs it.
//
//     node tests/e2e/soak.mjs [SECONDS] [FORMAT] [CLIP.mjpeg]
//
// The real service with the built-in model, real Chromium, a clip as the camera. Prints a line every tenth of the run
// and writes docs/page-soak.md; exits with 1 where something grew.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import {
  countBlobUrls, countTextures, FAKE_CAMERA, heapBytes, launch, makeClips, openPage, reached, startServer,
} from "./helpers.mjs";

const [seconds = "600", format = "splats16", clip] = process.argv.slice(2);
const SAMPLES = 10;
const HEAP_TOLERANCE_BYTES = 3_000_000; // engine-internal caches still fill up in the first minutes
const REPORT = new URL("../../docs/page-soak.md", import.meta.url);
const HEAD = `<!-- Written by \`make page-soak\`. -->

# Ten minutes of a live page

The real service with the built-in model on a small grid, in Chromium without a graphics card: what the page holds after
a garbage collection, and what it has done so far. Heap, textures, sockets and Blob URLs have to stay as they were.
`;
const FLAGS = "--model builtin --device cpu --process-res 112 --threads 1 --port 0".split(" ");

function countSockets() {
  const { WebSocket: Original } = window;
  const live = new Set();
  window.WebSocket = class extends Original {
    constructor(...given) {
      super(...given);
      live.add(this);
      this.addEventListener("close", () => live.delete(this));
    }
  };
  Object.defineProperty(window, "sockets", { get: () => live.size });
}

async function sample(page, session) {
  const heap = await heapBytes(session);
  return page.evaluate((heapMb) => {
    const { sent, received, shown, errors, connects } = window.splatcam.counts;
    const { textures, sockets, blobUrls } = window;
    return { heapMb, textures, sockets, blobUrls, sent, received, shown, errors, connects };
  }, Number((heap / 1e6).toFixed(2)));
}

async function main() {
  const server = await startServer("stream_server.py", ...FLAGS);
  const clips = makeClips();
  const browser = await launch(...FAKE_CAMERA, `--use-file-for-fake-video-capture=${clip ?? clips.mjpeg}`);
  try {
    const inits = [countTextures, countBlobUrls, countSockets];
    const page = await openPage(browser, `${server.url}/?format=${format}`, { inits });
    const session = await page.context().newCDPSession(page);
    await reached(page, "shown", 100, 120_000);
    const rows = [{ minute: 0, ...(await sample(page, session)) }];
    console.log(rows[0]);
    for (let i = 1; i <= SAMPLES; i += 1) {
      await page.waitForTimeout((1000 * Number(seconds)) / SAMPLES);
      const minute = Number(((i * Number(seconds)) / SAMPLES / 60).toFixed(1));
      rows.push({ minute, ...(await sample(page, session)) });
      console.log(rows.at(-1));
    }
    return report(rows, page.faults);
  } finally {
    await browser.close();
    clips.remove();
    await server.stop();
  }
}

/** Writes the table; true where nothing grew. */
function report(rows, faults) {
  const columns = Object.keys(rows[0]);
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const lines = [columns, columns.map(() => "---"), ...rows.map((row) => columns.map((name) => row[name]))];
  const table = lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
  const run = `${format}, ${seconds} s, ${cpus()[0].model}, ${cpus().length} cores, commit ${commit}.`;
  writeFileSync(REPORT, `${HEAD}\n${run}\n\n${table}\n`);
  const [first, last] = [rows[0], rows.at(-1)];
  const grew = ["textures", "sockets", "blobUrls"].filter((name) => last[name] > first[name]);
  if ((last.heapMb - first.heapMb) * 1e6 > HEAP_TOLERANCE_BYTES) grew.push("heapMb");
  for (const what of [...grew.map((name) => `${name} grew`), ...faults]) console.error(what);
  return grew.length === 0 && faults.length === 0 && last.shown > first.shown;
}

process.exit((await main()) ? 0 : 1);
