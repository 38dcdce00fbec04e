// What went wrong, in words for the person in front of the page. No DOM here.

const WITHOUT_CAMERA = "You can open a video file instead.";

const CAMERA = {
  NotAllowedError:
    "The browser was not allowed to use the camera. Allow it in the address bar, then press “Start camera”.",
  NotFoundError: "No camera was found. Plug one in, then press “Start camera”.",
  NotReadableError: "The camera is busy: another program uses it. Close that one, then press “Start camera”.",
  AbortError: "The camera stopped while it was starting. Press “Start camera” to try again.",
  OverconstrainedError: "The camera offers no picture that fits. Try another camera.",
  InsecureOrigin:
    "Browsers give the camera to secure pages only. Open this page through https (the server does that with " +
    "--https self-signed), at http://localhost on the server's own machine, or through a tunnel: " +
    "ssh -L 8000:localhost:8000 the-server, then http://localhost:8000.",
  NotPlayed: "The browser did not start the camera's picture. Press “Start camera”.",
  Ended: "The camera was disconnected. Press “Start camera” to try again.",
};

/** `name`: of the DOMException that getUserMedia threw, or InsecureOrigin, NotPlayed, Ended. */
export function cameraSentence(name) {
  return `${CAMERA[name] ?? `The camera cannot be used (${name}).`} ${WITHOUT_CAMERA}`;
}

const MICROPHONE = {
  NotAllowedError:
    "The browser was not allowed to use the microphone. Allow it in the address bar, then turn it on again.",
  NotFoundError: "No microphone was found. Plug one in, then turn it on again.",
  NotReadableError: "The microphone is busy: another program uses it.",
  InsecureOrigin: "Browsers give the microphone to secure pages only, as they do with the camera.",
  Ended: "The microphone was disconnected.",
};

/** `name`: of the DOMException that getUserMedia threw, or InsecureOrigin, Ended. */
export function microphoneSentence(name) {
  return `${MICROPHONE[name] ?? `The microphone cannot be used (${name}).`} The recording goes on without sound.`;
}

export function videoFileSentence(name) {
  return `This browser cannot play “${name}”. Try an MP4 (H.264) or a WebM file.`;
}

/** names: of the pictures, of which none could be read. */
export function picturesSentence(names) {
  const which = names.length === 1 ? `cannot read “${names[0]}”` : `can read none of the ${names.length} pictures`;
  return `This browser ${which}. Try JPEG, PNG or WebP.`;
}

/** names: of what was chosen or dropped, of which the page knows nothing by its kind. */
export function unknownFilesSentence(names) {
  if (names.length === 0) return "There is no file in it.";
  const which = names.length === 1 ? `cannot open “${names[0]}”` : `can open none of the ${names.length} files`;
  return `This page ${which}. Try a video, photos, a recording (.scam), or a .ply, .spz, .splat, .ksplat or .sog file.`;
}

export const GRAPHICS = {
  noWebGL2:
    "This browser offers no WebGL 2, which drawing splats needs. Turn on hardware acceleration or try another browser.",
  noWasm:
    "This browser, or a content security policy on the way, forbids WebAssembly, which sorting splats needs. " +
    "Points work without it: add ?output=points to the address.",
  watching: "This page watches another camera: open it without ?watch to show a source of its own.",
  contextLost: "The graphics card took the picture away. If it does not come back, reload the page.",
  drawingFailed: "A picture could not be drawn",
  neverDrawn:
    "Splats arrive but none has been drawn. Does something on the way (a content security policy, " +
    "a browser extension) forbid WebAssembly or workers?",
  unreadable: "A frame arrived that the renderer cannot read",
  notUnpacked: "A frame could not be unpacked and was left out",
  gaveUpCompact: "Frames in the small format could not be unpacked; the page goes on in a larger one.",
};

const SERVER = {
  text_message: "The server takes binary messages only; this page and the server do not fit together.",
  bad_message: "The server could not read a message of this page; reload the page.",
  unknown_type: "The server does not know a message of this page; reload the page.",
  bad_field: "The server refused a setting",
  message_too_large: "The picture is too large for this server.",
  not_jpeg: "The server says that a frame is no JPEG.",
  bad_jpeg: "The server could not decode a frame.",
  frame_too_large: "The picture has more pixels than this server takes.",
  unsupported_protocol: "This page and the server speak different versions of the protocol. Reload the page.",
  unsupported_format: "The server cannot send what was asked for in this format",
  no_gaussian_head: "This model predicts no Gaussians of its own. Open the page without ?output=network.",
  unknown_session: "The camera that this page should show is not connected.",
  too_many_variants:
    "Too many different formats are watched on this stream already. Open the page without extra parameters, " +
    "or wait until a viewer leaves.",
  recording_refused: "Nothing can be recorded now",
  rate_limited: "The server takes fewer pictures than this page sends.",
  out_of_memory: "The server had no memory for a picture of this size.",
  not_finite: "The model made nothing usable of a frame.",
  quarantined: "A frame brought the model down before; the server leaves it out.",
  engine_restarting: "The model is starting again; the picture goes on by itself.",
  engine_failed: "The server could not process a frame; its log says why.",
};

export const SERVER_CODES = Object.keys(SERVER);

const ABOUT_ONE_FRAME = [
  "message_too_large", "not_jpeg", "bad_jpeg", "frame_too_large", "rate_limited", "out_of_memory", "not_finite",
  "quarantined", "engine_restarting", "engine_failed", "unreadable",
];

/** Whether the next good frame makes this error the past. */
export function passesWithTheFrame(code) {
  return ABOUT_ONE_FRAME.includes(code);
}

/** An `error` message → a sentence. The server's own words are added where ours leave something open. */
export function serverSentence({ code, message }) {
  const sentence = SERVER[code];
  if (sentence === undefined) return `The server says: ${message}`;
  return sentence.endsWith(".") ? sentence : `${sentence}: ${message}`;
}
