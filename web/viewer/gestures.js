// Mouse, pen, fingers and wheel → turn, move, zoom. Gets the element and hears its events; knows no camera.

const PX_PER_LINE = 16;
const PX_PER_PAGE = 400;
const [LINES, PAGES] = [1, 2]; // WheelEvent.deltaMode
const PRIMARY = 0;

/**
 * on: {turn(dx, dy), move(dx, dy), zoom(dy): in pixels; pinch(factor): of the radius; hold(isHeld)}. One finger or the
 * main button turns; with Shift, or another button, it moves; two fingers move and pinch.
 */
export function listenForGestures(element, on) {
  const pointers = new Map(); // pointerId → [x, y]
  let moves = false;

  const release = (event) => {
    if (pointers.delete(event.pointerId) && pointers.size === 0) on.hold(false);
  };
  const drag = (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = spreadOf(pointers);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    const after = spreadOf(pointers);
    const [dx, dy] = [after.x - before.x, after.y - before.y];
    if (pointers.size > 1 && before.size > 0 && after.size > 0) on.pinch(before.size / after.size);
    if (pointers.size > 1 || moves || event.shiftKey) on.move(dx, dy);
    else on.turn(dx, dy);
  };

  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    moves = event.button !== PRIMARY;
    on.hold(true);
  });
  element.addEventListener("pointermove", drag);
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) element.addEventListener(end, release);
  element.addEventListener("contextmenu", (event) => event.preventDefault()); // the right button moves
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      on.zoom(wheelPixels(event));
    },
    { passive: false },
  );
}

/** Firefox counts lines where a mouse has a wheel. */
function wheelPixels({ deltaY, deltaMode }) {
  if (deltaMode === LINES) return deltaY * PX_PER_LINE;
  return deltaMode === PAGES ? deltaY * PX_PER_PAGE : deltaY;
}

/** The middle of the pointers, and how far the first two are apart. */
function spreadOf(pointers) {
  const [first, second = first] = pointers.values();
  const [x, y] = [(first[0] + second[0]) / 2, (first[1] + second[1]) / 2];
  return { x, y, size: Math.hypot(first[0] - second[0], first[1] - second[1]) };
}
