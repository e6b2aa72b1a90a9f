// Search of pages that were opened as files. Browsers start no worker from a file; this one runs in a hidden frame.
// What the search needs of a worker is here: messages in both directions, and importScripts.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inside = this.frame.contentWindow
      const load = (source) =>
        new Promise((resolve, reject) => {
          const script = inside.document.createElement("script")
          script.src = source
          script.onload = resolve
          script.onerror = () => reject(new Error(`cannot load ${source}`))
          inside.document.head.append(script)
        })
      inside.importScripts = (...sources) =>
        sources.reduce((before, source) => before.then(() => load(new URL(source, address))), Promise.resolve())
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", {data}))
      this.ready = load(address)
    }

    postMessage(data) {
      this.ready.then(() => {
        const inside = this.frame.contentWindow
        inside.dispatchEvent(new inside.MessageEvent("message", {data}))
      })
    }

    terminate() {
      this.frame.remove()
    }
  }
}
