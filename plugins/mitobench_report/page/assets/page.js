"use strict";
/* What needs a script is shown, links open what they point into, and the theme can be chosen. */
(() => {
  for (const element of document.querySelectorAll(".js")) element.hidden = false;

  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const details = target?.closest("details");
    if (!details) return;
    details.open = true;
    target.scrollIntoView();
    if (target.matches(".target")) target.focus({ preventScroll: true });
  };
  window.addEventListener("hashchange", open);
  open();
  document.addEventListener("click", ({ target }) => {
    const link = target.closest?.('a[href^="#"]');
    if (link && link.hash === location.hash) open();
  });

  document.addEventListener("click", async ({ target }) => {
    if (!("copy" in (target.dataset ?? {}))) return;
    const code = target.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      target.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
      target.textContent = "selected";
    }
  });

  const themes = ["system", "light", "dark"];
  const button = document.getElementById("theme");
  const stored = () => {
    try { return localStorage.getItem("mitobench-theme"); } catch { return null; }
  };
  const use = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.querySelector("span").textContent = theme;
    try { localStorage.setItem("mitobench-theme", theme); } catch { /* a page from a file may not store */ }
  };
  use(themes.includes(stored()) ? stored() : "system");
  button.hidden = false;
  button.addEventListener("click", () => {
    const now = button.querySelector("span").textContent;
    use(themes[(themes.indexOf(now) + 1) % themes.length]);
  });
})();
