// SPDX-License-Identifier: Apache-2.0
// <before-after>: two pictures or films over each other, divided by a line that moves, or side by side. Both are shown at
// the same place and zoom; beyond one to one pixels stay squares.
//
//   show({before, after, film, width, height})   addresses; the size is that of `after` in its own pixels
//   split(true | false)                          side by side
//   zoom("in" | "out" | "fit" | "one")           and the wheel, two fingers, + - 0 1 on the keyboard
// Events: "zoom" with detail {percent}; "problem" with detail {message}.

const STYLE = `
  :host { display: block; position: relative; overflow: hidden; background: #101214; touch-action: none; user-select: none; }
  .stage { position: absolute; inset: 0; cursor: grab; }
  .stage:active { cursor: grabbing; }
  .layer { position: absolute; inset: 0; overflow: hidden; }
  .layer > * { position: absolute; left: 0; top: 0; transform-origin: 0 0; max-width: none; }
  .large .layer > * { image-rendering: pixelated; }
  .line { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 3px #000; pointer-events: none; }
  .knob { position: absolute; top: 50%; width: 44px; height: 44px; margin: -22px 0 0 -22px; border-radius: 50%; border: 2px solid #fff;
          background: #1550b5; cursor: ew-resize; padding: 0; touch-action: none; display: grid; place-items: center; }
  .knob svg { width: 24px; fill: none; stroke: #fff; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
  .split .before { right: calc(50% + 1px); } .split .after { left: calc(50% + 1px); }
  .split + .knob { display: none; }
  .split .name.b { right: auto; left: calc(50% + .5rem); }
  .knob:focus-visible { outline: 3px solid #ffd54a; outline-offset: 2px; }
  .name { position: absolute; top: .5rem; padding: .1rem .5rem; background: #000c; color: #fff; font: 14px/1.5 system-ui; border-radius: .25rem; pointer-events: none; }
  .name.a { left: .5rem; } .name.b { right: .5rem; }
  .film { position: absolute; left: .5rem; right: .5rem; bottom: .5rem; display: flex; gap: .5rem; align-items: center; background: #000c; border-radius: .4rem; padding: .25rem .5rem; }
  .film[hidden] { display: none; }
  .film button { font: 16px system-ui; min-width: 44px; min-height: 36px; }
  .film input { flex: 1; min-width: 0; }
`;
const MARKUP = `
  <div class="stage">
    <div class="layer before"></div><div class="layer after"></div>
    <span class="name a">Before</span><span class="name b">After</span>
    <div class="line"></div>
  </div>
  <div class="knob" role="slider" tabindex="0" aria-label="Line between before and after" aria-valuemin="0" aria-valuemax="100" aria-valuenow="50"
    aria-valuetext="50 % before"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M9 6l-6 6 6 6M15 6l6 6-6 6M3 12h18"/></svg></div>
  <div class="film" hidden><button type="button" class="play" aria-label="Play">▶</button><input type="range" min="0" max="1000" value="0" aria-label="Place in the film"></div>
`;

class BeforeAfter extends HTMLElement {
  constructor() {
    super();
    this.root = this.attachShadow({ mode: "open" });
    this.root.innerHTML = MARKUP;
    const sheet = new CSSStyleSheet();  // an inline style would need a hole in the content security policy
    sheet.replaceSync(STYLE);
    this.root.adoptedStyleSheets = [sheet];
    const part = (name) => this.root.querySelector(name);
    [this.stage, this.knob, this.line, this.film] = [part(".stage"), part(".knob"), part(".line"), part(".film")];
    [this.firstLayer, this.secondLayer] = [part(".before"), part(".after")];
    this.share = 0.5;
    this.first = this.second = null;  // (an element's `before` and `after` are something else)
    this.pointers = new Map();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this);
  }

  show({ before, after, film = false, width, height }) {
    this.clear();
    this.size = { width, height };
    this.view = null;  // fit
    this.share = 0.5;
    const make = (address, layer, alt) => {
      const element = document.createElement(film ? "video" : "img");
      if (film) Object.assign(element, { muted: true, playsInline: true, preload: "auto", loop: true });
      else Object.assign(element, { alt, draggable: false });
      element.style.width = `${width}px`;
      element.style.height = `${height}px`;
      element.addEventListener("error", () => this.dispatchEvent(new CustomEvent("problem", { detail: { message: `${alt} cannot be shown` } })));
      element.src = address;
      layer.replaceChildren(element);
      return element;
    };
    this.first = make(before, this.firstLayer, "Before");
    this.second = make(after, this.secondLayer, "After");
    this.film.hidden = !film;
    if (film) this.inStep();
    this.draw();
  }

  clear() {
    for (const element of [this.first, this.second]) element?.removeAttribute("src");
    this.firstLayer.replaceChildren();
    this.secondLayer.replaceChildren();
    this.first = this.second = null;
    cancelAnimationFrame(this.tick);
  }

  // The film after follows the one before, to within a frame or so.
  inStep() {
    const button = this.film.querySelector("button"), place = this.film.querySelector("input");
    const sync = () => {
      if (!this.first || this.first.tagName !== "VIDEO") return;
      const apart = Math.abs(this.second.currentTime - this.first.currentTime);
      if (apart > (this.first.paused ? 0.001 : 0.06) && !this.second.seeking) this.second.currentTime = this.first.currentTime;
      if (this.first.paused !== this.second.paused) this.first.paused ? this.second.pause() : this.second.play().catch(() => {});
      if (this.first.duration > 0 && this.root.activeElement !== place) place.value = 1000 * this.first.currentTime / this.first.duration;
      button.textContent = this.first.paused ? "▶" : "❚❚";
      button.setAttribute("aria-label", this.first.paused ? "Play" : "Pause");
      this.tick = requestAnimationFrame(sync);
    };
    button.onclick = () => (this.first.paused ? this.first.play() : this.first.pause());
    place.oninput = () => { this.first.currentTime = place.value / 1000 * (this.first.duration || 0); };
    sync();
  }

  get sideBySide() {
    return this.stage.classList.contains("split");
  }
  split(on) {
    this.stage.classList.toggle("split", on);
    this.view = null;
    this.draw();
  }
  // What one of the two has, and where in it a point of this element lies.
  get room() {
    return this.sideBySide ? this.clientWidth / 2 - 1 : this.clientWidth;
  }
  within(x) {
    return this.sideBySide && x > this.clientWidth / 2 ? x - this.clientWidth / 2 - 1 : x;
  }

  get fit() {
    return Math.min(this.room / this.size.width, this.clientHeight / this.size.height) || 1;
  }
  get scale() {
    return this.view ? this.view.scale : this.fit;
  }

  // At this scale (CSS pixels for one of the result's), the point (x, y) of this element staying where it is.
  zoomTo(scale, at = this.room / 2, y = this.clientHeight / 2) {
    const now = this.place(), x = this.within(at);
    const wanted = Math.min(32, Math.max(Math.min(this.fit, 1) / 2, scale));
    this.view = { scale: wanted, x: x - (x - now.x) / now.scale * wanted, y: y - (y - now.y) / now.scale * wanted };
    this.draw();
  }
  zoom(how) {
    if (!this.size) return;
    if (how === "in") this.zoomTo(this.scale * 1.5);
    if (how === "out") this.zoomTo(this.scale / 1.5);
    if (how === "one") this.zoomTo(1 / devicePixelRatio);
    if (how === "fit") { this.view = null; this.draw(); }
  }

  place() {
    const scale = this.scale, width = this.size.width * scale, height = this.size.height * scale;
    const held = (wanted, room, extent) => extent <= room ? (room - extent) / 2 : Math.min(0, Math.max(room - extent, wanted));
    return { scale, x: held(this.view?.x ?? 0, this.room, width), y: held(this.view?.y ?? 0, this.clientHeight, height) };
  }

  draw() {
    if (!this.size || !this.first) return;
    const { scale, x, y } = this.place();
    if (this.view) Object.assign(this.view, { x, y });
    for (const element of [this.first, this.second]) element.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    this.stage.classList.toggle("large", scale * devicePixelRatio >= 1);
    const at = this.share * this.clientWidth;
    this.secondLayer.style.clipPath = this.sideBySide ? "none" : `inset(0 0 0 ${at}px)`;
    this.line.style.left = this.sideBySide ? "50%" : `${at}px`;
    this.knob.style.left = `${at}px`;
    const percent = Math.round(this.share * 100);
    this.knob.setAttribute("aria-valuenow", percent);
    this.knob.setAttribute("aria-valuetext", `${percent} % before`);
    this.dispatchEvent(new CustomEvent("zoom", { detail: { percent: Math.round(scale * devicePixelRatio * 100) } }));
  }

  move(share) {
    this.share = Math.min(1, Math.max(0, share));
    this.draw();
  }

  listen() {
    const at = (event) => { const box = this.getBoundingClientRect(); return { x: event.clientX - box.left, y: event.clientY - box.top }; };
    this.knob.addEventListener("pointerdown", (event) => { this.knob.setPointerCapture(event.pointerId); this.dragging = true; });
    this.knob.addEventListener("pointermove", (event) => { if (this.dragging) this.move(at(event).x / this.clientWidth); });
    for (const end of ["pointerup", "pointercancel"]) this.knob.addEventListener(end, () => { this.dragging = false; });
    this.knob.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1 }[event.key];
      if (step) this.move(this.share + step);
      else if (event.key === "Home") this.move(0);
      else if (event.key === "End") this.move(1);
      else return;
      event.preventDefault();
    });
    this.stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = at(event);
      if (this.size) this.zoomTo(this.scale * Math.exp(-event.deltaY / 400), x, y);
    }, { passive: false });
    this.stage.addEventListener("pointerdown", (event) => { this.stage.setPointerCapture(event.pointerId); this.pointers.set(event.pointerId, at(event)); });
    this.stage.addEventListener("pointermove", (event) => this.dragged(event.pointerId, at(event)));
    for (const end of ["pointerup", "pointercancel"]) this.stage.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    this.stage.addEventListener("dblclick", (event) => { const { x, y } = at(event); this.view ? this.zoom("fit") : this.zoomTo(1 / devicePixelRatio, x, y); });
  }

  // One finger or the mouse moves the picture, two zoom it.
  dragged(id, now) {
    const before = this.pointers.get(id);
    if (!before || !this.size) return;
    const other = [...this.pointers].find(([key]) => key !== id)?.[1];
    if (other) {
      const length = (a) => Math.hypot(a.x - other.x, a.y - other.y) || 1;
      this.zoomTo(this.scale * length(now) / length(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else {
      const place = this.place();
      this.view = { scale: place.scale, x: place.x + now.x - before.x, y: place.y + now.y - before.y };
      this.draw();
    }
    this.pointers.set(id, now);
  }
}
customElements.define("before-after", BeforeAfter);
