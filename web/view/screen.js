// Which view draws a result, and when it was seen. One view per format; the others are cleared without a blank frame.

const NEVER_DRAWN_AFTER_MS = 10_000;
const MAX_PENDING = 64; // a hidden tab draws nothing for hours

export class Screen {
  #stage;
  #views; // {format: {view, renderer: "spark" | "three"}}
  #on;
  #current = null; // the view in charge
  #pending = []; // {frame, view, isDrawn}: in the scene and not yet seen, oldest first
  #picture = ""; // what the point of view was chosen for
  #isWaiting = false; // for the first picture, since its result came
  #waitsSince = null; // ms, of a page that could be seen all the time
  #hasDrawn = false;

  /** on: {shown({frame_id, captured_at_ms}): it is on the screen; neverDrawn(): see lookAtClock}. */
  constructor(stage, views, on) {
    this.#stage = stage;
    this.#views = views;
    this.#on = on;
    stage.onRender(() => this.#afterRender());
  }

  show(result) {
    this.#isWaiting = !this.#hasDrawn;
    const { view } = this.#views[result.type];
    view.show(result, (isDrawn) => this.#entered(result, view, isDrawn));
  }

  /** To be called every now and then. neverDrawn() where results came, and ten seconds in view drew none of them. */
  lookAtClock(nowMs, isVisible) {
    if (!this.#isWaiting || !isVisible) this.#waitsSince = null;
    else this.#waitsSince ??= nowMs;
    if (this.#waitsSince === null || nowMs - this.#waitsSince < NEVER_DRAWN_AFTER_MS) return;
    this.#isWaiting = false; // until the next result
    this.#on.neverDrawn();
  }

  #entered(result, view, isDrawn) {
    const frame = { frame_id: result.frame_id, captured_at_ms: result.captured_at_ms };
    if (this.#pending.length === MAX_PENDING) this.#pending.pop(); // never the oldest: those are drawn next
    this.#pending.push({ frame, view, isDrawn });
    // Spark keeps the old splats until it has sorted the new: there both change at once. Points stay until covered.
    const { renderer } = this.#views[result.type];
    if (view !== this.#current) this.#clear((other) => other.view !== view && other.renderer === renderer);
    this.#current = view;
    this.#standAtCamera(result, view);
  }

  #clear(isToGo) {
    for (const entry of Object.values(this.#views)) if (isToGo(entry)) entry.view.clear();
  }

  /** Once for each kind of picture: another model, or a picture of another size, is looked at afresh. */
  #standAtCamera(result, view) {
    const picture = `${result.model} ${result.grid}`;
    const isEmpty = result.bounds === undefined;
    if (picture === this.#picture || isEmpty) return;
    this.#picture = picture;
    this.#stage.standAtCamera(result, view.pivotDepth());
  }

  #afterRender() {
    const newest = this.#pending.findLastIndex(({ isDrawn }) => isDrawn());
    if (newest < 0) return;
    const { frame, view } = this.#pending.splice(0, newest + 1).pop();
    this.#hasDrawn = true;
    this.#isWaiting = false;
    if (view === this.#current) this.#clear((other) => other.view !== view);
    this.#on.shown(frame);
  }
}
