import assert from "node:assert/strict";
import {
  allocated,
  field,
  inhibits,
  input,
  type Link,
  MemoryBlobRepository,
  output,
  requires,
  status,
} from "../../mod.ts";

const repository = new MemoryBlobRepository("r");
const shown = ({ direction, start, expected, gated, view }: Link): string =>
  [direction, start, expected && "expected", gated && "gated", view].filter(Boolean).join(" ");

Deno.test("Links say which way data flows, what must hold before a start, and what is expected in the end", () => {
  const table: [Link, string][] = [
    [input(repository), "in present gated bound"],
    [input(repository, { required: false }), "in any gated bound"],
    [input(repository, { as: "key" }), "in present gated key"],
    [output(repository), "out any expected gated bound"],
    [output(repository, { required: false }), "out any gated bound"],
    [output(repository, { once: true }), "out absent expected gated bound"],
    [output(repository, { gated: false }), "out any expected bound"],
    [requires(repository), "gate present gated none"],
    [inhibits(repository), "gate absent gated none"],
    [status(repository), "status any bound"],
  ];
  for (const [link, expected] of table) {
    assert.equal(shown(link), expected);
    assert.equal(link.repository, repository);
    assert.equal(link.key, undefined);
  }
});

Deno.test("Links take a key as a function, a field or an allocated one, and tell its name", () => {
  const upper = (job: string): string => job.toUpperCase();
  assert.deepEqual([
    input(repository, { key: upper }).key!.label,
    input(repository, { key: upper }).key!.kind,
  ], ["upper", "function"]);
  assert.equal(input(repository, { key: (() => (job: string) => job)() }).key!.label, "function");
  assert.equal(requires(repository, { key: field("meta.a.b") }).key!.label, "meta.a.b");
  assert.equal(output(repository, { key: allocated() }).key!.label, "allocated");
  assert.equal(status(repository, { key: upper }).key!.label, "upper");
  assert.equal(inhibits(repository, { key: upper }).key!.label, "upper");
});

Deno.test("output takes more repositories whose values go under the same key", () => {
  const meta = new MemoryBlobRepository("meta");
  assert.deepEqual(output(repository, { cokeyed: { meta } }).cokeyed, { meta });
  assert.deepEqual(output(repository).cokeyed, {});
});

Deno.test("A link that is given no repository says so", () => {
  const links: Record<string, (repository: never) => Link> = { input, output, requires, inhibits, status };
  for (const [by, link] of Object.entries(links)) {
    assert.throws(() => link(undefined as never), {
      code: "invalid-definition",
      message:
        `${by}(...) was given undefined in place of a repository; see that it is made before the task that links it`,
    });
  }
  assert.throws(() => input({} as never), /^DefinitionError: input\(\.\.\.\) was given an object in place/);
});
