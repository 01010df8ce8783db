// SPDX-License-Identifier: Apache-2.0
// The page: files are chosen, uploaded (tus, so that a lost connection costs little), made into jobs; what becomes of them is
// heard from /v1/events. All addresses are relative, so the page works under any path.
import "./compare.js";

const $ = (id) => document.getElementById(id);
const api = (path) => new URL(`./v1/${path}`, document.baseURI).href;
const SHOWN = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/bmp", "image/apng"];
const PLAYED = ["video/mp4", "video/webm"];
const PIECE = 8 << 20;  // bytes of an upload that one request carries
const PICTURE = /\.(heic|heif|avif|jxl|tiff?|pfm|p[gp]m|bmp)$/i;  // what browsers may have no type for
const MADE_SHOWN = 64 << 20;  // bytes of a file that the server is asked to make visible before it is enlarged
// Choices besides networks: what the server does for such a kind.
const KINDS = [
  { kind: "photo", title: "Photos", purpose: "Skin, leaves and some grain stay." },
  { kind: "drawing", title: "Drawings", purpose: "Anime, comics, logos: clean lines and flat colours." },
];

let chosen = [];            // {key, file, item, address}
let models = [];
const jobs = new Map();     // id -> {data, item}
const uploading = new Map(); // key -> item of a file on its way

class Refused extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

async function ask(path, options = {}) {
  let answer;
  for (let tries = 0; ; ++tries) {
    try {
      answer = await fetch(api(path), { credentials: "same-origin", ...options });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new Refused("the server cannot be reached", 0);
    }
    if (answer.status !== 401 || tries > 3) break;
    await login();
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => null);
  throw new Refused(said?.error?.message ?? `the server answered ${answer.status}`, answer.status);
}

let asking = null;
function login() {
  asking ??= new Promise((resolve) => {
    $("login-form").onsubmit = async (event) => {
      event.preventDefault();
      const answer = await fetch(api("session"), { method: "POST", body: JSON.stringify({ token: $("token").value }) });
      if (!answer.ok) { $("login-error").textContent = "That is not the token."; return; }
      $("login").close();
      asking = null;
      resolve();
    };
    $("login").showModal();
  });
  return asking;
}

const say = (text) => { $("status").textContent = text; };
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const clock = (seconds) => {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
};
const size = (bytes) => bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

// --- files ---

function thumbnail(address, name) {
  if (!address) return make("div", { className: "thumb", textContent: name.split(".").pop().toUpperCase().slice(0, 5) });
  const image = make("img", { className: "thumb", alt: "", src: address, loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(thumbnail("", name)), { once: true });
  return image;
}

const isPicture = (file) => file.type.startsWith("image/") || PICTURE.test(file.name);

function choose(files) {
  for (const file of files) {
    const entry = { key: crypto.randomUUID?.() ?? String(Math.random()), file };
    entry.address = isPicture(file) ? URL.createObjectURL(file) : "";
    const button = make("button", { type: "button", textContent: "Leave out" });
    button.setAttribute("aria-label", `Leave out ${file.name}`);
    button.onclick = () => leaveOut(entry);
    entry.item = make("li", {}, thumbnail("", file.name), make("span", { className: "file-name", textContent: `${file.name}, ${size(file.size)}` }), button);
    $("chosen").append(entry.item);
    chosen.push(entry);
    if (entry.address) entry.shown = visible(entry).then(() => entry.item.firstChild.replaceWith(thumbnail(entry.address, file.name)), () => {});
  }
  ready();
}

// What this browser cannot show the server makes a JPEG of.
async function visible(entry) {
  const image = make("img", { src: entry.address });
  const fits = await image.decode().then(() => true, () => false);
  if (fits || entry.file.size > MADE_SHOWN) return;
  const query = new URLSearchParams({ model: "swift-x2", scale: 1, strength: 0, format: "jpg", background: "white", provenance: 0, "allow-damaged": 1 });
  const made = await (await ask(`upscale?${query}`, { method: "POST", body: entry.file })).blob();
  URL.revokeObjectURL(entry.address);
  entry.address = URL.createObjectURL(made);
}

function leaveOut(entry) {
  entry.item.remove();
  if (entry.address) URL.revokeObjectURL(entry.address);
  chosen = chosen.filter((one) => one !== entry);
  ready();
}

function ready() {
  $("start").disabled = chosen.length === 0;
  $("start").textContent = chosen.length > 1 ? `Enlarge ${chosen.length} files` : "Enlarge";
  $("preview").disabled = !chosen.some((entry) => isPicture(entry.file));
}

$("files").addEventListener("change", (event) => { choose(event.target.files); event.target.value = ""; });
for (const kind of ["dragenter", "dragover"])
  document.addEventListener(kind, (event) => { event.preventDefault(); $("drop").classList.add("over"); });
for (const kind of ["dragleave", "drop"]) document.addEventListener(kind, () => $("drop").classList.remove("over"));
let inside = false;  // what is dragged is the page's own
document.addEventListener("dragstart", () => { inside = true; });
document.addEventListener("dragend", () => { inside = false; });
document.addEventListener("drop", (event) => { event.preventDefault(); if (!inside) choose(event.dataTransfer.files); });
document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) choose(event.clipboardData.files); });

// --- settings ---

async function loadModels() {
  const list = await (await ask("models")).json();
  models = list.models;
  const sample = (name) => `models/${encodeURIComponent(name)}/sample`;
  const cards = [card("", "Let enlarge choose", "What suits the kind of file and the size.", sample(list.default))];
  for (const { kind, title, purpose } of KINDS) cards.push(card(`for ${kind}`, title, purpose, `kinds/${kind}/sample`, kind));
  const ofKind = (model) => model.built_in && KINDS.some(({ kind }) => model.name.startsWith(`${kind}-`));
  for (const model of models)  // of each built-in one card
    if (!model.name.includes("-wdn-") && !(model.built_in && model.scale !== 4) && !ofKind(model))
      cards.push(card(model.name, model.title ?? model.name, model.purpose ?? "", sample(model.name)));
  $("models").replaceChildren(...cards);
  $("models").querySelector("input").checked = true;
  adapt();
}

function card(value, title, purpose, sample, kind = "") {
  const input = make("input", { type: "radio", name: "model", value });
  input.addEventListener("change", adapt);
  const figure = (address, caption) => make("figure", {},
    make("img", { src: address, alt: `A sample ${caption}`, loading: "lazy" }), make("figcaption", { textContent: caption }));
  return make("label", { className: "card" }, input, make("strong", { textContent: title }), make("p", { textContent: purpose }),
    make("div", { className: "sample" }, figure(`page/${kind === "drawing" ? "drawing" : "sample"}.jpg`, "before"), figure(api(sample), "after")));
}

const named = () => document.querySelector("input[name=model]:checked")?.value ?? "";

function adapt() {
  const model = models.find((one) => one.name === named());
  $("denoise-field").hidden = named() !== "" && !model?.denoise;
  $("width-field").hidden = $("scale").value !== "width";
  $("quality-field").hidden = !["jpg", "webp", "avif", "jxl"].includes($("format").value);
}
for (const id of ["scale", "format"]) $(id).addEventListener("change", adapt);
$("denoise").addEventListener("input", () => { $("denoise-value").textContent = `${$("denoise").value} %`; });
$("quality").addEventListener("input", () => { $("quality-value").textContent = $("quality").value; });

// What the form says. A built-in network is there for 2 and for 4 times: the one that was trained for the size is taken.
function options(film = false) {
  const result = {};
  const scale = Number($("scale").value) || 0;
  let model = named();
  if (model && scale > 0 && scale <= 2) {
    const smaller = model.replace(/-x4$/, "-x2");
    if (models.some((one) => one.name === smaller)) model = smaller;
  }
  if (model.startsWith("for ")) result.for = model.slice(4);
  else if (model) result.model = model;
  if ($("scale").value === "width") result.width = Number($("width").value);
  else if (scale) result.scale = scale;
  if (!$("denoise-field").hidden && $("denoise").value !== "100") result.denoise = Number($("denoise").value) / 100;
  const format = $("format").value, forFilm = ["mp4", "webm"].includes(format);
  if (format && (forFilm === film || format === "webp")) result.format = format;
  if (!$("quality-field").hidden && !film) result.quality = Number($("quality").value);
  return result;
}

// --- uploads and jobs ---

const TUS = { "Tus-Resumable": "1.0.0" };
const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// In pieces; after a lost connection from where the server has it.
async function upload(file, progress, signal) {
  const made = await ask("uploads", { method: "POST", signal, headers: { ...TUS, "Upload-Length": file.size, "Upload-Metadata": `filename ${base64(file.name || "pasted.png")}` } });
  const id = made.headers.get("Location").split("/").pop();
  let offset = 0, failures = 0;
  while (offset < file.size) {
    try {
      const answer = await ask(`uploads/${id}`, { method: "PATCH", signal, body: file.slice(offset, offset + PIECE),
        headers: { ...TUS, "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" } });
      offset = Number(answer.headers.get("Upload-Offset"));
      failures = 0;
    } catch (error) {
      if (signal.aborted || ++failures > 8 || ![0, 409, 503].includes(error.status)) throw error;
      await pause(500 * failures);
      const now = await ask(`uploads/${id}`, { method: "HEAD", headers: TUS, signal }).catch(() => null);
      if (now) offset = Number(now.headers.get("Upload-Offset"));
    }
    progress(offset / file.size);
  }
  return id;
}

async function enlarge(entry, wanted) {
  const stop = new AbortController();
  const state = make("span", { className: "job-state", textContent: "uploading" });
  const bar = make("progress", { max: 1, value: 0 });
  bar.setAttribute("aria-label", `Upload of ${entry.file.name}`);
  const cancel = make("button", { type: "button", textContent: "Cancel", onclick: () => stop.abort() });
  const item = make("li", {}, thumbnail(entry.address, entry.file.name),
    make("div", { className: "job-text" }, make("div", { className: "job-name", textContent: entry.file.name }), state, bar), make("div", { className: "job-actions" }, cancel));
  uploading.set(entry.key, item);
  $("jobs").prepend(item);
  count();
  try {
    const id = await upload(entry.file, (share) => { bar.value = share; }, stop.signal);
    for (let tries = 0; ; ++tries) {
      try {
        await ask("jobs", { method: "POST", signal: stop.signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ upload: id, options: wanted }) });
        break;
      } catch (error) {
        if (error.status !== 429 || tries > 100) throw error;
        state.textContent = "the queue is full; waiting";
        await pause(3000);
      }
    }
    item.remove();
  } catch (error) {
    item.className = "failed";
    state.textContent = stop.signal.aborted ? "cancelled" : error.message;
    bar.remove();
    cancel.textContent = "Remove";
    cancel.onclick = () => { item.remove(); uploading.delete(entry.key); count(); };
    return;
  } finally {
    if (!item.isConnected) uploading.delete(entry.key);
    count();
  }
}

$("settings").addEventListener("submit", async (event) => {
  event.preventDefault();
  const files = chosen;
  chosen = [];
  for (const entry of files) entry.item.remove();
  ready();
  const still = options(false), film = options(true);
  $("jobs-title").scrollIntoView();
  // A few at a time: the queue is the server's.
  const next = async () => {
    for (let entry; (entry = files.shift());) await enlarge(entry, entry.file.type.startsWith("video/") ? film : still);
  };
  await Promise.all([next(), next(), next()]);
});

// --- the list ---

function count() {
  const done = [...jobs.values()].filter(({ data }) => data.state === "done").length;
  const open = [...jobs.values()].filter(({ data }) => ["queued", "running"].includes(data.state)).length;
  $("none").hidden = jobs.size + uploading.size > 0;
  $("download-all").hidden = done < 2;
  $("clear").hidden = jobs.size - open < 1;
  say(open + uploading.size ? `${open + uploading.size} in work, ${done} done` : done ? `${done} done` : "");
}

function described(job) {
  switch (job.state) {
    case "queued": {
      const before = job.queue?.before ?? 0, seconds = job.queue?.seconds;
      return (before ? `waiting, ${before} before it` : "next") + (seconds > 1 ? `, begins in ${clock(seconds)}` : "");
    }
    case "running": {
      const { fraction, seconds_left: left } = job.progress;
      return `${Math.floor(fraction * 100)} %` + (left !== null ? `, ${clock(left)} left` : "");
    }
    case "done": {
      const o = job.output;
      return `${o.width} × ${o.height}` + (o.frames > 1 ? `, ${o.frames} frames` : "") + `, ${size(o.bytes)}, ${o.model}`;
    }
    case "cancelled": return "cancelled";
    default: return job.error?.message ?? "failed";
  }
}

function buttons(job) {
  const button = (text, action, name = `${text} ${job.name}`) => {
    const one = make("button", { type: "button", textContent: text, onclick: () => action().catch((error) => say(error.message)) });
    one.setAttribute("aria-label", name);
    return one;
  };
  const open = ["queued", "running"].includes(job.state);
  const list = [];
  if (open) list.push(button("Cancel", () => ask(`jobs/${job.id}/cancel`, { method: "POST" })));
  if (job.state === "done") {
    list.push(button("Compare", () => compare(job)));
    const link = make("a", { className: "button", textContent: "Download", href: api(`jobs/${job.id}/output?download=1`), download: job.output.name });
    link.setAttribute("aria-label", `Download ${job.output.name}`);
    list.push(link);
  }
  if (!open) list.push(button("Remove", () => ask(`jobs/${job.id}`, { method: "DELETE" })));
  return list;
}

function show(job) {
  const known = jobs.get(job.id);
  if (!known) {
    const item = make("li", {}, thumbnail(api(`jobs/${job.id}/thumb`), job.name), make("div", { className: "job-text" },
      make("div", { className: "job-name", textContent: job.name }), make("span", { className: "job-state" }), make("progress", { max: 1 })), make("div", { className: "job-actions" }));
    item.querySelector("progress").setAttribute("aria-label", `Progress of ${job.name}`);
    $("jobs").prepend(item);
    jobs.set(job.id, { data: {}, item });
  }
  const entry = jobs.get(job.id);
  const changed = entry.data.state !== job.state;
  entry.data = job;
  entry.item.className = job.state;
  entry.item.dataset.id = job.id;
  entry.item.querySelector(".job-state").textContent = described(job);
  const bar = entry.item.querySelector("progress");
  bar.hidden = !["queued", "running"].includes(job.state);
  bar.value = job.progress?.fraction ?? 0;
  if (!changed) return;
  entry.item.querySelector(".job-actions").replaceChildren(...buttons(job));
  count();
}

function forget(id) {
  jobs.get(id)?.item.remove();
  jobs.delete(id);
  count();
}

// Server-sent events by hand: an EventSource says nothing about a missing token.
async function listen() {
  for (let last = ""; ;) {
    try {
      const answer = await ask(`events${last ? `?last-event-id=${encodeURIComponent(last)}` : ""}`);
      if (!last) {
        const there = new Set((await (await ask("jobs")).json()).jobs.map((job) => (show(job), job.id)));
        for (const id of [...jobs.keys()]) if (!there.has(id)) forget(id);
      }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) {
          const field = (name) => event.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
          last = field("id") ?? last;
          if (!field("data")) continue;
          const data = JSON.parse(field("data"));
          field("event") === "removed" ? forget(data.id) : show(data);
        }
      }
    } catch (error) {
      say("The server cannot be reached; trying again.");
    }
    last = "";  // the server may have been restarted: everything is told again
    await pause(1500);
    count();
  }
}

$("clear").onclick = async () => {
  for (const { data } of [...jobs.values()])
    if (!["queued", "running"].includes(data.state)) await ask(`jobs/${data.id}`, { method: "DELETE" }).catch((error) => say(error.message));
};

// --- before and after ---

async function compare(job) {
  const o = job.output;
  const film = PLAYED.concat(["video/x-matroska", "video/quicktime"]).includes(o.media_type) || (o.frames > 0 && o.media_type.startsWith("video/"));
  const view = (side, type) => ((film ? PLAYED : SHOWN).includes(type) ? api(`jobs/${job.id}/${side}`) : api(`jobs/${job.id}/view/${side}`));
  $("viewer-title").textContent = job.name;
  $("viewer-note").textContent = job.remarks.join(". ");
  $("viewer-download").href = api(`jobs/${job.id}/output?download=1`);
  $("viewer-download").download = o.name;
  $("viewer").showModal();
  split(film);
  $("compare").show({ before: view("input", job.media_type), after: view("output", o.media_type), film, width: o.width, height: o.height });
}
function split(on) {
  $("viewer-split").setAttribute("aria-pressed", on);
  $("compare").split(on);
}
$("viewer-split").onclick = () => split($("viewer-split").getAttribute("aria-pressed") !== "true");
$("compare").addEventListener("zoom", (event) => { $("zoom-value").textContent = `${event.detail.percent} %`; });
$("compare").addEventListener("problem", (event) => { $("viewer-note").textContent = event.detail.message; });
$("viewer-close").onclick = () => $("viewer").close();
$("viewer").addEventListener("close", () => $("compare").clear());
for (const button of document.querySelectorAll("[data-zoom]")) button.onclick = () => $("compare").zoom(button.dataset.zoom);
$("viewer").addEventListener("keydown", (event) => {
  const how = { "+": "in", "-": "out", 0: "fit", 1: "one" }[event.key];
  if (how) $("compare").zoom(how);
});

// --- a part first ---

const PART = 160;  // pixels of the input
let part = null;   // {entry, width, height}

$("preview").onclick = async () => {
  const entry = chosen.find((one) => isPicture(one.file));
  await entry.shown;
  $("part-image").src = entry.address;
  $("part-image").onload = () => {
    part = { entry, width: $("part-image").naturalWidth, height: $("part-image").naturalHeight };
    if (!$("part").open) $("part").showModal();
    frame();
  };
  $("part-image").onerror = () => say(`${entry.file.name}: it cannot be shown before it is enlarged`);
  $("part-status").textContent = "";
};

function rectangle() {
  const width = Math.min(PART, part.width), height = Math.min(PART, part.height);
  return { x: Math.round((part.width - width) * $("part-x").value / 100), y: Math.round((part.height - height) * $("part-y").value / 100), width, height };
}
function frame() {
  const shown = $("part-image").clientWidth / part.width, r = rectangle();
  Object.assign($("part-frame").style, { left: `${r.x * shown}px`, top: `${r.y * shown}px`, width: `${r.width * shown}px`, height: `${r.height * shown}px` });
}
for (const id of ["part-x", "part-y"]) $(id).addEventListener("input", frame);
$("part-close").onclick = () => $("part").close();
$("part-image").addEventListener("click", (event) => {
  $("part-x").value = 100 * event.offsetX / $("part-image").clientWidth;
  $("part-y").value = 100 * event.offsetY / $("part-image").clientHeight;
  frame();
});

$("part-go").onclick = async () => {
  const r = rectangle(), { file } = part.entry;
  const preview = `${r.x},${r.y},${r.width},${r.height}`;
  const parameters = (more) => new URLSearchParams({ ...more, preview, format: "png" });
  const fetched = async (more) => URL.createObjectURL(await (await ask(`upscale?${parameters(more)}`, { method: "POST", body: file })).blob());
  $("part-status").textContent = "Enlarging the part ...";
  try {
    const wanted = options(false);
    delete wanted.quality;
    const [after, before] = await Promise.all([fetched(wanted), fetched({ scale: 1, strength: 0 })]);
    const image = make("img", { src: after });
    await image.decode();
    $("part").close();
    $("viewer-title").textContent = `A part of ${file.name}`;
    $("viewer-note").textContent = "";
    $("viewer-download").href = after;
    $("viewer-download").download = "part.png";
    $("viewer").showModal();
    split(false);
    $("compare").show({ before, after, width: image.naturalWidth, height: image.naturalHeight });
  } catch (error) {
    $("part-status").textContent = error.message;
  }
};

loadModels().catch((error) => say(error.message));
listen();
