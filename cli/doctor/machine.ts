/**
 * `doctor` on Deno, permissions and the clock.
 *
 * @module
 */
import type { Pipeline } from "../../pipeline/pipeline.ts";
import type { Check } from "./check.ts";

/** The oldest Deno that is known to work. */
const OLDEST = [2, 8];
/** How far the clock of a disk may be off, in milliseconds, before times of files mislead. */
const OFF = 5000;

/** Whether this Deno will do. */
export function checkDeno(version: string = Deno.version.deno): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const old = major < OLDEST[0]! || (major === OLDEST[0] && minor < OLDEST[1]!);
  const text =
    `${version} on ${Deno.build.os} ${Deno.build.arch}, ${navigator.hardwareConcurrency} processors`;
  return old
    ? {
      name: "deno",
      state: "fail",
      text,
      advice: `update it: deno upgrade; ${OLDEST.join(".")} or later is needed`,
    }
    : { name: "deno", state: "ok", text };
}

const NEEDED = ["read", "write", "env", "net", "run", "sys"] as const;

/** Which permissions are there, and which tasks need one that is not. */
export async function checkPermissions(pipeline: Pipeline): Promise<readonly Check[]> {
  const states = await Promise.all(
    NEEDED.map(async (name) => [name, (await Deno.permissions.query({ name })).state] as const),
  );
  const missing = states.filter(([, state]) => state !== "granted").map(([name]) => name);
  if (missing.length === 0) return [{ name: "permissions", state: "ok", text: "all are granted" }];
  const limited: Check = {
    name: "permissions",
    state: "warn",
    text: `not granted for everything: ${missing.join(", ")}`,
    advice: `what is refused is named when it happens; add ${
      missing.map((name) => `--allow-${name}`).join(" ")
    } or -A if it is too little`,
  };
  if (!missing.includes("run")) return [limited];
  // Functions run in this process; every other kind of task starts something.
  const starting = [...pipeline.tasks.values()].filter(({ kind }) => kind !== "function");
  return [
    limited,
    ...starting.map((task): Check => ({
      name: `task ${task.name}`,
      state: "warn",
      text: `a task of kind ${task.kind} starts processes, and that is not allowed for every program`,
      advice: "add --allow-run",
    })),
  ];
}

/** Whether the clock of the disk and that of this machine agree. */
export async function checkClock(pipeline: Pipeline): Promise<Check> {
  if (pipeline.state === undefined) return { name: "clock", state: "ok", text: new Date().toISOString() };
  const path = `${pipeline.state}/.clock-${crypto.randomUUID()}`;
  try {
    await Deno.writeTextFile(path, "");
    const { mtime } = await Deno.stat(path);
    const off = Math.round(Date.now() - (mtime?.getTime() ?? Date.now()));
    const text = `${new Date().toISOString()}; the disk is ${
      Math.abs(off) < 1000 ? "in step" : `${off} ms off`
    }`;
    return Math.abs(off) > OFF
      ? {
        name: "clock",
        state: "warn",
        text,
        advice: "set both clocks by the same source (NTP): times of files mislead",
      }
      : { name: "clock", state: "ok", text };
  } catch {
    return { name: "clock", state: "ok", text: new Date().toISOString() };
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}
