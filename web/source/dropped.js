// What a person drops or chooses: which files it holds, folders included, and what they are. Reads no file.
import { unknownFilesSentence } from "../errors.js";

export const MOST_FILES = 5000; // of one drop

const EXTENSIONS = {
  recording: ["scam"],
  splats: ["ply", "spz", "splat", "ksplat", "sog"],
  video: ["mp4", "m4v", "mov", "webm", "mkv", "avi", "ogv", "mpg", "mpeg"],
  picture: ["jpg", "jpeg", "jfif", "png", "webp", "avif", "gif", "bmp", "heic", "heif"],
};
const MIME_TYPES = { video: "video/", picture: "image/" };

const isHidden = ({ name }) => name.startsWith(".");

/**
 * "recording", "splats", "video", "picture", or undefined. The extension counts first: browsers know no type for most
 * splats.
 */
export function kindOf({ name, type }) {
  const extension = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  const byExtension = Object.keys(EXTENSIONS).find((kind) => EXTENSIONS[kind].includes(extension));
  return byExtension ?? Object.keys(MIME_TYPES).find((kind) => type.startsWith(MIME_TYPES[kind]));
}

/**
 * → {kind: "recording", file}, {kind: "splats", file}, {kind: "video", file}, {kind: "pictures", files} or
 * {kind: "unknown", sentence}. Of a mixture the first of them wins, in this order.
 */
export function sortOut(files) {
  const seen = files.filter((file) => !isHidden(file));
  const ofKind = (kind) => seen.filter((file) => kindOf(file) === kind);
  for (const kind of ["recording", "splats", "video"]) {
    const [file] = ofKind(kind);
    if (file !== undefined) return { kind, file };
  }
  const pictures = ofKind("picture");
  if (pictures.length > 0) return { kind: "pictures", files: pictures };
  return { kind: "unknown", sentence: unknownFilesSentence(seen.map(({ name }) => name)) };
}

/**
 * The files of a drop and those in its folders. The data of a drop are gone after the event: they are taken before this
 * function first waits.
 */
export function filesOf(dataTransfer) {
  const items = [...dataTransfer.items].filter(({ kind }) => kind === "file");
  return filesIn(items.map(takeFrom).filter((found) => found !== null));
}

/** A folder's entry, or a file. */
function takeFrom(item) {
  const entry = item.webkitGetAsEntry?.() ?? null;
  return entry?.isDirectory ? entry : item.getAsFile();
}

/** found: files and entries. Hidden folders are left out: they may hold more files than all the others. */
async function filesIn(found) {
  const files = [];
  const waiting = [...found];
  while (waiting.length > 0 && files.length < MOST_FILES) {
    const next = waiting.shift();
    if (next.isDirectory) waiting.unshift(...(await entriesOf(next)).filter((entry) => !isHidden(entry)));
    else files.push(...(next.isFile ? await fileOf(next) : [next]));
  }
  return files;
}

/** What lies in a folder; what cannot be read counts as empty. A reader gives at most 100 entries at a time. */
async function entriesOf(folder) {
  const reader = folder.createReader();
  const entries = [];
  const readSome = () => new Promise((done) => reader.readEntries(done, () => done([])));
  while (entries.length < MOST_FILES) {
    const some = await readSome();
    if (some.length === 0) break;
    entries.push(...some);
  }
  return entries;
}

/** The file of an entry, with its path as a file of a chosen folder has it; none where it cannot be read. */
function fileOf(entry) {
  return new Promise((done) => entry.file((file) => done([withPath(file, entry.fullPath)]), () => done([])));
}

function withPath(file, fullPath) {
  return Object.defineProperty(file, "webkitRelativePath", { value: fullPath.replace(/^\//, "") });
}
