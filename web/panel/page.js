// The page around the scene: buttons, keys, panel, help, file pickers. The DOM's side of commands.js.
import { Appearance } from "./appearance.js";
import { layOutControls } from "./controls.js";
import { actionOf, GESTURES, KEYS } from "./keys.js";
import { offerXr } from "../view/xr.js";

const NO_CAMERA = "";
const OVER_THE_HELP = ["help", "close"]; // what keys do while it lies over everything

export class PagePanel {
  #document;
  #options;
  commands;
  #appearance;

  /**
   * options: {stage, screen, sources (undefined where another's camera is watched), choices, notices, onFiles(files),
   * makeCommands(page), onChanged()}; page is this object.
   */
  constructor(document, options) {
    this.#document = document;
    this.#options = options;
    this.commands = options.makeCommands(this);
    layOutControls(this.#element("panel"), options.choices);
    this.#listenToButtonsAndKeys();
    this.#button("fullscreen").hidden = !document.fullscreenEnabled; // some phones have none
    this.#offerSources();
    this.#writeHelp();
    this.#appearance = new Appearance(document, options);
    this.#offerXr();
  }

  // ---------------------------------------------------------------- what the app tells

  showState({ kind, text }, engineText) {
    this.#element("chip").dataset.kind = kind;
    write(this.#element("status"), text);
    write(this.#element("engine"), engineText);
  }

  hasNumbers() {
    this.#appearance.hasNumbers();
  }

  sourceChanged() {
    const { sources, screen } = this.#options;
    this.#element("start").hidden = sources.isPlaying || screen.isShowingFile || screen.isReplaying;
    this.#element("camera").hidden = !sources.isPlaying;
    this.listCameras();
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

  /** The screen froze, thawed, or shows something else. */
  changed() {
    const { screen, sources } = this.#options;
    this.#button("freeze").setAttribute("aria-pressed", String(screen.frozen));
    write(this.#element("file-name"), screen.fileName ?? "");
    this.#element("file-bar").hidden = !screen.isShowingFile;
    if (sources !== undefined) this.sourceChanged();
    this.#options.onChanged();
  }

  // ---------------------------------------------------------------- what commands.js asks for

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

  async toggleFullscreen() {
    if (!this.#document.fullscreenEnabled) return;
    if (this.#document.fullscreenElement !== null) await this.#document.exitFullscreen();
    else await this.#document.documentElement.requestFullscreen();
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
      if (action !== undefined) this.commands[action]();
    });
    this.#document.addEventListener("keydown", (event) => {
      const action = actionOf(event);
      if (action === undefined || (this.#element("help").open && !OVER_THE_HELP.includes(action))) return;
      event.preventDefault();
      this.commands[action]();
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

  /** What has the focus must not go away with the panel: the next key would reach nothing. */
  #openPanel(isOpen) {
    const panel = this.#element("panel");
    if (!isOpen && panel.contains(this.#document.activeElement)) this.#button("panel").focus();
    panel.hidden = !isOpen;
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

  // ---------------------------------------------------------------- headsets

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
