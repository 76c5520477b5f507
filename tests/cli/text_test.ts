import assert from "node:assert/strict";
import { statusLines } from "../../cli/commands/status.ts";
import { pad, printable, styles, truncate, widthOf, wrapWords } from "../../cli/ansi.ts";
import { near } from "../../cli/near.ts";
import { quote } from "../../cli/program.ts";
import { amount, counted, size, table } from "../../cli/rows.ts";
import { didYouMean, nearest } from "../../cli/suggest.ts";

const color = styles(true);

Deno.test("styles() adds nothing when it is off", () => {
  assert.equal(styles(false).red("x"), "x");
  assert.equal(color.red("x"), "\x1b[31mx\x1b[39m");
  assert.equal(color.red(""), "");
});

Deno.test("widthOf() counts columns, not escape sequences or code units", () => {
  assert.equal(widthOf(color.bold("abc")), 3);
  assert.equal(widthOf("日本"), 4);
  assert.equal(widthOf("é"), 1);
  assert.equal(widthOf("e\u0301"), 1);
});

Deno.test("truncate() never exceeds the width and closes styles", () => {
  assert.equal(truncate("abcdef", 4), "abc…");
  assert.equal(truncate("abc", 3), "abc");
  assert.equal(truncate("日本語", 4), "日…");
  assert.equal(truncate(color.red("abcdef"), 3), "\x1b[31mab…\x1b[0m");
  assert.equal(truncate("abc", 0), "");
});

Deno.test("pad() and wrapWords() go by columns", () => {
  assert.equal(pad(color.red("a"), 3), `${color.red("a")}  `);
  assert.equal(pad("7", 3, "right"), "  7");
  assert.deepEqual(wrapWords("one two three", 7), ["one two", "three"]);
});

Deno.test("printable() makes control characters of strangers harmless", () => {
  assert.equal(printable("a\n  b\x1b[31m\x07\tc"), "a b\\x1b[31m\\x07 c");
});

Deno.test("nearest() finds what was meant, and nothing far off", () => {
  assert.deepEqual(nearest("sumary", ["summary", "fetch", "parse"]), ["summary"]);
  assert.deepEqual(nearest("fecth", ["fetch", "patch"]), ["fetch"]);
  assert.deepEqual(nearest("xyz", ["summary"]), []);
  assert.equal(didYouMean("ru", ["rm", "run"]), '; did you mean "rm" or "run"?');
  assert.equal(didYouMean("zzz", ["rm"]), "");
});

Deno.test("table() aligns, and cuts the last cell of a line", () => {
  assert.deepEqual(
    table(
      [{ title: "NAME" }, { title: "N", side: "right" }, { title: "" }],
      [["a", "10", "long text"], ["bcd", "9", ""]],
      styles(false),
      14,
    ),
    ["NAME   N", "a     10  lon…", "bcd    9"],
  );
});

Deno.test("amounts, sizes, words of a shell and paths are written for people", () => {
  assert.equal(amount(1234567), "1,234,567");
  assert.equal(counted(1, "key"), "1 key");
  assert.equal(counted(2000, "key"), "2,000 keys");
  assert.equal(size(512), "512 B");
  assert.equal(size(1536), "1.5 KiB");
  assert.equal(quote("it's"), `'it'\\''s'`);
  assert.equal(quote("a/b.ts"), "a/b.ts");
  assert.equal(near("files /home/me/x/*.txt", "/home/me"), "files ./x/*.txt");
});

Deno.test("status says where a job of another process runs, and what it waits for", () => {
  const counts = { waiting: 0, ready: 0, running: 2, retrying: 0, done: 0, failed: 0, blocked: 0 };
  const run = { replica: 0, attempt: 1, since: Date.now() };
  const running = [
    { ...run, job: "emma", where: "pod a", waiting: "no node has \u001b[31mroom" },
    { ...run, job: "walden", where: "pod b" },
  ];
  const status = {
    name: "p",
    coordinator: undefined,
    tasks: [{
      name: "count",
      kind: "process",
      disabled: false,
      counts,
      links: [],
      running,
      unseen: undefined,
      unread: [],
    }],
  };
  const narrow = statusLines(status, styles(false), false, 40);
  assert.deepEqual(narrow, ["p is not running", "", "count: 2 running"]);
  assert.match(statusLines(status, styles(false), false, 80)[2]!, /^TASK +WAITING +READY +RUNNING/);
  const lines = statusLines(status, styles(false), true).filter((line) => line.includes("pod "));
  assert.deepEqual(lines.map((line) => line.replace(/ [\d.]+m?s /, " TIME ")), [
    "  running emma  TIME  pod a  no node has \\x1b[31mroom",
    "  running walden  TIME  pod b",
  ]);
});
