import assert from "node:assert/strict";
import fc from "npm:fast-check@^4";
import { allocated, DefinitionError, field, type MappingContext } from "../../mod.ts";

function context(value: unknown, task = "task", link = "link"): MappingContext {
  return { task, link, value: () => Promise.resolve(value) };
}

Deno.test("field finds nested fields, and fields whose own name holds a dot, longest name first", async () => {
  const table: [unknown, string, string | undefined][] = [
    [{ a: "x" }, "doc.a", "x"],
    [{ a: { b: { c: "x" } } }, "doc.a.b.c", "x"],
    [{ "a.b": "dotted", a: { b: "nested" } }, "doc.a.b", "dotted"],
    [{ "a.b": { c: "x" } }, "doc.a.b.c", "x"],
    [{ a: { "b.c": "x" } }, "doc.a.b.c", "x"],
    [{ a: ["x", "y"] }, "doc.a.1", "y"],
    [{ a: 7 }, "doc.a", "7"],
    [{ a: 0 }, "doc.a", "0"],
    [{ a: 12345678901234567890n }, "doc.a", "12345678901234567890"],
    [{ a: true }, "doc.a", undefined],
    [{ a: null }, "doc.a", undefined],
    [{ a: "" }, "doc.a", undefined],
    [{ a: "../x" }, "doc.a", undefined],
    [{ a: -1 }, "doc.a", undefined],
    [{ a: {} }, "doc.a", undefined],
    [{}, "doc.a", undefined],
    [{}, "doc.toString", undefined],
    [{}, "doc.constructor.name", undefined],
    [undefined, "doc.a", undefined],
    ["text", "doc.length", undefined],
  ];
  for (const [document, path, expected] of table) {
    assert.equal(
      await field(path).map("job", context(document)),
      expected,
      `${path} of ${Deno.inspect(document)}`,
    );
  }
});

Deno.test("field asks for the document of its link", async () => {
  const asked: string[] = [];
  const key = field("meta.author");
  await key.map("job", { task: "t", link: "l", value: (link) => Promise.resolve(void asked.push(link)) });
  assert.deepEqual([asked, key.link, key.label, key.kind], [["meta"], "meta", "meta.author", "field"]);
});

Deno.test("field refuses a path that names no field", () => {
  for (const path of ["meta", "meta.", ".field", ""]) {
    assert.throws(
      () => field(path),
      new DefinitionError(
        `Cannot use the field path ${JSON.stringify(path)}; write "link.field" or "link.field.field"`,
      ),
    );
  }
});

Deno.test("allocated keys are those that are documented, on every machine and for ever", () => {
  const table: [string, string, string, string][] = [
    ["1", "left", "out", "1-3ky96qaohenys"],
    ["moby-dick", "summary", "reports", "moby-dick-220gsggngm8po"],
    ["AA", "left", "out", "AA-3ky96qaohenys"],
    ["aa", "left", "out", "aa-3ky96qaohenys"],
  ];
  for (const [job, task, link, expected] of table) {
    assert.equal(allocated().map(job, { ...context(undefined, task, link) }), expected);
  }
});

Deno.test("allocated keys lead back to their job, differ by task and link, and never collide within one", () => {
  const key = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,110}[A-Za-z0-9])?$/);
  fc.assert(fc.property(key, key, (job, other) => {
    const mapping = allocated();
    const at = context(undefined);
    const made = mapping.map(job, at) as string;
    assert.match(made, /^[A-Za-z0-9][A-Za-z0-9._-]*-[0-9a-z]{13}$/);
    assert.equal(mapping.reverse!(made, at), job);
    assert.equal(made === mapping.map(other, at), job === other);
    assert.notEqual(mapping.map(job, context(undefined, "task", "other")), made);
    assert.notEqual(mapping.map(job, context(undefined, "other", "link")), made);
    assert.equal(mapping.reverse!(made, context(undefined, "task", "other")), undefined);
  }));
});

Deno.test("allocated tells keys apart that differ by where the task's name ends", () => {
  assert.notEqual(
    allocated().map("1", context(undefined, "ab", "c")),
    allocated().map("1", context(undefined, "a", "bc")),
  );
});

Deno.test("allocated refuses a job whose key would be too long, and takes the longest that fits", () => {
  const at = context(undefined, "task", "out");
  assert.equal((allocated().map("x".repeat(114), at) as string).length, 128);
  assert.throws(() => allocated().map("x".repeat(115), at), {
    code: "invalid-key",
    message: `Cannot allocate a key for job "${
      "x".repeat(115)
    }" of task task: it would be longer than 128; use jobs of 114 characters or fewer`,
  });
});

Deno.test("allocated leads nowhere back from keys that it did not make", () => {
  const at = context(undefined);
  const made = allocated().map("1", at) as string;
  for (const key of ["1", made.slice(1), "x", `${made}x`]) {
    assert.equal(allocated().reverse!(key, at), undefined);
  }
});
