/** Tests of who imports whom: the rooms, and what the two light entry points reach. */
import assert from "node:assert/strict";
import { ROOT, sources } from "../../tools/entries.ts";
import { ENTRY_BUDGETS } from "./budgets.ts";
import { modulesOf, reach } from "./modules.ts";

/** The rooms each room may import from, itself aside. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  session: ["core"],
  repositories: ["core", "session"],
  executors: ["core", "session"],
  tasks: ["core", "session", "repositories", "executors"],
  agent: ["core", "session", "repositories", "executors", "tasks"],
  pipeline: ["core", "session", "repositories", "executors", "tasks", "agent"],
  testing: ["core", "session", "repositories", "executors", "tasks", "pipeline", "agent"],
  cli: ["core", "session", "repositories", "executors", "tasks", "pipeline", "agent"],
  web: ["core", "session", "repositories", "executors", "tasks", "pipeline", "agent"],
};

/** Imports that go against the rule, each with its reason. */
const EXCEPT: Readonly<Record<string, string>> = {
  "mod.ts -> cli/main.ts":
    "main() is offered to pipelines that are programs themselves; it loads the rest only when called",
  "cli/offline.ts -> cli.ts": "it reaches everything",
};

const roomOf = (name: string): string => name.includes("/") ? name.slice(0, name.indexOf("/")) : name;
const modules = await modulesOf(sources());

Deno.test("every room imports from rooms below only", () => {
  const wrong: string[] = [];
  for (const { name, imports } of modules.values()) {
    const room = roomOf(name);
    if (
      name.includes(":") || name === "deno.json" || room === "deps" || room === "mod.ts" || room === "cli.ts"
    ) continue;
    const allowed = MAY_IMPORT[room];
    assert(allowed, `${name} is in no room`);
    for (const other of imports) {
      const to = roomOf(other);
      if (
        other.includes(":") || other === "deno.json" || to === room || to === "deps" || allowed.includes(to)
      ) continue;
      if (!EXCEPT[`${name} -> ${other}`]) wrong.push(`${name} -> ${other}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("the agent is loaded when it is needed, and not with a pipeline", () => {
  const eager = [...modules.values()].filter(({ name, eager }) =>
    roomOf(name) !== "agent" && eager.some((other) => roomOf(other) === "agent")
  );
  assert.deepEqual(eager.map(({ name }) => name), []);
});

Deno.test("dependencies are named in deps/ and nowhere else", () => {
  const wrong: string[] = [];
  for (const { name, imports } of modules.values()) {
    if (name.startsWith("deps/") || name.includes(":")) continue;
    for (const other of imports) if (/^(npm|jsr|https?):/.test(other)) wrong.push(`${name} -> ${other}`);
  }
  assert.deepEqual(wrong, []);
});

/** What `main()` is before anything is loaded. */
const MAIN = ["cli/main.ts", "cli/uncached.ts"];

Deno.test("mod.ts does not reach the command line, and cli.ts no entry point but itself", () => {
  for (const name of reach(modules, "mod.ts")) {
    if (roomOf(name) === "cli") assert(EXCEPT[`mod.ts -> ${name}`] || MAIN.includes(name), name);
  }
  assert(!reach(modules, "cli.ts").has("mod.ts"));
});

Deno.test("cli/offline.ts reaches all that is loaded by a computed address", () => {
  const computed = [...modules.keys()].filter((name) => /^cli\/commands\/|_main\.ts$|\/main\.ts$/.test(name));
  for (const name of sources()) {
    const text = Deno.readTextFileSync(new URL(name, ROOT));
    for (const [, path] of text.matchAll(/new URL\(["'](\.[^"']+\.ts)["'], import\.meta\.url\)/g)) {
      computed.push(new URL(path!, new URL(name, "file:///")).pathname.slice(1));
    }
  }
  assert(computed.includes("cli/graph/svg.ts"));
  const reached = reach(modules, "cli/offline.ts");
  assert.deepEqual(computed.filter((name) => !reached.has(name)), []);
});

for (const [entry, budget] of Object.entries(ENTRY_BUDGETS)) {
  const foreign = (how: "code" | "eager"): string[] =>
    [...reach(modules, entry, how)].filter((name) => name.includes(":")).map((name) =>
      name.replace(/^npm:\/?((?:@[^/]+\/)?[^@/]+).*$/, "npm:$1")
    );

  Deno.test(`${entry} loads only the packages and built-ins of its budget`, () => {
    const beyond = foreign("eager").filter((name) => !budget.eager.includes(name));
    assert.deepEqual(beyond, [], `${entry} loads more than tests/tree/budgets.ts allows`);
    const later = foreign("code").filter((name) => ![...budget.eager, ...budget.lazy].includes(name));
    assert.deepEqual(later, [], `${entry} reaches more than tests/tree/budgets.ts allows`);
  });

  Deno.test(`${entry} stays within its number of modules`, () => {
    const own = [...reach(modules, entry, "eager")].filter((name) => !name.includes(":")).length;
    assert(own <= budget.modules, `${entry} loads ${own} modules; its budget is ${budget.modules}`);
  });
}
