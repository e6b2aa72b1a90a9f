// Takes pictures in: dropped anywhere on the page, pasted, chosen, or one of the samples.

import { element } from "./dom.js";
import { sample } from "./server.js";

export function listen({ take, say }) {
  const zone = document.getElementById("drop");
  const chooser = document.getElementById("files");

  zone.addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    take([...chooser.files]);
    chooser.value = ""; // the same file may be chosen again
  });

  let inside = 0; // dragenter and dragleave come for each element on the way
  const mark = (step) => {
    inside = Math.max(0, inside + step);
    document.documentElement.classList.toggle("dragging", inside > 0);
  };
  document.addEventListener("dragenter", () => mark(1));
  document.addEventListener("dragleave", () => mark(-1));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault(); // else the browser leaves the page for the picture
    mark(-Infinity);
    receive(event.dataTransfer, "That was no file. Drop picture files; pictures of other pages have to be saved first.");
  });
  document.addEventListener("paste", (event) => {
    receive(event.clipboardData, "There is no picture in the clipboard.");
  });

  function receive(data, otherwise) {
    const files = [...(data?.files ?? [])];
    if (files.length > 0) take(files);
    else say(otherwise, true);
  }
}

export function showSamples(entries, { take, say }) {
  const box = document.getElementById("samples");
  const list = box.querySelector("ul");
  for (const entry of entries) {
    const button = element(
      "button",
      { type: "button", class: "sample" },
      element("img", { src: entry.thumbnail, alt: `Classify sample ${entry.name}`, width: 72, height: 72 }),
    );
    button.addEventListener("click", async () => {
      try {
        take([await sample(entry)]);
      } catch (error) {
        say(`${entry.name}: ${error.message}`, true);
      }
    });
    list.append(element("li", {}, button));
  }
  box.hidden = entries.length === 0;
}
