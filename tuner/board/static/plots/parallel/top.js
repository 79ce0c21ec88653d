/** What is drawn over the lines: axes, ticks, the chosen trials and the one under the pointer. */

import { GROUNDS, chosenColour } from "../palette.js";
import { clipped } from "../numbers.js";
import { yOf } from "./axes.js";
import { trace } from "./lines.js";

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("./axes.js").Axis[]} axes
 * @param {import("./axes.js").Geometry} geometry
 * @param {"light" | "dark"} theme
 * @param {{index: number, label: string}[]} chosen
 * @param {number} hovered Index of a trial, or -1.
 */
export function paint(pen, axes, geometry, theme, chosen, hovered) {
  pen.clearRect(0, 0, geometry.width, geometry.height);
  const ground = GROUNDS[theme];
  chosen.forEach(({ index }, place) => line(pen, axes, geometry, index, chosenColour(place, theme), ground.page, 2.5));
  if (hovered >= 0) line(pen, axes, geometry, hovered, ground.ink, ground.page, 2.5);
  axes.forEach((axis, place) => drawAxis(pen, axis, geometry, geometry.xs[place], ground, place === axes.length - 1));
  if (axes.length) labels(pen, axes, geometry, theme, chosen, ground);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("./axes.js").Axis[]} axes
 * @param {import("./axes.js").Geometry} geometry
 * @param {number} index
 * @param {string} colour
 * @param {string} halo
 * @param {number} width
 */
function line(pen, axes, geometry, index, colour, halo, width) {
  pen.lineJoin = "round";
  for (const [style, thick] of /** @type {[string, number][]} */ ([[halo, width + 2.5], [colour, width]])) {
    pen.beginPath();
    trace(pen, axes, geometry, index);
    pen.strokeStyle = style;
    pen.lineWidth = thick;
    pen.stroke();
  }
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("./axes.js").Axis} axis
 * @param {import("./axes.js").Geometry} geometry
 * @param {number} x
 * @param {import("../palette.js").Ground} ground
 * @param {boolean} last Its ticks are on the left.
 */
function drawAxis(pen, axis, geometry, x, ground, last) {
  const { scale } = axis;
  pen.strokeStyle = ground.ink;
  pen.lineWidth = 1.25;
  pen.beginPath();
  pen.moveTo(x + 0.5, yOf(geometry, 1));
  pen.lineTo(x + 0.5, yOf(geometry, scale.floor));
  pen.stroke();
  if (scale.absent !== null) mark(pen, x, yOf(geometry, scale.absent), scale.absentText, ground, last, true);
  let free = Infinity;
  for (const tick of [...scale.ticks].sort((a, b) => a.at - b.at)) {
    const y = yOf(geometry, tick.at);
    if (free - y < 13) continue;
    mark(pen, x, y, tick.text, ground, last, false);
    free = y;
  }
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {number} x
 * @param {number} y
 * @param {string} text
 * @param {import("../palette.js").Ground} ground
 * @param {boolean} left
 * @param {boolean} soft
 */
function mark(pen, x, y, text, ground, left, soft) {
  pen.strokeStyle = ground.ink;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x - 3, y + 0.5);
  pen.lineTo(x + 4, y + 0.5);
  pen.stroke();
  words(pen, clipped(text, 14), left ? x - 7 : x + 7, y + 4, ground, soft ? ground.soft : ground.ink, left ? "right" : "left", soft);
}

/**
 * Text with a rim of the page's colour, so that lines do not hide it.
 * @param {CanvasRenderingContext2D} pen
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {import("../palette.js").Ground} ground
 * @param {string} colour
 * @param {CanvasTextAlign} align
 * @param {boolean} italic
 */
function words(pen, text, x, y, ground, colour, align, italic) {
  pen.font = `${italic ? "italic " : ""}12px Roboto, "Helvetica Neue", Arial, sans-serif`;
  pen.textAlign = align;
  pen.lineJoin = "round";
  pen.lineWidth = 4;
  pen.strokeStyle = ground.page;
  pen.strokeText(text, x, y);
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}

/**
 * Names of the chosen trials where their lines begin.
 * @param {CanvasRenderingContext2D} pen
 * @param {import("./axes.js").Axis[]} axes
 * @param {import("./axes.js").Geometry} geometry
 * @param {"light" | "dark"} theme
 * @param {{index: number, label: string}[]} chosen
 * @param {import("../palette.js").Ground} ground
 */
function labels(pen, axes, geometry, theme, chosen, ground) {
  chosen.slice(0, 10).forEach(({ index, label }, place) => {
    const y = yOf(geometry, axes[0].places[index]);
    words(pen, clipped(label, 8), geometry.xs[0] - 7, y + 4, ground, chosenColour(place, theme), "right", false);
  });
}
