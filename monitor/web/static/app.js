// What a browser with scripts gets on top: its own time zone, live updates, copy buttons, zooming by drag, a theme.
// Every page says the same without it.
"use strict";
(() => {
  const root = document.documentElement, body = document.body;
  const keep = {
    get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* private window */ } },
  };

  // --- theme -------------------------------------------------------------------------------------------------------
  const theme = document.getElementById("theme");
  if (keep.get("theme")) root.dataset.theme = keep.get("theme");
  if (theme) {
    theme.hidden = false;
    theme.addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      keep.set("theme", root.dataset.theme);
      frame();
    });
  }

  // --- the verifier's frame: it has our language and theme, and says how high it is ----------------------------------
  const inner = () => document.querySelector("iframe.verifier")?.contentWindow;
  function frame() { inner()?.postMessage({ theme: root.dataset.theme, lang: root.lang }, "*"); }
  addEventListener("message", (event) => {
    const height = Number(event.data?.height);
    if (!event.source || event.source !== inner() || !(height > 0)) return;
    document.querySelector("iframe.verifier").style.height = `${Math.min(height, 20000)}px`;
    if (!root.dataset.framing) { root.dataset.framing = "1"; frame(); }
  });

  // --- times in the reader's zone ------------------------------------------------------------------------------------
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  let local = keep.get("zone") !== "utc";
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
  });
  const written = (date, form) => {
    const p = Object.fromEntries(parts.formatToParts(date).map((x) => [x.type, x.value]));
    const day = `${p.year}-${p.month}-${p.day}`, minute = `${p.hour}:${p.minute}`;
    if (form === "date") return day;
    if (form === "clock") return `${minute}:${p.second}`;
    if (form === "minute") return `${day} ${minute} ${p.timeZoneName}`;
    if (form === "exact") p.second += `.${String(date.getUTCMilliseconds()).padStart(3, "0")}`;
    return `${day} ${minute}:${p.second} ${p.timeZoneName}`;
  };
  function times(scope) {
    for (const el of scope.querySelectorAll("time[data-u]")) {
      el.dataset.utc ??= el.textContent;
      const date = new Date(el.dateTime);
      el.textContent = local ? written(date, el.dataset.u) : el.dataset.utc;
      const form = el.dataset.u === "exact" ? "exact" : "full";
      const utc = el.dateTime.slice(0, form === "exact" ? 23 : 19).replace("T", " ") + " UTC";
      el.title = local ? utc : `${written(date, form)}`;
    }
  }
  const toggle = document.getElementById("zone");
  function showZone() {
    if (!toggle) return;
    toggle.hidden = false;
    toggle.textContent = local ? body.dataset.tLocal : "UTC";
    toggle.setAttribute("aria-pressed", String(!local));
    toggle.title = local ? zone : "UTC";
  }
  toggle?.addEventListener("click", () => {
    local = !local;
    keep.set("zone", local ? "local" : "utc");
    showZone();
    times(document);
  });

  // --- copy ----------------------------------------------------------------------------------------------------------
  function copies(scope) {
    for (const button of scope.querySelectorAll("button[data-copy]")) {
      button.hidden = false;
      button.addEventListener("click", async () => {
        const from = document.getElementById(button.dataset.copy);
        const before = button.textContent;
        try {
          await navigator.clipboard.writeText(from.textContent);
        } catch {
          const range = document.createRange();
          range.selectNodeContents(from);
          getSelection().removeAllRanges();
          getSelection().addRange(range);
          document.execCommand("copy");
        }
        button.textContent = body.dataset.tCopied;
        setTimeout(() => { button.textContent = before; }, 1500);
      });
    }
  }

  // --- zooming a timeline by drag or by keys -----------------------------------------------------------------------
  function zooms(scope) {
    for (const box of scope.querySelectorAll("[data-zoom]")) {
      const [start, end] = box.dataset.zoom.split(",").map(Number);
      const shade = box.querySelector(".shade");
      let from = null;
      const share = (event) => {
        const r = box.getBoundingClientRect();
        return Math.min(1, Math.max(0, (event.clientX - r.left) / r.width));
      };
      const go = (a, b) => {
        const url = new URL(location.href);
        url.searchParams.set("from", new Date(Math.round(a)).toISOString());
        url.searchParams.set("to", new Date(Math.round(b)).toISOString());
        url.hash = "timeline";
        visit(url);
      };
      box.addEventListener("pointerdown", (event) => {
        if (event.button || event.target.closest("a")) return;
        from = share(event);
        box.setPointerCapture(event.pointerId);
      });
      box.addEventListener("pointermove", (event) => {
        if (from === null) return;
        const to = share(event), x = Math.min(from, to) * 100, wide = Math.abs(to - from) * 100;
        shade.setAttribute("x", `${x}%`);
        shade.setAttribute("width", `${wide}%`);
      });
      box.addEventListener("pointerup", (event) => {
        if (from === null) return;
        const to = share(event), a = Math.min(from, to), b = Math.max(from, to);
        from = null;
        shade.setAttribute("width", "0");
        if (b - a > 0.01 && (b - a) * (end - start) >= 10000) go(start + a * (end - start), start + b * (end - start));
      });
      box.addEventListener("pointercancel", () => { from = null; shade.setAttribute("width", "0"); });
      box.addEventListener("dblclick", (event) => {
        const at = start + share(event) * (end - start), half = (end - start) / 8;
        if (half > 5000) go(at - half, at + half);
      });
    }
  }

  // --- swapping the page's content -----------------------------------------------------------------------------------
  function dress(scope) { times(scope); copies(scope); zooms(scope); }
  async function load(url, keepScroll) {
    const answer = await fetch(url, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("main"), old = document.getElementById("main");
    const open = new Set([...old.querySelectorAll("details[open][id]")].map((d) => d.id));
    const focused = document.activeElement?.id || document.activeElement?.getAttribute?.("href");
    for (const d of fresh.querySelectorAll("details[id]")) if (open.has(d.id)) d.open = true;
    dress(fresh);
    const y = scrollY;
    old.replaceWith(fresh);
    document.title = page.title;
    if (keepScroll) scrollTo({ top: y, behavior: "instant" });
    if (focused) {
      const again = document.getElementById(focused) || [...fresh.querySelectorAll("a[href]")].find((a) => a.getAttribute("href") === focused);
      again?.focus({ preventScroll: true });
    }
  }
  async function visit(url) {
    try {
      await load(url, true);
      history.pushState(null, "", url);
    } catch { location.assign(url); }
  }
  addEventListener("popstate", () => { load(location.href, true).catch(() => location.reload()); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-swap]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    visit(new URL(link.href));
  });

  // --- live ----------------------------------------------------------------------------------------------------------
  function listen() {
    const path = document.getElementById("main")?.dataset.live, light = document.getElementById("live");
    if (!path || !window.EventSource) return;
    let busy = false, missed = false;
    const source = new EventSource(path);
    const refresh = async () => {
      if (document.hidden || busy) { missed = true; return; }
      if (getSelection()?.toString()) { missed = true; return; }
      busy = true; missed = false;
      try { await load(location.href, true); } catch { /* the next one will */ }
      busy = false;
    };
    source.addEventListener("change", refresh);
    source.addEventListener("open", () => { light.hidden = false; light.textContent = body.dataset.tLive; light.classList.remove("lost"); });
    source.addEventListener("error", () => { light.hidden = false; light.textContent = body.dataset.tStale; light.classList.add("lost"); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden && missed) refresh(); });
    addEventListener("pagehide", () => source.close());
  }

  showZone();
  dress(document);
  listen();
})();
