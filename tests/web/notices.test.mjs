// web/panel/notices.js: sentences that stand, and sentences that pass.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Notices } from "../../web/panel/notices.js";

const PASSING_MS = 8000;

let element, notices;
beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  element = { textContent: "", hidden: true };
  notices = new Notices(element);
});

test("a sentence stands until its subject has another one or none; one of another subject stands beside it", () => {
  notices.say("camera", "none");
  notices.say("server", "full");
  assert.deepEqual([element.textContent, element.hidden], ["none\nfull", false]);
  notices.say("camera", "busy");
  assert.equal(element.textContent, "busy\nfull");
  notices.say("camera", "");
  notices.say("server", "");
  assert.deepEqual([element.textContent, element.hidden], ["", true]);
});

test("what is mentioned passes by itself", () => {
  notices.mention("file", "broken");
  mock.timers.tick(PASSING_MS - 1);
  assert.equal(element.textContent, "broken");
  mock.timers.tick(1);
  assert.equal(element.hidden, true);
});

test("what is mentioned again stands for its whole time again", () => {
  notices.mention("file", "broken");
  mock.timers.tick(PASSING_MS - 1);
  notices.mention("file", "broken");
  mock.timers.tick(PASSING_MS - 1);
  assert.equal(element.textContent, "broken");
  mock.timers.tick(1);
  assert.equal(element.hidden, true);
});

test("what was mentioned and became a lasting state stays", () => {
  notices.mention("source", "busy");
  notices.say("source", "busy");
  mock.timers.tick(PASSING_MS);
  assert.equal(element.textContent, "busy");
});
