/**
 * What docs/kubernetes.md shows, so that tests do as it says.
 *
 * @module
 */
import { load } from "../../../deps/js_yaml.ts";

const text = Deno.readTextFileSync(new URL("../../../docs/kubernetes.md", import.meta.url));

/** The first block of YAML under a heading. */
// deno-lint-ignore no-explicit-any
function yamlUnder(heading: string): any {
  const [, rest] = text.split(`## ${heading}\n`);
  return load(/```yaml\n([\s\S]*?)```/.exec(rest!)![1]!);
}

/** The rules of the least role. */
export function documentedRole(): Readonly<Record<string, readonly string[]>>[] {
  return yamlUnder("The least role").rules;
}

/** The rule that Jobs need besides. */
export function documentedJobsRule(): Readonly<Record<string, readonly string[]>> {
  return yamlUnder("Jobs")[0];
}

/** A pod with a coordinator, as far as tests read it. */
export interface CoordinatorPod {
  readonly containers: readonly [{ readonly command: readonly string[]; readonly env: readonly unknown[] }];
}

/** The pod of a coordinator that runs in the cluster. */
export function documentedCoordinator(): CoordinatorPod {
  return yamlUnder("A coordinator in the cluster").spec.template.spec;
}
