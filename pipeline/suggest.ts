/**
 * Suggestions for misspelt names.
 *
 * @module
 */

/** How many single changes make one text of another. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/**
 * The end of a message about a name that there is not.
 *
 * @param name What was written.
 * @param names What there is.
 * @returns `; did you mean "x"?`, or the names when none is near, or nothing when there are none.
 */
export function suggest(name: string, names: Iterable<string>): string {
  const all = [...names];
  const near = all.map((other) => [distance(name.toLowerCase(), other.toLowerCase()), other] as const)
    .filter(([d, other]) => d <= Math.max(2, Math.floor(other.length / 3))).sort((a, b) => a[0] - b[0])[0];
  if (near) return `; did you mean "${near[1]}"?`;
  if (all.length === 0) return "";
  return `; there ${all.length === 1 ? "is" : "are"} ${all.slice(0, 10).join(", ")}${
    all.length > 10 ? ", …" : ""
  }`;
}
