// Recording, as the page shows it: the button with its reasons, the badge, the bar, the microphone's switch, the link
// to share and the list of what the server has. The DOM's side of timeline/deck.js.
import { recordingText, sizeText, whyNoRecording, whyNoStop } from "../timeline/words.js";
import { TimelineBar } from "./timeline_bar.js";

const LIST_MOST = 50;

export class RecordingPanel {
  #document;
  #options;
  #bar;
  #listedWith = null; // what was being made

  /**
   * options: {deck, commands, connection, sources (undefined where another's camera is watched), microphone, notices,
   * listRecordings() → promise of the server's list, removeRecording(id) → promise of why it was not removed, "" where
   * it was, confirm(question) → whether it is meant, share() → promise of the sentence that says what was done}.
   */
  constructor(document, options) {
    this.#document = document;
    this.#options = options;
    const { deck, commands, sources, microphone, notices } = options;
    this.#bar = new TimelineBar(this.#element("timeline"), { deck, commands, notices, hasLive: true });
    this.#element("share").hidden = sources === undefined;
    this.#element("share").addEventListener("click", async () => notices.mention("share", await options.share()));
    const isOn = this.#element("microphone");
    isOn.closest(".row").hidden = sources === undefined;
    isOn.addEventListener("change", () => (isOn.checked ? microphone.start() : microphone.stop()));
    this.#element("list-recordings").addEventListener("toggle", ({ target }) => target.open && this.list());
    this.update();
  }

  /** Why no recording can be started now, as a sentence; "" where it can. */
  get reason() {
    const { connection, sources } = this.#options;
    const isWatching = sources === undefined;
    const welcome = connection.state === "open" ? connection.welcome : null;
    return whyNoRecording({ welcome, isWatching, hasSource: !isWatching && sources.isPlaying });
  }

  /** Starts or stops; where that cannot be, it says why. */
  toggle() {
    const { connection, notices } = this.#options;
    const reason = this.#isOurs ? whyNoStop(connection.welcome) : this.reason;
    if (reason === "") connection.record(this.#isOurs ? "stop" : "start");
    else notices.mention("recording", reason);
  }

  get #isOurs() {
    return this.#options.deck.isRecording && this.#options.sources !== undefined;
  }

  /** The deck, the connection or the microphone has changed. */
  update() {
    const { deck, microphone } = this.#options;
    this.#bar.update();
    this.#showButton();
    const badge = this.#element("recording");
    badge.hidden = !deck.isRecording;
    if (deck.isRecording) write(badge, recordingText(deck.made));
    this.#element("microphone").checked = microphone.isWanted;
    const state = deck.made && `${deck.made.id} ${deck.made.state}`;
    if (state !== this.#listedWith && this.#element("list-recordings").open) this.list();
    this.#listedWith = state;
  }

  async list() {
    const list = this.#element("recordings");
    try {
      const found = await this.#options.listRecordings();
      const rows = found.slice(0, LIST_MOST).map((recording) => this.#rowOf(recording));
      list.replaceChildren(...(rows.length > 0 ? rows : [this.#make("li", { textContent: "There is none yet." })]));
    } catch {
      list.replaceChildren(this.#make("li", { textContent: "The server's list could not be read." }));
    }
  }

  #showButton() {
    const button = this.#element("toolbar").querySelector('[data-action="record"]');
    const isOurs = this.#isOurs;
    const reason = isOurs ? "" : this.reason;
    const title = isOurs ? "Stop recording (C)" : reason === "" ? "Record (C)" : `Record: ${reason}`;
    if (button.title !== title) button.title = title;
    button.setAttribute("aria-pressed", String(isOurs));
    button.setAttribute("aria-disabled", String(reason !== "")); // it can be pressed all the same, and says why
    write(this.#element("record"), isOurs ? "Stop recording" : "Record");
  }

  #rowOf({ id, state, began_at: beganAt, steps, size_bytes: bytes, room }) {
    const row = this.#make("li", {});
    const began = new Date(beganAt);
    const when = Number.isNaN(began.getTime()) ? id : began.toLocaleString();
    const notes = { recording: "now", ended: "", cut_off: "cut off" }[state];
    const facts = [`${steps} steps`, sizeText(bytes), room, notes].filter(Boolean).join(" · ");
    const open = this.#make("button", { type: "button", textContent: when });
    open.addEventListener("click", () => this.#options.deck.openRecording(id));
    row.append(open, this.#make("span", { textContent: facts }));
    if (state !== "recording") row.append(this.#deleteButton(id, when));
    return row;
  }

  #deleteButton(id, when) {
    const button = this.#make("button", { type: "button", textContent: "Delete" });
    button.setAttribute("aria-label", `Delete the recording of ${when}`);
    button.addEventListener("click", () => this.#remove(id, when));
    return button;
  }

  async #remove(id, when) {
    const { deck, notices, confirm, removeRecording } = this.#options;
    if (!confirm(`Delete the recording of ${when} from the server? It cannot be brought back.`)) return;
    const reason = await removeRecording(id);
    if (reason !== "") notices.mention("recording", `It was not deleted: ${reason}.`);
    else if (deck.tape?.id === id) deck.close();
    await this.list();
  }

  #element(id) {
    return this.#document.getElementById(id);
  }

  #make(tag, properties) {
    return Object.assign(this.#document.createElement(tag), properties);
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
