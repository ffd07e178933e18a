// Requests to the emulator's HTTP API. A refusal is an error whose text is the emulator's own.

/** Asks and returns the answer's value. A body that is no file is sent as JSON. */
export async function ask(method, path, body) {
  const plain = body === undefined || body instanceof Blob;
  let response;
  try {
    response = await fetch(path, { method, body: plain ? body : JSON.stringify(body) });
  } catch {
    throw new Error("the emulator does not answer");
  }
  const value = await response.json().catch(() => null);
  if (!response.ok) throw new Error(value?.error ?? `the emulator answered with status ${response.status}`);
  return value;
}

/** The path of a device. */
export const pathOf = (device) =>
  `/api/devices/${encodeURIComponent(device.product_key)}/${encodeURIComponent(device.device_name)}`;

/** Carries out what a button was pressed for, and says how it ended beside it. `work` returns the words for success. */
export async function say(output, work, busy = []) {
  for (const button of busy) button.disabled = true;
  output.dataset.kind = "busy";
  output.textContent = "asked, waiting for the answer…";
  try {
    const words = await work();
    output.dataset.kind = "done";
    output.textContent = words;
  } catch (error) {
    output.dataset.kind = "refused";
    output.textContent = error.message;
  } finally {
    for (const button of busy) button.disabled = false;
  }
}

/** The words of a device's answer, or these if it has none; an error if it is a refusal. */
export function answered(answer, done) {
  const words = answer.message ?? answer.data?.message;
  if (answer.code !== 200) throw new Error(`refused with code ${answer.code}: ${words || "no reason given"}`);
  return answer.data?.message || done;
}
