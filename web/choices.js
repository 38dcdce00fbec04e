// What a viewer can choose: one list for the page's address, the panel and the server's `settings`. Pure.

export const AUTO = "auto";

const percent = (value) => `${Math.round(100 * value)} %`;
const times = (value) => `${value.toFixed(1)} ×`;
const DECIMALS = 2; // of the finest step
const AS_SUITS_THE_LINK = "as suits the link";

/** "every pixel", "every 2nd pixel" … */
export const everyNthPixel = (n) => (n === 1 ? "every pixel" : `every ${n}${{ 2: "nd", 3: "rd" }[n] ?? "th"} pixel`);
export const OUTPUTS = { network: "the model's own splats", pixel: "splats from depth", points: "points" };

/**
 * name: in the address; group: heading in the panel; kind: select {options}, range {min, max, step, format} or flag;
 * auto: what it is called to leave the choice to the link, of those that can be left to it;
 * field: of `settings` where the choice is the server's business, toWire(value, get): the value there.
 */
export const CHOICES = [
  {
    name: "format", group: "Stream", label: "Format", kind: "select", default: AUTO, auto: AS_SUITS_THE_LINK,
    options: {
      compact: "compact: depth and colour", splats16: "16 bytes a splat", gaussian_ply: "PLY, 56 bytes a splat",
      pointcloud: "points",
    },
    field: "format", toWire: (value, get) => (get("output") === "points" ? AUTO : value), // points go one way only
  },
  {
    name: "output", group: "Stream", label: "Picture", kind: "select", default: AUTO, auto: "as suits the model",
    options: OUTPUTS, field: "output",
  },
  {
    name: "stride", group: "Stream", label: "Every n-th pixel", kind: "range", min: 1, max: 8, step: 1, default: AUTO,
    auto: AS_SUITS_THE_LINK, format: everyNthPixel, field: "stride",
  },
  {
    name: "bits", group: "Stream", label: "Depth", kind: "select", default: AUTO, auto: AS_SUITS_THE_LINK,
    options: { 12: "fine, 12 bits", 10: "coarse, 10 bits" }, field: "depth_bits", toWire: Number,
  },
  {
    name: "fps", group: "Stream", label: "Results a second", kind: "range", min: 1, max: 60, step: 1, default: AUTO,
    auto: AS_SUITS_THE_LINK, format: (value) => `at most ${value}`, field: "max_fps",
  },
  {
    name: "opacity", group: "Quality", label: "Leave out splats below", kind: "range", min: 0, max: 0.95, step: 0.05,
    default: 0.1, format: (value) => `${percent(value)} opacity`, field: "min_opacity",
  },
  {
    name: "depth", group: "Quality", label: "Keep the nearest", kind: "range", min: 0.5, max: 1, step: 0.01, default: 1,
    format: percent, field: "max_depth_percentile",
  },
  {
    name: "motion", group: "View", label: "Motion", kind: "select", default: "still",
    options: { still: "still", orbit: "orbit", parallax: "gentle parallax" },
  },
  {
    name: "scale", group: "View", label: "Splat size", kind: "range", min: 0.1, max: 3, step: 0.1, default: 1,
    format: times,
  },
  {
    name: "blur", group: "View", label: "Depth of field", kind: "range", min: 0, max: 1, step: 0.05, default: 0,
    format: (value) => (value === 0 ? "off" : percent(value)),
  },
  { name: "axes", group: "View", label: "Axes", kind: "flag", default: false },
  {
    name: "background", group: "View", label: "Background", kind: "select", default: "theme",
    options: { theme: "as the theme", black: "black", grey: "grey", white: "white" },
  },
  {
    name: "theme", group: "View", label: "Theme", kind: "select", default: "auto",
    options: { auto: "as the system", dark: "dark", light: "light" },
  },
  { name: "hud", group: "View", label: "Numbers", kind: "flag", default: true },
  { name: "mirror", group: "Source", label: "Mirror", kind: "flag", default: false },
  {
    name: "jpeg", group: "Source", label: "Picture quality", kind: "select", default: AUTO, auto: AS_SUITS_THE_LINK,
    options: { high: "high", medium: "medium", low: "low" },
  },
  {
    name: "size", group: "Source", label: "Picture size", kind: "select", default: AUTO, auto: AS_SUITS_THE_LINK,
    options: { full: "full", "three-quarters": "three quarters", half: "half" },
  },
];

const choiceOf = (name) => CHOICES.find((choice) => choice.name === name);

/** The choices that are in force. Those that are not the default stand in the address. */
export class Choices {
  #values;
  #touched = new Set(); // once away from its default, a choice of the server's has to be told to go back
  #listeners = [];

  /** search: of the page's address; what makes no sense there counts as not given. */
  constructor(search) {
    const given = new URLSearchParams(search);
    const valueOf = (choice) => parse(choice, given.get(choice.name)) ?? choice.default;
    this.#values = new Map(CHOICES.map((choice) => [choice.name, valueOf(choice)]));
    for (const { name, default: usual } of CHOICES) if (this.get(name) !== usual) this.#touched.add(name);
  }

  get(name) {
    return this.#values.get(name);
  }

  /** value: as `get` gives it, or its text. */
  set(name, value) {
    const choice = choiceOf(name);
    const parsed = parse(choice, String(value));
    if (parsed === undefined || parsed === this.get(name)) return;
    this.#values.set(name, parsed);
    this.#touched.add(name);
    for (const listener of this.#listeners) listener(choice, parsed);
  }

  /** listener(choice, value) */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** `search` with these choices in it, and everything else that it held. */
  writtenInto(search) {
    const written = new URLSearchParams(search);
    for (const { name, default: usual } of CHOICES) {
      if (this.get(name) === usual) written.delete(name);
      else written.set(name, String(this.get(name)));
    }
    const text = written.toString();
    return text === "" ? "" : `?${text}`;
  }

  /** The fields of `settings`, or null where the server's own will do. */
  wishes() {
    const told = CHOICES.filter(({ name, field }) => field !== undefined && this.#touched.has(name));
    return told.length === 0 ? null : Object.fromEntries(told.map((choice) => [choice.field, this.#wireValue(choice)]));
  }

  #wireValue({ name, toWire = (value) => value }) {
    const value = this.get(name);
    return value === AUTO ? AUTO : toWire(value, (other) => this.get(other));
  }
}

/** Whether somebody decided what otherwise follows the link. */
export function isPinned(choice, value) {
  return choice.auto !== undefined && value !== AUTO;
}

/** Text → value, undefined where it is none of this choice's. */
function parse(choice, text) {
  if (text === null) return undefined;
  if (choice.auto !== undefined && text === AUTO) return AUTO;
  if (choice.kind === "flag") return { true: true, 1: true, false: false, 0: false }[text];
  if (choice.kind === "select") return Object.hasOwn(choice.options, text) ? text : undefined;
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) return undefined;
  return nearestStep(choice, Math.min(choice.max, Math.max(choice.min, number)));
}

/** What a slider can stand at: the server refuses half a stride. */
function nearestStep({ min, step }, number) {
  const steps = Math.round((number - min) / step);
  return Number((min + steps * step).toFixed(DECIMALS));
}
