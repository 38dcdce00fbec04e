// The page's address → what this page is: whose camera, in which format, where the server is. Pure.

const EVERY_FORMAT = ["splats16", "compact", "gaussian_ply", "pointcloud"]; // that this page reads
const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/;

/**
 * ?watch=SESSION|ROOM|newest, ?room=NAME, ?source=none; an empty one counts as not given. choices.js reads the rest.
 * hostname: of the page's address. formats: all that this page reads, preferred first.
 */
export function readParameters(search, hostname) {
  const given = new URLSearchParams(search);
  const watch = given.get("watch") || undefined;
  return {
    formats: formatsOf(given.get("format"), hostname),
    watch,
    room: given.get("room") || undefined,
    wantsSource: watch === undefined,
    wantsCamera: watch === undefined && given.get("source") !== "none",
  };
}

/**
 * A page from another machine prefers `compact`: there the link is what splats wait for. On this machine there is no
 * link, and splats16 needs no unpacking. A format that was asked for goes first; that it is meant, `settings` tell.
 */
function formatsOf(asked, hostname) {
  const preferred = EVERY_FORMAT.includes(asked) ? asked : isLoopback(hostname) ? "splats16" : "compact";
  return [preferred, ...EVERY_FORMAT.filter((format) => format !== preferred)];
}

/** Whether a host name is this machine's own, which means another machine wherever else it is read. */
export function isLoopback(hostname) {
  return LOOPBACK.test(hostname);
}

/** The websocket beside the page: also behind a proxy that adds a path, and wss where the page is https. */
export function socketAddress(pageAddress) {
  const address = new URL("ws", pageAddress);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
