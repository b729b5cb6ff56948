// Sets the colours before anything is painted, so it is no module. The choice, "light" or "dark", is all that the page keeps
// in localStorage.
(() => {
  const key = "signalbox-theme";
  let chosen = null;
  try {
    chosen = localStorage.getItem(key);
  } catch {
    // Storage may be forbidden: then the choice lasts as long as the page.
  }
  const root = document.documentElement;
  const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const current = () => root.dataset.theme ?? (dark() ? "dark" : "light");
    const label = () => (button.textContent = current() === "dark" ? "Light colours" : "Dark colours");
    label();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
    button.addEventListener("click", () => {
      root.dataset.theme = current() === "dark" ? "light" : "dark";
      try {
        localStorage.setItem(key, root.dataset.theme);
      } catch {
        // As above.
      }
      label();
    });
  });
})();
