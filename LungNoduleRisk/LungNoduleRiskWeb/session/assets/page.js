// What trame's widgets do not do: sending a folder of gigabytes with its progress, and keys for the whole page.
(() => {
  const state = () => window.trame.state;
  document.querySelector("meta[name=viewport]").content = "width=device-width, initial-scale=1";  // fingers may zoom
  const words = (name, values = {}) => window.trame.utils.lnr.fill(state().get("in_scripts")[name], values);
  const say = (text) => state().update({ message: text, is_error: true });

  const MEGABYTE = 1e6;
  const fixed = (number, digits) => window.trame.utils.lnr.fixed(number, state().get("language"), digits);
  const size = (bytes) => bytes < 1e9 ? `${fixed(bytes / MEGABYTE, 1)} MB` : `${fixed(bytes / 1e9, 2)} GB`;
  let sending = null;

  function send(files) {
    if (!files.length) return say(words("empty"));
    if (state().get("busy") || sending) return say(words("busy"));
    const form = new FormData();
    files.forEach((file) => form.append("file", file));
    const whole = size(files.reduce((sum, file) => sum + file.size, 0));
    const show = (share) => {
      document.getElementById("sent").value = share;
      document.getElementById("sent-words").textContent = share < 1
        ? words("sent", { share: Math.floor(100 * share), size: whole }) : words("all_sent", { size: whole });
    };
    sending = new XMLHttpRequest();
    sending.upload.onprogress = (event) => show(event.loaded / event.total);
    sending.onloadend = () => { sending = null; document.getElementById("sending").hidden = true; };
    sending.onerror = () => unreadable(files).then((name) => say(name
      ? words("unreadable", { file: name }) : words("cut_off")));
    sending.onabort = () => state().update({ message: words("cancelled"), is_error: false });
    const request = sending;
    sending.onload = () => { if (request.status >= 400) say(request.responseText); };
    show(0);
    document.getElementById("sending").hidden = false;
    sending.open("POST", "upload");
    sending.send(form);
  }

  // The name of a file that the browser lists but cannot read; undefined where all can be read.
  async function unreadable(files) {
    for (const file of files) {
      const readable = await file.slice(0, 1).arrayBuffer().then(() => true, () => false);
      if (!readable) return file.name;
    }
  }

  // The session ended, or the network was away: the server says which, and what is shown is the session's own.
  window.trame.client.onConnectionClose(() => setTimeout(() => location.reload(), 1000));

  // Hyphens, fonts and voices are the language's.
  const speak = () => { document.documentElement.lang = state().get("language"); };
  window.trame.state.addListener(({ type }) => type === "dirty-state" && speak());
  speak();

  // Results come into sight by themselves, also in a low window.
  let ran = false;
  window.trame.state.addListener(({ type }) => {
    if (type !== "dirty-state" || ran === state().get("running")) return;
    ran = state().get("running");
    if (!ran) document.getElementById("nodules")?.scrollIntoView();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("#cancel-upload")) return sending?.abort();
    const button = event.target.closest("#choose-folder, #choose-file");
    if (!button) return;
    const input = document.createElement("input");
    Object.assign(input, { type: "file", webkitdirectory: button.id === "choose-folder" });
    input.onchange = () => send([...input.files]);
    input.click();
  });

  // A browser lists a dropped folder entry by entry, at most 100 at a time.
  async function filesIn(entry) {
    if (entry.isFile) {
      const file = (done, failed) => entry.file(done, () => failed(new Error(entry.name)));
      return [await new Promise(file)];
    }
    const reader = entry.createReader(), found = [];
    for (;;) {
      const entries = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!entries.length) return found;
      for (const one of entries) found.push(...await filesIn(one));
    }
  }

  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.getElementById("drop")?.classList.add("over");
  });
  document.addEventListener("dragleave", () => document.getElementById("drop")?.classList.remove("over"));
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    document.getElementById("drop")?.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    try {
      send((await Promise.all(entries.map(filesIn))).flat());
    } catch (error) {
      say(words("unreadable", { file: error.message }));
    }
  });

  const KEYS = {
    p: () => state().set("placing", !state().get("placing")),
    a: () => document.getElementById("assess")?.click(),
    Escape: () => document.getElementById("cancel")?.click(),
    j: () => window.trame.trigger("step", [1]),
    k: () => window.trame.trigger("step", [-1]),
    "?": () => state().set("helping", true),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    const open = document.querySelector(".v-overlay--active");  // a menu or the report, whose keys these are
    if (typing || open) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;  // whatever caps lock says
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && key === "z") return window.trame.trigger("undo");
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    KEYS[key]?.();
  });
})();
