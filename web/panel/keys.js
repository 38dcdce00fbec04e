// The keyboard: one list for what the keys do and for the help that says so.

/**
 * `action`: a name that the page knows. Keys as KeyboardEvent.key says them, letters in lower case. repeats: while the
 * key is held down.
 */
export const KEYS = [
  {
    keys: [" "], label: "Space", action: "freeze",
    does: "Freeze the picture and walk around it; again: back to live. In a recording: play, pause",
  },
  { keys: ["c"], label: "C", action: "record", does: "Record what the camera sees; again: stop" },
  { keys: ["k"], label: "K", action: "playPause", does: "Recording: play, pause" },
  { keys: [","], label: ",", action: "previousStep", repeats: true, does: "Recording: one step back" },
  { keys: ["."], label: ".", action: "nextStep", repeats: true, does: "Recording: one step on" },
  { keys: ["["], label: "[", action: "slower", does: "Recording: slower" },
  { keys: ["]"], label: "]", action: "faster", does: "Recording: faster" },
  { keys: ["l"], label: "L", action: "loop", does: "Recording: play in a loop" },
  { keys: ["g"], label: "G", action: "goLive", does: "Recording: back to the live picture" },
  { keys: ["r"], label: "R", action: "reset", does: "Stand where the camera stands" },
  { keys: ["f"], label: "F", action: "frame", does: "Fit the whole scene into the view" },
  { keys: ["o"], label: "O", action: "motion", does: "Orbit, gentle parallax, still" },
  { keys: ["p"], label: "P", action: "points", does: "Points or splats" },
  { keys: ["-"], label: "−", action: "smaller", repeats: true, does: "Smaller splats" },
  { keys: ["+", "="], label: "+", action: "larger", repeats: true, does: "Larger splats" },
  { keys: ["x"], label: "X", action: "axes", does: "Axes" },
  { keys: ["m"], label: "M", action: "mirror", does: "Mirror the camera" },
  { keys: ["i"], label: "I", action: "hud", does: "Numbers of the stream" },
  { keys: ["q"], label: "Q", action: "panel", does: "Settings" },
  { keys: ["s"], label: "S", action: "screenshot", does: "Save a screenshot" },
  { keys: ["d"], label: "D", action: "savePly", does: "Save the frame as .ply" },
  { keys: ["v"], label: "V", action: "fullscreen", does: "Fill the screen" },
  { keys: ["?", "h"], label: "H or ?", action: "help", does: "This list" },
  { keys: ["escape"], label: "Esc", action: "close", does: "Close this list or the settings" },
];

/** What moves the view; OrbitControls listens for it by itself. */
export const GESTURES = [
  ["Drag, one finger", "Turn about the scene"],
  ["Right drag, two fingers", "Move sideways"],
  ["Wheel, pinch", "Come closer or go away"],
  ["Arrow keys", "Move; with Shift: turn (when the scene has the focus)"],
  [
    "Drop a file",
    "A video or photos become the camera; a .ply, .spz, .splat, .ksplat or .sog file is shown, a .scam played",
  ],
];

const TYPES_TEXT = ["text", "number", "search", "url", "email", "password"];

/**
 * The action of a key press, or undefined: a shortcut of the browser, a key that the focused control needs, or one that
 * is held down and would freeze and thaw, or save a hundred files.
 */
export function actionOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return undefined;
  const key = event.key.toLowerCase();
  const { action, repeats = false } = KEYS.find(({ keys }) => keys.includes(key)) ?? {};
  if (event.repeat && !repeats) return undefined;
  return action !== "close" && isNeededBy(event.target, key) ? undefined : action;
}

/** A button is pressed with the space bar, a list is searched by letters, a slider and text take what they get. */
function isNeededBy(target, key) {
  const tag = target?.tagName;
  if (tag === "SELECT" || tag === "TEXTAREA") return true;
  if (tag === "INPUT") return TYPES_TEXT.includes(target.type) || key === " ";
  return tag === "BUTTON" && key === " ";
}
