// The numbers of the stream and what was chosen for it in words, and the server's stages as a bar.
import { everyNthPixel, OUTPUTS } from "../choices.js";

const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNKNOWN = "–";
/** What holds the world still from frame to frame. */
const STEADY = {
  off: "off, each frame for itself",
  on: "on, scale and what rests are held",
  window: "window, a keyframe holds the world",
};
const inWords = (value, words) => (value === null ? UNKNOWN : words(value));

/**
 * Rows [label, text]. numbers: of Meter.read; counts: of the connection; skipped: pictures of the source that were not
 * sent; last: {type, count} of the newest result; adapted: the server's newest word on it, or null; camera: {width,
 * height, quality, reason, pinned} of the pictures that are sent; steady: of the model that is served, or null.
 */
export function hudRows({ numbers, counts, skipped, last, adapted, camera, steady }) {
  const { streamFps, displayFps, kilobytesPerFrame, megabitsPerS, latencyMs } = numbers;
  const rows = [
    ["Stream", inWords(streamFps, (fps) => `${fps.toFixed(1)} fps`)],
    ["Display", inWords(displayFps, (fps) => `${fps.toFixed(0)} fps`)],
    [last.type === "pointcloud" ? "Points" : "Splats", count.format(last.count)],
    ["Frame", inWords(kilobytesPerFrame, (kb) => `${count.format(kb)} KB`)],
    ["Link", inWords(megabitsPerS, (mbit) => `${mbit.toFixed(mbit < 10 ? 1 : 0)} Mbit/s`)],
    ["Capture to screen", inWords(latencyMs, ({ p50, p95 }) => `${count.format(p50)} ms, p95 ${count.format(p95)} ms`)],
  ];
  if (counts.sent > 0) rows.push(["Frames", frames(counts, skipped)], ["Camera", cameraText(camera)]);
  rows.push(["Format", adapted === null ? last.type : streamText(adapted)]);
  return [...rows, ["Steady", inWords(steady, (mode) => STEADY[mode])]];
}

/** "compact, every 2nd pixel (pinned), 12 bits — the link carries about 9 Mbit/s" */
function streamText({ format, output, stride, depth_bits: bits, max_fps: fps, pinned, reason }) {
  const isPinned = (name) => pinned.includes(name);
  const parts = {
    format,
    output: output === "points" && !isPinned("output") ? null : OUTPUTS[output] ?? output,
    stride: stride === 1 && !isPinned("stride") ? null : everyNthPixel(stride),
    depth_bits: bits === undefined ? null : `${bits} bits`,
    max_fps: fps === undefined ? null : `at most ${Number(fps.toFixed(1))} a second`,
  };
  const said = Object.entries(parts).filter(([, text]) => text !== null);
  return because(said.map(([name, text]) => pinnedOr(text, isPinned(name))), reason);
}

/** "504×378, quality 65 % — the uplink queued 120 ms" */
function cameraText({ width, height, quality, reason, pinned }) {
  const size = pinnedOr(`${width}×${height}`, pinned.includes("size"));
  return because([size, pinnedOr(`quality ${Math.round(100 * quality)} %`, pinned.includes("quality"))], reason);
}

const pinnedOr = (text, isPinned) => (isPinned ? `${text} (pinned)` : text);
const because = (parts, reason) => parts.join(", ") + (reason === "" ? "" : ` — ${reason}`);

/** Unanswered: the server dropped them for newer ones, or they are on their way. */
function frames({ sent, received }, skipped) {
  const unanswered = Math.max(0, sent - received);
  return `${count.format(sent)} sent, ${count.format(unanswered)} unanswered, ${count.format(skipped)} skipped`;
}

/** Writes the rows into `list` (a dl) and the stages into `bar`; touches only what changed. */
export class Hud {
  #list;
  #bar;
  #cells = new Map(); // label → dd

  constructor(list, bar) {
    this.#list = list;
    this.#bar = bar;
  }

  write(rows, stagesMs) {
    const labels = rows.map(([label]) => label);
    if (labels.join() !== [...this.#cells.keys()].join()) this.#layOut(labels);
    for (const [label, text] of rows) write(this.#cells.get(label), text);
    this.#drawStages(stagesMs);
  }

  #layOut(labels) {
    this.#cells.clear();
    this.#list.replaceChildren();
    for (const label of labels) {
      const [term, cell] = ["dt", "dd"].map((tag) => this.#list.ownerDocument.createElement(tag));
      term.textContent = label;
      this.#list.append(term, cell);
      this.#cells.set(label, cell);
    }
  }

  #drawStages(stagesMs) {
    while (this.#bar.children.length > stagesMs.length) this.#bar.lastElementChild.remove();
    while (this.#bar.children.length < stagesMs.length) this.#bar.append(this.#bar.ownerDocument.createElement("span"));
    stagesMs.forEach(({ name, ms }, i) => {
      const part = this.#bar.children[i];
      part.style.flexGrow = String(Math.max(ms, 0));
      write(part, name);
    });
    this.#bar.hidden = stagesMs.length === 0;
    const words = stagesMs.map(({ name, ms }) => `${name} ${ms.toFixed(1)} ms`).join(", ");
    if (this.#bar.title !== words) {
      this.#bar.title = words;
      this.#bar.setAttribute("aria-label", `Time at the server: ${words}`);
    }
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
