import assert from "node:assert/strict";
import { concat, decodeText, encodeText, readAll, toStream } from "../../core/bytes.ts";
import { json } from "../../core/codec.ts";
import { formatDuration, parseDuration } from "../../core/duration.ts";
import {
  exceeded,
  formatAmount,
  parseQuantity,
  parseQuota,
  parseShares,
  type QuotaInit,
} from "../../core/quota.ts";

Deno.test("parseDuration reads milliseconds and texts", () => {
  const cases: [number | string, number][] = [
    [0, 0],
    [250, 250],
    ["250ms", 250],
    ["90s", 90_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["1.5s", 1500],
    [" 10m ", 600_000],
  ];
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, String(text));
});

Deno.test("parseDuration says what it cannot read", () => {
  for (const bad of ["", "10", "ten", "-1s", "1s2", "1 h", NaN, -1, Infinity, `${"9".repeat(400)}s`]) {
    assert.throws(() => parseDuration(bad), { code: "invalid-definition" }, String(bad));
  }
  assert.throws(() => parseDuration(Infinity), /^DefinitionError: Cannot read duration Infinity; write /);
  assert.throws(() => parseDuration("soon", "timeout"), {
    message:
      'Cannot read timeout "soon"; write milliseconds or text such as "250ms", "90s", "10m", "1h30m", "2d"',
  });
});

Deno.test("formatDuration has two units at the most", () => {
  const cases: [number, string][] = [[12, "12ms"], [1500, "1.5s"], [59_000, "59s"], [60_000, "1m"], [
    90_000,
    "1m30s",
  ]];
  cases.push([3_600_000, "1h"], [5_400_000, "1h30m"], [90_000_000, "1d1h"], [Infinity, "?"]);
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

Deno.test("parseQuantity reads the notation of Kubernetes", () => {
  const cases: [number | string, number][] = [[2, 2], ["500m", 0.5], ["1.5Gi", 1.5 * 2 ** 30], ["1e3", 1000]];
  cases.push(["1k", 1000], ["1M", 1e6], [".5", 0.5], ["0", 0], ["3E", 3e18]);
  for (const [text, amount] of cases) assert.equal(parseQuantity(text), amount, String(text));
  for (const bad of ["", "1 Gi", "-1", "1GiB", "x", NaN, -1, "1e999", `${"9".repeat(300)}Ei`]) {
    assert.throws(() => parseQuantity(bad), { code: "invalid-definition" }, String(bad));
  }
  assert.throws(() => parseQuantity(Infinity, "quota cpu"), {
    message: 'Cannot read quota cpu Infinity; write a Kubernetes quantity such as 2, "500m" or "1.5Gi"',
  });
  assert.throws(() => parseQuota({ memory: "lots" }), {
    message: 'Cannot read quota memory "lots"; write a Kubernetes quantity such as 2, "500m" or "1.5Gi"',
  });
});

Deno.test("parseShares reads amounts, and shares of what there is", () => {
  const read = (init: QuotaInit) => parseShares(init, { cpu: 3, memory: 1001, gpu: 8 }, "pool p", "task t");
  assert.deepEqual(read({ cpu: "50%", memory: "50%", gpu: "max", licence: 1 }), {
    cpu: 1.5,
    memory: 500,
    gpu: 8,
    licence: 1,
  });
  assert.deepEqual(read({ cpu: " .5% ", gpu: "12.5 %" }), { cpu: 0.015, gpu: 1 });
  for (const bad of ["0%", "100.1%", "-1%", "%", "Max"]) {
    assert.throws(() => read({ cpu: bad }), { code: "invalid-definition" }, bad);
  }
  assert.throws(() => read({ licence: "max" }), /pool p has no capacity of licence/);
  for (const share of ["max", "50%"]) {
    assert.throws(() => parseShares({ gpu: share }, { gpu: 0 }, "pool p", "task t"), {
      code: "invalid-definition",
      message:
        `Cannot meet quota of task t: gpu "${share}": pool p has none; leave gpu out, or say how much it has: { capacity: { gpu: ... } }`,
    });
  }
});

Deno.test("formatAmount writes cores and bytes for people", () => {
  assert.equal(formatAmount("cpu", 1 / 3), "0.33");
  assert.equal(formatAmount("memory", 1.5 * 2 ** 30), "1.5Gi");
  assert.equal(formatAmount("memory", 1000), "1000");
  assert.equal(formatAmount("gpu", 2048), "2048");
});

Deno.test("exceeded names what there is too little of, and forgives rounding", () => {
  assert.equal(exceeded({ cpu: 2 }, { cpu: 1 }), "cpu");
  assert.equal(exceeded({ cpu: 1, memory: 5 }, { cpu: 1, memory: 4 }), "memory");
  assert.equal(exceeded({ cpu: 0.1 + 0.2 }, { cpu: 0.3 }), undefined);
  assert.equal(exceeded({ licence: 100 }, { cpu: 1 }), undefined);
});

Deno.test("concat, readAll and toStream lose no byte", async () => {
  const chunks = ["a", "", "bc", "☃"].map(encodeText);
  assert.equal(decodeText(concat(chunks)), "abc☃");
  assert.equal(concat([]).length, 0);
  assert.equal(decodeText(await readAll(toStream(encodeText("whole")))), "whole");
  assert.equal((await readAll(toStream(new Uint8Array()))).length, 0);
  const signal = AbortSignal.abort(new Error("called off"));
  await assert.rejects(readAll(toStream(encodeText("x")), signal), { message: "called off" });
});

Deno.test("json gives back what it takes and refuses what it would change", () => {
  const document = { a: [1, null, "x"], b: { c: true } };
  assert.deepEqual(json.decode(json.encode(document)), document);
  for (const bad of [undefined, { a: undefined }, [new Date()], NaN, { n: 1n }, () => 1]) {
    assert.throws(() => json.encode(bad), TypeError);
  }
  assert.throws(() => json.encode({ a: [{ b: new Uint8Array() }] }), {
    message:
      "the field a[0].b is a Uint8Array, which has no form in JSON; keep bytes in a repository of blobs, or write their toBase64()",
  });
});
