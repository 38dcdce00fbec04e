// Wires the viewer's page: the server's pictures to the canvas, gestures, keys and buttons to the view.
import { listenForGestures } from "./gestures.js";
import { emptySentence, hudRows, writeRows } from "./hud.js";
import { helpRows, pressed } from "./keys.js";
import { whyRefused } from "./loss.js";
import { PictureLoop } from "./picture_loop.js";
import { PictureStream } from "./picture_stream.js";
import { View } from "./view.js";

const element = (id) => document.getElementById(id);
const [canvas, message, empty, help] = ["view", "message", "empty", "help"].map(element);
// randomUUID is not there on a page without https
const client = [...crypto.getRandomValues(new Uint32Array(2))].map((word) => word.toString(36)).join("");
const counts = { shown: 0, failed: 0 };

const view = new View(client, () => ({ width: innerWidth, height: innerHeight, pixelRatio: devicePixelRatio }));
const surroundings = {
  now: () => performance.now(),
  schedule: (callback, ms) => setTimeout(callback, ms),
  cancel: (id) => clearTimeout(id),
  urlOf: (divisor) => view.urlOf(divisor),
  show,
};
const on = { info: learn, shown: writeNumbers, failed, recovered: () => (message.hidden = true) };
let loop = new PictureLoop({
  ...surroundings,
  fetch: (url, options) => fetch(url, options),
  on: { ...on, pushed: (info) => follow(info.socket) },
});
view.attach(loop);

const commands = { ...view.commands, help: () => (help.open ? help.close() : help.showModal()) };
const run = (action) => {
  commands[action]();
  markMode();
};
listenForGestures(canvas, view.gestures);
addEventListener("resize", () => loop.change());
document.addEventListener("visibilitychange", () => loop.hide(document.hidden));
addEventListener("keydown", (event) => {
  const press = pressed(event);
  if (press === null || (help.open && press.action !== "help")) return;
  event.preventDefault();
  if (press.arrow) view.arrow(press.arrow, press.moves);
  else run(press.action);
});
for (const button of document.querySelectorAll("button[data-action]")) {
  button.addEventListener("click", () => run(button.dataset.action));
}
for (const [keys, does] of helpRows()) {
  const row = element("help-keys").insertRow();
  row.append(Object.assign(document.createElement("th"), { textContent: keys, scope: "row" }));
  row.insertCell().textContent = does;
}
window.splatcamViewer = { view, counts, get loop() { return loop; } };
loop.hide(document.hidden);
loop.start();

/** The server has pictures to push: from now on nothing is asked for. */
function follow(address) {
  const url = new URL(`${address}?client=${client}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const createSocket = () => new WebSocket(url);
  const why = () => whyRefused(fetch, address);
  loop = new PictureStream({ ...surroundings, createSocket, random: Math.random, whyRefused: why, on });
  view.attach(loop);
  loop.hide(document.hidden);
  loop.start();
}

async function show(blob) {
  const bitmap = await createImageBitmap(blob);
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  counts.shown += 1;
}

function learn(info) {
  view.learn(info);
  if (element("modes").children.length !== view.modes.length) layOutModes();
  markMode();
  empty.textContent = emptySentence(info);
  empty.hidden = empty.textContent === "";
  writeNumbers();
}

function writeNumbers() {
  const picture = counts.shown === 0 ? null : { width: canvas.width, height: canvas.height, ms: loop.lastMs };
  writeRows(element("numbers"), hudRows(view.info, picture, view.mode));
}

function failed(sentence) {
  counts.failed += 1;
  message.textContent = sentence;
  message.hidden = false;
}

function layOutModes() {
  const buttons = view.modes.map((mode) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: mode });
    button.dataset.mode = mode;
    button.addEventListener("click", () => {
      view.showMode(mode);
      markMode();
    });
    return button;
  });
  element("modes").replaceChildren(...buttons);
}

function markMode() {
  for (const button of element("modes").children) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === view.mode));
  }
}
