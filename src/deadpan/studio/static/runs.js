// The table of runs, and two of them compared.
import { ask, byId, element, quietly } from "./page.js";
import { curve } from "./curve.js";

const FACTS = [
  ["name", "Run"], ["data", "Data"], ["model", "Model"], ["seed", "Seed"], ["state", "State"],
  ["epochs", "Epochs"], ["valid_loss", "Valid loss"], ["started", "Started"],
];
let runs = [];
let sort = { key: "started", descending: true };
const chosen = new Set();

export async function showRuns() {
  runs = (await ask("v1/runs")).runs;
  const keys = columns();
  byId("sort").replaceChildren(...keys.map(([key, title]) => element("option", { value: key }, title)));
  draw();
  const { pages } = await ask("v1/pages");
  byId("pages").replaceChildren(...(pages.length ? ["Pages: "] : []), ...links(pages, "v1/pages/"));
}

function columns() {
  const titles = new Set(runs.flatMap(run => run.scores.map(score => score.title)));
  return [...FACTS, ...[...titles].map(title => [`score ${title}`, title])];
}

function value(run, key) {
  if (!key.startsWith("score ")) return run[key];
  return run.scores.find(score => score.title === key.slice(6))?.value ?? null;
}

function shown(run, key) {
  const number = value(run, key);
  if (number === null) return "";
  if (key === "valid_loss") return number.toFixed(3);
  if (key === "started") return String(number).slice(0, 16).replace("T", " ");
  if (!key.startsWith("score ")) return String(number);
  return formatted(run.scores.find(score => score.title === key.slice(6)));
}

function formatted({ value: number, percent }) {
  if (number === null) return "–";
  return (percent ? (100 * number).toFixed(1) : number.toFixed(3)).replace("-", "−");
}

function sorted() {
  const sign = sort.descending ? -1 : 1;
  return [...runs].sort((a, b) => {
    const [x, y] = [value(a, sort.key), value(b, sort.key)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (typeof x === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true }));
  });
}

function sortBy(key) {
  sort = { key, descending: sort.key === key ? !sort.descending : false };
  draw();
}

function draw() {
  const keys = columns();
  byId("sort").value = sort.key;
  byId("direction").textContent = sort.descending ? "descending" : "ascending";
  byId("direction").setAttribute("aria-pressed", sort.descending);
  const heads = keys.map(([key, title]) => {
    const state = key !== sort.key ? "none" : sort.descending ? "descending" : "ascending";
    return element("th", { scope: "col", "aria-sort": state }, element("button", { type: "button", onclick: () => sortBy(key) }, title));
  });
  const focused = document.activeElement.closest?.("#runs th")?.cellIndex;
  document.querySelector("#runs thead").replaceChildren(element("tr", {}, ...heads));
  if (focused !== undefined) document.querySelectorAll("#runs th button")[focused]?.focus();
  document.querySelector("#runs tbody").replaceChildren(...sorted().map(run => row(run, keys)));
  byId("runs-hint").textContent = runs.length ? "Tick two to compare them." : "No run in this folder yet: deadpan train makes one.";
}

function row(run, keys) {
  const tick = element("input", { type: "checkbox", checked: chosen.has(run.id), onchange: quietly(() => choose(run.id, tick)) });
  const below = links(run.pages, `v1/runs/${run.id}/files/`);
  if (run.error) below.push(element("span", { className: "fault" }, run.error));
  const name = element("th", { scope: "row" }, element("label", {}, tick, " ", run.name), element("span", { className: "below" }, ...below));
  const cells = keys.slice(1).map(([key, title]) => element("td", { "data-name": title }, shown(run, key)));
  return element("tr", {}, name, ...cells);
}

function links(names, start) {
  return names.flatMap(name => {
    const path = start + name.split("/").map(encodeURIComponent).join("/");
    const title = name.replace(/\.html$/, "").replace(/^(.+)\/\1$/, "$1");
    return [element("a", { href: path }, title), " "];
  });
}

async function choose(id, tick) {
  if (tick.checked) chosen.add(id);
  else chosen.delete(id);
  if (chosen.size > 2) {
    chosen.delete([...chosen][0]);
    draw();
  }
  byId("compare").hidden = chosen.size !== 2;
  if (chosen.size === 2) await compare(...chosen);
}

let compared = [];

async function compare(...ids) {
  compared = await Promise.all(ids.map(async id => {
    const [details, epochs] = await Promise.all([ask(`v1/runs/${id}`), ask(`v1/runs/${id}/epochs`)]);
    return { run: runs.find(run => run.id === id), details, epochs };
  }));
  const [first, second] = compared.map(({ epochs }) => Object.keys(epochs.valid_metrics));
  const metrics = first.filter(name => second.includes(name));
  const titles = { valid_loss: "validation loss", train_loss: "training loss" };
  for (const name of metrics) titles[`valid ${name}`] = `validation ${name}`;
  byId("curve").replaceChildren(...Object.entries(titles).map(([key, title]) => element("option", { value: key }, title)));
  drawCurves();
  drawScores();
  byId("compare-title").scrollIntoView();
}

function drawCurves() {
  const key = byId("curve").value;
  const series = compared.map(({ epochs }) => key.startsWith("valid ") ? epochs.valid_metrics[key.slice(6)] : epochs[key]);
  const finite = series.flat().filter(number => number !== null);
  const range = [Math.min(...finite), Math.max(...finite)];
  const longest = Math.max(...series.map(each => each.length));
  byId("curves").replaceChildren(...compared.map(({ run, epochs }, i) => element("figure", { className: "card plot" },
    element("h3", {}, run.name),
    element("figcaption", { className: "small" }, `${run.model}, seed ${run.seed}; best epoch ${epochs.best_epoch ?? "none"}`),
    curve(series[i], { range, longest, best: epochs.best_epoch, title: byId("curve").selectedOptions[0].textContent }))));
}

function drawScores() {
  const titles = [...new Set(compared.flatMap(({ run }) => run.scores.map(score => score.title)))];
  const head = element("tr", {}, element("th", { scope: "col" }, "Test split"), ...compared.map(({ run }) => element("th", { scope: "col" }, run.name)));
  const rows = titles.map(title => {
    const scores = compared.map(({ run }) => run.scores.find(score => score.title === title));
    const cells = scores.map((score, i) => {
      const text = score ? formatted(score) : "–";
      const other = scores[1 - i];
      const better = score && other && score.value !== null && other.value !== null && text !== formatted(other)
        && (score.value > other.value) === score.higher_is_better;
      return element("td", {}, better ? element("strong", {}, text) : text);
    });
    return element("tr", {}, element("th", { scope: "row" }, title), ...cells);
  });
  const settings = [["Data", ({ run }) => run.data], ["Parameters", ({ details }) => details.parameters.toLocaleString("en")]];
  const facts = settings.map(([title, of]) => element("tr", {}, element("th", { scope: "row" }, title), ...compared.map(each => element("td", {}, String(of(each))))));
  byId("compared").replaceChildren(element("thead", {}, head), element("tbody", {}, ...facts, ...rows));
}

byId("sort").addEventListener("change", () => { sort.key = byId("sort").value; draw(); });
byId("direction").addEventListener("click", () => { sort.descending = !sort.descending; draw(); });
byId("curve").addEventListener("change", drawCurves);
