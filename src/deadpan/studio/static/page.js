// What every part of the page is made of: elements, requests, the line of messages.

// An element; texts among its children are text, whatever they hold.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export const byId = id => document.getElementById(id);

export function tell(text) {
  const line = byId("message");
  line.textContent = text;
  line.hidden = !text;
}

// What the API answers; an answer that refuses is told and thrown.
export async function ask(path, { method = "GET", json } = {}) {
  let answer;
  try {
    answer = await fetch(path, { method, body: json && JSON.stringify(json) });
  } catch {
    return refuse("The studio does not answer; is it still running?");
  }
  const content = answer.status === 204 ? null : await answer.json();
  return answer.ok ? content : refuse(content.error);
}

function refuse(text) {
  tell(text);
  throw new Error(text);
}

// What a handler does; a refusal has been told already.
export const quietly = work => (...values) => work(...values).catch(() => {});

export function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}
