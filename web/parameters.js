// The page's address → what this page is: whose camera, in which format, where the server is. Pure.
import { FORMATS } from "./wire.js";

/**
 * ?format=splats16|gaussian_ply|pointcloud, ?watch=SESSION|newest, ?source=none; an empty one counts as not given.
 * choices.js reads the rest.
 */
export function readParameters(search) {
  const given = new URLSearchParams(search);
  const watch = given.get("watch") || undefined;
  const format = given.get("format");
  return {
    formats: format ? [format] : FORMATS,
    watch,
    wantsSource: watch === undefined,
    wantsCamera: watch === undefined && given.get("source") !== "none",
  };
}

/** The websocket beside the page: also behind a proxy that adds a path, and wss where the page is https. */
export function socketAddress(pageAddress) {
  const address = new URL("ws", pageAddress);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
