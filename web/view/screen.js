// Which view draws what, and when it was seen. One view per format and one for files; the others are cleared without a
// blank frame. While the picture is frozen, or a file or a recording is on the screen, the newest result waits.
import { beginsWorld, boundsInWorld } from "./pose.js";

const NEVER_DRAWN_AFTER_MS = 10_000;
const MAX_PENDING = 64; // a hidden tab draws nothing for hours

export class Screen {
  #stage;
  #views; // {format: {view, renderer: "spark" | "three"}}, `file`, and `nodes` for what programs recorded
  #on;
  #current = null; // the view in charge
  #pending = []; // {seen(), view, isDrawn}: in the scene and not yet seen, oldest first
  #asked = null; // the view that was asked last: what another one still unpacks is of the past
  #picture = ""; // what the point of view was chosen for
  #entered = null; // the newest result in the scene, live or recorded
  #live = null; // the newest live one that was in the scene
  #held = null; // the newest result that had to wait
  #isFrozen = false;
  #isReplaying = false;
  #file; // {name, bounds} of the one that was shown last
  #filesAsked = 0; // the newest file wins, also where it was read faster
  #isWaiting = false; // for the first picture, since its result came
  #waitsSince = null; // ms, of a page that could be seen all the time
  #hasDrawn = false;

  /**
   * on: {shown({frame_id, captured_at_ms}): it is on the screen; captured_at_ms: undefined where it had to wait for the
   * person; neverDrawn(): see lookAtClock}.
   */
  constructor(stage, views, on) {
    this.#stage = stage;
    this.#views = views;
    this.#on = on;
    stage.onRender(() => this.#afterRender());
  }

  // ---------------------------------------------------------------- live results

  show(result) {
    if (this.#isFrozen || this.#isLiveHidden) this.#held = result;
    else this.#putLive(result);
  }

  get frozen() {
    return this.#isFrozen;
  }

  /** Frozen, the picture stays as it is; afterwards the newest result takes its place. */
  set frozen(isFrozen) {
    this.#isFrozen = isFrozen;
    if (!isFrozen && !this.#isLiveHidden) this.#putHeld();
  }

  /**
   * The result whose picture is on the screen, null where there is none. Its bytes are views into its message, or a
   * copy of what the view made of them.
   */
  get shownResult() {
    if (this.isShowingFile || this.#entered === null || this.#entered.type === "nodes") return null;
    const { view } = this.#views[this.#entered.type];
    return view.unpacked?.(this.#entered) ?? this.#entered;
  }

  /** The box of what is on the screen, OpenCV axes; undefined where nothing is. */
  get shownBounds() {
    if (this.isShowingFile) return this.#file.bounds;
    return this.#current?.bounds ?? boundsInWorld(this.#entered?.bounds, this.shownPose);
  }

  /** Where the camera of the live picture on the screen was: see pose.js. */
  get shownPose() {
    return this.isShowingFile ? undefined : this.#entered?.pose;
  }

  // ---------------------------------------------------------------- recordings

  get isReplaying() {
    return this.#isReplaying;
  }

  /** A step of a recording instead of the live picture, as a result. seen(): it is on the screen. */
  replay(result, seen) {
    if (this.isShowingFile) this.#leaveFile();
    this.#isReplaying = true;
    this.#put(result, seen);
  }

  // ---------------------------------------------------------------- files

  get isShowingFile() {
    return this.#current !== null && this.#current === this.#views.file?.view;
  }

  /** Of the file that is on the screen, else null. */
  get fileName() {
    return this.isShowingFile ? this.#file.name : null;
  }

  /**
   * Shows a file of splats instead of the live picture. Resolves when it is in the scene, or when another file was
   * asked for meanwhile. Rejects with an Error whose message is a sentence where the file cannot be read; the picture
   * stays as it was.
   */
  async showFile(file) {
    const { view } = this.#views.file;
    const asked = ++this.#filesAsked;
    const scene = await view.read(file);
    if (asked !== this.#filesAsked) return scene.dispose();
    this.#isReplaying = false;
    view.show(scene, (isDrawn) => this.#takeCharge("file", () => {}, isDrawn));
    this.#stage.orbit = "turn"; // a trained scene has a back side
    this.#file = { name: file.name, bounds: scene.bounds };
    this.#stage.standBefore(scene.bounds);
  }

  /** The live picture again: the newest result, or the one that was frozen. */
  backToLive() {
    this.#filesAsked += 1; // what is being read is not wanted any more
    if (!this.#isLiveHidden) return;
    if (this.isShowingFile) this.#leaveFile();
    this.#isReplaying = false;
    if (!this.#isFrozen && this.#held !== null) this.#putHeld();
    else if (this.#live !== null) this.#putLate(this.#live);
    else this.#empty();
  }

  get #isLiveHidden() {
    return this.isShowingFile || this.#isReplaying;
  }

  #leaveFile() {
    this.#current = null;
    this.#picture = ""; // the camera's own point of view again
    this.#stage.orbit = "swing";
  }

  #empty() {
    this.#ask(null);
    this.#current = this.#entered = null;
    this.#picture = "";
    this.#clear(() => true);
  }

  // ---------------------------------------------------------------- what was drawn

  /** To be called every now and then. neverDrawn() where results came, and ten seconds in view drew none of them. */
  lookAtClock(nowMs, isVisible) {
    if (!this.#isWaiting || !isVisible) this.#waitsSince = null;
    else this.#waitsSince ??= nowMs;
    if (this.#waitsSince === null || nowMs - this.#waitsSince < NEVER_DRAWN_AFTER_MS) return;
    this.#isWaiting = false; // until the next result
    this.#on.neverDrawn();
  }

  #putHeld() {
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.#putLate(held);
  }

  /** How long it waited for the person says nothing of the stream. */
  #putLate(result) {
    this.#putLive(result, { frame_id: result.frame_id });
  }

  #putLive(result, frame = { frame_id: result.frame_id, captured_at_ms: result.captured_at_ms }) {
    this.#put(result, () => this.#on.shown(frame), () => (this.#live = result));
  }

  #put(result, seen, entered = () => {}) {
    this.#isWaiting = !this.#hasDrawn;
    const { view } = this.#views[result.type];
    this.#ask(view);
    view.show(result, (isDrawn) => {
      if (beginsWorld(this.#entered?.pose, result.pose)) this.#picture = ""; // where the viewer stands is nowhere in it
      this.#entered = result;
      entered();
      this.#takeCharge(result.type, seen, isDrawn);
      this.#stand(result, view);
    });
  }

  /** Views unpack beside the page, each in its own time: an older picture must not come after a newer one. */
  #ask(view) {
    if (view !== this.#asked) this.#asked?.forget?.();
    this.#asked = view;
  }

  #takeCharge(kind, seen, isDrawn) {
    const { view, renderer } = this.#views[kind];
    if (this.#pending.length === MAX_PENDING) this.#pending.pop(); // never the oldest: those are drawn next
    this.#pending.push({ seen, view, isDrawn });
    // Spark keeps the old splats until it has sorted the new: there both change at once. Points stay until covered.
    if (view !== this.#current) this.#clear((other) => other.view !== view && other.renderer === renderer);
    this.#current = view;
  }

  #clear(isToGo) {
    for (const entry of Object.values(this.#views)) if (isToGo(entry)) entry.view.clear();
  }

  /** Once for each kind of picture: another model, another world, or a picture of another size, is looked at afresh. */
  #stand(result, view) {
    const picture = `${result.model} ${result.grid}`;
    if (picture === this.#picture) return;
    const isOfCamera = result.intrinsics !== undefined;
    const bounds = isOfCamera ? result.bounds : view.bounds;
    if (bounds === undefined) return;
    this.#picture = picture;
    if (isOfCamera) this.#stage.standAtCamera(result, view.pivotDepth());
    else this.#stage.standBefore(bounds);
  }

  #afterRender() {
    const newest = this.#pending.findLastIndex(({ isDrawn }) => isDrawn());
    if (newest < 0) return;
    const { seen, view } = this.#pending.splice(0, newest + 1).pop();
    this.#hasDrawn = true;
    this.#isWaiting = false;
    if (view === this.#current) this.#clear((other) => other.view !== view);
    seen();
  }
}
