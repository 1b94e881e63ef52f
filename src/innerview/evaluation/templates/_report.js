(() => {
  const number = /^[+−-]?[\d.,]+%?$/;
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell?.dataset.value ?? cell?.textContent.trim() ?? "";
    if (text === "–" || text === "") return null;
    return number.test(text) ? parseFloat(text.replace("−", "-").replaceAll(",", "")) : text;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  // Headings of groups stay on top, sums at the end.
  const place = (row) => (row.matches(".ev-group") ? 0 : row.matches(".ev-sum") ? 2 : 1);
  const next = { ascending: "descending", descending: "none" };
  for (const table of document.querySelectorAll(".ev-table")) {
    const heads = [...table.tHead.rows[0].cells];
    const bodies = [...table.tBodies].map((body) => [body, [...body.rows]]);
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "ev-sort";
      button.append(...head.childNodes);
      const arrow = document.createElement("span");
      arrow.className = "ev-arrow";
      button.firstChild.after(arrow);
      head.append(button);
      button.addEventListener("click", () => {
        const wanted = next[head.getAttribute("aria-sort")] ?? "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        if (wanted !== "none") head.setAttribute("aria-sort", wanted);
        const sign = { ascending: 1, descending: -1, none: 0 }[wanted];
        for (const [body, rows] of bodies) {
          const sorted = [...rows].sort((a, b) => {
            const [x, y] = [key(a, column), key(b, column)];
            const order = sign && ((x === null) - (y === null) || sign * compare(x, y));
            return place(a) - place(b) || order;
          });
          body.append(...sorted);
        }
      });
    });
  }
})();
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
(() => {
  for (const chart of document.querySelectorAll(".ev-chart")) {
    const curves = chart.querySelectorAll("g.ev-curve");
    chart.querySelectorAll("label").forEach((label, at) => {
      const box = label.control;
      label.classList.remove("ev-off");
      box.hidden = false;
      box.addEventListener("change", () => curves[at].classList.toggle("ev-off", !box.checked));
    });
  }
})();
