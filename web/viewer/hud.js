// The numbers beside the picture, in words; and the little that is written into lists and buttons.
import { isEmpty } from "./view.js";

const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const isKnown = (value) => value !== undefined && value !== null;

/** Rows [label, text]. info: of the server; picture on the screen: {width, height, ms: null where none
 * comes} or null; mode: what it shows. */
export function hudRows(info, picture, mode) {
  const rows = [
    ["Speed", isKnown(picture?.ms) ? `${(1000 / Math.max(picture.ms, 1)).toFixed(1)} fps` : null],
    ["Size", picture && `${picture.width} × ${picture.height}`],
    ["Gaussians", isKnown(info.gaussians) ? count.format(info.gaussians) : null],
    ["SH degree", info.sh_degree],
    ["Step", isKnown(info.step) && info.live ? count.format(info.step) : null],
    ["Loss", info.loss?.toFixed(4)],
    ["Learning rate", info.lr_means?.toExponential(1)],
    ["Model", info.service && (info.service.model?.title ?? info.service.state)],
    ["Cameras", info.service?.cameras],
    ["Status", info.status],
    ["Shown", mode],
  ];
  return rows.filter(([, text]) => isKnown(text)).map(([label, text]) => [label, String(text)]);
}

/** Why there is no scene, in the server's words; "" where there is one. */
export const emptySentence = (info) => (isEmpty(info) ? (info.status ?? "") : "");

/** Writes the rows into `list`, a dl. */
export function writeRows(list, rows) {
  const make = (tag, text) => Object.assign(list.ownerDocument.createElement(tag), { textContent: text });
  list.replaceChildren(...rows.flatMap(([label, text]) => [make("dt", label), make("dd", text)]));
}
