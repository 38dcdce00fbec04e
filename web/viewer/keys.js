// The keyboard: one list for what the keys do and for the help that says so.

/** Keys as KeyboardEvent.key says them, letters in lower case. repeats: while the key is held down. */
export const KEYS = [
  { keys: ["r"], label: "R", action: "reset", does: "Where the view began" },
  { keys: ["u"], label: "U", action: "flip", does: "Turn up and down around" },
  { keys: ["d"], label: "D", action: "depth", does: "Depth; again: colours" },
  { keys: ["m"], label: "M", action: "mesh", does: "Depth with contours; again: colours" },
  { keys: ["["], label: "[", action: "coarser", does: "Coarser pictures" },
  { keys: ["]"], label: "]", action: "finer", does: "Finer pictures" },
  { keys: ["+", "="], label: "+", action: "closer", repeats: true, does: "Come closer" },
  { keys: ["-"], label: "−", action: "farther", repeats: true, does: "Go away" },
  { keys: ["h", "?"], label: "H or ?", action: "help", does: "This list" },
];

export const GESTURES = [
  ["Drag, one finger", "Turn about the scene"],
  ["Shift or right drag, two fingers", "Move sideways"],
  ["Wheel, pinch", "Come closer or go away"],
  ["Arrow keys", "Turn; with Shift: move"],
];

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** {action}, {arrow: [dx, dy], moves} or null: a shortcut of the browser, or a key that is nobody's. */
export function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.key in ARROWS) return { arrow: ARROWS[event.key], moves: event.shiftKey };
  const found = KEYS.find(({ keys }) => keys.includes(event.key.toLowerCase()));
  if (found === undefined || (event.repeat && !found.repeats)) return null;
  return { action: found.action };
}

/** Rows [what to press, what it does] of the help. */
export const helpRows = () => [...GESTURES, ...KEYS.map(({ label, does }) => [label, does])];
