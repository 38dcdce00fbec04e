// A classic script, before the modules: it still runs where one of them cannot be loaded, and says so.
window.addEventListener(
  "error",
  ({ target }) => {
    if (!(target instanceof HTMLScriptElement)) return;
    const message = document.getElementById("message");
    message.textContent =
      "A part of this page could not be loaded: is the server running, and can it reach its npm packages, or this " +
      "browser the network?";
    message.hidden = false;
  },
  { capture: true }, // a load that fails does not bubble
);
