/**
 * Draws many polylines on a canvas, some of them per frame. A full drawing of 5 000 trials over 20 axes
 * takes longer than a frame; so a frame draws for its budget, and the rest follows in the next ones
 * unless something changed meanwhile. Lines are drawn in an order of which any part shows the whole.
 */

/** Number of lines between two checks of the clock. */
const CHUNK = 24;

export class Lines {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    // Rendered immediately, so that it can be timed: otherwise the browser queues strokes for later.
    this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    /** @type {{axes: import("./axes.js").Axis[], geometry: import("./axes.js").Geometry, order: Int32Array, shades: Uint8Array, styles: string[], alpha: number, strong: number} | null} */
    this.job = null;
    this.next = 0;
  }

  /**
   * @param {import("./axes.js").Geometry} geometry
   * @param {number} ratio Device pixels per CSS pixel.
   */
  resize(geometry, ratio) {
    const width = Math.round(geometry.width * ratio);
    const height = Math.round(geometry.height * ratio);
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.canvas.style.width = `${geometry.width}px`;
    this.canvas.style.height = `${geometry.height}px`;
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /**
   * Begin a drawing; the previous one is abandoned.
   * @param {import("./axes.js").Axis[]} axes
   * @param {import("./axes.js").Geometry} geometry
   * @param {Int32Array} order Trials to draw, in this order.
   * @param {Uint8Array} shades Index of the style, one per trial.
   * @param {string[]} styles
   * @param {number} alpha
   * @param {number} strong Number of lines at the end that are drawn stronger.
   */
  begin(axes, geometry, order, shades, styles, alpha, strong) {
    this.job = { axes, geometry, order, shades, styles, alpha, strong };
    this.next = 0;
    this.pen.clearRect(0, 0, geometry.width, geometry.height);
  }

  /** @returns {boolean} whether nothing is left to draw */
  get done() {
    return this.job === null || this.next >= this.job.order.length;
  }

  /**
   * Continue drawing for a while.
   * @param {number} until A time of `performance.now()`.
   */
  advance(until) {
    const job = this.job;
    if (!job) return;
    const { pen } = this;
    const weak = job.order.length - job.strong;
    pen.lineWidth = 1;
    while (this.next < job.order.length) {
      const end = Math.min(this.next < weak ? weak : job.order.length, this.next + CHUNK);
      pen.globalAlpha = this.next < weak ? job.alpha : Math.max(job.alpha, 0.5);
      const chunk = job.order.subarray(this.next, end).slice().sort((a, b) => job.shades[a] - job.shades[b]);
      for (let start = 0; start < chunk.length; ) {
        const shade = job.shades[chunk[start]];
        pen.strokeStyle = job.styles[shade];
        pen.beginPath();
        for (; start < chunk.length && job.shades[chunk[start]] === shade; start += 1) trace(pen, job.axes, job.geometry, chunk[start]);
        pen.stroke();
      }
      this.next = end;
      pen.getImageData(0, 0, 1, 1); // Until here the strokes are only queued.
      if (performance.now() >= until) break;
    }
    pen.globalAlpha = 1;
  }
}

/**
 * One trial's line, added to the path.
 * @param {CanvasRenderingContext2D} pen
 * @param {import("./axes.js").Axis[]} axes
 * @param {import("./axes.js").Geometry} geometry
 * @param {number} trial Index.
 */
export function trace(pen, axes, geometry, trial) {
  const { xs, bottom, top } = geometry;
  const height = bottom - top;
  if (axes.length === 1) {
    const y = bottom - axes[0].places[trial] * height;
    pen.moveTo(xs[0] - 8, y);
    pen.lineTo(xs[0] + 8, y);
    return;
  }
  pen.moveTo(xs[0], bottom - axes[0].places[trial] * height);
  for (let axis = 1; axis < axes.length; axis += 1) pen.lineTo(xs[axis], bottom - axes[axis].places[trial] * height);
}

/**
 * A fixed order of which any prefix is spread over all trials.
 * @param {number} count
 * @returns {Int32Array}
 */
export function spread(count) {
  const order = Int32Array.from({ length: count }, (_, index) => index);
  let seed = 0x2545f491;
  for (let index = count - 1; index > 0; index -= 1) {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    const other = (seed >>> 0) % (index + 1);
    [order[index], order[other]] = [order[other], order[index]];
  }
  return order;
}

/**
 * What is drawn: the best first, so that a part shows them, then all the others, then the best once
 * more, on top.
 * @param {Int32Array} order
 * @param {Uint8Array} shown
 * @param {number[]} best
 * @returns {{order: Int32Array, strong: number}} strong: number of best trials at the end
 */
export function drawnOrder(order, shown, best) {
  const top = best.filter((index) => shown[index]);
  const others = order.filter((index) => shown[index]);
  return { order: Int32Array.from([...top, ...others, ...top.toReversed()]), strong: top.length };
}
