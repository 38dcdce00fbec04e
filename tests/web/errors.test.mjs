// web/errors.js: every code of the protocol has a sentence.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cameraSentence, passesWithTheFrame, SERVER_CODES, serverSentence } from "../../web/errors.js";
import { goldens } from "./golden.mjs";

const errors = goldens("server").map((one) => one.meaning).filter((message) => message.type === "error");

test("the page knows the server's error codes, no more and no fewer", () => {
  assert.deepEqual([...SERVER_CODES].sort(), errors.map((error) => error.code).sort());
});

for (const error of errors) {
  test(`${error.code} is told in a sentence`, () => {
    assert.match(serverSentence(error), /^[A-Z].*\.$/);
  });
}

test("the server's own words are added where the page cannot know more", () => {
  const badField = { code: "bad_field", message: "stride: too large" };
  assert.equal(serverSentence(badField), "The server refused a setting: stride: too large");
  assert.equal(serverSentence({ code: "from_the_future", message: "something new" }), "The server says: something new");
});

test("only an error about one frame passes with the next frame", () => {
  const passing = ["bad_jpeg", "rate_limited", "out_of_memory", "not_finite", "quarantined", "engine_restarting"];
  assert.deepEqual(passing.filter((code) => !passesWithTheFrame(code)), []);
  assert.equal(passesWithTheFrame("no_gaussian_head"), false);
});

test("each way of having no camera has its sentence and a way out", () => {
  const names = [
    "NotAllowedError", "NotFoundError", "NotReadableError", "InsecureOrigin", "NotPlayed", "Ended", "WhateverError",
  ];
  for (const name of names) {
    assert.match(cameraSentence(name), /video file instead\.$/);
  }
  assert.match(cameraSentence("WhateverError"), /WhateverError/);
});
