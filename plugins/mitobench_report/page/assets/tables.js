"use strict";
/* Tables: sorting by their column buttons, and filtering by text. */
(() => {
  const value = (row, index) => {
    const cell = row.cells[index];
    const given = cell.dataset.sort ?? cell.textContent.trim();
    const number = given === "" ? NaN : Number(given);
    return { given, number };
  };

  const compare = (index, direction) => (a, b) => {
    const [x, y] = [value(a, index), value(b, index)];
    const [absentX, absentY] = [x, y].map((v) => v.given === "" || v.given === "undefined" || v.given === "–");
    if (absentX || absentY) return absentX - absentY;
    const numbers = !Number.isNaN(x.number) && !Number.isNaN(y.number);
    const order = numbers ? x.number - y.number : x.given.localeCompare(y.given, "en", { numeric: true });
    return direction === "ascending" ? order : -order;
  };

  const sort = (button) => {
    const header = button.closest("th");
    const table = header.closest("table");
    const first = button.dataset.best === "high" ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const direction = header.getAttribute("aria-sort") === first ? other : first;
    for (const each of table.tHead.querySelectorAll("th")) each.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
    const rows = [...table.tBodies[0].rows];
    table.tBodies[0].append(...rows.sort(compare(header.cellIndex, direction)));
  };

  const filter = (input) => {
    const rows = [...document.getElementById(input.dataset.filter).tBodies[0].rows];
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = [...row.querySelectorAll(".name, .badge")].map((cell) => cell.textContent.toLowerCase()).join(" ");
      row.hidden = !words.every((word) => text.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    const count = document.querySelector(`output[data-count="${input.dataset.filter}"]`);
    count.textContent = shown === rows.length ? `${shown} cells` : `${shown} of ${rows.length} cells`;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("th button");
    if (button) sort(button);
  });
  document.addEventListener("input", (event) => {
    if (event.target.dataset.filter) filter(event.target);
  });
})();
