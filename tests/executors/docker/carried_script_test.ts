/** Scripts that come by the environment, with the shells of this machine. */
import assert from "node:assert/strict";
import { carriedCommand, CARRIER, isCarried } from "../../../executors/docker/carried_script.ts";
import { decodeText } from "../../../core/bytes.ts";
import { inFolder } from "../../kit/folder.ts";

const SCRIPT = `env | grep -c ${CARRIER}
printf '%s\\n' "$0" 'it'\\''s "%s" %d \\n \`id\` \u{1f40b}' "$KEPT"
no-such-program
exit 3
`;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run([program, ...args]: readonly string[], env: Record<string, string>): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(program!, { args, env }).output();
  return { code, out: decodeText(stdout), err: decodeText(stderr) };
}

for (const shell of ["/bin/sh", "sh", "/bin/bash"]) {
  const there = !shell.startsWith("/") || await Deno.stat(shell).then(() => true, () => false);
  Deno.test({
    name: `a script that comes by the environment runs as its file does, under ${shell}`,
    ignore: !there,
    fn: () =>
      inFolder(async (folder) => {
        const [file, start] = [`${folder}/script`, `${folder}/start`];
        await Deno.writeTextFile(start, "echo once\n");
        const environment = { KEPT: "a\nb", BASH_ENV: start };
        const carried = await run(carriedCommand(shell, file), { ...environment, [CARRIER]: SCRIPT });
        assert.equal(await Deno.readTextFile(file), SCRIPT);
        assert.deepEqual(carried, await run([shell, file], environment));
        assert.equal(carried.code, 3);
        assert.match(carried.err, /script: (line )?3: no-such-program/);
        const begins = shell.endsWith("bash") ? "once\n" : "";
        assert.equal(carried.out, `${begins}0\n${file}\nit's "%s" %d \\n \`id\` \u{1f40b}\na\nb\n`);
      }),
  });
}

Deno.test("a script that comes by the environment and cannot be written is not begun", () =>
  inFolder(async (folder) => {
    const command = carriedCommand("/bin/sh", `${folder}/no/script`);
    const { code, out, err } = await run(command, { [CARRIER]: "echo begun" });
    assert.notEqual(code, 0);
    assert.equal(out, "");
    assert.match(err, /no\/script/);
  }));

Deno.test("a script comes by the environment when that holds it", () => {
  assert(isCarried("x".repeat(65_536), {}));
  assert(!isCarried("x".repeat(65_537), {}));
  assert(!isCarried("\u2603".repeat(21_846), {}));
  assert(!isCarried(":", { [CARRIER]: "of somebody else" }));
});
