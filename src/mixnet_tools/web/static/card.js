// The card of one picture: waiting, then the answers of all models side by side, or the problem with it.

import { breakable, element, identifier, milliseconds, percent } from "./dom.js";
import { Picture } from "./picture.js";

export class Card {
  constructor(file) {
    this.file = file;
    this.id = identifier("card");
    this.title = element("h3", { id: this.id, class: "name" }, file.name);
    this.body = element("div", { class: "waiting" }, element("p", { class: "quiet" }, "Waiting for the models …"));
    this.element = element("article", { class: "card result", "aria-labelledby": this.id }, this.title, this.body);
    this.element.setAttribute("aria-busy", "true");
  }

  fail(message) {
    this.finish(element("p", { class: "problem" }, element("strong", {}, "Not classified. "), message));
    this.element.classList.add("failed");
  }

  answer(found, about) {
    this.picture = new Picture(this.file, found.kept, found.preview);
    const first = found.answers[0].classes[0];
    const head = element(
      "div",
      { class: "verdict" },
      element("p", { class: "best" }, breakable(first.short), " ", element("span", { class: "score" }, percent(first.score))),
      agreement(found, about),
    );
    const notes = found.notes.length ? element("p", { class: "quiet small" }, `Unusual: ${found.notes.join(", ")}.`) : null;
    const models = element("div", { class: `models of-${found.answers.length}` });
    found.answers.forEach((answer, place) => models.append(column(answer, about.models[place], first.index)));
    this.finish(this.picture.element, element("div", { class: "answers" }, head, models, notes));
  }

  finish(...content) {
    this.element.removeAttribute("aria-busy");
    this.body.className = "content";
    this.body.replaceChildren(...content);
  }
}

export function differing(found) {
  const first = found.answers[0].classes[0].index;
  return found.answers.flatMap((answer, place) => (answer.classes[0].index === first ? [] : [place]));
}

function agreement(found, about) {
  if (found.answers.length < 2) return null;
  const others = differing(found);
  if (others.length === 0) return element("p", { class: "badge good" }, `✓ All ${found.answers.length} models agree`);
  const said = others.map((place) => `${about.models[place].title} says ${found.answers[place].classes[0].short}`);
  return element("p", { class: "badge other" }, `≠ ${said.join(", ")}`);
}

function column(answer, model, first) {
  const differs = answer.classes[0].index !== first;
  const id = identifier("model");
  const list = element("ol", { class: "classes", "aria-labelledby": id });
  for (const one of answer.classes) {
    const fill = element("span", { class: "fill" });
    fill.style.inlineSize = `${100 * one.score}%`;
    list.append(
      element(
        "li",
        {},
        element("span", { class: "class", title: one.text === one.short ? null : one.text }, breakable(one.short)),
        element("span", { class: "score" }, percent(one.score)),
        element("span", { class: "track", "aria-hidden": "true" }, fill),
      ),
    );
  }
  const time = answer.milliseconds === null ? "" : milliseconds(answer.milliseconds);
  return element(
    "div",
    { class: differs ? "model differs" : "model", role: "group", "aria-labelledby": id },
    element("h4", { id }, model.title, " ", element("span", { class: "time" }, time)),
    differs ? element("p", { class: "mark small" }, "≠ another answer") : null,
    list,
  );
}
