// The state of the stream in one word or two, and the model in one line. Pure.

const percent = (progress) => (progress === undefined ? "" : ` ${Math.round(100 * progress)} %`);

/**
 * What is going on → {kind, text}; kind: busy, live, quiet, bad, for the chip's colour.
 * connection: its state; status: the engine's newest `status`, or null; isStalled, isFrozen, isShowingFile,
 * isReplaying; hasSource: a picture is sent, or another's camera is watched; hasResult: one came on this connection.
 */
export function chipOf({ connection, status, isStalled, isFrozen, isShowingFile, isReplaying, hasSource, hasResult }) {
  if (isReplaying) return { kind: "quiet", text: "Replay" };
  if (isShowingFile) return { kind: "quiet", text: "File" };
  if (connection === "connecting") return { kind: "busy", text: "Connecting" };
  if (connection === "waiting") return { kind: "busy", text: "Reconnecting" };
  if (connection === "idle") return { kind: "quiet", text: "Idle" };
  if (connection === "refused") return { kind: "bad", text: "Refused by the server" };
  if (connection === "closed") return { kind: "bad", text: "Disconnected" };
  if (status?.state === "failed") return { kind: "bad", text: "The model failed" };
  if (status?.state === "restarting") return { kind: "busy", text: "The model restarts" };
  if (isStalled) return { kind: "bad", text: "Stalled" };
  if (isFrozen) return { kind: "quiet", text: "Frozen" };
  if (!hasSource) return { kind: "quiet", text: "Connected" };
  return hasResult ? { kind: "live", text: "Live" } : { kind: "busy", text: "Waiting for the first frame" };
}

/** What the engine is doing besides serving, or "": another model may load while one serves. */
export function statusText(status) {
  if (status === null || status.state === "ready" || status.state === "failed") return "";
  return `${status.message}${percent(status.progress)}`;
}

/** The model as people should read it: what it is, and what its weights may be used for. */
export function modelText(model) {
  const licence = model.non_commercial ? `${model.licence}, not for commercial use` : model.licence;
  return `${model.title} · ${licence}`;
}
