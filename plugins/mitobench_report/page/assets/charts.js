"use strict";
/* Charts: each is drawn when it comes into view, from its table's data, and follows the score that is chosen. */
(() => {
  const specifications = JSON.parse(document.getElementById("chart-specifications").textContent);
  const views = new Map();

  const rows = ({ columns, rows }) => rows.map((row) => Object.fromEntries(row.map((v, i) => [columns[i], v])));

  const dataOf = (source) => {
    const held = JSON.parse(document.getElementById(`${source}-data`).textContent);
    return Object.fromEntries(Object.entries(held).map(([name, table]) => [name, rows(table)]));
  };
  const datasets = new Map();

  const draw = async (plot) => {
    if (views.has(plot)) return;
    const { chart, source } = plot.dataset;
    if (!datasets.has(source)) datasets.set(source, dataOf(source));
    const chosen = document.querySelector(`select[data-score="${source}"]`)?.value ?? "";
    const specification = structuredClone(specifications[chart]);
    for (const param of specification.params ?? []) if (param.name === "score") param.value = chosen;
    if (specification.usermeta) {
      const [data, field] = specification.usermeta.lines;
      specification.height = 26 * new Set(datasets.get(source)[data].map((row) => row[field])).size;
    }
    if (plot.clientWidth < 440) {
      Object.assign(specification.config.legend, { columns: 1, labelLimit: 105 });
      specification.config.axis.labelLimit = 120;
    }
    const options = {
      mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, logLevel: 1,
      tooltip: { disableDefaultStyle: true },
    };
    views.set(plot, null);
    const { view } = await window.vegaEmbed(plot, { ...specification, datasets: datasets.get(source) }, options);
    views.set(plot, view);
    view.addEventListener("click", (event, item) => {
      const found = datasets.get(source).anchors?.find(({ name }) => name === item?.datum?.name);
      if (found) location.hash = found.anchor;
    });
    plot.dataset.drawn = "";
  };

  const plots = [...document.querySelectorAll(".plot[data-chart]")];
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        seen.unobserve(target);
        draw(target);
      }
    }
  }, { rootMargin: "400px" });
  plots.forEach((plot) => seen.observe(plot));
  window.addEventListener("beforeprint", () => plots.forEach(draw));

  document.addEventListener("change", ({ target }) => {
    if (!target.dataset.score) return;
    for (const [plot, view] of views) {
      if (view && plot.dataset.source === target.dataset.score) view.signal("score", target.value).runAsync();
    }
  });
})();
