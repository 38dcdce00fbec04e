// The page's address → what this page is: whose camera, in which format, where the server is. Pure.
import { FORMATS } from "./wire.js";

const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/;

/**
 * ?format=compact|splats16|gaussian_ply|pointcloud, ?watch=SESSION|newest, ?source=none; an empty one counts as not
 * given. choices.js reads the rest. hostname: of the page's address.
 */
export function readParameters(search, hostname) {
  const given = new URLSearchParams(search);
  const watch = given.get("watch") || undefined;
  return {
    formats: formatsOf(given.get("format"), hostname),
    watch,
    wantsSource: watch === undefined,
    wantsCamera: watch === undefined && given.get("source") !== "none",
  };
}

/**
 * A format that is asked for is meant, but `compact` fits pixel splats only and has to have others behind it. Unasked,
 * a page from another machine takes it: there the link is what splats wait for. On this machine there is no link, and
 * splats16 needs no unpacking.
 */
function formatsOf(asked, hostname) {
  const isFar = !LOOPBACK.test(hostname);
  if (asked === "compact" || (!asked && isFar)) return ["compact", ...FORMATS];
  return asked ? [asked] : FORMATS;
}

/** The websocket beside the page: also behind a proxy that adds a path, and wss where the page is https. */
export function socketAddress(pageAddress) {
  const address = new URL("ws", pageAddress);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
