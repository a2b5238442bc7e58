// The page works without this file: it is one form whose answer is the next page.
// Here the answer is fetched in part and laid over what is shown, so that focus, scroll and sliders stay where they are.
"use strict";
(() => {
  const root = document.documentElement, $ = id => document.getElementById(id), form = () => $("view");
  root.classList.add("js");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // --- laying a new tree over the old one -----------------------------------------------------------------------
  const key = node => node.nodeType === 1 ? node.id || (node.name && node.value && node.type !== "search" ? `${node.name}=${node.value}` : "") : "";

  function attributes(old, fresh) {
    for (const {name} of [...old.attributes]) if (!fresh.hasAttribute(name) && !(old.tagName === "DETAILS" && name === "open")) old.removeAttribute(name);
    for (const {name, value} of fresh.attributes) if (old.getAttribute(name) !== value && !(old.tagName === "DETAILS" && name === "open")) old.setAttribute(name, value);
  }

  function overlay(old, fresh, held) {          // held: the field in the user's hand, which keeps its value
    if (old.nodeType !== 1) { if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue; return; }
    attributes(old, fresh);
    if (old.tagName === "INPUT" && old !== held) {
      if (old.type === "checkbox") old.checked = fresh.hasAttribute("checked");
      else if (old.value !== fresh.value) old.value = fresh.value;
    }
    children(old, fresh, held);
    if (old.tagName === "SELECT" && old !== held) old.value = fresh.value;
  }

  function children(old, fresh, held) {
    const wanted = new Set([...fresh.children].map(key).filter(Boolean));
    for (const n of [...old.children]) if (key(n) && !wanted.has(key(n))) n.remove();
    const named = new Map([...old.children].filter(key).map(n => [key(n), n]));
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const k = key(next);
      let match = k ? named.get(k) : null;
      if (!k) {                                  // nameless: the next old one of its kind
        let seek = at;
        while (seek && (key(seek) || seek.nodeName !== next.nodeName)) seek = seek.nextSibling;
        match = seek;
      }
      if (match && match.nodeName === next.nodeName) {
        while (at && at !== match && at.nodeType !== 1) { const gone = at; at = at.nextSibling; gone.remove(); }   // rather than move what is held
        if (match === at) at = at.nextSibling; else old.insertBefore(match, at);
        overlay(match, next, held);
      } else old.insertBefore(document.importNode(next, true), at);
    }
    while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
  }

  // --- films glide to their new places --------------------------------------------------------------------------
  const movable = () => [...document.querySelectorAll("#answer li[id], .chips li[id], #shelf li[id]")];
  const places = () => new Map(movable().map(n => [n.id, n.getBoundingClientRect()]));

  function glide(before) {
    if (calm.matches) return;
    let late = 0;
    for (const node of movable()) {
      const now = node.getBoundingClientRect(), was = before.get(node.id), ease = "cubic-bezier(.2,.7,.2,1)";
      if (now.bottom < -200 || now.top > innerHeight + 200) continue;
      if (!was) node.animate([{opacity: 0, transform: "translateY(10px)"}, {opacity: 1, transform: "none"}], {duration: 260, delay: 25 * Math.min(late++, 8), easing: ease, fill: "backwards"});
      else if (Math.abs(was.left - now.left) + Math.abs(was.top - now.top) > 1)
        node.animate([{transform: `translate(${was.left - now.left}px, ${was.top - now.top}px)`}, {transform: "none"}], {duration: 320, easing: ease});
    }
  }

  // --- focus: what was pressed may be gone ----------------------------------------------------------------------
  function remember() {
    const node = document.activeElement, list = node?.closest("ol, ul");
    if (!node || !form()?.contains(node)) return () => {};
    const verb = node.value?.split(":")[0], item = node.closest("li"), rank = list ? [...list.querySelectorAll(":scope > li:not(.panel)")].indexOf(item) : -1, home = list?.id;
    const again = node.name && node.value !== undefined ? `[name="${CSS.escape(node.name)}"][value="${CSS.escape(node.value)}"]` : null;
    return () => {
      if (node.isConnected && document.activeElement === node) return;
      if (node.isConnected) return node.focus({preventScroll: true});
      const same = again && form().querySelector(again);
      if (same) return same.focus({preventScroll: true});
      if (home?.startsWith("found") || home?.startsWith("chips")) return ($("q")?.checkVisibility() ? $("q") : $("heading")).focus({preventScroll: true});
      const items = home && $(home) ? [...$(home).querySelectorAll(":scope > li:not(.panel)")] : [];
      const next = items[Math.min(Math.max(rank, 0), items.length - 1)]?.querySelector(`[value^="${CSS.escape(verb || "")}:"]`);
      (next || $("heading"))?.focus({preventScroll: true});
    };
  }

  // --- asking ---------------------------------------------------------------------------------------------------
  let running = null, slow = 0, again = null, shown = location.href, dragging = false, reasons = null;

  function query(submitter) {
    const data = new FormData(form(), submitter), pairs = [...data].filter(([, v]) => v !== "" || submitter);
    return "?" + new URLSearchParams(pairs);
  }

  async function ask(search, {push = "push", say = "said", force = false} = {}) {
    running?.abort(); reasons?.abort();
    const mine = running = new AbortController();
    again = () => ask(search, {push, say, force});
    clearTimeout(slow);
    slow = setTimeout(() => { $("busy").hidden = false; form().setAttribute("aria-busy", "true"); }, 250);
    try {
      const reply = await fetch(location.pathname + search, {headers: {"X-Partial": "1"}, signal: mine.signal, cache: "no-store", credentials: "same-origin"});
      const text = await reply.text();
      if (!reply.ok) throw new Error(reply.status === 429 || reply.status === 503 ? "The service is busy." : `The service answered ${reply.status}.`);
      const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("view");
      if (!fresh) throw new Error("The service sent something else.");
      if (mine.signal.aborted) return;
      show(fresh, {push, say, force});
    } catch (e) {
      if (e.name === "AbortError") return;
      $("alert").querySelector("p").textContent = `The list could not be refreshed. ${e instanceof TypeError ? "The service cannot be reached." : e.message}`;
      $("alert").hidden = false;
    } finally {
      if (running === mine) { running = null; clearTimeout(slow); $("busy").hidden = true; form().removeAttribute("aria-busy"); }
    }
  }

  function show(fresh, {push, say, force}) {
    const before = places(), refocus = remember(), held = force ? null : document.activeElement;
    overlay(form(), fresh, held);
    document.title = fresh.dataset.title;
    if (push) {
      const url = new URL(fresh.dataset.url, location.href).href;
      history[url !== shown && (push === "push" || push === "drag" && !dragging) ? "pushState" : "replaceState"](null, "", url);
      if (url !== shown && push === "drag") dragging = true;   // one step back undoes the whole drag
      shown = url;
    }
    $("alert").hidden = true;
    refocus(); dress(); glide(before); reason();
    const undo = $("undo") ? $("undo").querySelector("span").textContent.replace(/\s+/g, " ").trim() + " " : "";
    const words = ($(say) || $("said")).textContent.replace(/\s+/g, " ").trim();
    const notices = $("notices") ? $("notices").textContent.replace(/\s+/g, " ").trim() + " " : "";
    $("live").textContent = notices + undo + words;
  }

  // Reasons that take longer than the list come after it: silently, and only while the list is still the one shown
  async function reason() {
    if (form().dataset.reasons !== "later") return;
    const mine = reasons = new AbortController(), search = new URL(form().dataset.url, location.href).search;
    try {
      const reply = await fetch(location.pathname + search, {headers: {"X-Partial": "1", "X-Reasons": "1"}, signal: mine.signal, cache: "no-store", credentials: "same-origin"});
      if (!reply.ok) return;                    // the list is whole without them
      const list = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("answer");
      if (mine.signal.aborted || running || !list) return;
      overlay($("answer"), list, document.activeElement);
      delete form().dataset.reasons; dress();
    } catch (e) { if (e.name !== "AbortError" && !(e instanceof TypeError)) throw e; }
  }

  // --- what the hand does ---------------------------------------------------------------------------------------
  let wait = 0;
  const later = (ms, f) => { clearTimeout(wait); wait = setTimeout(f, ms); };

  document.addEventListener("submit", e => {
    if (e.target !== form()) return;
    e.preventDefault(); clearTimeout(wait);
    const pressed = e.submitter?.name ? e.submitter : null;
    if (!pressed && document.activeElement === $("q")) {     // Enter in the search likes the best title
      const best = $("found-list")?.querySelector("[value^='like:']"), current = $("found-list")?.dataset.q === $("q").value.trim();
      if (best && current) { $("q").value = ""; return ask(query(best), {force: true}); }
      return ask(query(), {push: "replace", say: "found"});
    }
    ask(query(pressed), {force: !!pressed});
  });

  document.addEventListener("input", e => {
    const t = e.target;
    if (t.form !== form()) return;
    if (t.type === "range") {
      t.setAttribute("aria-valuetext", words(t));
      later(70, () => ask(query(), {push: "drag"}));
    } else if (t.id === "q") later(160, () => ask(query(), {push: "replace", say: "found"}));
  });

  document.addEventListener("change", e => {
    const t = e.target;
    if (t.form !== form() || t.id === "q" || t.id === "user") return;
    clearTimeout(wait);
    if (t.type === "range") ask(query(), {push: "drag"}).then(() => dragging = false);
    else if (t.type === "number" && !t.checkValidity()) t.reportValidity();
    else ask(query());
  });

  document.addEventListener("dblclick", e => {               // back to the middle
    if (e.target.type === "range" && e.target.value !== "0") { e.target.value = 0; e.target.dispatchEvent(new Event("change", {bubbles: true})); }
  });

  document.addEventListener("keydown", e => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) && e.target.type !== "range" && e.target.type !== "checkbox";
    if (e.key === "/" && !typing && !e.ctrlKey && !e.metaKey && !e.altKey && $("q")) {
      e.preventDefault();
      if (!$("q").checkVisibility()) $("rail").showPopover();    // on a phone the search lies in the sheet
      $("q").focus(); $("q").select();
    }
    if (e.key === "Escape" && $("rail").matches(":popover-open") && !(e.target.id === "q" && e.target.value)) return;   // it closes the sheet
    if (e.key === "Escape" && e.target.id === "q" && e.target.value) { e.preventDefault(); e.target.value = ""; ask(query(), {push: "replace"}); }
    else if (e.key === "Escape" && document.querySelector(".panel .close") && !typing) {
      const open = document.querySelector(".why[aria-expanded=true]");
      ask(query(document.querySelector(".panel .close")), {force: true}).then(() => open?.focus({preventScroll: true}));
    }
    if (/^Arrow(Down|Up)$/.test(e.key) && (e.target.id === "q" || e.target.closest?.("#found-list"))) {
      const stops = [$("q"), ...$("found-list")?.querySelectorAll("[value^='like:']") || []], row = e.target.closest("li");
      const now = row ? stops.findIndex(s => row.contains(s)) : 0, next = stops[now + (e.key === "ArrowDown" ? 1 : -1)];
      if (next) { e.preventDefault(); next.focus(); }
    }
  });

  document.addEventListener("click", async e => {
    if (e.target.closest("#alert button")) { $("alert").hidden = true; again?.(); }
    const undo = e.target.closest("#undo a");
    if (undo && !e.ctrlKey && !e.metaKey && !e.shiftKey && e.button === 0) { e.preventDefault(); return ask(new URL(undo.href).search, {force: true}); }
    const copy = e.target.closest("#copy");
    if (!copy) return;
    const label = copy.querySelector("span");
    try { await navigator.clipboard.writeText(location.href); label.textContent = "Copied"; }
    catch { label.textContent = "Copy it from the address bar"; }
    $("live").textContent = label.textContent;
    setTimeout(() => { if (label.isConnected) label.textContent = "Copy link"; }, 2000);
  });

  addEventListener("popstate", () => {
    if (location.href.split("#")[0] === shown.split("#")[0]) return;   // only the fragment moved
    shown = location.href; ask(location.search, {push: null, force: true});
  });

  function words(range) {
    const x = +range.value, [low, high] = range.dataset.words.split("|"), much = Math.round(Math.abs(x) * 100) + "%";
    return !x ? "as the model says" : low ? `${much} towards ${x > 0 ? high : low}` : `${much} ${high}`;
  }

  function dress() { if ($("copy")) $("copy").hidden = false; }
  document.addEventListener("DOMContentLoaded", () => { dress(); reason(); });
  matchMedia("(min-width: 54.01rem)").addEventListener("change", () => { if ($("rail").matches(":popover-open")) $("rail").hidePopover(); });
})();
