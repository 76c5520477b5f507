/**
 * In which order resources can be opened.
 *
 * @module
 */
import { DefinitionError } from "../core/errors.ts";

/**
 * Checks what resources need: each must be declared, and none may need itself in the end.
 *
 * @param needs The names that each name needs.
 * @throws {DefinitionError} With one fault for each need that is not declared and for each cycle.
 */
export function checkNeeds(needs: ReadonlyMap<string, readonly string[]>): void {
  const faults: string[] = [];
  for (const [name, wanted] of needs) {
    for (const other of wanted) {
      if (!needs.has(other)) {
        faults.push(
          `Cannot open resource "${name}": it needs "${other}", which is not declared in this session; declare it`,
        );
      }
    }
  }
  const settled = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): void => {
    if (settled.has(name)) return;
    const at = path.indexOf(name);
    if (at !== -1) {
      const cycle = [...path.slice(at), name].map((each) => `"${each}"`).join(" -> ");
      faults.push(`Cannot open resource "${name}": it needs itself (${cycle}); break the cycle`);
      return;
    }
    path.push(name);
    needs.get(name)?.forEach(visit);
    path.pop();
    settled.add(name);
  };
  for (const name of needs.keys()) visit(name);
  if (faults.length > 0) throw new DefinitionError(faults);
}
