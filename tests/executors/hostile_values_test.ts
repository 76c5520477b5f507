/** Values that break what does not quote, count or copy with care, on every executor of scripts. */
import assert from "node:assert/strict";
import { input, MemoryBlobRepository, output, outputs, Pipeline, sh } from "../../mod.ts";
import { blobs, keysOf, outcomes, runAll } from "../pipeline/kit.ts";
import { everywhere } from "./places.ts";

const NAMES: readonly string[] = [
  "-n",
  "--help",
  "a b",
  "q'q",
  'd"d',
  "n\nl",
  "tab\t",
  "back\\slash",
  "$(id)",
  "`id`",
  "*",
  "%2f",
  "ü☃e\u0301",
  "x".repeat(255),
];

const ENVIRONMENT: Readonly<Record<string, string>> = {
  LINES: "one\ntwo\n",
  QUOTES: `'"$HOME\`id\`\\`,
  EMPTY: "",
  TAIL: "x\n\n",
};

/** Contents by their key; one key is as long as a key may be. */
const CONTENTS: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  ["K" + "x".repeat(126) + "Z"]: new Uint8Array(70_000).map((_, i) => (i * 7919) & 255),
  crlf: new TextEncoder().encode("a\r\nb"),
  nothing: new Uint8Array(),
  zeros: new Uint8Array([0, 10, 0, 13, 0]),
};

everywhere(
  "bytes, long keys and a script of 300 KB arrive as they are",
  async ({ script, agent }, _, state) => {
    const texts = new MemoryBlobRepository("texts");
    for (const [key, value] of Object.entries(CONTENTS)) await texts.put(key, value);
    const [copies, stdout, stderr] = ["copies", "stdout", "stderr"].map((name) =>
      new MemoryBlobRepository(name)
    );
    const task = script("copy", {
      done: outcomes(),
      links: { texts: input(texts), copies: output(copies!) },
      environment: ENVIRONMENT,
      stdin: "texts",
      stdout: stdout!,
      stderr: stderr!,
      script: ({ texts, copies, job }) =>
        sh`: ${"p".repeat(300_000)}
        set -e
        cat ${texts} >${copies}
        cat
        printf '%s|' "$LINES" "$QUOTES" "$EMPTY" "$TAIL" ${job} >&2`,
    });
    const { summary, events } = await runAll(new Pipeline({ tasks: [task], state, agent }));
    assert.equal(summary.succeeded, 4, JSON.stringify(events.filter(({ type }) => type === "finished")));
    for (const [key, value] of Object.entries(CONTENTS)) {
      assert.deepEqual(await copies!.bytes(key), value, key);
      assert.deepEqual(await stdout!.bytes(key), value, key);
      assert.equal(await stderr!.text(key), [...Object.values(ENVIRONMENT), key, ""].join("|"), key);
    }
  },
);

everywhere("items may have any name that a file can have", async ({ script, agent }, _, state) => {
  const items = new MemoryBlobRepository("items");
  const task = script("many", {
    done: outcomes(),
    links: { texts: input(await blobs("texts", "a")), items: outputs(items) },
    script: ({ items }) =>
      sh`set -e; cd ${items}; for name in ${[...NAMES]}; do printf '%s' "$name" >"./$name"; done`,
  });
  const { summary, events } = await runAll(new Pipeline({ tasks: [task], state, agent }));
  assert.equal(summary.succeeded, 1, JSON.stringify(events.filter(({ type }) => type === "finished")));
  const texts = await Promise.all((await keysOf(items)).map((key) => items.text(key)));
  assert.deepEqual(texts.sort(), [...NAMES].sort());
});
