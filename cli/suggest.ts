/**
 * "Did you mean": the known name that is nearest to a mistyped one.
 *
 * @module
 */

/** How many edits (insert, delete, replace, swap neighbours) lead from one text to the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, before[j - 2]! + 1);
      }
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}

/**
 * The names that somebody may have meant.
 *
 * @param typed What was typed.
 * @param known What there is.
 * @param limit How many at the most.
 * @returns The nearest first; none that is too far off.
 */
export function nearest(typed: string, known: Iterable<string>, limit = 3): readonly string[] {
  const wanted = typed.toLowerCase();
  const allowed = Math.max(1, Math.floor(wanted.length / 3));
  const found: [score: number, name: string][] = [];
  for (const name of known) {
    const lower = name.toLowerCase();
    const isPart = wanted.length >= 3 && lower.includes(wanted);
    if (!isPart && Math.abs(lower.length - wanted.length) > allowed) continue;
    const score = isPart ? allowed : distance(wanted, lower);
    if (score <= allowed) found.push([score, name]);
  }
  return found.sort(([a, x], [b, y]) => a - b || (x < y ? -1 : 1)).slice(0, limit).map(([, name]) => name);
}

/**
 * A clause that names what somebody may have meant.
 *
 * @param typed What was typed.
 * @param known What there is.
 * @param quote How a name is written. Default: in quotes.
 * @returns `; did you mean "summary"?`, or nothing.
 */
export function didYouMean(
  typed: string,
  known: Iterable<string>,
  quote: (name: string) => string = (name) => `"${name}"`,
): string {
  const names = nearest(typed, known).map(quote);
  if (names.length === 0) return "";
  return `; did you mean ${
    names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`
  }?`;
}
