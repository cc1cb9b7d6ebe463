// A curve over epochs as SVG.
const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [480, 240, 62, 34, 14];

function shape(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Values by epoch, null for one that is not finite, on axes that several curves share.
export function curve(values, { range: [low, high], longest, best, title }) {
  const x = i => LEFT + (WIDTH - LEFT - 14) * (longest > 1 ? i / (longest - 1) : 0.5);
  const y = value => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (high > low ? (value - low) / (high - low) : 0.5);
  const numbers = values.filter(value => value !== null);
  const about = numbers.length
    ? `${title} over ${values.length} epochs, from ${numbers[0].toFixed(3)} to ${numbers.at(-1).toFixed(3)}`
    : `${title}: no number`;
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": about });
  svg.append(
    shape("line", { class: "axis", x1: LEFT, x2: LEFT, y1: TOP, y2: HEIGHT - BOTTOM }),
    shape("line", { class: "axis", x1: LEFT, x2: WIDTH - 14, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }),
    shape("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, `epoch; ${title}`),
  );
  if (!numbers.length) return svg;
  for (const value of new Set([low, high])) {
    svg.append(shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value.toPrecision(3)));
  }
  for (const epoch of new Set([1, longest])) {
    svg.append(shape("text", { x: x(epoch - 1), y: HEIGHT - BOTTOM + 14, "text-anchor": "middle" }, epoch));
  }
  const points = values.map((value, i) => value === null ? null : `${x(i).toFixed(1)},${y(value).toFixed(1)}`);
  const path = points.map((point, i) => point && `${points[i - 1] ? "L" : "M"}${point}`).filter(Boolean).join("");
  svg.append(shape("path", { class: "line", d: path }));
  points.forEach((point, i) => {
    const isBest = i + 1 === best;
    if (!point || (values.length > 3 && !isBest)) return;
    const [cx, cy] = point.split(",");
    svg.append(shape("circle", { class: isBest ? "best" : "dot", cx, cy, r: isBest ? 5 : 3 }));
  });
  return svg;
}
