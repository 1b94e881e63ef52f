(() => {
  const form = document.querySelector(".ev-filter");
  if (!form) return;
  const words = form.elements.namedItem("words");
  const verdict = form.elements.namedItem("verdict");
  const count = form.querySelector("output");
  const cases = [...document.querySelectorAll(".ev-case")];
  const entries = new Map(
    [...document.querySelectorAll(".ev-list li")].map((li) => [li.dataset.case, li]));
  const filter = () => {
    const wanted = words.value.trim().toLowerCase();
    let shown = 0;
    for (const one of cases) {
      const fits = one.dataset.words.includes(wanted) &&
        (!verdict.value || one.dataset.verdicts.split(" ").includes(verdict.value));
      one.hidden = !fits;
      entries.get(one.id).hidden = !fits;
      shown += fits;
    }
    count.value = `${shown} of ${cases.length} shown`;
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
  for (const strip of document.querySelectorAll(".iv-parts")) strip.tabIndex = 0;
})();
