/** The keyboard in the grid, following the WAI-ARIA pattern: one cell is active, keys move it or act on it. */

/** @typedef {{row: number, column: number}} Place row -1 is the header; column 0 chooses trials */

/**
 * @param {KeyboardEvent} event
 * @param {Place} place
 * @param {{rows: number, columns: number, page: number}} size
 * @returns {Place|null} the new place, null if the key does not move
 */
export function movedPlace(event, place, size) {
  if (event.altKey || event.shiftKey) return null;
  const far = event.ctrlKey || event.metaKey;
  const { row, column } = place;
  const lastRow = size.rows - 1;
  const lastColumn = size.columns - 1;
  switch (event.key) {
    case 'ArrowUp': return to(far ? -1 : row - 1, column);
    case 'ArrowDown': return to(far ? lastRow : row + 1, column);
    case 'ArrowLeft': return to(row, far ? 0 : column - 1);
    case 'ArrowRight': return to(row, far ? lastColumn : column + 1);
    case 'Home': return to(far ? -1 : row, 0);
    case 'End': return to(far ? lastRow : row, lastColumn);
    case 'PageUp': return to(Math.max(Math.min(row, 0), row - size.page), column);
    case 'PageDown': return to(row + size.page, column);
    default: return null;
  }

  /** @param {number} nextRow @param {number} nextColumn @returns {Place} */
  function to(nextRow, nextColumn) {
    return { row: Math.max(-1, Math.min(lastRow, nextRow)), column: Math.max(0, Math.min(lastColumn, nextColumn)) };
  }
}
