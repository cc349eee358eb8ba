// What trame's widgets do not do: sending a folder of gigabytes with its progress, and keys for the whole page.
(() => {
  const state = () => window.trame.state;
  document.querySelector("meta[name=viewport]").content = "width=device-width, initial-scale=1";  // fingers may zoom
  const say = (text) => state().update({ message: text, is_error: true });

  function send(files) {
    if (!files.length) return;
    if (state().get("busy")) return say("Something else is running: wait until it has finished, or cancel it.");
    const form = new FormData();
    files.forEach((file) => form.append("file", file));
    const bar = document.getElementById("sent");
    const request = new XMLHttpRequest();
    request.upload.onprogress = (event) => { bar.value = event.loaded / event.total; };
    request.onloadend = () => { bar.hidden = true; };
    request.onerror = () => say("The upload was cut off: try again.");
    request.onload = () => { if (request.status >= 400) say(request.responseText); };
    bar.value = 0;
    bar.hidden = false;
    request.open("POST", "upload");
    request.send(form);
  }

  // The session ended, or the network was away: the server says which, and what is shown is the session's own.
  window.trame.client.onConnectionClose(() => setTimeout(() => location.reload(), 1000));

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#choose-folder, #choose-file");
    if (!button) return;
    const input = document.createElement("input");
    Object.assign(input, { type: "file", webkitdirectory: button.id === "choose-folder" });
    input.onchange = () => send([...input.files]);
    input.click();
  });

  // A browser lists a dropped folder entry by entry, at most 100 at a time.
  async function filesIn(entry) {
    if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
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
    send((await Promise.all(entries.map(filesIn))).flat());
  });

  const KEYS = {
    p: () => state().set("placing", !state().get("placing")),
    a: () => document.getElementById("assess")?.click(),
    Escape: () => document.getElementById("cancel")?.click(),
    j: () => window.trame.trigger("step", [1]),
    k: () => window.trame.trigger("step", [-1]),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    const open = document.querySelector(".v-overlay--active");  // a menu or the report, whose keys these are
    if (typing || open || event.ctrlKey || event.altKey || event.metaKey) return;
    KEYS[event.key]?.();
  });
})();
