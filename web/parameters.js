// The page's address → what this page is: whose camera, in which format, where the server is. Pure.
import { FORMATS } from "./wire.js";

/**
 * ?format=compact|splats16|gaussian_ply|pointcloud, ?watch=SESSION|newest, ?source=none; an empty one counts as not
 * given. choices.js reads the rest.
 */
export function readParameters(search) {
  const given = new URLSearchParams(search);
  const watch = given.get("watch") || undefined;
  return {
    formats: formatsOf(given.get("format")),
    watch,
    wantsSource: watch === undefined,
    wantsCamera: watch === undefined && given.get("source") !== "none",
  };
}

/** A format that is asked for is meant, but `compact` fits pixel splats only and has to have others behind it. */
function formatsOf(asked) {
  if (!asked) return FORMATS;
  return asked === "compact" ? [asked, ...FORMATS] : [asked];
}

/** The websocket beside the page: also behind a proxy that adds a path, and wss where the page is https. */
export function socketAddress(pageAddress) {
  const address = new URL("ws", pageAddress);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
