"use strict";
/* Two cells on the same image, one on each side of a divider. */
(() => {
  const held = document.getElementById("comparisons");
  if (!held) return;
  const sources = JSON.parse(held.textContent);
  const part = (name) => document.querySelector(`.compare [data-part="${name}"]`);
  const layers = ["prediction", "prompts", "contours"];
  const only = { reference: "the reference alone", image: "the image alone" };

  const fill = (select, options, wanted) => {
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    if (options.some(([value]) => value === wanted)) select.value = wanted;
  };
  const source = () => sources[Number(part("data").value)];
  const scene = () => source().scenes[Number(part("image").value)];
  const name = (cell) => only[cell] ?? source().cells.find(({ id }) => id === cell).name;

  const choices = () => {
    const seen = source().cells.filter(({ id }) => id in scene().cells);
    return [...seen.map(({ id, name, oracle }) => [id, oracle ? `${name} (oracle)` : name]), ...Object.entries(only)];
  };
  const layer = (kind, picture) => {
    const element = document.createElement("i");
    element.className = `${kind} ${picture}`;
    return element;
  };
  const show = (side, cell) => {
    const own = scene().cells[cell] ?? {};
    side.className = `side ${scene().base}`;
    const drawn = layers.filter((kind) => own[kind]).map((kind) => layer(kind, own[kind]));
    const reference = scene().reference;
    if (reference && cell !== "image") drawn.unshift(layer(cell === "reference" ? "always" : "reference", reference));
    side.replaceChildren(...drawn);
  };
  const split = () => {
    const range = part("divider");
    document.querySelector(".compare .stage").style.setProperty("--split", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${name(part("left").value)}, the rest ${name(part("right").value)}`);
  };
  const draw = () => {
    const [left, right] = [part("left").value, part("right").value];
    show(part("left-side"), left);
    show(part("right-side"), right);
    part("words").textContent = `Left: ${name(left)}. Right: ${name(right)}. ${scene().missing}`;
    split();
  };
  const chooseCells = (left, right) => {
    const cells = choices();
    fill(part("left"), cells, left ?? cells[0][0]);
    const other = cells.find(([value]) => value !== part("left").value);
    fill(part("right"), cells, right && right !== part("left").value ? right : other[0]);
    draw();
  };
  const chooseImage = (wanted, left, right) => {
    fill(part("image"), source().scenes.map(({ image }, n) => [String(n), image]), String(wanted ?? 0));
    chooseCells(left, right);
  };

  fill(part("data"), sources.map(({ label }, n) => [String(n), label]), "0");
  chooseImage();
  part("data").addEventListener("change", () => chooseImage());
  part("image").addEventListener("change", () => chooseCells(part("left").value, part("right").value));
  for (const side of ["left", "right"]) part(side).addEventListener("change", draw);
  part("divider").addEventListener("input", split);

  document.addEventListener("click", ({ target }) => {
    const { look, image } = target.dataset ?? {};
    if (!look) return;
    const data = sources.findIndex(({ cells, scenes }) => cells.some(({ id }) => id === look) && scenes.some((s) => s.image === image));
    part("data").value = String(data);
    chooseImage(sources[data].scenes.findIndex((s) => s.image === image), look);
    document.querySelector(".compare").scrollIntoView({ block: "center" });
    part("divider").focus({ preventScroll: true });
  });
})();
