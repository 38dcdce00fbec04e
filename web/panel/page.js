// The page around the scene: buttons, keys, panel, help, file pickers, the choices that concern looks. The DOM's side
// of commands.js.
import { layOutControls } from "./controls.js";
import { actionOf, GESTURES, KEYS } from "./keys.js";
import { offerXr } from "../view/xr.js";

const BACKGROUNDS = { dark: "#101216", light: "#e9ecf1", black: "#000000", grey: "#7f7f7f", white: "#ffffff" };
const NO_CAMERA = "";

export class PagePanel {
  #document;
  #options;
  #commands;
  #hasNumbers = false;

  /**
   * options: {stage, screen, sources (undefined where another's camera is watched), choices, notices, onFiles(files),
   * makeCommands(page), onChanged()}; page is this object.
   */
  constructor(document, options) {
    this.#document = document;
    this.#options = options;
    this.#commands = options.makeCommands(this);
    layOutControls(this.#element("panel"), options.choices);
    this.#listenToButtonsAndKeys();
    this.#offerSources();
    this.#writeHelp();
    this.#followChoices();
    this.#offerXr();
  }

  // ---------------------------------------------------------------- what the app tells

  showState({ kind, text }, engineText) {
    this.#element("chip").dataset.kind = kind;
    write(this.#element("status"), text);
    write(this.#element("engine"), engineText);
  }

  /** There is something to read in the numbers now. */
  hasNumbers() {
    if (this.#hasNumbers) return;
    this.#hasNumbers = true;
    this.#showHud();
  }

  sourceChanged() {
    const { sources } = this.#options;
    this.#element("start").hidden = sources.isPlaying || this.#options.screen.isShowingFile;
    this.#element("camera").hidden = !sources.isPlaying;
    this.#mirrorPreview();
    this.listCameras();
  }

  /** name: of the file that is shown instead of the stream, or null. */
  showFile(name) {
    write(this.#element("file-name"), name ?? "");
    this.#element("file-bar").hidden = name === null;
    if (this.#options.sources !== undefined) this.sourceChanged();
  }

  async listCameras() {
    const { sources } = this.#options;
    const cameras = await sources.cameras();
    const list = this.#element("camera-choice");
    const off = sources.kind === "camera" ? [] : [{ id: NO_CAMERA, label: cameras.length === 0 ? "none" : "off" }];
    const wanted = [...off, ...cameras];
    list.replaceChildren(...wanted.map(({ id, label }) => new Option(label, id)));
    list.value = sources.cameraId ?? NO_CAMERA;
    list.disabled = cameras.length === 0;
  }

  // ---------------------------------------------------------------- what commands.js asks for

  changed() {
    const { screen } = this.#options;
    this.#press("freeze", screen.frozen);
    if (!screen.isShowingFile) this.showFile(null);
    this.#options.onChanged();
  }

  openFiles() {
    this.#element("files").click();
  }

  openFolder() {
    this.#element("folder").click();
  }

  togglePanel() {
    this.#openPanel(this.#element("panel").hidden);
  }

  toggleHelp() {
    const help = this.#element("help");
    if (help.open) help.close();
    else help.showModal();
  }

  close() {
    this.#openPanel(false);
    this.#element("help").close();
  }

  toggleFullscreen() {
    if (this.#document.fullscreenElement !== null) this.#document.exitFullscreen();
    else this.#document.documentElement.requestFullscreen();
  }

  /** Hands `data` (Blob or bytes) to the browser as a download. */
  save(name, data) {
    const url = URL.createObjectURL(data instanceof Blob ? data : new Blob([data]));
    Object.assign(this.#document.createElement("a"), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000); // the download reads it some time later
  }

  // ---------------------------------------------------------------- set-up

  #element(id) {
    return this.#document.getElementById(id);
  }

  #listenToButtonsAndKeys() {
    this.#document.addEventListener("click", ({ target }) => {
      const action = target.closest("[data-action]")?.dataset.action;
      if (action !== undefined) this.#commands[action]();
    });
    this.#document.addEventListener("keydown", (event) => {
      const action = actionOf(event);
      if (action === undefined) return;
      event.preventDefault();
      this.#commands[action]();
    });
  }

  #offerSources() {
    const { sources, onFiles } = this.#options;
    for (const id of ["files", "folder"]) {
      this.#element(id).addEventListener("change", ({ target }) => {
        const files = [...target.files];
        target.value = ""; // or the same file could not be chosen again
        if (files.length > 0) onFiles(files);
      });
    }
    if (sources === undefined) {
      this.#element("panel").querySelector('[data-group="Source"]').hidden = true;
      return;
    }
    this.#element("start-camera").addEventListener("click", () => sources.startCamera());
    this.#element("camera-choice").addEventListener("change", ({ target }) => sources.startCamera(target.value));
    this.sourceChanged();
  }

  #openPanel(isOpen) {
    this.#element("panel").hidden = !isOpen;
    this.#button("panel").setAttribute("aria-expanded", String(isOpen));
  }

  #writeHelp() {
    const rows = [...KEYS.map(({ label, does }) => [label, does]), ...GESTURES];
    for (const [what, does] of rows) {
      const row = this.#element("help-keys").insertRow();
      const head = row.appendChild(this.#document.createElement("th"));
      head.scope = "row";
      head.textContent = what;
      row.insertCell().textContent = does;
    }
  }

  #button(action) {
    return this.#element("toolbar").querySelector(`[data-action="${action}"]`);
  }

  #press(action, isPressed) {
    this.#button(action).setAttribute("aria-pressed", String(isPressed));
  }

  // ---------------------------------------------------------------- choices

  #followChoices() {
    const { choices } = this.#options;
    const prefersLight = matchMedia("(prefers-color-scheme: light)");
    prefersLight.addEventListener("change", () => this.#paint(prefersLight.matches));
    const follow = ({ name }, value) => this.#apply(name, value, prefersLight.matches);
    for (const name of ["motion", "scale", "blur", "axes", "theme", "hud", "mirror", "output"]) {
      follow({ name }, choices.get(name));
    }
    choices.onChange((choice, value) => {
      follow(choice, value);
      history.replaceState(null, "", `${location.pathname}${choices.writtenInto(location.search)}${location.hash}`);
    });
  }

  #apply(name, value, isLight) {
    const { stage } = this.#options;
    const effects = {
      motion: () => this.#move(value),
      scale: () => (stage.splatScale = value),
      blur: () => (stage.depthOfField = { aperture: value, focus: null }),
      axes: () => (stage.axes = value),
      theme: () => this.#paint(isLight),
      background: () => this.#paint(isLight),
      hud: () => this.#showHud(),
      mirror: () => this.#mirrorPreview(),
      output: () => this.#press("points", value === "points"),
    };
    effects[name]?.();
  }

  #move(motion) {
    this.#options.stage.motion = motion;
    this.#press("motion", motion !== "still");
  }

  #paint(isLight) {
    const { choices, stage } = this.#options;
    const theme = choices.get("theme") === "auto" ? (isLight ? "light" : "dark") : choices.get("theme");
    this.#document.documentElement.dataset.theme = theme;
    const background = choices.get("background");
    stage.background = BACKGROUNDS[background === "theme" ? theme : background];
  }

  #showHud() {
    this.#element("hud").hidden = !(this.#hasNumbers && this.#options.choices.get("hud"));
  }

  #mirrorPreview() {
    this.#element("camera").classList.toggle("mirrored", this.#options.choices.get("mirror"));
  }

  async #offerXr() {
    const { stage, notices } = this.#options;
    const offer = await offerXr(stage, navigator.xr);
    if (offer === null) return;
    const button = this.#document.createElement("button");
    Object.assign(button, { type: "button", textContent: offer.label });
    button.addEventListener("click", () => offer.enter().catch((error) => notices.mention("xr", error.message)));
    this.#element("toolbar").append(button);
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
