// Why there is no connection, in a sentence, and how long to leave the server alone; for both pages. Knows no DOM.
//
// A reason is {what, leastMs, next}: a sentence, the least wait before the next attempt, and what comes next: `again`,
// `on_demand` (when there is something to send or somebody comes back) or `never`.

const ASK_TIMEOUT_MS = 5000;
const FAULT_MS = 2000;
const FULL_MS = 5000;
const LONGEST_WAIT_S = 60; // whatever the server asks for: somebody sits in front of the page

const WHAT_IS_NEXT = {
  again: "Trying again.",
  on_demand: "The page connects again when it has a picture to send, or at your next press.",
  never: "Reload the page to try again.",
};

const UNREACHABLE = "The server cannot be reached.";
const LOST = 1006;
const NOT_ALLOWED = 1008;

const CLOSED = {
  1001: { what: "The server is restarting." },
  [LOST]: { what: UNREACHABLE },
  [NOT_ALLOWED]: { what: "The server does not allow this connection", next: "never" },
  1009: { what: "A message was too large for the server." },
  1011: { what: "The server has a fault.", leastMs: FAULT_MS },
  1012: { what: "The server is restarting." },
  1013: { what: "The server is full.", leastMs: FULL_MS },
  4408: { what: "Nothing was sent for long, so the server made room for others.", next: "on_demand" },
};

const REFUSED = {
  full: { what: "The server is full.", leastMs: FULL_MS },
  draining: { what: "The server is about to stop and takes nobody new." },
  busy: { what: "The server is busy or not ready." },
  locked_out: { what: "The server wants its token: open the link that it printed when it started." },
  too_many: { what: "The server takes no more connections from your address for now." },
  open: { what: "The server answers, but no websocket comes through. Does a proxy on the way pass them?" },
  unreachable: { what: UNREACHABLE },
};

const BY_STATUS = { 401: "locked_out", 426: "open", 429: "too_many" };
const UNAVAILABLE = 503;

/** Of a websocket that was open. `words`: the server's own, of the close. */
export function whyClosed(code, words = "") {
  const why = reasonOf(CLOSED[code] ?? CLOSED[LOST]);
  if (code !== NOT_ALLOWED) return why;
  return { ...why, what: `${why.what}${words === "" ? "" : ` (${words})`}.` };
}

/** Of a websocket that never opened. Browsers tell nobody why: its `address` is asked once more, over plain HTTP. */
export async function whyRefused(fetch, address) {
  const answer = await ask(fetch, address);
  const why = reasonOf(REFUSED[await nameOf(answer)]);
  return { ...why, leastMs: askedWaitMs(answer) ?? why.leastMs };
}

/** Of an HTTP request that was refused: at the door in our words, behind it in the server's own. */
export async function sentenceIn(answer) {
  const name = BY_STATUS[answer.status];
  return name === undefined ? answer.text() : sentenceOf(reasonOf(REFUSED[name]));
}

export function isAtTheDoor(status) {
  return status in BY_STATUS;
}

export function sentenceOf({ what, next }) {
  return `${what} ${WHAT_IS_NEXT[next]}`;
}

function reasonOf({ what, leastMs = 0, next = "again" }) {
  return { what, leastMs, next };
}

/** null: no answer came. */
async function ask(fetch, address) {
  return fetch(address, { cache: "no-store", signal: AbortSignal.timeout(ASK_TIMEOUT_MS) }).catch(() => null);
}

/** A name of REFUSED. */
async function nameOf(answer) {
  if (answer === null) return "unreachable";
  if (answer.status === UNAVAILABLE) return reasonIn(answer);
  return BY_STATUS[answer.status] ?? "unreachable"; // a proxy without a server behind it
}

/** A proxy's own 503 says nothing that could be read. */
async function reasonIn(answer) {
  const report = await answer.json().catch(() => null);
  return Object.hasOwn(REFUSED, report?.reason) ? report.reason : "busy";
}

/** What the server asks for in Retry-After, in seconds; null where it asks for nothing. */
function askedWaitMs(answer) {
  const asked_s = Number.parseInt(answer?.headers.get("Retry-After"), 10);
  return asked_s >= 0 ? 1000 * Math.min(asked_s, LONGEST_WAIT_S) : null;
}
