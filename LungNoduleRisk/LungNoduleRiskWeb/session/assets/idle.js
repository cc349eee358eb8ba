// Asks the front how long this session goes on without its user, and warns before it ends.
(() => {
  // Who has come in before opens a link with its token in vain: here is where it leaves the address.
  if (new URLSearchParams(location.hash.slice(1)).has("token")) {
    history.replaceState(null, "", location.pathname + location.search);
  }
  let warning = null, mark = "", next = 0;

  function shown(words) {
    const box = document.createElement("div"), stay = document.createElement("button");
    Object.assign(box, { id: "idle", role: "alert" });
    stay.textContent = words.stay;
    stay.onclick = () => ask("POST", "stay");
    box.append(document.createElement("span"), stay);
    document.body.append(box);
    mark = `${words.mark} `;
    document.title = mark + document.title;
    return box;
  }

  function warn(words) {
    warning ??= shown(words);
    const said = warning.firstChild;
    if (said.textContent !== words.said) said.textContent = words.said;  // a reader speaks each change
  }

  function unwarn() {
    warning?.remove();
    warning = null;
    document.title = document.title.replace(mark, "");
  }

  async function ask(method = "GET", what = "idle") {
    clearTimeout(next);
    let wait = 15;
    try {
      const answer = await fetch(what, { method });
      if (answer.status === 410) return location.reload();
      const { seconds, warn: last, ...words } = await answer.json();
      if (seconds > last) unwarn();
      else warn(words);
      wait = seconds > last ? seconds - last : Math.min(5, last / 10);
    } catch { /* the network is away: asked again later */ }
    next = setTimeout(ask, 1000 * wait);
  }

  document.addEventListener("visibilitychange", () => document.hidden || ask());
  ask();
})();
