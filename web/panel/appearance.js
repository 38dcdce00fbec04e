// How the page and the scene look, as the choices say. Keeps the address up to date with them.

const BACKGROUNDS = { dark: "#101216", light: "#e9ecf1", black: "#000000", grey: "#7f7f7f", white: "#ffffff" };

/** The page's colours and the scene's ground, as the choices say. */
export function paint(document, stage, choices, { matches: prefersLight }) {
  const [theme, background] = [choices.get("theme"), choices.get("background")];
  const inForce = theme === "auto" ? (prefersLight ? "light" : "dark") : theme;
  document.documentElement.dataset.theme = inForce;
  stage.background = BACKGROUNDS[background === "theme" ? inForce : background];
}

export class Appearance {
  #document;
  #stage;
  #choices;
  #prefersLight = matchMedia("(prefers-color-scheme: light)");
  #hasNumbers = false;

  /** stage: its look is set here; choices: followed from now on. */
  constructor(document, { stage, choices }) {
    this.#document = document;
    this.#stage = stage;
    this.#choices = choices;
    this.#prefersLight.addEventListener("change", () => this.#paint());
    for (const follow of Object.values(this.#effects)) follow();
    choices.onChange(({ name }) => {
      this.#effects[name]?.();
      this.#writeAddress();
    });
  }

  /** There is something to read in the numbers now. */
  hasNumbers() {
    this.#hasNumbers = true;
    this.#showHud();
  }

  #effects = {
    motion: () => this.#move(),
    scale: () => (this.#stage.splatScale = this.#choices.get("scale")),
    blur: () => (this.#stage.depthOfField = { aperture: this.#choices.get("blur"), focus: null }),
    axes: () => (this.#stage.axes = this.#choices.get("axes")),
    theme: () => this.#paint(),
    background: () => this.#paint(),
    hud: () => this.#showHud(),
    mirror: () => this.#element("camera").classList.toggle("mirrored", this.#choices.get("mirror")),
    output: () => this.#press("points", this.#choices.get("output") === "points"),
  };

  #move() {
    const motion = this.#choices.get("motion");
    this.#stage.motion = motion;
    this.#press("motion", motion !== "still");
  }

  #paint() {
    paint(this.#document, this.#stage, this.#choices, this.#prefersLight);
  }

  #showHud() {
    this.#element("hud").hidden = !(this.#hasNumbers && this.#choices.get("hud"));
  }

  #press(action, isPressed) {
    const button = this.#element("toolbar").querySelector(`[data-action="${action}"]`);
    button.setAttribute("aria-pressed", String(isPressed));
  }

  #writeAddress() {
    history.replaceState(null, "", `${location.pathname}${this.#choices.writtenInto(location.search)}${location.hash}`);
  }

  #element(id) {
    return this.#document.getElementById(id);
  }
}
