"use strict";
(() => {
  const figure = (cell) => {
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = parseFloat(text.replace(/[\s\u00a0\u2248]/g, "").replace("\u2212", "-"));
    return Number.isNaN(number) ? text : number;
  };
  const order = (one, other) => {
    if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
    return typeof one === "number" ? one - other : one.localeCompare(other);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => [figure(row.cells[column]), row]);
        rows.sort((one, other) => {
          const missing = typeof one[0] !== typeof other[0];
          return order(one[0], other[0]) * (down && !missing ? -1 : 1);
        });
        table.tBodies[0].append(...rows.map((pair) => pair[1]));
      });
    });
  }
  const choose = document.getElementById("choose");
  if (choose) {
    const settings = [...document.querySelectorAll("details.setting")];
    const show = () => {
      for (const setting of settings) {
        setting.hidden = setting.id !== choose.value;
        setting.open = true;
      }
    };
    for (const title of document.querySelectorAll(".without-script, .setting > summary")) title.hidden = true;
    choose.parentElement.hidden = false;
    choose.addEventListener("change", show);
    show();
  }
})();
