"use strict";
// One time, that of the player or of the last seek, moves everything: the cursors, the visible
// window of the lanes, the transcript, and the utterance under the player.
(() => {
const STEP = 5;          // seconds that an arrow key moves
const FIRST_WINDOW = 60; // seconds of a long recording that are visible at first
const LEAST_WINDOW = 0.5;
const UNSURE = 0.5;      // confidence below which a curve is faint
const ROUNDED = 0.001;   // seconds by which a player may come to rest before the time that was sought
const BUCKETS = 500;     // of a curve's width; more steps than that are drawn as least and greatest

const byId = id => document.getElementById(id);
const numbers = JSON.parse(byId("numbers").textContent);
const { utterances, curves } = numbers;
const duration = Math.max(numbers.duration, LEAST_WINDOW);
const player = byId("player"), overview = byId("overview"), lanesBox = byId("lanes");
const axis = byId("axis"), now = byId("now"), transcript = byId("transcript");
const articles = [...document.querySelectorAll(".utterance")];
const words = articles.map(article => [...article.querySelectorAll(".said [data-seek]")]);
const elements = [...document.querySelectorAll(".lane")];
const lanes = numbers.groups.flatMap(group => group.lanes.map(lane => ({ ...lane, group })));
lanes.forEach((lane, i) => {
  lane.plot = elements[i].querySelector(".plot");
  lane.ribbon = elements[i].querySelector(".ribbon");
  lane.output = elements[i].querySelector("output");
  lane.spoken = lane.group.utterances.map(index => utterances[index]);
  if (lane.curve !== null) {
    lane.numbers = curves[lane.curve];
    lane.sure = sureSteps(lane);
  }
});

let time = 0, from = 0, to = Math.min(duration, FIRST_WINDOW);
let current = null;      // index of the utterance under the player; -1 for none
let spokenWord;          // its element
let playable = true;

// ---- drawing: everything is in shares of the visible window, so that a curve needs no redraw on paper

function sureSteps({ numbers: { rate, first, confidence }, shared, spoken }) {
  const said = step => spoken.some(({ start, end }) =>
    (first + step + 1) / rate > start && (first + step) / rate < end);
  return confidence.map((sure, step) => sure >= UNSURE && (!shared || said(step)));
}

function clock(seconds, digits) {
  const unit = 10 ** digits, all = Math.round(seconds * unit), rest = all % (60 * unit);
  const minutes = Math.floor(all / (60 * unit)), hours = Math.floor(minutes / 60);
  const two = number => String(number).padStart(2, "0");
  const tail = digits ? "." + String(rest % unit).padStart(digits, "0") : "";
  return (hours ? `${hours}:${two(minutes % 60)}` : minutes) + ":" + two(Math.floor(rest / unit)) + tail;
}

const signed = value => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(1);
const share = seconds => (seconds - from) / (to - from);
const isNow = ({ start, end }) => start <= time + ROUNDED && time + ROUNDED < end;
const visible = ({ start, end }) => end > from && start < to;

// Points of a curve in the window, [x, y, sure] or null for a gap; x in [0, 1000], y in [0, 100].
function points({ numbers: { rate, first, values }, sure, low, high }) {
  const begin = Math.max(0, Math.floor(from * rate) - first - 1);
  const end = Math.min(values.length, Math.ceil(to * rate) - first + 1);
  const size = Math.max(1, Math.ceil((end - begin) / BUCKETS));
  const y = value => 100 - 100 * (value - low) / (high - low);
  const drawn = [];
  // Buckets begin at multiples of their size, so that a curve keeps its shape while it scrolls.
  for (let step = begin - begin % size; step < end; step += size) {
    let least = Infinity, greatest = -Infinity, confident = 0; // more sure steps than others
    for (let i = step; i < Math.min(step + size, values.length); i++) {
      if (values[i] === null) continue;
      least = Math.min(least, values[i]);
      greatest = Math.max(greatest, values[i]);
      confident += sure[i] ? 1 : -1;
    }
    if (least === Infinity) { drawn.push(null); continue; }
    const x = 1000 * share((first + step + size / 2) / rate);
    drawn.push([x, y(least), confident >= 0]);
    if (greatest > least) drawn.push([x, y(greatest), confident >= 0]);
  }
  return drawn;
}

// Two paths, the confident and the faint one, of lines between neighbours.
function curvePaths(lane) {
  const paths = { sure: "", faint: "" }, pens = {};
  const at = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  let before = null;
  for (const point of points(lane)) {
    if (point) {
      const path = point[2] && (!before || before[2]) ? "sure" : "faint";
      // A step between two gaps is a dot.
      if (pens[path] !== before || !before) paths[path] += `M${at(before || point)}`;
      paths[path] += before ? `L${at(point)}` : "h.1";
      pens[path] = point;
    }
    before = point;
  }
  return paths;
}

function rectangle(kind, { start, end }, top, bottom) {
  const x = 1000 * share(start), width = Math.max(1, 1000 * share(end) - x);
  return `<rect class="${kind}" x="${x.toFixed(1)}" y="${top.toFixed(1)}" ` +
    `width="${width.toFixed(1)}" height="${Math.max(0.5, bottom - top).toFixed(1)}"/>`;
}

function drawPlot(lane) {
  const y = value => 100 - 100 * (value - lane.low) / (lane.high - lane.low);
  const spoken = lane.spoken.filter(visible);
  let svg = spoken.filter(each => each.incongruent)
    .map(each => rectangle("moment", each, 0, 100)).join("");
  if (lane.low < 0 && lane.high > 0) svg += `<path class="zero" d="M0 ${y(0)}H1000"/>`;
  if (lane.modality === "fused") {
    for (const each of spoken.filter(one => one.fused)) {
      const { score, low, high } = each.fused;
      if (low !== null && high !== null) svg += rectangle("interval", each, y(high), y(low));
      const kind = score > 0 ? "positive" : "negative";
      svg += rectangle(kind, each, Math.min(y(score), y(0)), Math.max(y(score), y(0)));
    }
  } else {
    const { sure, faint } = curvePaths(lane);
    svg += `<path class="faint" d="${faint}"/><path class="sure" d="${sure}"/>`;
  }
  lane.plot.innerHTML = svg; // numbers and names of ours only
}

function readingKind(modality, value) {
  if (modality === "audio") return value > 0 ? "aroused" : "calm";
  return value > 0 ? "positive" : "negative";
}

function drawRibbon(lane, width) {
  const read = lane.spoken.filter(each => visible(each) && lane.modality in each.readings);
  lane.ribbon.innerHTML = read.map(each => {
    const value = each.readings[lane.modality], part = share(each.end) - share(each.start);
    const kind = value === null ? "abstains" : readingKind(lane.modality, value);
    const label = value === null ? "abstains" : signed(value);
    const room = width * part > 7 * label.length + 6;
    return `<i class="${kind}" style="left:${(100 * share(each.start)).toFixed(2)}%;` +
      `width:max(2px,${(100 * part).toFixed(2)}%);--strength:${Math.abs(value ?? 0)}">` +
      `${room ? label : ""}</i>`;
  }).join(""); // numbers and names of ours only
}

function drawAxis() {
  const steps = [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = steps.find(each => (to - from) / each <= 10) ?? 7200;
  const ticks = [];
  for (let i = Math.ceil(from / step); i * step <= to; i++) {
    const tick = document.createElement("span");
    tick.textContent = clock(i * step, step < 1 ? 1 : 0);
    tick.style.left = `${100 * share(i * step)}%`;
    if (share(i * step) < 0.96) ticks.push(tick);
  }
  axis.replaceChildren(...ticks);
}

function draw() {
  const width = axis.clientWidth; // of every track; read before anything is written
  for (const lane of lanes) {
    if (lane.plot) drawPlot(lane);
    if (lane.ribbon) drawRibbon(lane, width);
  }
  drawAxis();
  const frame = byId("window");
  frame.style.left = `${100 * from / duration}%`;
  frame.style.width = `${100 * (to - from) / duration}%`;
  show();
}

function look(begin, span) {
  const wide = Math.min(duration, Math.max(LEAST_WINDOW, span));
  const left = Math.max(0, Math.min(duration - wide, begin));
  if (left === from && left + wide === to) return;
  [from, to] = [left, left + wide];
  draw();
}

function zoom(factor) {
  const span = (to - from) * factor;
  look(time - share(time) * span, span);
}

// ---- the time: what shows it, and what sets it

function show() {
  const at = share(time), cursor = lanesBox.querySelector(".cursor");
  cursor.style.setProperty("--at", at);
  cursor.hidden = at < 0 || at > 1;
  overview.querySelector(".cursor").style.left = `${100 * time / duration}%`;
  overview.setAttribute("aria-valuenow", time.toFixed(1));
  overview.setAttribute("aria-valuetext", `${clock(time, 1)} of ${clock(duration, 1)}`);
  for (const lane of lanes) lane.output.textContent = valueAt(lane);
  let spoken = -1; // of two at once, who began last
  utterances.forEach((each, i) => { if (isNow(each)) spoken = i; });
  if (spoken !== current) showUtterance(spoken);
  spokenWord?.classList.remove("spoken");
  spokenWord = (words[spoken] ?? []).findLast(each => Number(each.dataset.seek) <= time + ROUNDED);
  spokenWord?.classList.add("spoken");
}

function valueAt({ numbers: curve, modality, spoken }) {
  if (!curve) {
    const each = spoken.findLast(isNow);
    const value = modality === "fused" ? each?.fused?.score : each?.readings[modality];
    return value === null ? "abstains" : value === undefined ? "" : signed(value);
  }
  const value = curve.values[Math.floor(time * curve.rate) - curve.first];
  if (value === undefined || value === null) return "not measured here";
  return value.toLocaleString("en", { maximumSignificantDigits: 3 }).replace("-", "−");
}

function showUtterance(index) {
  articles[current]?.classList.remove("current");
  current = index;
  const article = articles[index];
  now.textContent = "";
  if (!article) {
    now.className = "small";
    now.textContent = `Nobody speaks at ${clock(time, 1)}.`;
    return;
  }
  now.className = "";
  article.classList.add("current");
  now.append(...article.cloneNode(true).children);
  now.querySelector(".maps")?.remove(); // large, and its ids would stand twice
  now.querySelectorAll(".spoken").forEach(word => word.classList.remove("spoken"));
  if (getComputedStyle(transcript).overflowY === "auto") {
    transcript.scrollTop += article.getBoundingClientRect().top
      - transcript.getBoundingClientRect().top - transcript.clientHeight / 3;
  }
}

function follow(seconds) {
  time = Math.max(0, Math.min(duration, seconds));
  const span = to - from;
  if (time < from || time > to) look(time - span / 2, span);       // a seek
  else if (share(time) > 0.95 && to < duration) look(time - span / 20, span); // the next page
  show();
}

function seek(seconds) {
  follow(seconds);
  if (playable) player.currentTime = time;
}

function run() {
  if (!playable || player.paused) return;
  follow(player.currentTime);
  requestAnimationFrame(run);
}

function unplayable(part) {
  byId("unplayable").hidden = false;
  if (part) byId("unplayable-part").textContent = part;
  else { playable = false; player.hidden = true; }
}

function checkPicture() {
  if (player.tagName === "VIDEO" && player.videoWidth === 0) unplayable("the picture, only the sound");
}

player.addEventListener("play", run);
for (const event of ["seeking", "seeked", "timeupdate"]) {
  player.addEventListener(event, () => { if (playable) follow(player.currentTime); });
}
player.addEventListener("error", () => unplayable());
player.addEventListener("loadedmetadata", checkPicture);
if (player.error) unplayable();
else if (player.readyState > 0) checkPicture();

// ---- clicks, drags, wheel and keys

function timeUnder(pointer, track) {
  const box = track.getBoundingClientRect();
  const part = Math.max(0, Math.min(1, (pointer.clientX - box.left) / box.width));
  return track === overview ? part * duration : from + part * (to - from);
}

let dragged = null;
byId("curves").addEventListener("pointerdown", pointer => {
  dragged = pointer.button === 0 ? pointer.target.closest(".track") : null;
  if (dragged) seek(timeUnder(pointer, dragged));
});
addEventListener("pointermove", pointer => { if (dragged) seek(timeUnder(pointer, dragged)); });
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { dragged = null; });

lanesBox.addEventListener("wheel", wheel => {
  if (wheel.ctrlKey) zoom(Math.exp(wheel.deltaY / 300));
  else if (wheel.deltaX) look(from + (to - from) * wheel.deltaX / 1000, to - from);
  else return; // the page scrolls
  wheel.preventDefault();
}, { passive: false });

addEventListener("click", click => {
  const target = click.target.closest("[data-seek]");
  if (!target) return;
  click.preventDefault();
  seek(Number(target.dataset.seek));
});

byId("closer").addEventListener("click", () => zoom(1 / 2));
byId("wider").addEventListener("click", () => zoom(2));
byId("whole").addEventListener("click", () => look(0, duration));

function toUtterance(direction) {
  const starts = utterances.map(each => each.start);
  const next = direction > 0 ? starts.find(start => start > time + 0.01)
    : starts.findLast(start => start < time - 0.01);
  if (next !== undefined) seek(next);
}

function togglePlayer() {
  if (!playable) return;
  if (player.paused) player.play().catch(() => {}); // the error event says why not
  else player.pause();
}

const KEYS = {
  " ": togglePlayer,
  "ArrowLeft": key => key.shiftKey ? toUtterance(-1) : seek(time - STEP),
  "ArrowRight": key => key.shiftKey ? toUtterance(1) : seek(time + STEP),
  "+": () => zoom(1 / 2),
  "-": () => zoom(2),
};
addEventListener("keydown", key => {
  if (key.ctrlKey || key.altKey || key.metaKey || !(key.key in KEYS)) return;
  // The player has keys of its own, and space presses a button.
  if (key.target === player || key.key === " " && key.target.closest?.("button, summary")) return;
  key.preventDefault();
  KEYS[key.key](key);
});

// A player that was scrolled past goes on small in a corner, where there is room.
new IntersectionObserver(([section]) => {
  const passed = !section.isIntersecting && section.boundingClientRect.bottom < 0;
  if (passed) section.target.style.minHeight = `${section.boundingClientRect.height}px`;
  section.target.classList.toggle("passed", passed);
  if (!passed) section.target.style.minHeight = "";
}).observe(document.querySelector(".player"));

// On paper the whole recording is drawn.
let beforePrint = null;
addEventListener("beforeprint", () => { beforePrint = [from, to - from]; look(0, duration); });
addEventListener("afterprint", () => { if (beforePrint) look(...beforePrint); });
addEventListener("resize", draw); // numbers in ribbons stand where there is room

draw();
const fragment = /^#t=([\d.]+)$/.exec(location.hash);
if (fragment) seek(Number(fragment[1]));
})();
