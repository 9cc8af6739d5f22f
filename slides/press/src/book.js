"use strict";
// One chapter at a time, and a search over every section. The index is made from the page itself.
(() => {
  const chapters = [...document.querySelectorAll("article")];
  const box = document.getElementById("search"), list = document.getElementById("found"), contents = document.getElementById("contents");
  const sections = [];
  for (const chapter of chapters) {
    let section = null;
    for (const element of chapter.children) {
      const heading = /^H[1-4]$/.test(element.tagName);
      if (heading || section === null) {
        section = { id: heading ? element.id : chapter.id, title: heading ? element.textContent : chapter.dataset.title, chapter: chapter.dataset.title, text: "" };
        sections.push(section);
      }
      section.text += ` ${element.textContent}`;
    }
  }
  for (const section of sections) section.low = section.text.toLowerCase();

  function show() {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    const chapter = (target && target.closest("article")) || chapters[0];
    chapters.forEach((it) => it.classList.toggle("now", it === chapter));
    for (const link of contents.querySelectorAll("a")) {
      if (link.getAttribute("href") === `#${chapter.id}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = `${chapter.dataset.title} · ${document.body.dataset.title}`;
    if (target && target !== chapter) target.scrollIntoView(); else scrollTo(0, 0);
  }
  function search() {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    list.replaceChildren();
    contents.hidden = words.length > 0;
    if (words.length === 0) return;
    const score = (section) => words.reduce((sum, word) => sum + (section.title.toLowerCase().includes(word) ? 20 : 0) + Math.min(9, section.low.split(word).length - 1), 0);
    const hits = sections.filter((section) => words.every((word) => section.low.includes(word)));
    hits.sort((a, b) => score(b) - score(a));
    for (const section of hits.slice(0, 40)) {
      const item = document.createElement("li"), link = document.createElement("a"), small = document.createElement("small");
      link.href = `#${section.id}`;
      link.textContent = section.title;
      const at = Math.max(0, section.low.indexOf(words[0]) - 40);
      small.textContent = `${section.chapter}: …${section.text.slice(at, at + 110).replace(/\s+/g, " ").trim()}…`;
      link.append(small);
      item.append(link);
      list.append(item);
    }
    if (hits.length === 0) { const item = document.createElement("li"); item.textContent = "Nothing has all these words."; list.append(item); }
  }
  addEventListener("hashchange", show);
  addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== box) { event.preventDefault(); box.focus(); }
    if (event.key === "Escape" && document.activeElement === box) { box.value = ""; search(); }
  });
  box.addEventListener("input", search);
  document.body.classList.add("live");
  show();
})();
