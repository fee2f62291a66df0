// What the page is about: one z and one label, a number for each covariate. Whoever shows them listens for "change".

export class State extends EventTarget {
  z = null;
  label = [];

  /** Takes another z, another label, or both. */
  set({ z = this.z, label = this.label }) {
    Object.assign(this, { z: Float32Array.from(z), label });
    this.dispatchEvent(new Event("change"));
  }

  /** z with another value in one place, or in some: {place: value}. */
  with(values) {
    return Object.assign(Float32Array.from(this.z), values);
  }
}

/** The function, called again only when it has ended, with what came last. */
export function latest(work, failed) {
  let waiting = null, busy = false;
  return async (...given) => {
    waiting = given;
    if (busy) return;
    busy = true;
    while (waiting) {
      const now = waiting;
      waiting = null;
      await Promise.resolve(work(...now)).catch(failed);
    }
    busy = false;
  };
}
