/**
 * Makes a tablist work: the arrow keys, Home and End move between tabs, and the address keeps which one is shown.
 *
 * Rule: https://www.w3.org/WAI/ARIA/apg/patterns/tabs/
 */
export function runTabs(list) {
  const tabs = [...list.querySelectorAll('[role="tab"]')];
  const panel = (tab) => document.getElementById(tab.getAttribute("aria-controls"));

  const show = (chosen) => {
    for (const tab of tabs) {
      const is = tab === chosen;
      tab.setAttribute("aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
      panel(tab).hidden = !is;
    }
  };
  const choose = (tab) => {
    show(tab);
    history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
  };

  for (const tab of tabs) tab.addEventListener("click", () => choose(tab));
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    choose(tab);
    tab.focus();
  });

  const fromAddress = () => tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash);
  addEventListener("hashchange", () => {
    const tab = fromAddress();
    if (tab) show(tab);
  });
  show(fromAddress() ?? tabs[0]);
}
