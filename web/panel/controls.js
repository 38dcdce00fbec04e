// The panel: a control for each choice, grouped as CHOICES says. What is turned here takes effect at once.
import { AUTO, CHOICES, isPinned } from "../choices.js";

/** Fills the sections [data-group] of `panel`, and keeps every control at what `choices` holds. */
export function layOutControls(panel, choices) {
  const controls = new Map(CHOICES.map((choice) => [choice.name, MAKE[choice.kind](panel.ownerDocument, choice)]));
  for (const choice of CHOICES) {
    const control = controls.get(choice.name);
    show(control, choice, choices.get(choice.name));
    control.input.addEventListener("input", () => choices.set(choice.name, control.read()));
    panel.querySelector(`[data-group="${choice.group}"]`).append(control.row);
  }
  choices.onChange((choice, value) => show(controls.get(choice.name), choice, value));
}

function show(control, choice, value) {
  control.write(value);
  control.row.classList.toggle("pinned", isPinned(choice, value));
}

const MAKE = { select: makeSelect, range: makeRange, flag: makeFlag };

/** A labelled row → {row, input, read() → text, write(value)}. */
function makeSelect(document, { name, label, options, auto }) {
  const input = make(document, "select", { id: `choice-${name}` });
  const first = auto === undefined ? [] : [[AUTO, auto]];
  for (const [value, textContent] of [...first, ...Object.entries(options)]) {
    input.append(make(document, "option", { value, textContent }));
  }
  const write = (value) => (input.value = value);
  return { row: labelled(document, label, input), input, read: () => input.value, write };
}

/** What can be left to the link has a place for that before its least value. */
function makeRange(document, { name, label, min, max, step, auto, format = String }) {
  const least = auto === undefined ? min : min - step;
  const input = make(document, "input", { type: "range", id: `choice-${name}`, min: least, max, step });
  const output = make(document, "output", {});
  output.htmlFor = input.id;
  const write = (value) => {
    const text = value === AUTO ? auto : format(value);
    input.value = value === AUTO ? least : value;
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  const read = () => (Number(input.value) < min ? AUTO : input.value);
  return { row: labelled(document, label, input, output), input, read, write };
}

function makeFlag(document, { name, label }) {
  const input = make(document, "input", { type: "checkbox", id: `choice-${name}` });
  const write = (value) => (input.checked = value);
  return { row: labelled(document, label, input), input, read: () => String(input.checked), write };
}

function labelled(document, text, input, ...more) {
  const row = make(document, "div", { className: "row" });
  row.append(make(document, "label", { textContent: text, htmlFor: input.id }), input, ...more);
  return row;
}

function make(document, tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}
