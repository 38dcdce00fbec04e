// web/viewer/{view,gestures,keys,hud}.js: from hands and keys to what is asked for, and the numbers in words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { listenForGestures } from "../../web/viewer/gestures.js";
import { emptySentence, hudRows } from "../../web/viewer/hud.js";
import { helpRows, KEYS, pressed } from "../../web/viewer/keys.js";
import { View } from "../../web/viewer/view.js";

const INFO = {
  theta: 1, phi: 0, radius: 2, target: [0, 0, 0], up: -1, fov: 50, display_modes: ["rgb", "depth", "mesh"],
};

function makeView(info = INFO) {
  const asked = [];
  const view = new View("me", () => ({ width: 400, height: 300, pixelRatio: 1 }));
  const hear = (name) => () => asked.push(name);
  view.attach({ touch: hear("touch"), change: hear("change"), hold: hear("hold") });
  view.learn(info);
  return { view, asked, query: (divisor = null) => new URLSearchParams(view.urlOf(divisor).split("?")[1]) };
}

test("the view begins where the server says, and stays where one went when it says it again", () => {
  const { view, query } = makeView();
  assert.deepEqual(["theta", "up", "fov", "w"].map((name) => query().get(name)), ["1", "-1", "50", "400"]);
  view.gestures.turn(20, 0);
  const { theta } = view.place;
  view.learn({ ...INFO, theta: 3, revision: 5 });
  assert.equal(view.place.theta, theta);
  view.commands.reset();
  assert.equal(view.place.theta, 3);
});

test("before there is a scene the server only guesses where the view begins, and then it is taken there once", () => {
  const { view, query } = makeView({ ...INFO, radius: 4, revision: "none" });
  view.commands.coarser();
  view.learn({ ...INFO, radius: 2, revision: "s.1" });
  assert.deepEqual([view.place.radius, query().get("w")], [2, "300"]);
  view.learn({ ...INFO, radius: 9, revision: "s.2" });
  view.learn({ ...INFO, radius: 4, revision: "none" });
  view.learn({ ...INFO, radius: 9, revision: "t.1" });
  assert.equal(view.place.radius, 2);
});

test("every gesture and every arrow is a touch, every mode and every scale a change", () => {
  const { view, asked } = makeView();
  view.gestures.turn(1, 0);
  view.gestures.move(1, 0);
  view.gestures.zoom(5);
  view.gestures.pinch(1.1);
  view.arrow([1, 0], false);
  view.arrow([0, 1], true);
  for (const name of ["reset", "flip", "closer", "farther"]) view.commands[name]();
  assert.deepEqual(new Set(asked.splice(0)), new Set(["touch"]));
  for (const name of ["depth", "mesh", "coarser", "finer"]) view.commands[name]();
  assert.deepEqual(asked, ["change", "change", "change", "change"]);
});

test("D and M show a mode, and colours again; what the server does not have is passed over", () => {
  const { view, asked, query } = makeView();
  const seen = ["depth", "depth", "mesh", "depth"].map((name) => {
    view.commands[name]();
    return query().get("mode");
  });
  assert.deepEqual(seen, ["depth", "rgb", "mesh", "depth"]);
  asked.length = 0;
  view.showMode("normal");
  view.showMode("depth");
  assert.deepEqual([view.mode, asked], ["depth", []]);
});

test("the keys [ and ] change the resolution, and at the ends nothing is asked", () => {
  const { view, asked, query } = makeView();
  view.commands.finer();
  assert.deepEqual(asked, []);
  view.commands.coarser();
  assert.deepEqual([query().get("w"), query(2).get("w")], ["300", "150"]);
});

/** An element as gestures see it. */
class Pad extends EventTarget {
  captured = [];
  setPointerCapture(id) {
    this.captured.push(id);
  }
  fire(type, fields) {
    const plain = { pointerId: 1, button: 0, shiftKey: false };
    const event = Object.assign(new Event(type, { cancelable: true }), { ...plain, ...fields });
    this.dispatchEvent(event);
    return event;
  }
}

function makePad() {
  const [pad, heard] = [new Pad(), []];
  const hear = (name) => (...values) => heard.push([name, ...values]);
  const names = ["turn", "move", "zoom", "pinch", "hold"];
  listenForGestures(pad, Object.fromEntries(names.map((name) => [name, hear(name)])));
  return { pad, heard };
}

for (const [name, fields, expected] of [
  ["the main button turns", {}, "turn"], ["with Shift it moves", { shiftKey: true }, "move"],
  ["the right button moves", { button: 2 }, "move"], ["the middle button moves", { button: 1 }, "move"],
]) {
  test(`${name}, also outside of the element, until it is let go`, () => {
    const { pad, heard } = makePad();
    pad.fire("pointermove", { ...fields, clientX: 5, clientY: 5 });
    pad.fire("pointerdown", { ...fields, clientX: 10, clientY: 10 });
    pad.fire("pointermove", { ...fields, button: -1, clientX: 15, clientY: 8 });
    pad.fire("pointerup", fields);
    pad.fire("lostpointercapture", fields);
    pad.fire("pointermove", { ...fields, clientX: 50, clientY: 50 });
    assert.deepEqual(heard, [["hold", true], [expected, 5, -2], ["hold", false]]);
    assert.deepEqual(pad.captured, [1]);
  });
}

test("two fingers pinch and move, and the one that stays turns on without a jump", () => {
  const { pad, heard } = makePad();
  pad.fire("pointerdown", { pointerId: 1, clientX: 0, clientY: 0 });
  pad.fire("pointerdown", { pointerId: 2, clientX: 100, clientY: 0 });
  heard.length = 0;
  pad.fire("pointermove", { pointerId: 2, clientX: 200, clientY: 0 });
  assert.deepEqual(heard.splice(0), [["pinch", 0.5], ["move", 50, 0]]);
  pad.fire("pointerup", { pointerId: 1 });
  pad.fire("pointermove", { pointerId: 2, clientX: 203, clientY: 4 });
  assert.deepEqual(heard.splice(0), [["turn", 3, 4]]);
  pad.fire("pointercancel", { pointerId: 2 });
  assert.deepEqual(heard, [["hold", false]]);
});

test("the wheel zooms in pixels, whatever it counts in, and the page does not scroll", () => {
  const { pad, heard } = makePad();
  for (const [deltaY, deltaMode] of [[120, 0], [3, 1], [1, 2]]) {
    assert.ok(pad.fire("wheel", { deltaY, deltaMode }).defaultPrevented);
  }
  assert.deepEqual(heard, [["zoom", 120], ["zoom", 48], ["zoom", 400]]);
  assert.ok(pad.fire("contextmenu", {}).defaultPrevented);
});

test("every key of the list does what it says, and shortcuts of the browser are left alone", () => {
  for (const { keys, action } of KEYS) for (const key of keys) assert.deepEqual(pressed({ key }), { action });
  assert.deepEqual(pressed({ key: "D" }), { action: "depth" });
  assert.deepEqual(pressed({ key: "ArrowLeft", shiftKey: true }), { arrow: [-1, 0], moves: true });
  for (const held of ["ctrlKey", "metaKey", "altKey"]) assert.equal(pressed({ key: "r", [held]: true }), null);
  assert.equal(pressed({ key: "x" }), null);
  assert.equal(pressed({ key: "d", repeat: true }), null);
  assert.deepEqual(pressed({ key: "+", repeat: true }), { action: "closer" });
});

test("every action of the keys is a command, and the help tells of all", () => {
  const { view } = makeView();
  for (const { action } of KEYS) assert.ok(action === "help" || action in view.commands, action);
  assert.ok(helpRows().length > KEYS.length);
});

test("the numbers of a training are in words, and those that are not known are left out", () => {
  const info = {
    live: true, gaussians: 190512, sh_degree: 3, step: 12000, loss: 0.03456, lr_means: 1.6e-4, status: "training",
  };
  assert.deepEqual(hudRows(info, { width: 320, height: 240, ms: 40 }, "rgb"), [
    ["Speed", "25.0 fps"], ["Size", "320 × 240"], ["Gaussians", "190,512"], ["SH degree", "3"], ["Step", "12,000"],
    ["Loss", "0.0346"], ["Learning rate", "1.6e-4"], ["Status", "training"], ["Shown", "rgb"],
  ]);
  assert.deepEqual(hudRows({ loss: null }, null, "rgb"), [["Shown", "rgb"]]);
});

test("a live camera's numbers tell the model and how many cameras there are, and no speed while it rests", () => {
  const service = { state: "ready", model: { title: "Small" }, cameras: 2 };
  const resting = { width: 320, height: 240, ms: null };
  assert.deepEqual(hudRows({ service, status: "live" }, resting, "rgb"), [
    ["Size", "320 × 240"], ["Model", "Small"], ["Cameras", "2"], ["Status", "live"], ["Shown", "rgb"],
  ]);
  assert.deepEqual(hudRows({ service: { state: "loading", model: null } }, null, "rgb")[0], ["Model", "loading"]);
});

test("where nothing is to be shown the server's words say why", () => {
  assert.equal(emptySentence({ revision: "none", status: "No camera is streaming." }), "No camera is streaming.");
  assert.deepEqual([{ revision: "none" }, { revision: "s.1", status: "live" }].map(emptySentence), ["", ""]);
});
