// What a viewer can choose: one list for the page's address, the panel and the server's `settings`. Pure.

const percent = (value) => `${Math.round(100 * value)} %`;
const times = (value) => `${value.toFixed(1)} ×`;
const AS_FAST_AS_IT_GOES = 60;
const FASTEST_FPS = 240; // what `settings` takes
const DECIMALS = 2; // of the finest step

/**
 * name: in the address; group: heading in the panel; kind: select {options}, range {min, max, step, format} or flag;
 * field: of `settings` where the choice is the server's business, toWire: the value there, undefined for "as suits".
 */
export const CHOICES = [
  {
    name: "output", group: "Quality", label: "Picture", kind: "select", default: "auto", field: "output",
    options: {
      auto: "as suits the model", network: "the model's own splats", pixel: "splats from depth", points: "points",
    },
    toWire: (value, model) => (value === "auto" ? outputThatSuits(model) : value),
  },
  {
    name: "stride", group: "Quality", label: "Every n-th pixel", kind: "range", min: 1, max: 8, step: 1, default: 1,
    field: "stride",
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
    name: "fps", group: "Quality", label: "Results a second", kind: "range", min: 1, max: AS_FAST_AS_IT_GOES, step: 1,
    default: AS_FAST_AS_IT_GOES, field: "max_fps",
    format: (value) => (value === AS_FAST_AS_IT_GOES ? "as fast as it goes" : `at most ${value}`),
    toWire: (value) => (value === AS_FAST_AS_IT_GOES ? FASTEST_FPS : value),
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

  /** The fields of `settings`, or null where the server's own will do. model: of `welcome`, or undefined. */
  wishes(model) {
    const told = CHOICES.filter(({ name, field }) => field !== undefined && this.#touched.has(name));
    const fields = told.map(({ name, field, toWire }) => [field, wireValue(toWire, this.get(name), model)]);
    const wanted = fields.filter(([, value]) => value !== undefined);
    return wanted.length === 0 ? null : Object.fromEntries(wanted);
  }
}

function wireValue(toWire, value, model) {
  return toWire === undefined ? value : toWire(value, model);
}

function outputThatSuits(model) {
  if (model === undefined) return undefined;
  return model.supports_gaussians ? "network" : "pixel";
}

/** Text → value, undefined where it is none of this choice's. */
function parse(choice, text) {
  if (text === null) return undefined;
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
