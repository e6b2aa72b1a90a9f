// Asks the server: about the models, for answers to a picture, and for a picture that the browser cannot show.

const PATIENCE = 100_000; // milliseconds; the server gives up before
const BUSY = 503;
const TRIES = 20;

export class Problem extends Error {}

export async function about() {
  return (await ask("/api/about")).json();
}

export async function sample(entry) {
  const blob = await (await ask(entry.picture)).blob();
  return new File([blob], entry.name, { type: blob.type });
}

export async function classify(file) {
  const name = encodeURIComponent(file.name.slice(0, 200));
  return (await send(`/api/classify?name=${name}`, file)).json();
}

export async function preview(file, turned) {
  return (await send(`/api/preview?turned=${turned ? 1 : 0}`, file)).blob();
}

async function send(address, file) {
  let body;
  try {
    body = await file.arrayBuffer(); // a folder, or a file that is gone, fails here and not in the middle
  } catch {
    throw new Problem("This cannot be read. Is it a folder, or a file that was moved?");
  }
  if (body.byteLength === 0) throw new Problem("The file is empty.");
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(address, { method: "POST", body, headers: { "Content-Type": "application/octet-stream" } });
    } catch (error) {
      if (error.status !== BUSY || attempt === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250 + 500 * Math.random()));
    }
  }
}

async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { ...options, signal: AbortSignal.timeout(PATIENCE) });
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new Problem(late ? "The server did not answer in time." : "The server cannot be reached. Was it stopped?");
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  const problem = new Problem(said.problem ?? `The server answers ${answer.status}.`);
  problem.status = answer.status;
  throw problem;
}
