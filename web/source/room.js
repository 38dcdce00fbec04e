// The name under which this page's camera is found by those who watch it. Storage and chance are handed in.

const NAME = /^[A-Za-z0-9_-]{1,40}$/;
const REMEMBERED_AS = "splatcam.room";
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"; // none that looks like another

/** asked: of the page's address, or undefined. Without it one that this tab keeps, so that a link survives a reload. */
export function roomName(asked, storage, random) {
  if (asked !== undefined && NAME.test(asked)) return asked;
  try {
    const known = storage().getItem(REMEMBERED_AS);
    if (NAME.test(known ?? "")) return known;
    const made = Array.from({ length: 8 }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join("");
    storage().setItem(REMEMBERED_AS, made);
    return made;
  } catch {
    return undefined; // storage may be forbidden: without it a name would last until the next reload only
  }
}

/** Where to watch a room. A token stays where the page's own address has one; usually it has become a cookie. */
export function watchAddress(pageAddress, room) {
  const address = new URL(pageAddress);
  const token = address.searchParams.get("token");
  address.search = address.hash = "";
  address.searchParams.set("watch", room);
  if (token !== null) address.searchParams.set("token", token);
  return address.href;
}
