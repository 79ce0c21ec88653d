/** Labels at the ends of lines, moved so that they do not overlap. */

/**
 * Heights at least `gap` apart, each as near to the wished one as neighbours and bounds allow.
 * @param {number[]} wished
 * @param {number} gap
 * @param {number} [low]
 * @param {number} [high] If there are more labels than fit, the lowest are below `low`.
 * @returns {number[]} in the order of `wished`
 */
export function apart(wished, gap, low = -Infinity, high = Infinity) {
  const order = wished.map((_, index) => index).sort((a, b) => wished[a] - wished[b] || a - b);
  const placed = [...wished];
  // Groups of labels that touch are centred on the mean of their wishes.
  /** @type {{members: number[], centre: number}[]} */
  const groups = [];
  for (const index of order) {
    groups.push({ members: [index], centre: wished[index] });
    while (groups.length > 1) {
      const upper = groups[groups.length - 1];
      const lower = groups[groups.length - 2];
      const reach = ((upper.members.length + lower.members.length) / 2) * gap;
      if (upper.centre - lower.centre >= reach - 1e-12) break;
      const members = [...lower.members, ...upper.members];
      const centre = members.reduce((sum, member) => sum + wished[member], 0) / members.length;
      groups.splice(-2, 2, { members, centre });
    }
  }
  for (const { members, centre } of groups) {
    members.forEach((member, place) => {
      placed[member] = centre + (place - (members.length - 1) / 2) * gap;
    });
  }
  let floor = low;
  for (const index of order) {
    placed[index] = Math.max(placed[index], floor);
    floor = placed[index] + gap;
  }
  let ceiling = high;
  for (const index of order.toReversed()) {
    placed[index] = Math.min(placed[index], ceiling);
    ceiling = placed[index] - gap;
  }
  return placed;
}
