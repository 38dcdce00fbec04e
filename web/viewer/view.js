// What is wanted on the screen: place, mode, resolution. Turns touches and commands into wishes of the picture loop.
// Knows no DOM; the loop comes from outside.
import { flipped, homeOf, moved, scaled, turned, zoomed } from "./orbit.js";
import { maxScaleOf, plan, queryOf, steppedScale } from "./planner.js";

const RGB = "rgb";
const ARROW_PX = 20;
const KEY_ZOOM = 0.9;
const NONE = "none"; // the revision of no scene

/** Whether the server has nothing to show yet, or no more. */
export const isEmpty = (info) => info.revision === NONE;

export class View {
  mode = RGB;
  info = {};
  place = homeOf({});

  #client;
  #screenOf;
  #loop = null;
  #maxScale = null;
  #isAtHome = false; // the server has said where that is

  /** client: this page's name; screenOf() → {width, height, pixelRatio}. */
  constructor(client, screenOf) {
    this.#client = client;
    this.#screenOf = screenOf;
  }

  /** loop: {touch(), change(), hold(isHeld)}, the PictureLoop or PictureStream that this view feeds. */
  attach(loop) {
    this.#loop = loop;
  }

  /** Of the address of a picture. divisor: null where the view rests. */
  urlOf(divisor) {
    const size = plan(this.#screenOf(), this.#maxScale ?? 1, divisor, this.info.max_pixels);
    return `./render?${queryOf(this.place, this.info.fov, size, this.mode, this.#client)}`;
  }

  /**
   * The first facts about a scene say where the view begins; later ones leave it where it is. Before there is one the
   * server can only guess.
   */
  learn(info) {
    this.info = info;
    this.#maxScale ??= maxScaleOf(info);
    if (this.#isAtHome) return;
    this.#isAtHome = !isEmpty(info);
    this.place = homeOf(info);
  }

  get modes() {
    return this.info.display_modes ?? [RGB];
  }

  /** For listenForGestures. */
  get gestures() {
    return {
      turn: (dx, dy) => this.#go(turned(this.place, dx, dy)),
      move: (dx, dy) => this.#go(moved(this.place, dx, dy)),
      zoom: (dy) => this.#go(zoomed(this.place, dy)),
      pinch: (factor) => this.#go(scaled(this.place, factor)),
      hold: (isHeld) => this.#loop.hold(isHeld),
    };
  }

  /** What keys and buttons do, by name. */
  get commands() {
    return {
      reset: () => this.#go(homeOf(this.info)),
      flip: () => this.#go(flipped(this.place)),
      closer: () => this.#go(scaled(this.place, KEY_ZOOM)),
      farther: () => this.#go(scaled(this.place, 1 / KEY_ZOOM)),
      depth: () => this.showMode(this.mode === "depth" ? RGB : "depth"),
      mesh: () => this.showMode(this.mode === "mesh" ? RGB : "mesh"),
      coarser: () => this.#setScale(steppedScale(this.#maxScale ?? 1, -1)),
      finer: () => this.#setScale(steppedScale(this.#maxScale ?? 1, 1)),
    };
  }

  /** A mode that the server does not have is passed over. */
  showMode(mode) {
    if (!this.modes.includes(mode) || mode === this.mode) return;
    this.mode = mode;
    this.#loop.change();
  }

  arrow([dx, dy], moves) {
    const change = moves ? moved : turned;
    this.#go(change(this.place, dx * ARROW_PX, dy * ARROW_PX));
  }

  #go(place) {
    this.place = place;
    this.#loop.touch();
  }

  #setScale(scale) {
    if (scale === this.#maxScale) return;
    this.#maxScale = scale;
    this.#loop.change();
  }
}
