(() => {
  const main = document.querySelector("main");
  const forms = [...document.querySelectorAll("form")];
  const [bar, back, on, where, name, save, lost] =
    ["bar", "back", "on", "where", "name", "save", "lost"].map((id) => document.getElementById(id));
  const place = `innerview-ratings-${main.dataset.sheet}`;
  let kept = {name: "", at: 0, texts: {}};
  try {
    kept = {...kept, ...JSON.parse(localStorage.getItem(place) || "{}")};
  } catch {
    lost.hidden = false;
  }
  const keep = () => {
    try {
      localStorage.setItem(place, JSON.stringify(kept));
    } catch {
      lost.hidden = false;
    }
  };
  const rating = (form) => form.elements.rating.value;
  const show = (at) => {
    kept.at = Math.min(Math.max(at, 0), forms.length - 1);
    forms.forEach((form, n) => { form.hidden = n !== kept.at; });
    back.disabled = kept.at === 0;
    on.disabled = kept.at === forms.length - 1;
    const done = forms.filter(rating).length;
    where.value = `${kept.at + 1} of ${forms.length}, ${done} rated`;
  };
  const go = (at) => {
    show(at);
    keep();
    document.activeElement.blur();
    forms[kept.at].scrollIntoView({block: "start"});
  };
  // What a spreadsheet would take for a formula gets an apostrophe; every cell is in quotes.
  const cell = (text) => `"${(/^'*[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  const table = () => ["id,rating,comment", ...forms.map((form) =>
    [form.dataset.id, rating(form), form.elements.comment.value].map(cell).join(","))]
    .join("\r\n") + "\r\n";

  for (const form of forms) {
    const own = kept.texts[form.dataset.id] || {};
    form.elements.rating.value = own.rating || "";
    form.elements.comment.value = own.comment || "";
    form.addEventListener("input", () => {
      kept.texts[form.dataset.id] = {rating: rating(form), comment: form.elements.comment.value};
      show(kept.at);
      keep();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  name.value = kept.name;
  name.addEventListener("input", () => { kept.name = name.value; keep(); });
  back.addEventListener("click", () => go(kept.at - 1));
  on.addEventListener("click", () => go(kept.at + 1));
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", table()], {type: "text/csv"}));
    link.download = `${name.value.trim().replace(/[^\p{L}\p{N}_-]+/gu, "-") || "ratings"}.csv`;
    link.click();
  });
  document.addEventListener("keydown", (event) => {
    const writing = event.target.matches("textarea, #name");
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
    const form = forms[kept.at];
    if (/^[0-3]$/.test(event.key)) {
      form.elements.rating.value = event.key;
      form.dispatchEvent(new Event("input"));
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      go(kept.at + (event.key === "ArrowLeft" ? -1 : 1));
    } else return;
    event.preventDefault();
  });
  bar.hidden = false;
  show(kept.at);
})();
