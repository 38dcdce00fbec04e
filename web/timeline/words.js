// Numbers of a recording in words for people. Pure.

/** 75.2 → "1:15" */
export function clockText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const padded = (value) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${padded(minutes)}:${padded(whole % 60)}` : `${minutes}:${padded(whole % 60)}`;
}

/** 3400000 → "3.4 MB" */
export function sizeText(bytes) {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1000)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** "120 / 600 · 4.1 s", steps counted from 1. seconds: null while nobody knows. */
export function stepText({ step, numSteps, seconds, state }) {
  if (numSteps === 0) return "no step yet";
  const at = seconds === null ? "" : ` · ${seconds.toFixed(1)} s`;
  return `${step + 1} / ${numSteps}${at}${state === "waiting" ? " …" : ""}`;
}

/** What can be said of a running or ended recording: "0:12 · 3.4 MB", and what was lost. */
export function recordingText({ seconds, size_bytes: bytes, lost }) {
  const missing = lost > 0 ? ` · ${lost} lost` : "";
  return `${clockText(seconds)} · ${sizeText(bytes)}${missing}`;
}

/** message: a `recording` message that says why the recording has ended. → a sentence for who filmed it. */
export function endText({ message }) {
  return `The recording has ended: ${message}${message.endsWith(".") ? "" : "."}`;
}

/** Why a recording that runs cannot be stopped, as a sentence; "" where it can. */
export function whyNoStop(welcome) {
  if (welcome?.recording !== "always") return "";
  return "This server records every camera: the recording ends with the camera.";
}

/** Why no recording can be started, as a sentence; "" where it can. welcome: null while there is no connection. */
export function whyNoRecording({ welcome, isWatching, hasSource }) {
  if (isWatching) return "Only the page whose camera it is can record.";
  if (welcome === null) return "There is no connection to the server.";
  if (welcome.recording === "off") return "This server records nothing: it was started with --record off.";
  return hasSource ? "" : "Start a camera first, or open a video or photos.";
}
