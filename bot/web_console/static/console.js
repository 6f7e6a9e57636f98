// The console's script. Pages work without it; with it they stay up to date, and hands can stay on the keys.
"use strict";

// The one place where text becomes markup: it is what our own server escaped.
const policy = window.trustedTypes?.createPolicy("watchkeeper", { createHTML: (text) => text });
const parsed = (text) => new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
const find = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const stored = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* kept for this page only */ } },
};

// ---------------------------------------------------------------- times

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

function span(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const parts = [];
  let left = Math.max(0, Math.floor(seconds));
  for (const [size, unit] of units) {
    if (left >= size && parts.length < 2) parts.push(`${Math.floor(left / size)} ${unit}`);
    left %= size;
  }
  return parts.join(" ") || "0 s";
}

function tell(time) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const style = time.dataset.style;
  const seconds = (at - Date.now()) / 1000;
  time.title = time.dateTime.replace("T", " ").replace("Z", " UTC");
  if (style === "left") time.textContent = seconds > 0 ? span(seconds) : "no time";
  else if (style === "ago") time.textContent = `${span(-seconds)} ago`;
  else if (style === "clock" && at.toDateString() === new Date().toDateString()) time.textContent = clock.format(at);
  else time.textContent = moment.format(at);
}

const tellAll = (from = document) => all("time[datetime]", from).forEach(tell);
setInterval(() => all('time[data-style="left"], time[data-style="ago"]').forEach(tell), 1000);

// ---------------------------------------------------------------- staying up to date

let tag = "";
let looking = null;
let again = false;
let missed = false;

let composing = false;
document.addEventListener("compositionstart", () => { composing = true; });
document.addEventListener("compositionend", () => { composing = false; });

// Whether a hand is at it just now: taking a button away under a finger would lose the press, or the letting go of it.
function isBusy(part) {
  const here = document.activeElement;
  return Boolean(find(":active, .holding", part)) || (part.contains(here) && (composing || here.matches("select")));
}

const FIELDS = "input:not([type=hidden]), textarea";

// What a field is for: what its form says, and its name.
const purpose = (field) => `${field.form?.elements.namedItem("line")?.value}\n${field.name}`;

// What somebody typed and did not send yet goes along to the part that takes the place of another.
function carry(old, next) {
  const into = new Map(all(FIELDS, next).map((field) => [purpose(field), field]));
  for (const field of all(FIELDS, old)) {
    const other = into.get(purpose(field));
    if (!other || field.value === field.defaultValue) continue;
    other.value = field.value;
    if (field === document.activeElement) other.dataset.from = `${field.selectionStart} ${field.selectionEnd}`;
  }
}

const CONTROLS = "a, button, input:not([type=hidden]), select, textarea, summary, [tabindex]";

// What a control does, and to what: where one stood, another's may stand a moment later.
function meaning(control) {
  if (control.matches("a")) return `a ${control.href}`;
  if (control.matches("summary")) return `summary ${control.parentElement.id}`;
  if (!control.form) return `${control.tagName} ${control.getAttribute("aria-label")}`;
  return `${control.tagName} ${control.textContent.trim()} ${purpose(control)}`;
}

// Returns what stands for a control in the part that takes the place of its own; nothing when that is gone.
function sameIn(next, control, old) {
  const meant = meaning(control);
  const those = (part) => all(CONTROLS, part).filter((each) => meaning(each) === meant);
  return those(next)[those(old).indexOf(control)];
}

// Puts the focus on a place and not on a control of it: the next key must not press what nobody chose.
function rest(place) {
  place.setAttribute("tabindex", "-1");
  place.focus({ preventScroll: true });
}

// Returns whether all of it is shown now: what is busy has to wait.
function swap(fresh) {
  let isWhole = true;
  for (const part of all("[data-live][id]", fresh)) {
    const old = document.getElementById(part.id);
    if (!old) continue;
    tellAll(part);
    if (old.hasAttribute("tabindex")) part.setAttribute("tabindex", "-1");
    if (old.isEqualNode(part)) continue;
    if (isBusy(old)) { isWhole = false; continue; }
    const open = all("details[open][id]", old).map((each) => each.id);
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const scrolled = [old, ...all(".scroll", old)].map((each) => [each.scrollLeft, each.scrollTop]);
    const current = find("tr.current", old)?.dataset.open;
    const next = document.adoptNode(part);
    carry(old, next);
    const same = focused && sameIn(next, focused, old);
    all("tr[data-open]", next).find((row) => row.dataset.open === current)?.classList.add("current");
    old.replaceWith(next);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    [next, ...all(".scroll", next)].forEach((each, nth) => { [each.scrollLeft, each.scrollTop] = scrolled[nth] || [0, 0]; });
    const typed = find("[data-from]", next);
    if (same) same.focus({ preventScroll: true }); else if (focused) rest(next);
    if (typed) { typed.setSelectionRange(...typed.dataset.from.split(" ").map(Number)); delete typed.dataset.from; }
    ready(next);
  }
  return isWhole;
}

// Whether the console itself answered: a proxy before it does while the console is away, and knows nothing.
const isOurs = (answer) => answer.headers.has("X-Request-Id");

// Looks at the page again: at most one look at a time, and one more for what happened meanwhile.
async function look() {
  if (looking) { again = true; return; }
  looking = (async () => {
    const headers = { "X-Console": "live" };
    if (tag) headers["If-None-Match"] = tag;
    const answer = await fetch(location.href, { headers, redirect: "manual" });
    if (!isOurs(answer)) throw new Error("a proxy answered");
    if (answer.status === 401) { location.reload(); return; }
    if (answer.status === 304) return;
    const isWhole = swap(parsed(await answer.text()));
    tag = isWhole ? answer.headers.get("ETag") || "" : "";
  })();
  try { await looking; if (missed) regain(); missed = false; } catch { missed = true; lose(); } finally { looking = null; }
  if (again) { again = false; setTimeout(look, 200); }
}

function lose() { find("#lost")?.removeAttribute("hidden"); document.body.classList.add("asleep"); }
function regain() { find("#lost")?.setAttribute("hidden", ""); document.body.classList.remove("asleep"); }

const rung = new Set();
function ring(waking) {
  const fresh = waking.filter((each) => !rung.has(each.id));
  for (const each of fresh) rung.add(each.id);
  if (!fresh.length || stored.get("bell") !== "on") return;
  chime(fresh.some((each) => each.severity === "critical"));
  if (window.Notification && Notification.permission === "granted" && document.hidden) {
    for (const each of fresh) new Notification("Watchkeeper: somebody is needed", { body: each.summary, tag: each.id });
  }
}

let sound = null;
function chime(critical) {
  sound ??= new AudioContext();
  const notes = critical ? [880, 660, 880, 660, 880] : [660, 880];
  notes.forEach((pitch, nth) => {
    const tone = sound.createOscillator();
    const volume = sound.createGain();
    const at = sound.currentTime + nth * 0.22;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.3, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.2);
    tone.connect(volume).connect(sound.destination);
    tone.start(at);
    tone.stop(at + 0.21);
  });
}

function heard(pulse) {
  regain();
  ring(pulse.waking);
  look();
}

// A browser allows few connections to one server, so its tabs share one stream: whoever holds the lock listens.
function listen() {
  const channel = new BroadcastChannel("watchkeeper");
  channel.onmessage = ({ data }) => (data.kind === "pulse" ? heard(data.pulse) : data.kind === "lost" ? lose() : location.reload());
  const tellTabs = (data) => channel.postMessage(data);
  const connect = () => {
    const stream = new EventSource("/console/live");
    stream.addEventListener("pulse", ({ data }) => { const pulse = JSON.parse(data); heard(pulse); tellTabs({ kind: "pulse", pulse }); });
    stream.addEventListener("out", () => { stream.close(); tellTabs({ kind: "out" }); location.reload(); });
    stream.onerror = () => {
      lose();
      tellTabs({ kind: "lost" });
      // Browsers give up on an answer that is no stream. Whoever is logged out learns it by looking.
      if (stream.readyState === EventSource.CLOSED) setTimeout(async () => { await look(); connect(); }, 3000);
    };
  };
  const open = () => new Promise(connect);
  if (navigator.locks) navigator.locks.request("watchkeeper-live", open); else open();
  // Times run on by themselves, and so do figures that no record tells of.
  setInterval(() => { if (!document.hidden) look(); }, 5000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
}

// ---------------------------------------------------------------- saying something

async function send(form) {
  if (form.dataset.sending) return;
  form.dataset.sending = "yes";
  // A button that was disabled would lose the focus.
  const buttons = all("button", form);
  const body = new URLSearchParams(new FormData(form));
  body.set("key", crypto.randomUUID());
  buttons.forEach((each) => { each.setAttribute("aria-disabled", "true"); });
  const said = find("#said");
  try {
    // A stop must not be lost because a connection was: it is sent until somebody answers. The key makes it one.
    for (let tries = 0; ; tries += 1) {
      try {
        const answer = await fetch(form.action, { method: "POST", body, headers: { "X-Console": "part" } });
        if (answer.status === 401) { location.reload(); return; }
        if (!isOurs(answer)) throw new Error("a proxy answered");
        const text = await answer.text();
        if ((answer.headers.get("Content-Type") || "").startsWith("text/html")) {
          show(text);
          if (find('[data-outcome="done"]', said)) form.reset();
        } else complain(problemOf(text));
        break;
      } catch (lost) {
        if (tries >= 4) throw lost;
        await new Promise((wake) => { setTimeout(wake, 300 * 2 ** tries); });
      }
    }
  } catch { complain("The console does not answer. On the machine itself, say: watchkeeper kill"); lose(); }
  buttons.forEach((each) => { each.removeAttribute("aria-disabled"); });
  delete form.dataset.sending;
  said.scrollIntoView({ block: "nearest" });
  look();
}

function problemOf(text) {
  try { const told = JSON.parse(text); return [told.detail, told.cure].filter(Boolean).join(". "); } catch { return text.slice(0, 300); }
}

function show(text) {
  const said = find("#said");
  const isThere = said.contains(document.activeElement);
  said.replaceChildren(...parsed(text).body.childNodes);
  if (isThere) rest(said);
  tellAll(said);
  ready(said);
}

function complain(text) {
  const told = document.createElement("section");
  told.className = "reply danger";
  told.setAttribute("role", "alert");
  told.textContent = text;
  const said = find("#said");
  const isThere = said.contains(document.activeElement);
  said.replaceChildren(told);
  if (isThere) rest(said);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.getAttribute("action") !== "/console/say") return;
  event.preventDefault();
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return;
  const box = form.matches(".box") ? find("#line") : null;
  if (box) { if (!box.value.trim()) return; remember(box.value.trim()); }
  send(form);
  if (box) { box.value = ""; offer([]); }
});

document.addEventListener("click", (event) => {
  if (event.target.closest(".close")) { rest(find("#main")); find("#said").replaceChildren(); }
  const row = event.target.closest("tr[data-open]");
  if (row && !event.target.closest("a, button, input, form") && !String(getSelection())) location.assign(row.dataset.open);
});

// ---------------------------------------------------------------- hold to stop

const held = new WeakSet();

function holdable(button) {
  if (held.has(button)) return;
  held.add(button);
  let timer = null;
  const begin = (event) => {
    if (timer || (event.type === "keydown" && ![" ", "Enter"].includes(event.key)) || event.button > 0) return;
    event.preventDefault();
    // A page that changes may move the button away from under the pointer: only letting go ends it.
    if (event.pointerId !== undefined) button.setPointerCapture(event.pointerId);
    button.classList.add("holding");
    timer = setTimeout(() => { end(); send(button.form); }, Number(button.dataset.hold));
  };
  const end = () => { clearTimeout(timer); timer = null; button.classList.remove("holding"); };
  button.addEventListener("pointerdown", begin);
  button.addEventListener("keydown", begin);
  for (const kind of ["pointerup", "pointerleave", "pointercancel", "keyup", "blur"]) button.addEventListener(kind, end);
  button.addEventListener("click", (event) => event.preventDefault());
}

// ---------------------------------------------------------------- the command box

const past = JSON.parse(stored.get("said") || "[]");
let place = past.length;
let offered = [];
let chosen = -1;
let asked = 0;
// Whether Tab completes: not twice for the same letters, or it would never lead out of the box.
let isTyped = false;

function remember(line) {
  if (past.at(-1) !== line) past.push(line);
  past.splice(0, past.length - 100);
  place = past.length;
  stored.set("said", JSON.stringify(past));
}

function offer(lines) {
  const box = find("#line");
  const list = find("#offered");
  offered = lines;
  chosen = -1;
  list.replaceChildren(...lines.map((line, nth) => {
    const item = document.createElement("li");
    item.id = `offer-${nth}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    item.textContent = line;
    item.addEventListener("pointerdown", (event) => { event.preventDefault(); take(nth); });
    return item;
  }));
  list.hidden = !lines.length;
  box.setAttribute("aria-expanded", String(Boolean(lines.length)));
  box.removeAttribute("aria-activedescendant");
}

function choose(nth) {
  chosen = (nth + offered.length) % offered.length;
  all("#offered li").forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
  find("#line").setAttribute("aria-activedescendant", `offer-${chosen}`);
}

function take(nth) {
  const box = find("#line");
  const line = offered[nth];
  const typed = box.value;
  const kept = line.startsWith("/") ? "" : typed.slice(0, typed.lastIndexOf(" ") + 1);
  box.value = `${kept}${line} `;
  offer([]);
  isTyped = false;
  complete();
}

async function complete() {
  const box = find("#line");
  const mine = ++asked;
  if (!box.value.trim()) { offer([]); return; }
  try {
    const answer = await fetch(`/console/complete?line=${encodeURIComponent(box.value)}`, { headers: { "X-Console": "part" } });
    const lines = answer.ok ? await answer.json() : [];
    if (mine === asked && document.activeElement === box) offer(lines);
  } catch { offer([]); }
}

function boxKeys(event) {
  const box = find("#line");
  if (event.key === "Escape") { if (offered.length) offer([]); else { box.value = ""; box.blur(); } }
  else if (offered.length && ["ArrowDown", "ArrowUp"].includes(event.key)) choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
  else if (offered.length && event.key === "Tab" && !event.shiftKey && (isTyped || chosen >= 0)) take(Math.max(chosen, 0));
  else if (offered.length && event.key === "Enter" && chosen >= 0) take(chosen);
  else if (event.key === "ArrowUp" && place > 0) { place -= 1; box.value = past[place]; }
  else if (event.key === "ArrowDown" && place < past.length) { place += 1; box.value = past[place] || ""; }
  else return;
  event.preventDefault();
}

// ---------------------------------------------------------------- keys

let going = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, textarea, select")) return;
  if (going && Date.now() - going < 1500) {
    going = 0;
    const tab = find(`.tabs a[data-go="${CSS.escape(event.key)}"]`);
    if (tab) { event.preventDefault(); tab.click(); }
    return;
  }
  const rows = all("tr[data-open]");
  const current = rows.findIndex((row) => row.classList.contains("current"));
  if (event.key === "/") { event.preventDefault(); find("#line")?.focus(); }
  else if (event.key === "g") going = Date.now();
  else if (event.key === "?") { const box = find("#line"); if (box) { box.value = "help"; box.form.requestSubmit(); } }
  else if (rows.length && ["j", "k"].includes(event.key)) {
    rows[current]?.classList.remove("current");
    const next = rows[Math.min(Math.max(current + (event.key === "j" ? 1 : -1), 0), rows.length - 1)];
    next.classList.add("current");
    next.scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter" && current >= 0 && event.target.matches("body, main, [data-live]")) location.assign(rows[current].dataset.open);
});

// ---------------------------------------------------------------- light, dark, bell

function dress() {
  const theme = stored.get("theme");
  if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
  find("#bell")?.setAttribute("aria-pressed", String(stored.get("bell") === "on"));
}

function ready(from) { all("button[data-hold]", from).forEach(holdable); if (from.matches?.("button[data-hold]")) holdable(from); }

dress();
tellAll();
ready(document);
find("#theme")?.addEventListener("click", () => {
  const isDark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (!stored.get("theme") && matchMedia("(prefers-color-scheme: dark)").matches);
  stored.set("theme", isDark ? "light" : "dark");
  dress();
});
find("#bell")?.addEventListener("click", () => {
  const on = stored.get("bell") !== "on";
  stored.set("bell", on ? "on" : "off");
  if (on) { chime(false); window.Notification?.requestPermission?.(); }
  dress();
});
const box = find("#line");
if (box) {
  box.addEventListener("keydown", boxKeys);
  box.addEventListener("input", () => { isTyped = true; complete(); });
  box.addEventListener("blur", () => offer([]));
}
// On a phone the pages do not all fit: the one that is open shows.
const tab = find(".tabs [aria-current]");
if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - (tab.parentElement.clientWidth - tab.offsetWidth) / 2;
const zoneShown = find("#zone");
if (zoneShown) zoneShown.textContent = `times in ${zone}`;
if (document.body.dataset.seq) listen();
find("form[data-enter] button")?.focus();
