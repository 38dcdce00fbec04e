// web/viewer/{loss,retries}.js: why there is no connection, and when the page comes back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sentenceIn, sentenceOf, whyClosed, whyRefused } from "../../web/viewer/loss.js";
import { HEALTHY_MS, Retries } from "../../web/viewer/retries.js";

const refused = (status, reason, headers = {}) => ({ status, body: { reason }, headers });

/** A server that answers so whoever asks for its websocket over plain HTTP; null: not at all. */
async function refusal(answer) {
  const fetch = async (address) => {
    assert.equal(address, "./ws");
    if (answer === null) throw new TypeError("no network");
    const { status, body, headers } = answer;
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
  };
  const why = await whyRefused(fetch, "./ws");
  return [sentenceOf(why), why.leastMs];
}

const REFUSALS = [
  ["full", refused(503, "full"), "The server is full. Trying again.", 5000],
  [
    "draining", refused(503, "draining", { "Retry-After": "3" }),
    "The server is about to stop and takes nobody new. Trying again.", 3000,
  ],
  ["a reason of the future", refused(503, "tired"), "The server is busy or not ready. Trying again.", 0],
  ["a reason that every object has", refused(503, "toString"), "The server is busy or not ready. Trying again.", 0],
  ["a proxy's own 503", { status: 503, body: "<a>" }, "The server is busy or not ready. Trying again.", 0],
  ["a 503 without words", { status: 503, body: "null" }, "The server is busy or not ready. Trying again.", 0],
  ["a proxy without a server", { status: 502, body: "" }, "The server cannot be reached. Trying again.", 0],
  ["no server at all", null, "The server cannot be reached. Trying again.", 0],
  [
    "a token that is wanted", { status: 401, body: "<p>" },
    "The server wants its token: open the link that it printed when it started. Trying again.", 0,
  ],
  [
    "too many of one address", refused(429, "address", { "Retry-After": "10" }),
    "The server takes no more connections from your address for now. Trying again.", 10_000,
  ],
  [
    "a websocket that a proxy does not pass", refused(426, null),
    "The server answers, but no websocket comes through. Does a proxy on the way pass them? Trying again.", 0,
  ],
];

for (const [name, answer, sentence, leastMs] of REFUSALS) {
  test(`${name}: the refusal is told as what it is, and waited for as long as it takes`, async () => {
    assert.deepEqual(await refusal(answer), [sentence, leastMs]);
  });
}

test("a wait that nobody would sit through is cut, and one that is no number counts as none", async () => {
  const waitOf = async (text) => (await refusal(refused(503, "draining", { "Retry-After": text })))[1];
  assert.deepEqual([await waitOf("86400"), await waitOf("0"), await waitOf("soon")], [60_000, 0, 0]);
});

test("every code that a server closes with has its sentence, and unknown ones the general one", () => {
  const sentences = [1001, 1008, 1009, 1011, 1012, 1013, 4408, 1006, 4999].map((code) => sentenceOf(whyClosed(code)));
  assert.deepEqual(sentences, [
    "The server is restarting. Trying again.",
    "The server does not allow this connection. Reload the page to try again.",
    "A message was too large for the server. Trying again.",
    "The server has a fault. Trying again.",
    "The server is restarting. Trying again.",
    "The server is full. Trying again.",
    "Nothing was sent for long, so the server made room for others. " +
      "The page connects again when it has a picture to send, or at your next press.",
    "The server cannot be reached. Trying again.",
    "The server cannot be reached. Trying again.",
  ]);
});

test("a restarting server is asked at once, a faulty one after a pause, a full one after a longer one", () => {
  assert.deepEqual([1001, 1012, 1006, 1011, 1013].map((code) => whyClosed(code).leastMs), [0, 0, 0, 2000, 5000]);
});

test("the server's words are added to a refusal that is final", () => {
  assert.equal(whyClosed(1008, "too much").what, "The server does not allow this connection (too much).");
});

test("an HTTP answer is told in our words at the door, in the server's behind it", async () => {
  const told = (status) => sentenceIn(new Response("the brush broke", { status }));
  assert.match(await told(401), /^The server wants its token/);
  assert.match(await told(429), /from your address/);
  assert.equal(await told(500), "the brush broke");
});

test("the waits grow to a ceiling, with full jitter, and never below what the reason asks for", () => {
  for (const [random, waits] of [[1, [6000, 7000, 9000, 13_000, 21_000, 21_000]], [0, Array(6).fill(5000)]]) {
    const retries = new Retries();
    assert.deepEqual(waits.map(() => retries.lost(0, 5000, random)), waits);
  }
});

test("pages that lost the same server come back spread over the whole first second", () => {
  assert.deepEqual([0, 0.25, 0.999].map((random) => new Retries().lost(0, 0, random)), [0, 250, 999]);
});

test("the healthy time is counted from the first word of a session, and each session anew", () => {
  const retries = new Retries();
  const lostAt = (nowMs) => retries.lost(nowMs, 0, 1);
  assert.deepEqual([lostAt(0), lostAt(0)], [1000, 2000]);
  retries.served(100);
  retries.served(100 + HEALTHY_MS - 1); // a second welcome begins no second session
  assert.equal(lostAt(100 + HEALTHY_MS), 1000);
  assert.equal(lostAt(100 + 2 * HEALTHY_MS), 2000); // nobody served meanwhile
});
