// Makes elements. Texts of others (names of files, messages) become text nodes, never HTML.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  fill(made, attributes, children);
  return made;
}

export function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  fill(made, attributes, children);
  return made;
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
}

export const percent = (score) => {
  const value = 100 * score;
  return value > 0 && value < 0.1 ? "<\u00a00.1\u00a0%" : `${value.toFixed(1)}\u00a0%`;
};

export const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)}\u00a0ms`;

// Names of classes may have underscores for blanks: a long one may be broken behind them.
export function breakable(text) {
  const parts = document.createDocumentFragment();
  for (const part of text.split(/(?<=_)/)) parts.append(part, document.createElement("wbr"));
  return parts;
}

let last = 0;
export const identifier = (word) => `${word}-${++last}`;
