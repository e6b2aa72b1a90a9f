// A picture with what preprocessing cuts away darkened, for any profile.

import { drawing, element } from "./dom.js";
import { preview } from "./server.js";

function words(profile, used, percent) {
  if (percent === null) return `Profile ${profile} cannot be used for this picture.`;
  if (profile === used) return `The models saw ${percent}\u00a0% of it.`;
  return `Profile ${profile} would keep ${percent}\u00a0% of it; the answers are those of profile ${used}.`;
}

export class Picture {
  constructor(file, kept, needsPreview) {
    this.file = file;
    this.kept = kept;
    this.addresses = new Map(); // of what the browser shows, by whether it is turned
    this.needsPreview = needsPreview;
    this.image = element("img", { alt: `The picture ${file.name}`, decoding: "async" });
    this.shade = drawing("path", { class: "shade", "fill-rule": "evenodd" });
    this.edge = drawing("rect", { class: "edge" });
    this.overlay = drawing("svg", { "aria-hidden": "true", preserveAspectRatio: "none" }, this.shade, this.edge);
    this.frame = element("div", { class: "frame" }, this.image, this.overlay);
    this.missing = element("p", { class: "missing", hidden: true }, "This browser cannot show the picture.");
    this.caption = element("figcaption", { class: "small" });
    this.element = element("figure", { class: "picture" }, this.frame, this.missing, this.caption);
    this.image.addEventListener("error", () => this.fail());
  }

  async show(profile, used) {
    const region = this.kept[profile];
    const base = region ?? this.kept[used];
    const { width, height } = base;
    this.frame.style.aspectRatio = `${width} / ${height}`;
    this.frame.style.setProperty("--ratio", width / height);
    this.image.style.imageOrientation = base.turned ? "from-image" : "none";
    this.image.classList.toggle("coarse", Math.max(width, height) < 160);
    this.draw(base, region !== null);
    const share = region ? ((region.right - region.left) * (region.bottom - region.top)) / (width * height) : 0;
    this.caption.textContent = `${width} × ${height} pixels. ${words(profile, used, region && Math.round(100 * share))}`;
    await this.load(base.turned);
  }

  draw({ width, height, left, top, right, bottom }, known) {
    const outer = `M0 0H${width}V${height}H0Z`;
    this.overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.shade.setAttribute("d", known ? `${outer}M${left} ${top}V${bottom}H${right}V${top}Z` : "");
    this.edge.toggleAttribute("hidden", !known);
    const box = { x: left, y: top, width: right - left, height: bottom - top };
    for (const [name, value] of Object.entries(box)) this.edge.setAttribute(name, value);
  }

  async load(turned) {
    const key = this.needsPreview ? turned : "file";
    this.turned = turned; // another profile may be chosen while a preview is on its way
    try {
      if (!this.addresses.has(key)) {
        const blob = this.needsPreview ? await preview(this.file, turned) : this.file;
        this.addresses.set(key, URL.createObjectURL(blob));
      }
      const address = this.addresses.get(key);
      if (this.turned !== turned) return;
      if (this.image.src !== address) this.image.src = address;
      await this.image.decode().catch(() => {}); // an error has an event of its own
      if (this.turned === turned) this.frame.dataset.turned = turned;
    } catch {
      this.fail();
    }
  }

  fail() {
    if (!this.needsPreview) {
      this.needsPreview = true; // the server reads more formats than this browser
      this.load(this.image.style.imageOrientation === "from-image");
      return;
    }
    this.frame.hidden = true;
    this.missing.hidden = false;
  }

  forget() {
    for (const address of this.addresses.values()) URL.revokeObjectURL(address);
  }
}
