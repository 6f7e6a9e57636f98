// Recomputes the journal's chain in the browser: each record's SHA-256, and that it follows the record before.
// The server sends what is hashed and the hash that is stored; nothing it says about them is believed.
"use strict";

(() => {
  const panel = document.getElementById("verify");
  if (!panel) return;
  const part = (name) => panel.querySelector(`[data-verify="${name}"]`);
  const said = document.getElementById("verify-said");
  const rate = document.getElementById("verify-rate");
  const bar = document.getElementById("verify-progress");
  const NOTE = "journal-verified";
  const HASH = 32;
  const AT_ONCE = 512;
  const number = new Intl.NumberFormat();
  const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

  class Break extends Error {
    constructor(seq, message) { super(message); this.seq = seq; }
  }

  function noted() {
    try {
      const found = JSON.parse(localStorage.getItem(NOTE));
      return Number.isSafeInteger(found?.seq) && /^[0-9a-f]{64}$/.test(found.hash) ? found : null;
    } catch { return null; }
  }

  function note(seq, hash) {
    const before = noted();
    if (before && before.seq >= seq) return;
    try { localStorage.setItem(NOTE, JSON.stringify({ seq, hash, at: Date.now() })); } catch { /* for this run only */ }
  }

  // ---------------------------------------------------------------- the chain

  async function fetched(after, signal) {
    const answer = await fetch(`/console/journal/records?after=${after}`, { headers: { "X-Console": "part" }, signal });
    if (answer.status === 401) throw new Error("You are logged out. Log in again, then go on.");
    if (answer.status === 429) { await new Promise((wake) => { setTimeout(wake, 1000); }); return fetched(after, signal); }
    if (!answer.ok) {
      const told = await answer.json().catch(() => ({}));
      const message = [told.detail, told.cure].filter(Boolean).join(". ") || `The console answered ${answer.status}.`;
      if (answer.headers.has("X-Journal-Broken")) throw new Break(after + 1, message);
      throw new Error(message);
    }
    return {
      last: Number(answer.headers.get("X-Journal-Last")),
      head: Number(answer.headers.get("X-Journal-Head")),
      bytes: new Uint8Array(await answer.arrayBuffer()),
    };
  }

  // Cuts a page into records: `{ seq, hashed, hash }`.
  function records(bytes) {
    const view = new DataView(bytes.buffer);
    const found = [];
    let at = 0;
    while (at < bytes.length) {
      const size = view.getUint32(at);
      const hashed = bytes.subarray(at + 4, at + 4 + size);
      found.push({ seq: Number(view.getBigUint64(at + 4 + 1 + HASH)), hashed, hash: bytes.subarray(at + 4 + size, at + 4 + size + HASH) });
      at += 4 + size + HASH;
    }
    return found;
  }

  // Checks records against the one before them; returns the new end. Throws `Break` at the first that does not fit.
  async function follow(end, found, anchor) {
    let { seq, hash } = end;
    for (let from = 0; from < found.length; from += AT_ONCE) {
      const some = found.slice(from, from + AT_ONCE);
      const computed = await Promise.all(some.map((each) => crypto.subtle.digest("SHA-256", each.hashed)));
      some.forEach((each, nth) => {
        seq += 1;
        if (each.seq !== seq) throw new Break(seq, `Record ${seq} is missing or out of place: record ${each.seq} stands there.`);
        if (each.hashed[0] !== 0 || !same(each.hashed.subarray(1, 1 + HASH), hash)) throw new Break(seq, `Record ${seq} does not follow record ${seq - 1}: its link was altered.`);
        if (!same(new Uint8Array(computed[nth]), each.hash)) throw new Break(seq, `Record ${seq} was altered: its hash does not fit its bytes.`);
        hash = each.hash;
        if (anchor && anchor.seq === seq && anchor.hash !== hex(hash)) throw new Break(seq, `Record ${seq} is not the one this browser verified before: history was rewritten.`);
      });
    }
    return { seq, hash: hash.slice() };
  }

  // ---------------------------------------------------------------- a run

  let running = null;

  async function run(goesOn) {
    const anchor = noted();
    const stop = new AbortController();
    running = stop;
    shown();
    const began = performance.now();
    let end = { seq: 0, hash: new Uint8Array(HASH) };
    let first = 0;
    let done = false;
    try {
      let next = fetched(goesOn && anchor ? anchor.seq - 1 : 0, stop.signal);
      let head = null;
      for (;;) {
        const page = await next;
        // What is appended meanwhile is for the next run.
        head ??= page.head;
        if (anchor && head < anchor.seq) throw new Break(head + 1, `The journal ends at record ${head}, and this browser verified ${anchor.seq} before: the end was cut off.`);
        let found = records(page.bytes);
        if (goesOn && anchor && !end.seq) {
          // The last one it knows is looked at again: it must still be there.
          if (!found.length || found[0].seq !== anchor.seq || hex(found[0].hash) !== anchor.hash) throw new Break(anchor.seq, `Record ${anchor.seq} is not the one this browser verified before: history was rewritten.`);
          end = { seq: anchor.seq, hash: found[0].hash };
          first = anchor.seq;
          found = found.slice(1);
        }
        const more = page.last < head && page.bytes.length > 0;
        if (more) { next = fetched(page.last, stop.signal); next.catch(() => {}); }
        end = await follow(end, found, anchor);
        note(end.seq, hex(end.hash));
        progress(end.seq, head, first, began);
        if (stop.signal.aborted) throw new DOMException("stopped", "AbortError");
        if (!more) break;
      }
      if (end.seq < head) throw new Break(end.seq + 1, `Record ${end.seq + 1} is missing.`);
      done = true;
      tell("good", `All ${number.format(end.seq)} records fit. Head ${end.seq}:${hex(end.hash)}`);
    } catch (error) {
      if (error.name === "AbortError") tell("warning", `Stopped after record ${number.format(end.seq)}. Going on begins there.`);
      else if (error instanceof Break) tell("danger", error.message, error.seq);
      else tell("warning", `It could not go on after record ${number.format(end.seq)}: ${error.message}`);
    } finally {
      running = null;
      panel.dataset.done = done ? "ok" : "no";
      shown();
    }
  }

  function progress(seq, head, first, began) {
    const seconds = (performance.now() - began) / 1000;
    const perSecond = seconds ? (seq - first) / seconds : 0;
    panel.dataset.rate = String(Math.round(perSecond));
    bar.max = Math.max(head - first, 1);
    bar.value = seq - first;
    said.textContent = `Record ${number.format(seq)} of ${number.format(head)}`;
    rate.textContent = `${number.format(seq - first)} records in ${seconds.toFixed(1)} s: ${number.format(Math.round(perSecond))} a second`;
  }

  function tell(tone, text, seq) {
    const chip = document.createElement("span");
    chip.className = `chip ${tone}`;
    chip.textContent = { good: "Verified", warning: "Not finished", danger: "Broken" }[tone];
    const line = document.createElement("span");
    line.textContent = ` ${text}`;
    said.replaceChildren(chip, line);
    if (seq) {
      const link = document.createElement("a");
      link.href = `/journal/${seq}`;
      link.textContent = `Look at record ${seq}`;
      said.append(" ", link, ". Stop trusting this journal, keep the file as evidence and compare it with a copy.");
    }
  }

  function shown() {
    const known = noted();
    part("begin").disabled = Boolean(running);
    part("on").hidden = Boolean(running) || !known;
    part("forget").hidden = Boolean(running) || !known;
    part("stop").hidden = !running;
    bar.hidden = !running && !bar.value;
    if (known) part("on").textContent = `Go on from record ${number.format(known.seq)}`;
  }

  if (!window.crypto?.subtle) {
    said.textContent = "This browser computes hashes only over https, or on the machine itself.";
    return;
  }
  part("begin").addEventListener("click", () => run(false));
  part("on").addEventListener("click", () => run(true));
  part("stop").addEventListener("click", () => running?.abort());
  part("forget").addEventListener("click", () => { localStorage.removeItem(NOTE); said.textContent = "Forgotten."; shown(); });
  shown();
})();
