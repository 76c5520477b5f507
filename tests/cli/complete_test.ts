import assert from "node:assert/strict";
import { completionScript } from "../../cli/completion_scripts.ts";
import { cli, toy } from "./held_io.ts";
import { CLI, deno, ended, ROOT, withPipeline } from "./own_program.ts";

async function proposals(...words: string[]): Promise<string[]> {
  const it = toy();
  await it.books.put("emma", "x");
  await it.books.put("moby-dick", "x");
  const { code, out, err } = await cli(["complete", "--", ...words], it);
  assert.deepEqual([code, err], [0, ""]);
  return out.split("\n").filter((line) => line !== "").map((line) => line.split("\t")[0]!);
}

Deno.test("complete proposes commands, flags, choices, tasks, repositories and jobs", async () => {
  assert.deepEqual(await proposals("re"), ["retry", "restore"]);
  assert.ok(!(await proposals("")).includes("complete"));
  assert.deepEqual(await proposals("run", "--fa"), ["--fail-fast"]);
  assert.deepEqual(await proposals("run", "--help"), ["--help"]);
  assert.deepEqual(await proposals("graph", "--j"), ["--json"]);
  assert.deepEqual(await proposals("run", "--progress", "p"), ["plain"]);
  assert.deepEqual(await proposals("run", "-t", ""), ["count", "report"]);
  assert.deepEqual(await proposals("why", "c"), ["count"]);
  assert.deepEqual(await proposals("why", "count", "m"), ["moby-dick"]);
  assert.deepEqual(await proposals("why", "count", "emma", ""), []);
  assert.deepEqual(await proposals("cat", "count.bo"), ["count.books"]);
  assert.deepEqual(await proposals("cat", "count.books", ""), ["emma", "moby-dick"]);
  assert.deepEqual(await proposals("trace", "emma", "mo"), ["moby-dick"]);
  assert.deepEqual(await proposals("rm", "-r", "repor"), [
    "report",
    "report.words",
    "report.reports",
    "report.done",
    "report.success",
    "report.failed",
  ]);
  assert.deepEqual(await proposals("status", "-p", "x"), [":files"]);
  assert.deepEqual(await proposals("completions", ""), ["bash", "zsh", "fish"]);
});

Deno.test("complete keeps silent when there is nothing to propose, whatever is wrong", async () => {
  assert.deepEqual(await proposals("nope", ""), await proposals(""));
  const broken = await cli(["complete", "--", "-p", "/nowhere.ts", "why", ""]);
  assert.deepEqual([broken.code, broken.out, broken.err], [0, "", ""]);
});

/** Runs a line in a shell. */
async function within(shell: string, ...args: string[]): Promise<string> {
  const { stdout, stderr, success } = await new Deno.Command(shell, { args, stdin: "null" }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** A test in a shell that is not on every machine. */
function inShell(shell: string): { readonly ignore: boolean } {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return {
    ignore: !folders.some((folder) => {
      try {
        return Deno.statSync(`${folder}/${shell}`).isFile;
      } catch {
        return false;
      }
    }),
  };
}

Deno.test({
  name: "the script for zsh completes in zsh",
  ...inShell("zsh"),
  async fn() {
    const script = completionScript("zsh", "dt-of-test", "ask");
    const out = await within(
      "zsh",
      "-fc",
      `ask() { shift 2; print -r -- "got:$#"$'\\t'"about: $2"; print -r -- "bare" }
      compdef() {}; _files() { print files }; _describe() { print -rl -- "\${(@P)2}" }
      ${script}
      words=(dt-of-test why c); CURRENT=3; _dt_of_test_complete
      ask() { print ":files" }; _dt_of_test_complete`,
    );
    assert.equal(out, "got\\:2:about: c\nbare\nfiles\n");
  },
});

Deno.test({
  name: "the script for fish completes in fish",
  ...inShell("fish"),
  async fn() {
    const script = completionScript("fish", "dt-of-test", "ask");
    const out = await within(
      "fish",
      "--no-config",
      "-c",
      `function ask; printf '%s\\tabout %s\\n' c(math (count $argv) - 2) (string join , $argv[3..]); end
      ${script}
      complete -C 'dt-of-test why c'`,
    );
    assert.equal(out, "c2\tabout why,c\n");
  },
});

Deno.test("the script for bash completes in bash", async () => {
  const script = completionScript("bash", "dt-of-test", "ask");
  const child = await new Deno.Command("bash", {
    args: [
      "-c",
      `ask() { shift 2; printf '%s\\tabout\\n' "got:$#:$1 $2"; }\n${script}
      COMP_WORDS=(dt-of-test why "c"); COMP_CWORD=2; _dt_of_test_complete; printf '[%s]' "\${COMPREPLY[@]}"`,
    ],
    stdout: "piped",
  }).output();
  assert.equal(new TextDecoder().decode(child.stdout), "[got:2:why c]");
});

for (const [shell, flag] of [["bash", "-c"], ["zsh", "-fc"], ["fish", "-c"]] as const) {
  Deno.test({
    name: `the script for ${shell} makes the command where there is none, and leaves alone one that is there`,
    ...inShell(shell),
    async fn() {
      const program = "echo from anywhere";
      const there = shell === "fish" ? "function there; echo mine; end" : "there() { echo mine; }";
      const out = await within(
        shell,
        flag,
        `${shell === "zsh" ? "compdef() {}" : ""}
        ${there}
        ${completionScript(shell, "there", program)}
        ${completionScript(shell, "dt-of-test", program)}
        cd /; dt-of-test why c; there`,
      );
      assert.equal(out, "from anywhere why c\nmine\n");
    },
  });
}

Deno.test("a clone is completed under a name of one word, and found from any folder", () =>
  withPipeline(1, async (dir) => {
    const clone = await ended(deno(ROOT.pathname, "-A", "cli.ts", "completions", "bash"));
    assert.match(clone.out, /^# Completion of datatask for bash\n/);
    assert.ok(clone.out.includes(`deno run -A ${CLI} complete -- "$@"`), clone.out);
    const own = await ended(deno(dir, "-A", "pipeline.ts", "completions", "bash"));
    assert.match(own.out, /^# Completion of pipeline for bash\n/);
    assert.ok(own.out.includes(`deno run -A ${dir}/pipeline.ts complete`), own.out);
  }));
