"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";

  const show = () => {
    button.textContent = isDark() ? "Light page" : "Dark page";
    window.dispatchEvent(new Event("themechange"));
  };

  try {
    const kept = localStorage.getItem("iciclegcn-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* pages from a disk may have no storage */ }

  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("iciclegcn-theme", root.dataset.theme);
    } catch { /* not kept, then */ }
    show();
  });
  dark.addEventListener("change", show);
  show();

  // The link of the part that is being read.
  const links = new Map();
  for (const link of document.querySelectorAll("nav a")) {
    links.set(link.hash.slice(1), link);
  }
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -75% 0px" });
  for (const section of document.querySelectorAll("main > section")) watcher.observe(section);
})();
