"use strict";
// One slide at a time; N shows the notes beside it, W opens a second window that goes along.
(() => {
  const slides = [...document.querySelectorAll("#deck > div")];
  const clock = document.getElementById("clock");
  const body = document.body;
  let now = 0, begun = null, other = null;
  const number = () => Math.min(slides.length, Math.max(1, parseInt(location.hash.slice(1), 10) || 1)) - 1;

  function fit() {
    const wide = body.classList.contains("notes") ? innerWidth * 0.62 : innerWidth;
    const scale = Math.min(wide / 1280, innerHeight / 720);
    const section = slides[now].querySelector("section");
    section.style.transform = `scale(${scale})`;
    section.style.left = `${(wide - 1280 * scale) / 2}px`;
    section.style.top = `${(innerHeight - 720 * scale) / 2}px`;
  }
  function tell() {
    const planned = slides[now].dataset.from, until = slides[now].dataset.until;
    const passed = begun === null ? null : Math.floor((Date.now() - begun) / 1000);
    const time = passed === null ? "not begun" : `${Math.floor(passed / 60)}:${String(passed % 60).padStart(2, "0")}`;
    const next = slides[now + 1] ? slides[now + 1].dataset.title : "the end";
    clock.textContent = `${now + 1} of ${slides.length} · planned ${planned}–${until} min · ${time} · next: ${next}`;
  }
  function show(index, from) {
    now = Math.min(slides.length - 1, Math.max(0, index));
    if (now > 0 && begun === null) begun = Date.now();
    slides.forEach((slide, at) => slide.classList.toggle("now", at === now));
    history.replaceState(null, "", `#${now + 1}`);
    fit();
    tell();
    const peer = other || window.opener;
    if (peer && from !== "peer") peer.postMessage({ shootdown: now }, "*");
  }
  const keys = {
    ArrowRight: () => show(now + 1), ArrowDown: () => show(now + 1), PageDown: () => show(now + 1),
    " ": () => show(now + 1), Enter: () => show(now + 1),
    ArrowLeft: () => show(now - 1), ArrowUp: () => show(now - 1), PageUp: () => show(now - 1),
    Backspace: () => show(now - 1), Home: () => show(0), End: () => show(slides.length - 1),
    n: () => { body.classList.toggle("notes"); fit(); tell(); },
    w: () => { other = window.open(location.href, "notes"); },
    f: () => { if (document.fullscreenElement) document.exitFullscreen(); else document.documentElement.requestFullscreen(); },
    t: () => { begun = Date.now(); tell(); },
    "?": () => body.classList.toggle("keys"), Escape: () => body.classList.remove("keys"),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) { event.preventDefault(); act(); }
  });
  addEventListener("click", (event) => {
    if (event.target.closest("a, aside")) return;
    show(now + (event.clientX < innerWidth / 4 ? -1 : 1));
  });
  addEventListener("message", (event) => {
    if (event.data && Number.isInteger(event.data.shootdown)) show(event.data.shootdown, "peer");
  });
  addEventListener("hashchange", () => show(number()));
  addEventListener("resize", fit);
  addEventListener("afterprint", fit);
  setInterval(tell, 1000);
  body.classList.add("live");
  if (window.opener && window.name === "notes") body.classList.add("notes");
  show(number(), "peer");
})();
