// The bar under a recording: play, step, scrub, speed, export, and back to live. Makes its own elements, so that every
// page with a player has the same. What the buttons do is handed in.
import { nearestSpeed, SPEEDS } from "../timeline/speeds.js";
import { stepText } from "../timeline/words.js";
import { ExportMenu } from "./export_menu.js";

const ICONS = {
  play: "M8 5l11 7-11 7z", pause: "M8 5v14M16 5v14", previous: "M17 6l-8 6 8 6zM7 6v12", next: "M7 6l8 6-8 6zM17 6v12",
  loop: "M5 12a6 6 0 0 1 6-6h6M14 3l3 3-3 3M19 12a6 6 0 0 1-6 6H7M10 15l-3 3 3 3", close: "M6 6l12 12M18 6L6 18",
};
const SVG = "http://www.w3.org/2000/svg";

export class TimelineBar {
  #document;
  #root;
  #options;
  #parts;

  /**
   * root: an empty element; options: {deck, commands: of timeline/commands.js, notices, hasLive: whether there is a
   * live picture to go back to}.
   */
  constructor(root, options) {
    this.#document = root.ownerDocument;
    this.#root = root;
    this.#options = options;
    this.#parts = this.#build();
    this.update();
  }

  /** The deck has changed. */
  update() {
    const { deck, hasLive } = this.#options;
    const { tape, player } = deck;
    this.#root.hidden = tape === null;
    if (tape === null) return;
    const { slider, label, play, speed, loop, live, close, menu } = this.#parts;
    const isLive = player === null;
    Object.assign(slider, { max: Math.max(tape.numSteps - 1, 0), disabled: tape.numSteps === 0 });
    if (slider.value !== String(tape.step)) slider.value = tape.step;
    const text = isLive ? `live · ${tape.numSteps} steps recorded` : stepText(player);
    write(label, text);
    slider.setAttribute("aria-valuetext", text);
    this.#setIcon(play, player?.isPlaying ? "pause" : "play", player?.isPlaying ? "Pause (K)" : "Play (K)");
    speed.value = String(nearestSpeed(player?.speed ?? 1));
    speed.disabled = loop.disabled = isLive;
    loop.setAttribute("aria-pressed", String(player?.loop ?? false));
    live.hidden = close.hidden = !hasLive;
    live.disabled = isLive;
    menu.offer(tape.id);
  }

  #build() {
    const { commands, deck, notices } = this.#options;
    const slider = this.#make("input", { type: "range", min: 0, step: 1, className: "seek" });
    slider.setAttribute("aria-label", "Step of the recording");
    slider.addEventListener("input", () => deck.seek(Number(slider.value)));
    const label = this.#make("output", { className: "step" });
    const play = this.#button("play", "Play (K)", commands.playPause);
    const previous = this.#button("previous", "Previous step (,)", commands.previousStep);
    const next = this.#button("next", "Next step (.)", commands.nextStep);
    const loop = this.#button("loop", "Play in a loop (L)", commands.loop);
    const speed = this.#speeds();
    const live = this.#make("button", { type: "button", className: "live", textContent: "Go live" });
    live.title = "Back to the live picture (G)";
    live.addEventListener("click", commands.goLive);
    const menu = new ExportMenu(this.#document, (sentence) => notices.mention("export", sentence));
    const close = this.#button("close", "Close the recording", commands.closeTape);
    close.className = "close";
    const row = this.#make("div", { className: "keys" });
    row.append(previous, play, next, label, speed, loop, menu.root, live, close);
    this.#root.append(slider, row);
    return { slider, label, play, speed, loop, live, close, menu };
  }

  #speeds() {
    const { deck } = this.#options;
    const speed = this.#make("select", { title: "Speed (slower: [ , faster: ])" });
    speed.setAttribute("aria-label", "Speed");
    speed.append(...SPEEDS.map((value) => this.#make("option", { value, textContent: `${value} ×` })));
    speed.addEventListener("change", () => deck.isOpen && (deck.player.speed = Number(speed.value)));
    return speed;
  }

  #button(icon, title, onClick) {
    const button = this.#make("button", { type: "button" });
    this.#setIcon(button, icon, title);
    button.addEventListener("click", onClick);
    return button;
  }

  #setIcon(button, icon, title) {
    if (button.dataset.icon === icon) return;
    button.dataset.icon = icon;
    button.title = title;
    button.setAttribute("aria-label", title);
    const svg = this.#document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.append(this.#document.createElementNS(SVG, "path"));
    svg.firstChild.setAttribute("d", ICONS[icon]);
    button.replaceChildren(svg);
  }

  #make(tag, properties) {
    return Object.assign(this.#document.createElement(tag), properties);
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
