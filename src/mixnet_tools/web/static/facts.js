// What stands beside the results: the models with their figures so far, the profiles, the theme.

import { element, milliseconds } from "./dom.js";

export function showModels(about) {
  const count = about.models.length === 1 ? "1 model" : `${about.models.length} models`;
  document.title = `${about.name}: what is in a picture?`;
  document.getElementById("model").replaceChildren(
    element("strong", {}, about.name),
    `: ${about.classes.toLocaleString("en")} classes, ${count} loaded, profile ${about.profile}`,
  );
  const rows = document.querySelector("#models tbody");
  for (const model of about.models) {
    const computes = model.device === "CPU" ? model.computes : `${model.computes} on ${model.device}`;
    rows.append(
      element("tr", {}, element("th", { scope: "row" }, model.title), element("td", {}, computes), element("td", {}, "–"), element("td", {}, "–")),
    );
  }
  document.getElementById("models").classList.toggle("single", about.models.length === 1);
  document.getElementById("models-note").textContent = "Median: the time of one picture, without decoding and cropping.";
  document.getElementById("notes").replaceChildren(...about.notes.map((note) => element("li", {}, note)));
  document.getElementById("budget").textContent =
    `Up to ${about.limits.files} at a time, ${about.limits.bytes / 2 ** 20} MB each.`;
  document.getElementById("version").textContent = `mixnet_tools ${about.version}.`;
}

export function showFigures(found) {
  [...document.querySelector("#models tbody").rows].forEach((row, place) => {
    const times = found.map((one) => one.answers[place].milliseconds).sort((a, b) => a - b);
    const same = found.filter((one) => one.answers[place].classes[0].index === one.answers[0].classes[0].index).length;
    row.cells[2].textContent = times.length ? milliseconds(median(times)) : "–";
    row.cells[3].textContent = place === 0 || !times.length ? "–" : `${same} of ${times.length}`;
  });
}

const median = (sorted) => (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;

export function offerProfiles(about, choose) {
  const box = document.getElementById("profiles");
  const pick = (profile) => {
    const steps = document.getElementById("steps");
    document.getElementById("steps-title").textContent = `Steps of ${profile.name}`;
    steps.replaceChildren(...profile.steps.map((step) => element("li", {}, step)));
    choose(profile.name);
  };
  for (const profile of about.profiles) {
    const used = profile.name === about.profile;
    const input = element("input", { type: "radio", name: "profile", value: profile.name, checked: used, disabled: profile.steps === null });
    const words = used ? " (in use)" : profile.steps === null ? " (not for this model)" : "";
    input.addEventListener("change", () => pick(profile));
    box.append(element("label", {}, input, element("span", {}, profile.name, element("small", {}, words))));
    if (used) pick(profile);
  }
}

export function offerTheme() {
  const button = document.getElementById("theme");
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null; // null: as the system is set
  const show = () => {
    const dark = chosen ?? preferred.matches;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", dark ? "Use light colours" : "Use dark colours");
  };
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme !== "dark";
    show();
  });
  preferred.addEventListener("change", show);
  show();
}
