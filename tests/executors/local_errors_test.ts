import assert from "node:assert/strict";
import { smallDisk } from "../kit/small_disk.ts";
import type { Executor, ProcessWork } from "../../executors/executor.ts";
import { localExecutor } from "../../executors/local.ts";
import { refuses } from "../kit/refuses.ts";

const attempt = { task: "work", job: "one", replica: 0, attempt: 1 };
const work = (script: string, environment: Record<string, string> = {}): ProcessWork => ({
  kind: "process",
  script,
  environment,
  mergeStderr: true,
  notes: {},
});

async function withExecutor(
  call: (executor: Executor<ProcessWork>, state: string) => Promise<void>,
): Promise<void> {
  const state = Deno.makeTempDirSync();
  const executor = localExecutor();
  await executor.open({ state });
  try {
    await call(executor, state);
  } finally {
    await executor.close();
    Deno.removeSync(state, { recursive: true });
  }
}

const refused: readonly (readonly [string, string, Record<string, string>, RegExp])[] = [
  [
    "an interpreter that is not there",
    "#!/no/such\n",
    {},
    /^Cannot start work\/one: the interpreter \/no\/such of its first line is not there; install it, or write #!\/usr\/bin\/env and its name$/,
  ],
  [
    "an interpreter that is a folder",
    "#!/usr\n",
    {},
    /the interpreter \/usr of its first line is a folder; name the program$/,
  ],
  [
    "an interpreter that is not executable",
    "#!/etc/passwd\n",
    {},
    /the interpreter \/etc\/passwd of its first line is not executable; set its mode, or name another$/,
  ],
  ["an interpreter below a file", "#!/etc/passwd/x\n", {}, /is not there: a part of its path is no folder$/],
  [
    "an interpreter without a path",
    "#!python\n",
    {},
    /its first line names no interpreter by an absolute path: #!python$/,
  ],
  [
    "line ends of Windows",
    "#!/bin/sh\r\n",
    {},
    /its first line ends in a carriage return; save the script with line ends of Unix$/,
  ],
  [
    "NUL in a script",
    "a\0b",
    {},
    /its script holds a NUL character; scripts are text, bytes go into a link$/,
  ],
  ["NUL in a variable", "", { A: "a\0b" }, /the environment variable A holds a NUL character$/],
  [
    "a bad name of a variable",
    "",
    { "A B": "" },
    /"A B" is no name for an environment variable; use letters, digits and "_"$/,
  ],
];

for (const [what, script, environment, message] of refused) {
  Deno.test(`localExecutor() refuses ${what}`, () =>
    withExecutor(async (executor, state) => {
      await refuses(
        () => executor.start(attempt, work(script, environment), { quota: {} }),
        "cannot-start",
        message,
      );
      assert.deepEqual(
        [...Deno.readDirSync(`${state}/runs`)].map((e) => e.name),
        [".new"],
      );
    }));
}

Deno.test("localExecutor() says what is wrong with a call", () =>
  withExecutor(async (executor, state) => {
    await executor.start(attempt, work("sleep 60"), { quota: {} });
    await refuses(
      () => executor.start(attempt, work(""), { quota: {} }),
      "already-exists",
      /^Cannot start work\/one: it was started before; wait for it, or stop and forget it$/,
    );
    await refuses(
      () => executor.forget(attempt),
      "conflict",
      /^Cannot forget work\/one on local: it still runs; stop it, or wait for it$/,
    );
    await executor.stop(attempt, { graceMs: 10_000 });
    await executor.forget(attempt);
    await refuses(
      () => executor.wait(attempt),
      "unknown-run",
      /^Cannot wait for work\/one on local: no such run is kept; it was never started, or was forgotten$/,
    );
    await refuses(
      () => executor.start({ ...attempt, job: "../x" }, work(""), { quota: {} }),
      "invalid-key",
      /not a valid key/,
    );
    await refuses(
      () => executor.open({ state: `${state}-other` }),
      "conflict",
      /it is open with .*; close it first, or make another$/,
    );
  }));

Deno.test("localExecutor() says that it is not open", async () => {
  await refuses(
    () => localExecutor().start(attempt, work(""), { quota: {} }),
    "cannot-start",
    /^Cannot start work\/one on executor local: it is not open; call open\(\) first$/,
  );
});

Deno.test("localExecutor() says that its state cannot be written", async () => {
  const file = Deno.makeTempFileSync();
  try {
    await refuses(
      () => localExecutor().open({ state: file }),
      "io",
      /^Cannot open executor local with its state in .*: .*(Not a directory|os error 20)/,
    );
  } finally {
    Deno.removeSync(file);
  }
});

Deno.test("localExecutor() says that its folder was deleted, and blames no script", () =>
  withExecutor(async (executor, state) => {
    Deno.removeSync(`${state}/runs`, { recursive: true });
    await refuses(
      () => executor.start(attempt, work("true"), { quota: {} }),
      "io",
      /^Cannot start work\/one on local: the folder .*\/runs was deleted while it was in use; run again, which makes it anew$/,
    );
  }));

/** The room that is left on a disk, in blocks, and what becomes of a run there. */
const FULL: readonly (readonly [left: number, used: boolean, state: string, reason: RegExp])[] = [
  [0, false, "refused", /^Cannot start work\/one on local: the disk that holds .*\/runs is full; free some/],
  [1, false, "lost", /^it has not begun: the disk that holds .*\/runs is full; free some space there, or/],
  [0, true, "lost", /^it has not begun: the disk that holds .*\/runs is full; free some space there, or/],
  [
    2,
    false,
    "finished",
    /^the script left with code 1 and nothing in its log: the disk that holds .*\/runs is full; free/,
  ],
];

Deno.test("localExecutor() says that the disk is full, where, and what to do, and goes on when there is room", async (t) => {
  for (const [left, used, state, reason] of FULL) {
    const root = Deno.makeTempDirSync();
    const disk = await smallDisk(root, "64k");
    const name = `${left} blocks left${used ? ", in the folder of an earlier run" : ""}: ${state}`;
    await t.step({ name, ...disk.options, fn: () => onSmallDisk(root, left, used, state, reason) });
    await disk[Symbol.asyncDispose]();
    Deno.removeSync(root);
  }
});

async function onSmallDisk(root: string, left: number, used: boolean, state: string, reason: RegExp) {
  const executor = localExecutor();
  await executor.open({ state: root });
  const run = async (job: string) => {
    await executor.start({ ...attempt, job }, work("echo said"), { quota: {} });
    return await executor.wait({ ...attempt, job });
  };
  if (used) {
    await run("zero");
    await executor.forget({ ...attempt, job: "zero" });
  }
  Deno.writeFileSync(`${root}/reserve`, new Uint8Array(4096 * left));
  await new Deno.Command("sh", { args: ["-c", `cat /dev/zero >${root}/filler`], stderr: "null" }).output();
  Deno.removeSync(`${root}/reserve`);
  if (state === "refused") await refuses(() => run("one"), "no-space", reason);
  else {
    const status = await run("one");
    assert.equal(status.state, state);
    assert.match(status.reason ?? "", reason);
    // The next attempt gets another folder, whatever has become of this one.
    assert.match((await executor.probe()).reason ?? "", /^the disk that holds .*\/runs is full; free/);
    await executor.forget({ ...attempt, job: "one" });
  }
  Deno.removeSync(`${root}/filler`);
  assert.deepEqual(await executor.probe(), { healthy: true });
  const status = await run("one");
  assert(status.state === "finished" && status.exitCode === 0);
  await executor.close();
}

for (
  const [missing, flags, message] of [
    ["--allow-run", ["--allow-read", "--allow-write"], /Cannot .*run access.*--allow-run/],
    [
      "--allow-write",
      ["--allow-read", "--allow-run"],
      /Cannot open executor local .*write access.*--allow-write/,
    ],
  ] as const
) {
  Deno.test(`localExecutor() names ${missing} where it is missing, leaves nothing, and prompts nobody`, async () => {
    const state = Deno.makeTempDirSync();
    try {
      const code = `
        import { localExecutor } from ${
        JSON.stringify(new URL("../../executors/local.ts", import.meta.url).href)
      };
        const executor = localExecutor();
        try {
          await executor.open({ state: ${JSON.stringify(state)} });
          await executor.start(${JSON.stringify(attempt)}, ${JSON.stringify(work("true"))}, { quota: {} });
        } catch (error) { console.log(error.code, error.message); }
      `;
      const file = `${state}/main.ts`;
      Deno.writeTextFileSync(file, code);
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-check", "--no-prompt", ...flags, file],
      }).output();
      const said = new TextDecoder().decode(stdout);
      assert.match(said, /^denied /, said + new TextDecoder().decode(stderr));
      assert.match(said, message);
    } finally {
      Deno.removeSync(state, { recursive: true });
    }
  });
}

Deno.test("localExecutor() works with the permissions it names, without all of them", async () => {
  const state = Deno.makeTempDirSync();
  try {
    const code = `
      import { localExecutor } from ${
      JSON.stringify(new URL("../../executors/local.ts", import.meta.url).href)
    };
      const one = localExecutor();
      const attempt = ${JSON.stringify(attempt)};
      await one.open({ state: ${JSON.stringify(state)} });
      await one.start(attempt, ${JSON.stringify(work("sleep 60 & sleep 60"))}, { quota: {} });
      await one.close();
      const two = localExecutor();
      await two.open({ state: ${JSON.stringify(state)} });
      const before = await Array.fromAsync(two.list());
      await two.stop(attempt, { graceMs: 10000 });
      const after = await two.wait(attempt);
      await two.forget(attempt);
      console.log(before[0].state, after.signal);
    `;
    const file = `${state}/main.ts`;
    Deno.writeTextFileSync(file, code);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--no-prompt", "--allow-read", "--allow-write", "--allow-run", file],
    }).output();
    assert.equal(new TextDecoder().decode(stdout), "running SIGTERM\n", new TextDecoder().decode(stderr));
  } finally {
    Deno.removeSync(state, { recursive: true });
  }
});
