/**
 * Takes the power from the machine at random instants, starts it again, and checks what was left.
 *
 * A machine is a process namespace: who kills its first process kills all in it at once, and pids are given out anew in the next one. Its
 * life has a name of its own, as that of a machine has.
 */
import assert from "node:assert/strict";
import { seededRandom } from "../../core/random.ts";
import { needsOfMachine } from "../../testing/needs.ts";
import { pause } from "../kit/waiting.ts";
import { check, makeFolder } from "./folder.ts";
import { parse } from "./left.ts";
import { start, type Started, type Wrapper } from "./process.ts";

/** How often the power goes. */
const CUTS = Number(Deno.env.get("DATATASK_KILLS") ?? 8);

/** Starts a program on a machine that was just switched on. */
async function machine(folder: string): Promise<Wrapper> {
  const boot = await Deno.makeTempFile({ dir: folder, prefix: "boot-" });
  await Deno.writeTextFile(boot, `${crypto.randomUUID()}\n`);
  const init = 'mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && "$@"; exit $?';
  return [
    "unshare",
    "--pid",
    "--fork",
    "--mount",
    "--mount-proc",
    "sh",
    "-c",
    init,
    "init",
    boot,
  ];
}

/** Switches a machine off after a while; returns whether it was still on. The command that holds it ends when all in it has. */
async function switchOff(machine: Started, ms: number): Promise<boolean> {
  const over = new AbortController();
  const wait = pause(ms, over.signal).then(() => !over.signal.aborted);
  const on = await Promise.race([wait, machine.ended.then(() => false)]);
  over.abort();
  if (!on) return false;
  const first = await Deno.readTextFile(`/proc/${machine.pid}/task/${machine.pid}/children`).catch(() => "");
  if (first.trim() === "") return false;
  Deno.kill(Number(first), "SIGKILL");
  return true;
}

/** Whether machines can be had here. */
async function possible(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  const folder = await Deno.makeTempDir();
  try {
    const [command, ...args] = await machine(folder);
    return (await new Deno.Command(command, { args: [...args, "true"], stderr: "null" }).output()).success;
  } catch {
    return false; // There is no such command.
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name:
    `a machine that is switched off ${CUTS} times at random instants loses nothing, and no attempt is used up`,
  ...needsOfMachine("machines", await possible()),
  async fn() {
    const random = seededRandom(Number(Deno.env.get("DATATASK_SEED") ?? 42));
    for (let cuts = 0; cuts < CUTS;) {
      const folder = await makeFolder();
      const machines = await Deno.makeTempDir({ prefix: "datatask-machines-" });
      try {
        for (;;) {
          const coordinator = start(
            folder,
            ["run", "--json"],
            "pipeline.ts",
            undefined,
            await machine(machines),
          );
          const cut = cuts < CUTS && await switchOff(coordinator, 100 + random() * 900);
          const { code, lines, errors } = await coordinator.ended;
          if (!cut) {
            assert.equal(code, 0, errors + lines.filter((line) => /"trouble"/.test(line)).join("\n"));
            break;
          }
          cuts++;
        }
        // Who had trouble, as with a script that the machine took along, leaves it to the next to look once more for what is left.
        const again = await start(
          folder,
          ["run", "--json"],
          "pipeline.ts",
          undefined,
          await machine(machines),
        ).ended;
        assert.equal(again.code, 0, again.errors);
        assert.deepEqual(
          again.lines.filter((line) => parse(line)?.type === "started"),
          [],
          "nothing is left to do",
        );
        await check(folder, undefined);
        const history = await Deno.readTextFile(`${folder}/history`);
        assert.doesNotMatch(history, /attempt 3/, "an attempt that the machine took along does not count");
      } finally {
        await Deno.remove(folder, { recursive: true });
        await Deno.remove(machines, { recursive: true });
      }
    }
  },
});
