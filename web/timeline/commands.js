// What the buttons and the keys do with a recording, by name.
import { nextSpeed } from "./speeds.js";
import { NEWEST } from "./deck.js";

export function makeDeckCommands(deck) {
  const withPlayer = (act) => () => deck.isOpen && act(deck.player);
  /** The recording that is being made is left at its newest step. */
  const stepOr = (act) => () => (deck.isOpen ? act(deck.player) : deck.seek(NEWEST));
  return {
    playPause: () => deck.togglePlaying(),
    previousStep: stepOr((player) => player.previous()),
    nextStep: stepOr((player) => player.next()),
    slower: withPlayer((player) => (player.speed = nextSpeed(player.speed, -1))),
    faster: withPlayer((player) => (player.speed = nextSpeed(player.speed, 1))),
    loop: withPlayer((player) => (player.loop = !player.loop)),
    goLive: () => deck.isOpen && deck.goLive(),
    closeTape: () => deck.close(),
  };
}
