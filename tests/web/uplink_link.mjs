// A small model of a camera's link for the tests of web/source/uplink.js: pictures, a queue of bytes, a server that
// takes the newest picture when it is done with the one before, and results that come back. In steps of a millisecond.
import { WINDOW } from "../../web/connection.js";

const PICTURE_EVERY_MS = 33;
const BEST_BYTES = 40_000; // at quality 0.8 and full size
const SERVER_CLOCK_AHEAD_MS = 1e6;
const SPREAD = 0.1; // of the sizes

/**
 * uplink: told as app.js tells it, and asked for every picture. link: {mbitPerS(ms), delayMs(ms), serverMs}: the way to
 * the server, one way, and what it takes for a picture. jitterMs(i): how much later frame i comes than its bytes.
 * Returns {run(untilMs), changes: [{atMs, quality, size}], queuesMs(sinceMs): what frames waited for those before them,
 * answeredFps(sinceMs)}.
 */
export function simulate(uplink, { mbitPerS, delayMs = () => 20, serverMs = 15, jitterMs = () => 0 }) {
  const changes = [];
  const answers = [];
  const inFlight = []; // {id, bytes, sentAtMs, queueMs, receivedAtMs, isTaken: the server had it}
  const returning = [];
  let [nowMs, ids, linkIsFreeAtMs, serverIsFreeAtMs, waiting] = [0, 0, 0, 0, null];
  let last = uplink.choice;

  const send = () => {
    const { quality, size } = uplink.choice;
    const id = ids++;
    const bytes = BEST_BYTES * (quality / 0.8) * size ** 2 * (1 + SPREAD * Math.sin(id));
    const beginMs = Math.max(nowMs, linkIsFreeAtMs);
    linkIsFreeAtMs = beginMs + (bytes * 8) / (mbitPerS(nowMs) * 1000);
    const receivedAtMs = linkIsFreeAtMs + delayMs(nowMs) + jitterMs(id);
    inFlight.push({ id, bytes, sentAtMs: nowMs, queueMs: beginMs - nowMs, receivedAtMs });
  };

  const serve = () => {
    for (const frame of inFlight.filter(({ receivedAtMs, isTaken }) => receivedAtMs <= nowMs && !isTaken)) {
      frame.isTaken = true;
      waiting = frame;
    }
    if (waiting === null || serverIsFreeAtMs > nowMs) return;
    serverIsFreeAtMs = nowMs + serverMs;
    returning.push({ frame: waiting, atMs: serverIsFreeAtMs + delayMs(nowMs) });
    waiting = null;
  };

  const answer = ({ frame }) => {
    const through = inFlight.filter(({ id }) => id <= frame.id);
    inFlight.splice(0, through.length);
    answers.push({ atMs: nowMs, queueMs: frame.queueMs });
    uplink.answered({
      sentAtMs: frame.sentAtMs, answeredAtMs: nowMs, receivedAtMs: frame.receivedAtMs + SERVER_CLOCK_AHEAD_MS,
      bytes: through.reduce((sum, { bytes }) => sum + bytes, 0), frames: through.length,
      timingsMs: { total: serverMs, wait: 0 },
    });
  };

  const run = (untilMs) => {
    for (; nowMs < untilMs; nowMs += 1) {
      serve();
      while (returning.length > 0 && returning[0].atMs <= nowMs) answer(returning.shift());
      if (nowMs % PICTURE_EVERY_MS === 0) {
        const isTaken = inFlight.length < WINDOW;
        uplink.offered(nowMs, isTaken);
        if (isTaken) send();
      }
      const { quality, size } = uplink.choice;
      if (quality !== last.quality || size !== last.size) changes.push({ atMs: nowMs, quality, size });
      last = { quality, size };
    }
  };

  const since = (sinceMs) => answers.filter(({ atMs }) => atMs >= sinceMs);
  return {
    run,
    changes,
    queuesMs: (sinceMs) => since(sinceMs).map(({ queueMs }) => queueMs),
    answeredFps: (sinceMs) => (1000 * since(sinceMs).length) / (nowMs - sinceMs),
  };
}
