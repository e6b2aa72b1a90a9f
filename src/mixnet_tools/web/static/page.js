// Puts the parts of the page together: pictures come in, wait their turn, and become cards.

import { Card, differing } from "./card.js";
import { element, percent } from "./dom.js";
import { offerProfiles, offerTheme, showFigures, showModels } from "./facts.js";
import { listen, showSamples } from "./intake.js";
import { about as askAbout, classify } from "./server.js";

const MOST_CARDS = 100; // older ones make room
const MOST_LINES = 50;

const cards = []; // the newest first
const waiting = [];
let about = null;
let profile = null;
let running = 0;

function say(text, isProblem = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("problem", isProblem);
  const log = document.getElementById("log"); // is read out: every line of it, where they come quickly too
  log.append(element("p", {}, text));
  while (log.children.length > MOST_LINES) log.firstChild.remove();
}

function take(files) {
  if (about === null) {
    say("The models are not known yet. Try again in a moment.", true);
    return;
  }
  const taken = files.slice(0, about.limits.files);
  const left = files.length - taken.length;
  for (const file of taken) {
    const card = new Card(file);
    cards.unshift(card);
    waiting.push(card);
    document.getElementById("cards").prepend(card.element);
  }
  while (cards.length > MOST_CARDS) remove(cards[cards.length - 1]);
  if (left > 0) say(`At most ${about.limits.files} pictures are taken at a time: ${left} left out.`, true);
  else say(taken.length === 1 ? `Classifying ${taken[0].name} …` : `Classifying ${taken.length} pictures …`);
  showEmptiness();
  bringIntoView();
  work();
}

// On a phone the results are below the pictures.
function bringIntoView() {
  const results = document.getElementById("results");
  if (results.getBoundingClientRect().top > 0.6 * innerHeight) results.scrollIntoView();
}

function work() {
  while (running < about.limits.atOnce && waiting.length > 0) {
    running++;
    answer(waiting.shift()).finally(() => {
      running--;
      work();
    });
  }
}

async function answer(card) {
  try {
    if (card.file.size > about.limits.bytes) {
      throw new Error(`The file is too large: at most ${about.limits.bytes / 2 ** 20} MB are taken.`);
    }
    const found = await classify(card.file);
    if (!cards.includes(card)) return; // it was removed meanwhile
    if (found.problem) throw new Error(withoutName(found.problem, found.name));
    card.found = found;
    card.answer(found, about);
    card.picture.show(profile, about.profile);
    tell(card);
  } catch (error) {
    if (!cards.includes(card)) return;
    card.fail(error.message);
    say(`${card.file.name}: not classified. ${error.message}`, true);
  }
  showFigures(cards.flatMap((one) => one.found ?? []));
}

function withoutName(problem, name) {
  const rest = problem.startsWith(`${name}: `) ? problem.slice(name.length + 2) : problem;
  return `${rest[0].toUpperCase()}${rest.slice(1)}${/[.!?]$/.test(rest) ? "" : "."}`;
}

function tell(card) {
  const best = card.found.answers[0].classes[0];
  const others = differing(card.found).length;
  const count = card.found.answers.length;
  const agreed = count === 1 ? "" : others === 0 ? ` All ${count} models agree.` : ` ${others} of ${count} models ${others === 1 ? "differs" : "differ"}.`;
  say(`${card.file.name}: ${best.short}, ${percent(best.score)}.${agreed}`);
}

function remove(card) {
  cards.splice(cards.indexOf(card), 1);
  const place = waiting.indexOf(card);
  if (place >= 0) waiting.splice(place, 1);
  card.picture?.forget();
  card.element.remove();
}

function showEmptiness() {
  document.getElementById("nothing").hidden = cards.length > 0;
  document.getElementById("clear").hidden = cards.length === 0;
}

document.getElementById("clear").addEventListener("click", () => {
  for (const card of [...cards]) remove(card);
  showEmptiness();
  showFigures([]);
  say("All results are removed.");
  document.getElementById("drop").focus();
});

offerTheme();
listen({ take, say });
try {
  about = await askAbout();
  showModels(about);
  offerProfiles(about, (name) => {
    profile = name;
    for (const card of cards) card.picture?.show(profile, about.profile);
  });
  showSamples(about.samples, { take, say });
} catch (error) {
  document.getElementById("model").textContent = "The models are not known.";
  say(error.message, true);
}
