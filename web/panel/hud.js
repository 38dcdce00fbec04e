// The numbers of the stream in words, and the server's stages as a bar.

const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNKNOWN = "–";
const inWords = (value, words) => (value === null ? UNKNOWN : words(value));

/**
 * Rows [label, text]. numbers: of Meter.read; counts: of the connection; skipped: pictures of the source that were not
 * sent; last: {type, count} of the newest result.
 */
export function hudRows({ numbers, counts, skipped, last }) {
  const { streamFps, displayFps, kilobytesPerFrame, megabitsPerS, latencyMs } = numbers;
  const rows = [
    ["Stream", inWords(streamFps, (fps) => `${fps.toFixed(1)} fps`)],
    ["Display", inWords(displayFps, (fps) => `${fps.toFixed(0)} fps`)],
    [last.type === "pointcloud" ? "Points" : "Splats", count.format(last.count)],
    ["Frame", inWords(kilobytesPerFrame, (kb) => `${count.format(kb)} KB`)],
    ["Link", inWords(megabitsPerS, (mbit) => `${mbit.toFixed(mbit < 10 ? 1 : 0)} Mbit/s`)],
    ["Capture to screen", inWords(latencyMs, ({ p50, p95 }) => `${count.format(p50)} ms, p95 ${count.format(p95)} ms`)],
  ];
  if (counts.sent > 0) rows.push(["Frames", frames(counts, skipped)]);
  return [...rows, ["Format", last.type]];
}

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
