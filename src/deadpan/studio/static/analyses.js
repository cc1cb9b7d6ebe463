// Recordings: sent, followed while they are read, opened, corrected and labelled.
import { ask, byId, clock, element, quietly, tell } from "./page.js";

const LABELS = [-3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3];
const sending = new Map(); // name and share of what is being sent, by a number
let analyses = [];
let largest = Infinity; // bytes of a recording that is taken
let followed = null; // the events of the oldest that has not ended
let opened = null; // id of the analysis that is shown
let wanted = null; // id of the one to show when it is done

export async function showAnalyses() {
  ({ analyses, largest } = await ask("v1/analyses"));
  draw();
  follow();
}

// One stream of events at a time: a browser has few connections to a server.
function follow() {
  const next = analyses.findLast(each => each.state === "queued" || each.state === "running");
  if (followed || !next) return;
  const source = new EventSource(`v1/analyses/${next.id}/events`);
  followed = source;
  const end = quietly(async () => {
    source.close();
    if (followed !== source) return;
    followed = null;
    await showAnalyses();
    if (analyses.some(each => each.id === wanted && each.state === "done")) await open(wanted);
  });
  source.addEventListener("progress", event => note(JSON.parse(event.data)));
  source.addEventListener("done", end);
  source.addEventListener("failed", end);
  source.addEventListener("error", () => setTimeout(end, 1000)); // it was removed, or the studio ended
}

function note(changed) {
  analyses = analyses.map(each => each.id === changed.id ? changed : each);
  const bar = document.querySelector(`[data-id="${changed.id}"] progress`);
  if (bar && changed.state === "running") bar.value = changed.progress;
  else draw();
  const status = document.querySelector(`[data-id="${changed.id}"] .status`);
  if (status) status.textContent = said(changed);
}

function said({ state, progress }) {
  if (state !== "running") return state === "queued" ? "waits" : state;
  return progress < 1 ? `${Math.round(100 * progress)} % read` : "recognising words";
}

function draw() {
  const focused = document.activeElement.closest?.("#analyses [data-id]")?.dataset.id;
  const index = [...document.querySelectorAll(`[data-id="${focused}"] button`)].indexOf(document.activeElement);
  const sent = [...sending.values()].map(({ name, share }) => element("li", {},
    element("span", { className: "name" }, name),
    element("progress", { max: 1, value: share, "aria-label": `${name} is sent` }), element("span", { className: "small" }, "is sent")));
  byId("analyses").replaceChildren(...sent, ...analyses.map(entry));
  if (index >= 0) document.querySelectorAll(`[data-id="${focused}"] button`)[index]?.focus();
}

function entry(analysis) {
  const { id, name, state, progress, error } = analysis;
  const parts = [element("span", { className: "name" }, name)];
  if (state === "running" || state === "queued") {
    parts.push(element("progress", { max: 1, value: progress, "aria-label": `Reading ${name}` }));
  }
  parts.push(element("span", { className: state === "failed" ? "status fault" : "status small" }, error ?? said(analysis)));
  if (state === "done") {
    parts.push(element("button", { type: "button", "aria-label": `Open ${name}`, onclick: quietly(() => open(id)) }, "Open"));
  }
  const ended = state === "done" || state === "failed";
  parts.push(element("button", { type: "button", "aria-label": `${ended ? "Remove" : "Cancel"} ${name}`, onclick: quietly(() => remove(analysis, ended)) }, ended ? "Remove" : "Cancel"));
  return element("li", { "data-id": id }, ...parts);
}

async function remove({ id, name }, ended) {
  if (ended && !confirm(`Remove ${name}, with its corrections and labels?`)) return;
  await ask(`v1/analyses/${id}`, { method: "DELETE" });
  if (opened === id) close();
  await showAnalyses();
}

// With fetch a browser does not say how much it has sent.
function send(file) {
  const request = new XMLHttpRequest();
  const key = Symbol(file.name);
  sending.set(key, { name: file.name, share: 0 });
  request.upload.addEventListener("progress", event => {
    sending.set(key, { name: file.name, share: event.total ? event.loaded / event.total : 0 });
    draw();
  });
  return new Promise(finished => {
    request.addEventListener("loadend", () => {
      sending.delete(key);
      draw();
      if (request.status === 202) wanted = JSON.parse(request.response).id;
      else tell(`${file.name}: ${request.status ? JSON.parse(request.response).error : "it was not taken; is it a recording, and is the studio still running?"}`);
      finished();
    });
    request.open("POST", `v1/analyses?name=${encodeURIComponent(file.name)}`);
    request.send(file);
    draw();
  });
}

async function sendAll(files) {
  tell("");
  for (const file of files) {
    if (file.size > largest) {
      tell(`${file.name}: it is larger than ${Math.round(largest / 1e6)} MB; start the studio with another --largest`);
      continue;
    }
    await send(file);
    await showAnalyses();
  }
}

function close() {
  opened = null;
  byId("analysis").hidden = true;
  byId("player-place").replaceChildren();
  byId("frame-place").replaceChildren();
}

async function open(id) {
  const analysis = analyses.find(each => each.id === id);
  const [{ utterances }, timeline] = await Promise.all([
    ask(`v1/analyses/${id}/utterances`), ask(`v1/analyses/${id}/results/timeline.json`)]);
  wanted = null;
  opened = id;
  const player = element(timeline.recording.has_video ? "video" : "audio", {
    id: "player", src: analysis.recording, controls: true, preload: "metadata", "aria-label": `The recording ${analysis.name}` });
  player.addEventListener("timeupdate", () => mark(utterances, player.currentTime));
  byId("player-place").replaceChildren(player);
  const notes = utterances.map((each, i) => line(each, timeline.utterances[i], player));
  byId("utterances").replaceChildren(...(notes.length ? notes : [element("li", {}, "No speech was found.")]));
  byId("whole").open = false;
  byId("frame-place").replaceChildren();
  byId("analysis-title").textContent = analysis.name;
  byId("analysis").hidden = false;
  byId("analysis-title").focus();
}

function line(utterance, read, player) {
  const where = `v1/analyses/${opened}/utterances/${utterance.number}`;
  const saved = element("span", { className: "small said", role: "status" });
  // One change after the other: the last must not be overtaken.
  let last = Promise.resolve(), waiting = 0;
  const save = change => {
    waiting += 1;
    saved.textContent = "is saved …";
    last = last.then(() => ask(where, { method: "PUT", json: change })).then(
      values => { Object.assign(utterance, values); tell(""); return "saved"; },
      () => "not saved",
    ).then(text => {
      waiting -= 1;
      if (!waiting) saved.textContent = text;
    });
    return last;
  };
  const time = element("button", { type: "button", className: "seek", onclick: () => seek(player, utterance) }, clock(utterance.start));
  const about = [utterance.person ?? "off screen", read.incongruity].filter(Boolean).join("; ");
  const number = utterance.number + 1;
  const text = element("textarea", { value: utterance.text, rows: 1, maxLength: 5000, "aria-label": `Transcript of utterance ${number}`, dir: "auto",
    onchange: async () => {
      await save({ text: text.value.trim() === utterance.recognized ? null : text.value });
      if (!waiting) text.value = utterance.text;
    } });
  const choices = [element("option", { value: "" }, "no label"), ...LABELS.map(label => element("option", { value: label }, label > 0 ? `+${label}` : String(label).replace("-", "−")))];
  if (utterance.label !== null && !LABELS.includes(utterance.label)) choices.push(element("option", { value: utterance.label }, String(utterance.label)));
  const label = element("select", { "aria-label": `Label of utterance ${number}, from −3 negative to +3 positive`,
    onchange: () => save({ label: label.value === "" ? null : Number(label.value) }) }, ...choices);
  label.value = utterance.label ?? "";
  return element("li", { "data-number": utterance.number },
    element("div", { className: "who small" }, time, element("span", {}, about), saved), text, label);
}

function seek(player, { start }) {
  player.currentTime = start;
  document.querySelectorAll("#utterances li").forEach(each => each.classList.toggle("current", false));
}

function mark(utterances, time) {
  const current = utterances.findLast(each => each.start <= time + 0.001 && time < each.end);
  document.querySelectorAll("#utterances li").forEach((each, i) => each.classList.toggle("current", i === current?.number));
}

byId("file").addEventListener("change", quietly(async () => {
  const files = [...byId("file").files];
  byId("file").value = "";
  await sendAll(files);
}));
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, event => {
    event.preventDefault(); // else a browser would leave this page for the file
    byId("drop").classList.toggle("over", kind === "dragover");
  });
}
addEventListener("drop", quietly(async event => {
  const files = [...event.dataTransfer.files];
  await sendAll(files);
}));
byId("whole").addEventListener("toggle", () => {
  if (!byId("whole").open || byId("frame-place").firstChild) return;
  byId("frame-place").replaceChildren(element("iframe", { src: `v1/analyses/${opened}/results/timeline.html`, title: "Timeline" }));
});
addEventListener("keydown", event => {
  const row = document.activeElement.closest?.("#utterances li");
  if (!event.altKey || !row) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
    next?.querySelector(document.activeElement.tagName)?.focus();
  } else if (event.code === "KeyP") {
    row.querySelector(".seek").click();
    byId("player").play().catch(() => tell("This browser cannot play the recording."));
  } else return;
  event.preventDefault();
});
byId("dataset").addEventListener("submit", event => {
  event.preventDefault();
  const form = event.target;
  const result = byId("dataset-result");
  result.textContent = "Clips are cut …";
  ask("v1/datasets", { method: "POST", json: { name: form.elements.name.value } }).then(made => {
    tell("");
    result.replaceChildren(element("p", {}, `${made.folder}: ${made.clips} ${made.clips === 1 ? "clip" : "clips"}. Train on them with:`),
      element("pre", {}, made.commands.join("\n")), ...(made.note ? [element("p", { className: "small" }, `Note: ${made.note}.`)] : []));
  }, error => { result.textContent = error.message; });
});
